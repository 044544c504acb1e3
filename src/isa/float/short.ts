import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import type { Unless } from '../short-way.ts';
import type { BinaryOperation } from './arithmetic.ts';
import { order } from './compare.ts';
import { divCore, type FloatNumber, mulCore, sqrtCore } from './cores.ts';
import type { FloatFormat } from './operand.ts';
import { EXCEPTION, ROUNDED_UP } from './results.ts';
import { BIAS, INTEGER_BIT, type Wide } from './round.ts';

/**
 * Short ways of the x87: for normal numbers and zeros, under a control word with which nothing but masked exceptions can
 * come of them. What they raise is PE, with ROUNDED_UP.
 */

/** FCW's bits that the short ways look at: mask of PE, precision, rounding. */
const ROUNDING_BITS = 0xc00;
const PRECISION_BITS = 0x300;
/** In a sign and exponent word. */
const SIGN_BIT = 0x8000;

/** Whether FCW has PE masked and rounds to nearest, i32. */
export function roundsShortly(control: Val): Val {
  return control.and(EXCEPTION.PE | ROUNDING_BITS).eq(EXCEPTION.PE);
}

/** As {@link roundsShortly}, and results have all 64 bits. */
export function computesShortly(control: Val): Val {
  const bits = EXCEPTION.PE | PRECISION_BITS;
  return control.and(bits | ROUNDING_BITS).eq(bits);
}

/** A number of 80 bits. */
export interface ShortNumber {
  readonly word: Val;
  readonly significand: Val;
  /** It is known to be normal. */
  readonly isNormal?: boolean;
}

/** A number of 32 or 64 bits as one of 80: normal, or zero. */
export function openShortly(b: Builder, format: FloatFormat, bits: Val, unless: Unless): ShortNumber {
  const { normal, sign, exponent, significand } = format.open(b, bits, b.i32(0));
  b.if(normal.eqz(), () => unless(bits.shl(1).nez()));
  return { word: sign.shl(15).or(exponent.selectIf(normal, 0)), significand: significand.selectIf(normal, 0) };
}

/** What a short operation gives: PE and {@link ROUNDED_UP} in `flags`. */
export interface ShortResult extends ShortNumber {
  readonly flags: Val;
}

/** Leaves the short way unless all numbers are normal. */
function checkNormal(numbers: readonly ShortNumber[], unless: Unless): void {
  const unknown = numbers.filter(({ isNormal }) => isNormal !== true);
  const integerBits = unknown.map(({ significand }) => significand).reduce((all, one) => all.and(one));
  unless(integerBits.geS(0));
  for (const { word } of unknown) unless(isNormalExponent(word.and(0x7fff)).eqz());
}

function isNormalExponent(exponent: Val): Val {
  return exponent.sub(1).ltU(0x7ffe);
}

/** Rounds to nearest in 64 bits. A carry out of them, and an exponent that is no normal number's, leave the short way. */
function roundShortly(b: Builder, wide: Wide, unless: Unless): ShortResult {
  const { sign, exponent, high, low } = wide;
  const up = low.gtU(b.i64(INTEGER_BIT).sub(high.and(1)));
  const significand = high.add(up.extU());
  unless(isNormalExponent(exponent).eqz());
  unless(significand.eqz());
  return { word: sign.or(exponent), significand, flags: inexactFlags(low.nez(), up) };
}

/** a + c, not more than 63 binary digits apart, that is not zero. The sign of `Wide` is at its place in the word. */
function addShortly(b: Builder, a: ShortNumber, c: ShortNumber, unless: Unless): Wide {
  const [exponentA, exponentC] = [a.word.and(0x7fff), c.word.and(0x7fff)];
  const larger = a.significand.ltU(c.significand).and(exponentA.eq(exponentC));
  const swap = exponentA.ltU(exponentC).or(larger);
  const big = c.significand.selectIf(swap, a.significand);
  const small = a.significand.selectIf(swap, c.significand);
  const exponent = exponentC.selectIf(swap, exponentA);
  const distance = exponent.sub(exponentA.selectIf(swap, exponentC));
  unless(distance.gtU(63));
  const count = distance.extU();
  const aligned = small.shrU(count);
  const below = small.shl(1).shl(b.i64(63).sub(count));
  const out = { exponent: b.variable('i32', exponent), high: b.variable('i64', 0), low: b.variable('i64', below) };
  b.if(
    a.word.xor(c.word).and(SIGN_BIT),
    () => {
      const difference = big.sub(aligned).sub(below.nez().extU());
      const shift = difference.clz();
      unless(difference.eqz());
      const rest = below.neg();
      b.set(out.high, difference.shl(shift).or(rest.shrU(1).shrU(b.i64(63).sub(shift))));
      b.set(out.low, rest.shl(shift));
      b.set(out.exponent, exponent.sub(shift.wrap()));
    },
    () => {
      const sum = big.add(aligned);
      b.set(out.high, sum);
      b.if(sum.ltU(big), () => {
        b.set(out.high, sum.shrU(1).or(INTEGER_BIT));
        b.set(out.low, sum.shl(63).or(below.shrU(1)).or(below.and(1)));
        b.set(out.exponent, exponent.add(1));
      });
    },
  );
  const sign = c.word.selectIf(swap, a.word).and(SIGN_BIT);
  return { sign, exponent: b.get(out.exponent), high: b.get(out.high), low: b.get(out.low) };
}

