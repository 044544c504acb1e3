import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';

/** A shifted value with the flags that it leaves; `overflow` is defined for counts of 1 only. */
interface Shifted {
  readonly result: Val;
  readonly carry: Val;
  readonly overflow: Val;
}

/** The count operand, taken modulo 32 or, for 64-bit operands, 64 (SDM 2B, SAL/SAR/SHL/SHR). i32. */
function maskedCount(l: Lift, operand: number, width: number): Val {
  return l.read(operand).and(width === 64 ? 63 : 31);
}

/** `count` as a shift count for values of `width` bits. */
function countFor(width: number, count: Val): Val {
  return width === 64 ? count.extU() : count;
}

/** Bit `n` of a value, i32. */
function bit(value: Val, n: number): Val {
  return value.shrU(n).wrap().and(1);
}

/** Records `then` for a count other than zero: a zero count leaves the flags alone. */
function unlessZero(l: Lift, count: Val, then: () => void): void {
  if (count.what.kind !== 'const') l.b.if(count, then);
  else if (count.what.value !== 0n) then();
}

function shift(compute: (a: Val, count: Val, width: number) => Shifted): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const count = maskedCount(l, 1, w);
    const { result, carry, overflow } = compute(a, countFor(w, count), w);
    l.write(0, result);
    unlessZero(l, count, () => l.flags.result(w, result, carry, overflow));
  };
}

function shiftLeft(a: Val, count: Val, width: number): Shifted {
  const shifted = a.shl(count);
  const carry = width >= 32 ? a.shrU(count.neg()).wrap().and(1) : bit(shifted, width);
  const result = shifted.zeroExtend(width);
  return { result, carry, overflow: bit(result, width - 1).xor(carry) };
}

function shiftRight(a: Val, count: Val, width: number): Shifted {
  return { result: a.shrU(count), carry: a.shrU(count.sub(1)).wrap().and(1), overflow: bit(a, width - 1) };
}

function shiftArithmetic(a: Val, count: Val, width: number): Shifted {
  const value = a.signExtend(width);
  const carry = value.shrS(count.sub(1)).wrap().and(1);
  return { result: value.shrS(count).zeroExtend(width), carry, overflow: carry.xor(carry) };
}

/** A value repeated until it fills its type, so that rotating the type rotates the value. */
function repeated(a: Val, width: number): Val {
  if (width === 8) return a.mul(0x01010101);
  return width === 16 ? a.mul(0x10001) : a;
}

function rotateLeft(a: Val, count: Val, width: number): Shifted {
  const result = repeated(a, width).rotl(count).zeroExtend(width);
  const carry = result.wrap().and(1);
  return { result, carry, overflow: bit(result, width - 1).xor(carry) };
}

function rotateRight(a: Val, count: Val, width: number): Shifted {
  const result = repeated(a, width).rotr(count).zeroExtend(width);
  const carry = bit(result, width - 1);
  return { result, carry, overflow: carry.xor(bit(result, width - 2)) };
}

/** Rotates change CF and OF only. */
function rotate(compute: (a: Val, count: Val, width: number) => Shifted): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const count = maskedCount(l, 1, w);
    const { result, carry, overflow } = compute(a, countFor(w, count), w);
    l.write(0, result);
    unlessZero(l, count, () => l.flags.writeCarryOverflow(carry, overflow));
  };
}

/** Rotates by `width` + 1 bits, the carry being the topmost, for values of up to 32 bits. */
function rotateWithCarry(a: Val, carryIn: Val, count: Val, width: number, left: boolean): [Val, Val] {
  const ring = BigInt(width + 1);
  const turns = (width < 32 ? count.remU(width + 1) : count).extU();
  const value = a.extU().or(carryIn.extU().shl(width));
  const back = turns.neg().add(ring);
  const turned = left ? value.shl(turns).or(value.shrU(back)) : value.shrU(turns).or(value.shl(back));
  return [turned.wrap().zeroExtend(width), turned.shrU(width).wrap().and(1)];
}

/** The same for 64 bits; `count` is not zero. */
function rotateWithCarry64(a: Val, carryIn: Val, count: Val, left: boolean): [Val, Val] {
  const turns = count.extU();
  const carry = carryIn.extU();
  if (left) {
    const low = carry.shl(turns.sub(1)).or(a.shrU(1).shrU(turns.neg()));
    return [a.shl(turns).or(low), a.shrU(turns.neg()).wrap().and(1)];
  }
  const high = carry.shl(turns.neg()).or(a.shl(1).shl(turns.neg()));
  return [a.shrU(turns).or(high), a.shrU(turns.sub(1)).wrap().and(1)];
}

function rotateThroughCarry(left: boolean): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const count = maskedCount(l, 1, w);
    const carryIn = l.flags.read('CF');
    const [turned, carry] =
      w === 64 ? rotateWithCarry64(a, carryIn, count, left) : rotateWithCarry(a, carryIn, count, w, left);
    const result = turned.selectIf(count.nez(), a);
    l.write(0, result);
    const overflow = bit(result, w - 1).xor(left ? carry : bit(result, w - 2));
    unlessZero(l, count, () => l.flags.writeCarryOverflow(carry, overflow));
  };
}

/** SHLD: `a` shifted left with the upper bits of `b` coming in. */
function doubleLeft(a: Val, b: Val, count: Val, width: number): [Val, Val] {
  if (width === 16) {
    const wide = a.extU().shl(32).or(b.shl(16).or(a).extU()).shl(count.extU());
    return [wide.shrU(32).wrap().and(0xffff), wide.shrU(48).wrap().and(1)];
  }
  const result = a.shl(count).or(b.shrU(1).shrU(count.not()));
  return [result, a.shrU(count.neg()).wrap().and(1)];
}

/** SHRD: `a` shifted right with the lower bits of `b` coming in. */
function doubleRight(a: Val, b: Val, count: Val, width: number): [Val, Val] {
  if (width === 16) {
    const wide = a.extU().shl(32).or(b.shl(16).or(a).extU());
    return [wide.shrU(count.extU()).wrap().and(0xffff), wide.shrU(count.sub(1).extU()).wrap().and(1)];
  }
  const result = a.shrU(count).or(b.shl(1).shl(count.not()));
  return [result, a.shrU(count.sub(1)).wrap().and(1)];
}

function doubleShift(compute: typeof doubleLeft): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const count = maskedCount(l, 2, w);
    const [result, carry] = compute(a, l.read(1), countFor(w, count), w);
    l.write(0, result);
    unlessZero(l, count, () => l.flags.result(w, result, carry, bit(result.xor(a), w - 1)));
  };
}

/** Shifts and rotates. For 16-bit double shifts by more than 16, undefined, the bits come from the destination again. */
export const SHIFT_SEMANTICS: SemanticsTable = {
  shl: shift(shiftLeft),
  shr: shift(shiftRight),
  sar: shift(shiftArithmetic),
  rol: rotate(rotateLeft),
  ror: rotate(rotateRight),
  rcl: rotateThroughCarry(true),
  rcr: rotateThroughCarry(false),
  shld: doubleShift(doubleLeft),
  shrd: doubleShift(doubleRight),
};
