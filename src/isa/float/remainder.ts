import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import { raiseDenormal, returnIf } from './arithmetic.ts';
import { FLOAT_80, KIND, KIND_NAN } from './operand.ts';
import { EXCEPTION, FULL_PRECISION, raiseFlags } from './results.ts';
import { FORMAT_80, roundAndPack, unchanged80 } from './round.ts';

/** Condition codes at their places in FSW; remainders leave them in FLOAT_FLAGS. */
const C0 = 1 << 8;
const C1 = 1 << 9;
const C2 = 1 << 10;
const C3 = 1 << 14;

/** In FLOAT_FLAGS: there is a quotient, of which C0, C1 and C3 tell. Without one, C0 and C3 of FSW stay as they are. */
export const QUOTIENT_KNOWN = 1 << 16;

/** A long division in progress. */
interface Division {
  readonly rest: Variable;
  readonly quotient: Variable;
}

/** Divides the significand `rest` by `divisor`, one bit of quotient a step, `steps` (i32, not negative) after the first. */
function divideBits(b: Builder, { rest, quotient }: Division, divisor: Val, steps: Val): void {
  const first = b.get(rest).geU(divisor);
  b.set(quotient, first.extU());
  b.set(rest, b.get(rest).sub(divisor.selectIf(first, 0)));
  const left = b.variable('i32', steps);
  b.loop((again) => {
    b.if(b.get(left), () => {
      const r = b.get(rest);
      const shifted = r.shl(1);
      const bit = r.shrU(63).wrap().or(shifted.geU(divisor));
      b.set(rest, shifted.sub(divisor.selectIf(bit, 0)));
      b.set(quotient, b.get(quotient).shl(1).or(bit.extU()));
      b.set(left, b.get(left).sub(1));
      b.continue(again);
    });
  });
}

/** The quotient's three lowest bits as C0, C3 and C1 (SDM 2, FPREM). */
function raiseQuotient(b: Builder, quotient: Val): void {
  const low = quotient.wrap();
  const bit = (n: number, code: number) => b.i32(code).selectIf(low.and(1 << n), 0);
  raiseFlags(b, bit(2, C0).or(bit(1, C3)).or(bit(0, C1)));
}

/** Packs what remains: zero with the dividend's sign, or an exact number that may be tiny. */
function packRest(b: Builder, sign: Val, exponent: Val, rest: Val, control: Val): Val {
  returnIf(b, rest.eqz(), () => FLOAT_80.zero(b, sign));
  const shift = rest.clz();
  const wide = { sign, exponent: exponent.sub(shift.wrap()), high: rest.shl(shift), low: b.i64(0) };
  return roundAndPack(b, FORMAT_80, wide, control.or(FULL_PRECISION));
}

interface Numbers {
  readonly sign: Val;
  readonly exponentA: Val;
  readonly a: Val;
  readonly exponentC: Val;
  readonly c: Val;
  readonly control: Val;
}

/** Exponents that differ by 64 or more: some bits of the quotient now, C2 says that there are more. */
function partialRemainder(b: Builder, n: Numbers, distance: Val): Val {
  const steps = distance.and(31).or(32);
  const division = { rest: b.variable('i64', n.a), quotient: b.variable('i64', 0) };
  divideBits(b, division, n.c, steps);
  raiseFlags(b, C2);
  return packRest(b, n.sign, n.exponentA.sub(steps), b.get(division.rest), n.control);
}

/** The divisor is larger by so much that the quotient, rounded to nearest, is 0 or 1. */
function nearestOfSmall(b: Builder, n: Numbers, distance: Val): void {
  const one = distance.eq(-1).and(n.a.gtU(n.c));
  returnIf(b, one, () => {
    raiseQuotient(b, b.i64(1));
    return packRest(b, n.sign.xor(1), n.exponentA, n.c.shl(1).sub(n.a), n.control);
  });
}

/** The whole remainder, with a quotient that is truncated, or rounded to nearest. */
function wholeRemainder(b: Builder, n: Numbers, distance: Val, nearest: boolean): Val {
  const division = { rest: b.variable('i64', n.a), quotient: b.variable('i64', 0) };
  divideBits(b, division, n.c, distance);
  const sign = b.variable('i32', n.sign);
  if (nearest) {
    const [rest, quotient] = [b.get(division.rest), b.get(division.quotient)];
    const other = n.c.sub(rest);
    const up = rest.gtU(other).or(rest.eq(other).and(quotient.wrap().and(1)));
    b.if(up, () => {
      b.set(division.rest, other);
      b.set(division.quotient, quotient.add(1));
      b.set(sign, n.sign.xor(1));
    });
  }
  raiseQuotient(b, b.get(division.quotient));
  return packRest(b, b.get(sign), n.exponentC, b.get(division.rest), n.control);
}

/** FPREM and FPREM1: (word and significand of the dividend, of the divisor, FCW) → significand. */
function defineRemainder(name: string, nearest: boolean): IrHelper {
  const shape = { params: ['i32', 'i64', 'i32', 'i64', 'i32'], result: 'i64' } as const;
  return defineHelper(name, shape, (b, wordA, bitsA, wordC, bitsC, control) => {
    const operands = [FLOAT_80.open(b, bitsA, wordA), FLOAT_80.open(b, bitsC, wordC)];
    const [a, c] = operands.map((x) => ({ ...x, ...FLOAT_80.classify(b, x, b.i32(0)) }));
    const kinds = a.kind.or(c.kind);
    returnIf(b, kinds.and(KIND_NAN).nez(), () => FLOAT_80.nan(b, a, c));
    returnIf(b, a.kind.and(KIND.infinity).or(c.kind.and(KIND.zero)).nez(), () => {
      raiseFlags(b, EXCEPTION.IE);
      return FLOAT_80.indefinite(b);
    });
    raiseDenormal(b, kinds, control);
    raiseFlags(b, QUOTIENT_KNOWN);
    const unchanged = a.kind.and(KIND.zero).or(c.kind.and(KIND.infinity)).nez();
    returnIf(b, unchanged, () => unchanged80(b, wordA, bitsA));
    const whole = { sign: a.sign, exponent: a.exponent, high: a.significand, low: b.i64(0) };
    const dividend = () => roundAndPack(b, FORMAT_80, whole, control.or(FULL_PRECISION));
    const distance = a.exponent.sub(c.exponent);
    const n = {
      sign: a.sign,
      exponentA: a.exponent,
      a: a.significand,
      exponentC: c.exponent,
      c: c.significand,
      control,
    };
    b.if(distance.ltS(0), () => {
      if (nearest) nearestOfSmall(b, n, distance);
      b.return(dividend());
    });
    returnIf(b, distance.geS(64), () => partialRemainder(b, n, distance));
    return wholeRemainder(b, n, distance, nearest);
  });
}

export const FLOAT_80_REMAINDER = defineRemainder('float80Remainder', false);
export const FLOAT_80_NEAREST_REMAINDER = defineRemainder('float80NearestRemainder', true);