function asNumber({ word, significand }: ShortNumber): FloatNumber {
  return { sign: word.and(SIGN_BIT), exponent: word.and(0x7fff), significand };
}

/** An operation on two numbers of 80 bits, where {@link computesShortly}: both normal, and so is the result. */
export function computeShortly(
  b: Builder,
  operation: BinaryOperation,
  a: ShortNumber,
  c: ShortNumber,
  unless: Unless,
): ShortResult {
  checkNormal([a, c], unless);
  if (operation === 'mul') return roundShortly(b, mulCore(b, asNumber(a), asNumber(c)), unless);
  if (operation === 'div') return roundShortly(b, divCore(b, asNumber(a), asNumber(c)), unless);
  const other = operation === 'sub' ? { ...c, word: c.word.xor(SIGN_BIT) } : c;
  return roundShortly(b, addShortly(b, a, other, unless), unless);
}

/** The square root, where {@link computesShortly}, of a positive normal number. */
export function rootShortly(b: Builder, a: ShortNumber, unless: Unless): ShortResult {
  unless(a.significand.geS(0));
  unless(isNormalExponent(a.word).eqz());
  return roundShortly(b, sqrtCore(b, asNumber(a)), unless);
}

/** PE and ROUNDED_UP, which are bits of FSW. */
function inexactFlags(inexact: Val, up: Val): Val {
  return inexact.shl(Math.log2(EXCEPTION.PE)).or(up.shl(Math.log2(ROUNDED_UP)));
}

/** A number of 80 bits to nearest in 32 or 64, where it is normal in both. */
export function narrowShortly(
  b: Builder,
  format: FloatFormat,
  { word, significand }: ShortNumber,
  unless: Unless,
): { bits: Val; flags: Val } {
  const width = format.type === 'i64' ? 64 : 32;
  const fractionBits = format.type === 'i64' ? 52 : 23;
  const surplus = 63 - fractionBits;
  const exponent = word.and(0x7fff);
  // The largest exponent is left out: rounding may carry into the infinite.
  unless(exponent.sub(format.minExponent).geU(format.maxExponent - format.minExponent));
  unless(significand.geS(0));
  const rest = significand.shl(64 - surplus);
  const whole = significand.shrU(surplus);
  const half = b.i64(INTEGER_BIT);
  const up = rest.gtU(half.sub(whole.and(1)));
  const place = (field: Val, shift: number) => (format.type === 'i64' ? field.extU() : field).shl(shift);
  // The integer bit adds one to the exponent.
  const biased = place(exponent.sub(format.minExponent), fractionBits);
  const rounded = whole.add(up.extU());
  const sum = biased.add(format.type === 'i64' ? rounded : rounded.wrap());
  return {
    bits: sum.or(place(word.shrU(15), width - 1)),
    flags: inexactFlags(rest.nez(), up),
  };
}

/**
 * A number of 80 bits as a signed integer, i64: where its magnitude is from 1 to less than 2^(width - 2), rounding is to
 * nearest or toward zero, and PE is masked.
 */
export function integerShortly(
  b: Builder,
  { word, significand }: ShortNumber,
  control: Val,
  width: 16 | 32 | 64,
  unless: Unless,
): { value: Val; flags: Val } {
  const rounding = control.and(EXCEPTION.PE | ROUNDING_BITS);
  const nearest = rounding.eq(EXCEPTION.PE);
  unless(nearest.or(rounding.eq(EXCEPTION.PE | ROUNDING_BITS)).eqz());
  const shift = b.i32(BIAS + 63).sub(word.and(0x7fff));
  unless(shift.sub(64 - width + 2).gtU(width - 3));
  unless(significand.geS(0));
  const whole = significand.shrU(shift.extU());
  const rest = significand.shl(b.i32(64).sub(shift).extU());
  const up = rest.gtU(b.i64(INTEGER_BIT).sub(whole.and(1))).and(nearest);
  const sign = word.shrU(15).extU();
  return {
    value: whole.add(up.extU()).xor(sign.neg()).add(sign),
    flags: inexactFlags(rest.nez(), up),
  };
}

/** Compares two normal numbers or zeros: one of COMPARED. */
export function compareShortly(b: Builder, a: ShortNumber, c: ShortNumber, unless: Unless): Val {
  const [first, second] = [a, c].map(({ word, significand }) => {
    const exponent = word.and(0x7fff);
    const normal = significand.ltS(0).and(isNormalExponent(exponent));
    b.if(normal.eqz(), () => unless(significand.eqz().and(exponent.eqz()).eqz()));
    return { sign: word.shrU(15), key: [exponent, significand] as const };
  });
  return order(b, first.sign, first.key, second.sign, second.key);
}
