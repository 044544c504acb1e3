import type { Val } from '../../ir/val.ts';
import type { Lift } from '../lift.ts';
import { CR0, CR4, FLAG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE, VECTOR_OF } from '../registers.ts';

/** Ends an instruction, after which decoded code may mean something else, with the next one. */
export function leaveToNext(l: Lift): void {
  l.set(STATE.rip, l.nextRip());
  l.leave();
}

/** Address of the record of segment `number` (i32); {@link SEGMENTS} is to be added. */
export function segmentRecord(l: Lift, number: Val): Val {
  return l.b.cpu.add(number.mul(SEGMENT_BYTES));
}

/** The selector in segment register `number` (i32), i32. */
export function selectorOf(l: Lift, number: Val): Val {
  return l.b.load('i32', 4, segmentRecord(l, number), SEGMENTS + SEGMENT.selector);
}

/** Bits of the first word of EFLAGS that are not arithmetic flags, i32. */
export function systemFlags(l: Lift, mask: number): Val {
  return l.get(STATE.eflags).and(mask);
}

/** 1 where CPL is above IOPL. */
export function aboveIopl(l: Lift): Val {
  return l.get(STATE.cpl).gtU(l.get(STATE.eflags).shrU(12).and(3));
}

/** #UD in real-address and virtual-8086 mode. */
export function requireProtectedMode(l: Lift): void {
  const real = l.get(STATE.cr0).wrap().and(CR0.PE).eqz();
  l.raiseIf(real.or(systemFlags(l, FLAG.VM).nez()), VECTOR_OF.UD);
}

/** #GP(0) above CPL 0 where CR4.UMIP is set. */
export function requireNoUmip(l: Lift): void {
  const prevented = l.get(STATE.cr4).wrap().and(CR4.UMIP).nez();
  l.raiseIf(prevented.and(l.get(STATE.cpl).nez()), VECTOR_OF.GP);
}

/** 1 where a 64-bit address (i64) is not canonical. */
export function notCanonical(address: Val): Val {
  return address.shl(16).shrS(16).ne(address);
}
