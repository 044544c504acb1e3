import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import { FLOAT_LOW } from './results.ts';
import { BIAS, INTEGER_BIT, type Wide } from './round.ts';

/** A finite number other than zero: ± significand × 2^(exponent - BIAS - 63), bit 63 of the significand set. */
export interface FloatNumber {
  readonly sign: Val;
  readonly exponent: Val;
  readonly significand: Val;
}

/** `c` moved right by `distance` (i32, not negative) below a 64-bit significand, as high and low word. */
function align(b: Builder, significand: Val, distance: Val): { high: Val; low: Val } {
  const near = distance.ltU(64);
  const count = distance.extU();
  const nearLow = significand.shl(1).shl(b.i64(63).sub(count));
  const beyond = count.sub(64);
  const farLow = significand.shrU(beyond).or(significand.and(beyond));
  return {
    high: significand.shrU(count).selectIf(near, 0),
    low: nearLow.selectIf(near, farLow.selectIf(distance.ltU(66), 1)),
  };
}

/** Shifts left until bit 63 of `high` is set; `high`:`low` is not zero. */
function normalizeWide(b: Builder, sign: Val, exponent: Val, high: Val, low: Val): Wide {
  const empty = high.eqz();
  const top = low.selectIf(empty, high);
  const rest = b.i64(0).selectIf(empty, low);
  const shift = top.clz();
  return {
    sign,
    exponent: exponent.sub(b.i32(64).selectIf(empty, 0)).sub(shift.wrap()),
    high: top.shl(shift).or(rest.shrU(1).shrU(b.i64(63).sub(shift))),
    low: rest.shl(shift),
  };
}

/** a + c. Where the sum is exactly zero, `high` and `low` are both zero and the rest means nothing. */
export function addCore(b: Builder, a: FloatNumber, c: FloatNumber): Wide {
  const swap = c.exponent.gtS(a.exponent).or(c.exponent.eq(a.exponent).and(c.significand.gtU(a.significand)));
  const big = c.significand.selectIf(swap, a.significand);
  const small = a.significand.selectIf(swap, c.significand);
  const exponent = c.exponent.selectIf(swap, a.exponent);
  const distance = exponent.sub(a.exponent.selectIf(swap, c.exponent));
  const sign = c.sign.selectIf(swap, a.sign);
  const { high, low } = align(b, small, distance);
  const out = { exponent: b.variable('i32', exponent), high: b.variable('i64', 0), low: b.variable('i64', low) };
  b.if(
    a.sign.eq(c.sign),
    () => {
      const sum = big.add(high);
      const carry = sum.ltU(big);
      const carried = sum.shrU(1).or(INTEGER_BIT);
      const carriedLow = sum.shl(63).or(low.shrU(1)).or(low.and(1));
      b.set(out.high, carried.selectIf(carry, sum));
      b.set(out.low, carriedLow.selectIf(carry, low));
      b.set(out.exponent, exponent.add(carry));
    },
    () => {
      const difference = big.sub(high).sub(low.nez().extU());
      const normal = normalizeWide(b, sign, exponent, difference, low.neg());
      b.set(out.high, normal.high);
      b.set(out.low, normal.low);
      b.set(out.exponent, normal.exponent);
    },
  );
  return { sign, exponent: b.get(out.exponent), high: b.get(out.high), low: b.get(out.low) };
}

/** The 128-bit product of two unsigned 64-bit numbers. */
export function multiplyWide(a: Val, c: Val): { high: Val; low: Val } {
  const [al, ah] = [a.and(0xffffffffn), a.shrU(32)];
  const [cl, ch] = [c.and(0xffffffffn), c.shrU(32)];
  const bottom = al.mul(cl);
  const middle = ah.mul(cl).add(bottom.shrU(32));
  const cross = al.mul(ch).add(middle.and(0xffffffffn));
  return {
    high: ah.mul(ch).add(middle.shrU(32)).add(cross.shrU(32)),
    low: cross.shl(32).or(bottom.and(0xffffffffn)),
  };
}

export function mulCore(_b: Builder, a: FloatNumber, c: FloatNumber): Wide {
  const { high, low } = multiplyWide(a.significand, c.significand);
  const short = high.shrU(63).xor(1);
  return {
    sign: a.sign.xor(c.sign),
    exponent: a.exponent
      .add(c.exponent)
      .sub(BIAS - 1)
      .sub(short.wrap()),
    high: high.shl(short).or(low.shrU(63).and(short)),
    low: low.shl(short),
  };
}

/**
 * One digit of 32 bits of a long division: of `top`:`next` (next 32 bits) by the normalised `divisor`, top < divisor
 * (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D). @returns digit and remainder
 */
