import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { raiseIn } from '../memory.ts';
import { STATE, VECTOR_OF } from '../registers.ts';

const LOW_32 = 0xffffffffn;
const SIGN_64 = 1n << 63n;
const RAX = 0;
const RDX = 2;

/** The upper 64 bits of the unsigned product of two i64, by 32-bit halves. */
function highOfProduct(a: Val, b: Val): Val {
  const [aLow, aHigh] = [a.and(LOW_32), a.shrU(32)];
  const [bLow, bHigh] = [b.and(LOW_32), b.shrU(32)];
  const middle = aHigh.mul(bLow).add(aLow.mul(bLow).shrU(32));
  const other = aLow.mul(bHigh).add(middle.and(LOW_32));
  return aHigh.mul(bHigh).add(middle.shrU(32)).add(other.shrU(32));
}

/** The upper 64 bits of the signed product. */
function highOfSignedProduct(a: Val, b: Val): Val {
  return highOfProduct(a, b).sub(a.shrS(63).and(b)).sub(b.shrS(63).and(a));
}

/** The double-width result of the one-operand forms into AX or rDX:rAX. */
function writeProduct(l: Lift, width: number, low: Val, high: Val): void {
  if (width === 8) {
    l.setGpr(RAX, 16, low.and(0xff).or(high.shl(8)));
    return;
  }
  l.setGpr(RAX, width, low);
  l.setGpr(RDX, width, high);
}

/** Low and high half of the product of two zero-extended values. */
function product(a: Val, b: Val, width: number, signed: boolean): [Val, Val] {
  if (width === 64) return [a.mul(b), signed ? highOfSignedProduct(a, b) : highOfProduct(a, b)];
  if (width === 32) {
    const wide = signed ? a.extS().mul(b.extS()) : a.extU().mul(b.extU());
    return [wide.wrap(), wide.shrU(32).wrap()];
  }
  const wide = signed ? a.signExtend(width).mul(b.signExtend(width)) : a.mul(b);
  return [wide.zeroExtend(width), wide.shrU(width).zeroExtend(width)];
}

/** 1 where `high` is not the sign extension of `low`. */
function overflowed(low: Val, high: Val, width: number): Val {
  if (width === 64) return low.shrS(63).ne(high);
  return low.signExtend(width).shrS(31).zeroExtend(width).ne(high);
}

/** The bits of the double 2^63; those of positive doubles are in the order of the numbers. */
const TWO_TO_63 = 0x43e0_0000_0000_0000n;

/**
 * Whether the signed product of two i64 does not fit. The product of the nearest doubles is within a few parts in 2^52 of the
 * whole one, of which `low` is the lower half: where it fits they are at most 2^14 apart, else at least 2^64 less 2^14.
 */
export function overflows64(b: Builder, x: Val, y: Val, low: Val): Val {
  const double = (value: Val) => b.op('f64.convert_i64_s', value);
  const apart = b.op('f64.sub', b.op('f64.mul', double(x), double(y)), double(low));
  return b
    .op('i64.reinterpret_f64', apart)
    .and(SIGN_64 - 1n)
    .gtU(TWO_TO_63);
}

function multiply(signed: boolean): Semantics {
  return (l) => {
    const w = l.width(0);
    const [low, high] = product(l.gpr(RAX, w), l.read(0), w, signed);
    const carry = signed ? overflowed(low, high, w) : high.nez();
    writeProduct(l, w, low, high);
    l.flags.result(w, low, carry, carry);
  };
}

/** IMUL with two or three operands: the last two are multiplied. */
const imul: Semantics = (l) => {
  const { operands } = l.shape;
  if (operands.length === 1) {
    multiply(true)(l);
    return;
  }
  const w = l.width(0);
  const [first, second] = operands.length === 2 ? [0, 1] : [1, 2];
  const [a, b] = [l.read(first), l.read(second)];
  const [low, high] = w === 64 ? [a.mul(b), undefined] : product(a, b, w, true);
  const carry = high === undefined ? overflows64(l.b, a, b, low) : overflowed(low, high, w);
  l.write(0, low);
  l.flags.result(w, low, carry, carry);
};

/** One 32-bit digit of a quotient (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D): `remainder`:`digit` by `divisor`, normalised. */
function quotientDigit(b: Builder, remainder: Val, digit: Val, divisor: Val): Val {
  const [high, low] = [divisor.shrU(32), divisor.and(LOW_32)];
  const q = b.variable('i64', remainder.divU(high), 'q');
  const rest = b.variable('i64', remainder.remU(high), 'rest');
  b.loop((again) => {
    const estimate = b.get(q);
    const tooLarge = estimate
      .shrU(32)
      .nez()
      .or(estimate.mul(low).gtU(b.get(rest).shl(32).or(digit)));
    b.if(tooLarge, () => {
      b.set(q, estimate.sub(1));
      b.set(rest, b.get(rest).add(high));
      b.if(b.get(rest).leU(LOW_32), () => b.continue(again));
    });
  });
  return b.get(q);
}

/** `high`:`low` divided by `divisor`, with `high` < `divisor`: gives the quotient, and the remainder in scratch0. */
const divide128 = defineHelper(
  'divide128',
  { params: ['i64', 'i64', 'i64'], result: 'i64' },
  (b, high, low, divisor) => {
    const shift = divisor.clz();
    const v = divisor.shl(shift);
    const carried = low.shrU(1).shrU(shift.xor(63));
    const top = high.shl(shift).or(carried);
    const bottom = low.shl(shift);
    const q1 = quotientDigit(b, top, bottom.shrU(32), v);
    const rest = top.shl(32).or(bottom.shrU(32)).sub(q1.mul(v));
    const q0 = quotientDigit(b, rest, bottom.and(LOW_32), v);
    const remainder = rest.shl(32).or(bottom.and(LOW_32)).sub(q0.mul(v)).shrU(shift);
    b.store(8, b.cpu, STATE.scratch0.offset, remainder);
    return q1.shl(32).or(q0);
  },
);

