import type { Val } from '../../ir/val.ts';
import { FLOAT_32_OPERAND, FLOAT_64_OPERAND, FLOAT_80_FROM_INTEGER } from '../float/convert.ts';
import type { Lift } from '../lift.ts';
import { STATE } from '../registers.ts';
import { type Number80, resultWord } from './x87-stack.ts';

/** A memory operand of 16, 32 or 64 bits as an 80-bit number, exactly; see FLOAT_32_OPERAND for denormals and NaNs. */
export function readOperand(l: Lift, integer: boolean): Number80 {
  const width = l.width(0);
  const value = l.read(0);
  const significand = integer
    ? l.b.call(FLOAT_80_FROM_INTEGER, value.signExtend(width).extS())
    : l.b.call(width === 32 ? FLOAT_32_OPERAND : FLOAT_64_OPERAND, value);
  return { word: resultWord(l.b), significand };
}

/** The linear address `n` bytes after `address`. */
export function following(l: Lift, address: Val, n: number): Val {
  return address.add(n).and(l.get(STATE.linearMask));
}

/** Ten bytes of memory: the low eight, and the high two. */
export function readTenBytes(l: Lift): { low: Val; high: Val } {
  const address = l.address(10, false);
  const low = l.b.guestLoad('i64', 8, address, l.segment());
  const high = l.b.guestLoad('i32', 2, following(l, address, 8), l.segment());
  return { low, high };
}

/** Stores ten bytes, or none where a part of them would fault. */
export function writeTenBytes(l: Lift, low: Val, high: Val): void {
  const address = l.address(10, true);
  const end = following(l, address, 8);
  l.b.guestLoad('i32', 2, end, l.segment(), true);
  l.b.guestStore(8, address, l.segment(), low);
  l.b.guestStore(2, end, l.segment(), high);
}