function divideDigit(b: Builder, top: Val, next: Val, divisor: Val): { digit: Val; rest: Val } {
  const [low, high] = [divisor.and(0xffffffffn), divisor.shrU(32)];
  const guess = b.variable('i64', top.divU(high));
  const rest = b.variable('i64', top.sub(b.get(guess).mul(high)));
  b.block((done) => {
    b.loop((again) => {
      const [q, r] = [b.get(guess), b.get(rest)];
      const fits = q.ltU(1n << 32n).and(q.mul(low).leU(r.shl(32).or(next)));
      b.if(fits, () => b.break(done));
      b.set(guess, q.sub(1));
      b.set(rest, r.add(high));
      b.if(b.get(rest).ltU(1n << 32n), () => b.continue(again));
    });
  });
  const digit = b.get(guess);
  return { digit, rest: top.shl(32).or(next).sub(digit.mul(divisor)) };
}

/** (high:low) / divisor, where divisor has bit 63 set and high < divisor. The remainder is left in {@link FLOAT_LOW}. */
export const divideWide = defineHelper(
  'floatDivideWide',
  { params: ['i64', 'i64', 'i64'], result: 'i64' },
  (b, high, low, divisor) => {
    const first = divideDigit(b, high, low.shrU(32), divisor);
    const second = divideDigit(b, first.rest, low.and(0xffffffffn), divisor);
    b.store(8, b.cpu, FLOAT_LOW.offset, second.rest);
    return first.digit.shl(32).or(second.digit);
  },
);

/** a / c, neither being zero. */
export function divCore(b: Builder, a: FloatNumber, c: FloatNumber): Wide {
  const halve = a.significand.geU(c.significand);
  const count = halve.extU();
  const low = a.significand.and(count).shl(63);
  const quotient = b.call(divideWide, a.significand.shrU(count), low, c.significand);
  const rest = b.load('i64', 8, b.cpu, FLOAT_LOW.offset);
  const half = b.i64(3n << 62n).selectIf(rest.gtU(c.significand.sub(rest)), 1n << 62n);
  return {
    sign: a.sign.xor(c.sign),
    exponent: a.exponent
      .sub(c.exponent)
      .add(BIAS - 1)
      .add(halve),
    high: quotient,
    low: half.selectIf(rest.nez(), 0),
  };
}

/** high:low - a × a, as two's complement of 128 bits. */
function squareRest(high: Val, low: Val, root: Val): { high: Val; low: Val } {
  const square = multiplyWide(root, root);
  return { high: high.sub(square.high).sub(low.ltU(square.low).extU()), low: low.sub(square.low) };
}

/** Moves a root that is off by a few to the largest one whose square fits; `rest` follows it. */
function settleRoot(b: Builder, root: Variable, restHigh: Variable, restLow: Variable): void {
  b.loop((again) => {
    const [r, high, low] = [b.get(root), b.get(restHigh), b.get(restLow)];
    b.if(high.ltS(0), () => {
      const odd = r.shl(1).sub(1);
      const sum = low.add(odd);
      b.set(restLow, sum);
      b.set(restHigh, high.add(1).add(sum.ltU(low).extU()));
      b.set(root, r.sub(1));
      b.continue(again);
    });
    b.if(high.gtS(1).or(high.eq(1).and(low.gtU(r.shl(1)))), () => {
      const odd = r.shl(1).add(1);
      b.set(restLow, low.sub(odd));
      b.set(restHigh, high.sub(1).sub(low.ltU(odd).extU()));
      b.set(root, r.add(1));
      b.continue(again);
    });
  });
}

/**
 * The square root of high:low in 64 bits, for high from 2^62. {@link FLOAT_LOW} gets what is below: 0 exact, a quarter
 * or three quarters of 2^64 for less or more than half a unit.
 */
export const rootWide = defineHelper('floatRootWide', { params: ['i64', 'i64'], result: 'i64' }, (b, high, low) => {
  const estimate = b
    .op('f64.convert_i64_u', high)
    .do('sqrt')
    .mul(b.op('f64.convert_i64_u', b.i64(1n << 32n)));
  const start = b.op('i64.trunc_sat_f64_u', estimate);
  const first = squareRest(high, low, start);
  const step = first.high.shl(48).or(first.low.shrU(16)).divS(start.shrU(15));
  const root = b.variable('i64', start.add(step));
  const rest = squareRest(high, low, b.get(root));
  const restHigh = b.variable('i64', rest.high);
  const restLow = b.variable('i64', rest.low);
  settleRoot(b, root, restHigh, restLow);
  const [r, rh, rl] = [b.get(root), b.get(restHigh), b.get(restLow)];
  const below = b.i64(3n << 62n).selectIf(rh.nez().or(rl.gtU(r)), 1n << 62n);
  b.store(8, b.cpu, FLOAT_LOW.offset, below.selectIf(rh.or(rl).nez(), 0));
  return r;
});

/** √a for a positive number. */
export function sqrtCore(b: Builder, a: FloatNumber): Wide {
  const odd = a.exponent.and(1).extU();
  const root = b.call(rootWide, a.significand.shrU(odd), a.significand.and(odd).shl(63));
  return {
    sign: b.i32(0),
    exponent: a.exponent.add(BIAS).shrS(1),
    high: root,
    low: b.load('i64', 8, b.cpu, FLOAT_LOW.offset),
  };
}