/** DIV of RDX:RAX: gives the quotient, and the remainder in scratch0. */
const divideUnsigned64 = defineHelper(
  'divideUnsigned64',
  { params: ['i64', 'i64', 'i64'], result: 'i64', mayFault: true },
  (b, high, low, divisor) => {
    b.if(high.geU(divisor), () => raiseIn(b, VECTOR_OF.DE, 0));
    b.if(high.nez(), () => b.return(b.call(divide128, high, low, divisor)));
    b.store(8, b.cpu, STATE.scratch0.offset, low.remU(divisor));
    return low.divU(divisor);
  },
);

/** `value` where `sign` is 0, its negative where `sign` is all ones. */
function negateBy(value: Val, sign: Val): Val {
  return value.xor(sign).sub(sign);
}

/** IDIV of RDX:RAX where the dividend has more than 64 bits. */
const divideSignedLong = defineHelper(
  'divideSignedLong',
  { params: ['i64', 'i64', 'i64'], result: 'i64', mayFault: true },
  (b, high, low, divisor) => {
    const sign = high.shrS(63);
    const quotientSign = sign.xor(divisor.shrS(63));
    const magnitudeLow = negateBy(low, sign);
    const borrow = low.nez().extU().and(sign);
    const magnitudeHigh = high.xor(sign).sub(sign).sub(borrow);
    const by = negateBy(divisor, divisor.shrS(63));
    b.if(magnitudeHigh.geU(by), () => raiseIn(b, VECTOR_OF.DE, 0));
    const q = b.call(divide128, magnitudeHigh, magnitudeLow, by);
    b.if(q.gtU(quotientSign.and(1).add(SIGN_64 - 1n)), () => raiseIn(b, VECTOR_OF.DE, 0));
    const remainder = b.load('i64', 8, b.cpu, STATE.scratch0.offset);
    b.store(8, b.cpu, STATE.scratch0.offset, negateBy(remainder, sign));
    return negateBy(q, quotientSign);
  },
);

/** IDIV of RDX:RAX: gives the quotient, and the remainder in scratch0. */
const divideSigned64 = defineHelper(
  'divideSigned64',
  { params: ['i64', 'i64', 'i64'], result: 'i64', mayFault: true },
  (b, high, low, divisor) => {
    b.if(high.ne(low.shrS(63)), () => b.return(b.call(divideSignedLong, high, low, divisor)));
    const overflow = low.eq(SIGN_64).and(divisor.eq(-1));
    b.if(divisor.eqz().or(overflow), () => raiseIn(b, VECTOR_OF.DE, 0));
    b.store(8, b.cpu, STATE.scratch0.offset, low.remS(divisor));
    return low.divS(divisor);
  },
);

/** rDX:rAX, or AX, as one value of twice the width (32-bit operands: i64). */
function dividend(l: Lift, width: number): Val {
  if (width === 8) return l.gpr(RAX, 16);
  if (width === 16) return l.gpr(RDX, 16).shl(16).or(l.gpr(RAX, 16));
  return l.gpr(RDX, 32).extU().shl(32).or(l.gpr(RAX, 32).extU());
}

function writeQuotient(l: Lift, width: number, quotient: Val, remainder: Val): void {
  if (width === 8) {
    l.setGpr(RAX, 16, quotient.and(0xff).or(remainder.shl(8)));
    return;
  }
  l.setGpr(RAX, width, quotient);
  l.setGpr(RDX, width, remainder);
}

function divide64(l: Lift, signed: boolean): void {
  const divisor = l.read(0);
  l.markRecord();
  const helper = signed ? divideSigned64 : divideUnsigned64;
  const quotient = l.b.call(helper, l.gpr(RDX, 64), l.gpr(RAX, 64), divisor);
  writeQuotient(l, 64, quotient, l.get(STATE.scratch0));
}

const div: Semantics = (l) => {
  const w = l.width(0);
  if (w === 64) {
    divide64(l, false);
    return;
  }
  const divisor = l.read(0);
  const n = dividend(l, w);
  const d = w === 32 ? divisor.extU() : divisor;
  l.raiseIf(n.shrU(w).geU(d), VECTOR_OF.DE);
  const narrow = (v: Val) => v.wrap();
  writeQuotient(l, w, narrow(n.divU(d)), narrow(n.remU(d)));
};

const idiv: Semantics = (l) => {
  const w = l.width(0);
  if (w === 64) {
    divide64(l, true);
    return;
  }
  const divisor = l.read(0).signExtend(w);
  const whole = dividend(l, w);
  const n = w === 8 ? whole.signExtend(16) : whole;
  const d = w === 32 ? divisor.extS() : divisor;
  const least = w === 32 ? SIGN_64 : 1n << 31n;
  l.raiseIf(d.eqz().or(n.eq(least).and(d.eq(-1))), VECTOR_OF.DE);
  const quotient = n.divS(d);
  l.raiseIf(quotient.signExtend(w).ne(quotient), VECTOR_OF.DE);
  writeQuotient(l, w, quotient.wrap(), n.remS(d).wrap());
};

/** Multiplication and division. */
export const MULDIV_SEMANTICS: SemanticsTable = { mul: multiply(false), imul, div, idiv };
