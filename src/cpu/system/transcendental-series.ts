import { bitLength, type Real } from './transcendental-number.ts';

/**
 * Elementary functions in fixed point: an integer n stands for n / 2^FRACTION. Results are {@link Real}s that are good to
 * more than 110 bits, and never claim to be exact unless they are.
 */
const FRACTION = 128;
const F = BigInt(FRACTION);
const UNIT = 1n << F;

/** A positive number: significand × 2^exponent. */
export interface Magnitude {
  readonly significand: bigint;
  readonly exponent: number;
}

function fixed({ significand, exponent }: Magnitude): bigint {
  const shift = exponent + FRACTION;
  return shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
}

function times(a: bigint, c: bigint): bigint {
  return (a * c) >> F;
}

/** Σ (-1)^k x^2k × first / ((first + 1) … ): the series of sin(x)/x for first = 1 and of cos(x) for first = 0. */
function alternating(square: bigint, first: number): bigint {
  let term = UNIT;
  let sum = UNIT;
  for (let n = first + 1; term !== 0n; n += 2) {
    term = -times(term, square) / BigInt(n * (n + 1));
    sum += term;
  }
  return sum;
}

/** Σ (±1)^k z^2k / (2k + 1): the series of atan(z)/z (sign -1) and of atanh(z)/z (sign 1). */
function arcSeries(square: bigint, sign: -1n | 1n): bigint {
  let power = UNIT;
  let sum = UNIT;
  for (let n = 3n; power !== 0n; n += 2n) {
    power = sign * times(power, square);
    sum += power / n;
  }
  return sum;
}

/** Machin's formula: π = 16 atan(1/5) - 4 atan(1/239). */
function computePi(): bigint {
  const arcOfInverse = (n: bigint) => times(UNIT / n, arcSeries(UNIT / (n * n), -1n));
  return 16n * arcOfInverse(5n) - 4n * arcOfInverse(239n);
}

const PI = computePi();
/** ln 2 = 2 atanh(1/3). */
const LN2 = 2n * times(UNIT / 3n, arcSeries(UNIT / 9n, 1n));

/** A value below one by less than can be told stays below one. */
function belowOne(value: bigint): bigint {
  return value < UNIT ? value : UNIT - 1n;
}

/** sin and cos of a number up to π/4; each as a factor: sin(x) = x × sine. */
export function sineAndCosine(x: Magnitude): { sine: bigint; cosine: bigint } {
  const value = fixed(x);
  const square = times(value, value);
  return { sine: belowOne(alternating(square, 1)), cosine: belowOne(alternating(square, 0)) };
}

function real(sign: 0 | 1, significand: bigint, exponent: number, inexact = true): Real {
  return { sign, significand, exponent, inexact };
}

/** x × factor (fixed point). */
export function scaled(sign: 0 | 1, x: Magnitude, factor: bigint): Real {
  return real(sign, x.significand * factor, x.exponent - FRACTION);
}

/** A fixed-point number as a result. */
export function fixedResult(sign: 0 | 1, value: bigint): Real {
  return real(sign, value, -FRACTION);
}

/** x × numerator / denominator (fixed point). */
export function quotient(sign: 0 | 1, x: Magnitude, numerator: bigint, denominator: bigint): Real {
  return scaled(sign, x, (numerator << F) / denominator);
}

/** numerator / (x × denominator). */
export function inverseQuotient(sign: 0 | 1, x: Magnitude, numerator: bigint, denominator: bigint): Real {
  const divisor = x.significand * denominator;
  const significand = (numerator << BigInt(2 * FRACTION)) / divisor;
  return real(sign, significand, -2 * FRACTION - x.exponent);
}

/** π/2 as the processor has it when it reduces arguments: 66 bits of π (SDM 1, 8.3.8), times 2^-67. */
const HALF_PI_66 = 0xc90fdaa22168c234cn;
const HALF_PI_EXPONENT = -67;

/** An argument less a multiple of π/2: quadrant 0–3, and the rest with its sign, up to π/4 (or a little more). */
export interface Reduced {
  readonly quadrant: number;
  readonly negative: boolean;
  readonly rest: Magnitude;
}

/** Takes the nearest multiple of the processor's π/2 off a positive number below 2^63: exactly. */
export function reduce(x: Magnitude): Reduced {
  if (x.exponent + bitLength(x.significand) < 0) return { quadrant: 0, negative: false, rest: x };
  const shift = Math.max(0, HALF_PI_EXPONENT - x.exponent);
  const scale = Math.max(0, x.exponent - HALF_PI_EXPONENT);
  const value = x.significand << BigInt(scale);
  const period = HALF_PI_66 << BigInt(shift);
  const count = (2n * value + period) / (2n * period);
  const rest = value - count * period;
  return {
    quadrant: Number(count & 3n),
    negative: rest < 0n,
    rest: { significand: rest < 0n ? -rest : rest, exponent: HALF_PI_EXPONENT - shift },
  };
}

/** 2^±x - 1 for x up to 1. */
export function powerLessOne(sign: 0 | 1, x: Magnitude): Real {
  const t = times(fixed(x), LN2) * (sign ? -1n : 1n);
  let term = UNIT;
  let sum = UNIT;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = times(term, t) / n;
    sum += term;
  }
  return scaled(sign, { significand: x.significand * LN2, exponent: x.exponent - FRACTION }, sum);
}

/** log2((1 + z)/(1 - z)) for z = numerator/denominator of small magnitude. */
function logOfRatio(numerator: bigint, denominator: bigint): Real {
  const sign = numerator < 0n ? 1 : 0;
  const magnitude = numerator < 0n ? -numerator : numerator;
  const extra = Math.max(0, bitLength(denominator) - bitLength(magnitude));
  const z = (magnitude << BigInt(FRACTION + extra)) / denominator;
  const plain = z >> BigInt(extra);
  const factor = (2n * arcSeries(times(plain, plain), 1n) * UNIT) / LN2;
  return real(sign, z * factor, -2 * FRACTION - extra);
}

/** log2 of a positive number. */
export function log2(x: Magnitude): Real {
  const length = bitLength(x.significand);
  const one = 1n << BigInt(length - 1);
  const high = 2n * x.significand * x.significand > 4n * one * one;
  const exponent = x.exponent + length - 1 + (high ? 1 : 0);
  const base = high ? 2n * one : one;
  if (x.significand === base) return integer(exponent);
  const fraction = logOfRatio(x.significand - base, x.significand + base);
  return exponent === 0 ? fraction : sum(exponent, fraction);
}

/** log2(1 ± x): precise also for small x. */
export function log2OfOnePlus(sign: 0 | 1, x: Magnitude): Real {
  const down = BigInt(Math.max(0, -x.exponent));
  const up = BigInt(Math.max(0, x.exponent));
  if (x.exponent + bitLength(x.significand) >= -1) {
    const one = 1n << down;
    const term = x.significand << up;
    return log2({ significand: sign ? one - term : one + term, exponent: -Number(down) });
  }
  const term = sign ? -x.significand : x.significand;
  const capped = Math.min(Number(down), 4 * FRACTION);
  return scaledLog(term, capped, Number(down) - capped);
}

/** log2(1 + term × 2^-shift × 2^-beyond); what lies beyond only scales, so small is the number. */
function scaledLog(term: bigint, shift: number, beyond: number): Real {
  const result = logOfRatio(term, (2n << BigInt(shift)) + term);
  return { ...result, exponent: result.exponent - beyond };
}

function integer(value: number): Real {
  return real(value < 0 ? 1 : 0, BigInt(Math.abs(value)), 0, false);
}

function sum(whole: number, { sign, significand, exponent }: Real): Real {
  const magnitude = fixed({ significand, exponent });
  const total = (BigInt(whole) << F) + (sign ? -magnitude : magnitude);
  return fixedResult(total < 0n ? 1 : 0, total < 0n ? -total : total);
}

/** The product of a result and a number. */
export function product(x: Real, sign: 0 | 1, y: Magnitude): Real {
  return real((x.sign ^ sign) as 0 | 1, x.significand * y.significand, x.exponent + y.exponent, x.inexact);
}

/** atan(k/16), made when first needed. */
const ARCS: bigint[] = [];
const ARC_STEPS = 16n;

function arcOfStep(step: bigint): bigint {
  const index = Number(step);
  ARCS[index] ??= step === ARC_STEPS ? PI / 4n : arcAround(0n, (step << F) / ARC_STEPS);
  return ARCS[index];
}

/** atan of a fixed-point number up to 1, by halving the angle: atan(q) = 2 atan(q / (1 + √(1 + q²))). */
function arcAround(halvings: bigint, q: bigint): bigint {
  if (q < UNIT >> 4n || halvings > 8n) return times(q, arcSeries(times(q, q), -1n)) << halvings;
  const root = squareRoot((UNIT + times(q, q)) << F);
  return arcAround(halvings + 1n, (q << F) / (UNIT + root));
}

function squareRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** atan(y/x) for y not above x: as a factor times y/x where that is small, else in fixed point. */
function arcOfSmaller(y: Magnitude, x: Magnitude): Real {
  const distance = y.exponent + bitLength(y.significand) - x.exponent - bitLength(x.significand);
  const ratio = (y.significand << BigInt(2 * FRACTION)) / x.significand;
  const ratioExponent = y.exponent - x.exponent - 2 * FRACTION;
  if (distance < -5) {
    const q = fixed({ significand: ratio, exponent: ratioExponent });
    return real(0, ratio * belowOne(arcSeries(times(q, q), -1n)), ratioExponent - FRACTION);
  }
  const q = fixed({ significand: ratio, exponent: ratioExponent });
  const step = (q * ARC_STEPS + UNIT / 2n) >> F;
  const center = (step << F) / ARC_STEPS;
  const z = ((q - center) << F) / (UNIT + times(q, center));
  return fixedResult(0, arcOfStep(step) + times(z, arcSeries(times(z, z), -1n)));
}

/** Multiples of π/4, as results. */
export function quarterTurns(sign: 0 | 1, quarters: bigint): Real {
  return fixedResult(sign, (PI * quarters) / 4n);
}

/** The angle of the point (x, y) with signs taken apart: `left` where x is negative; `sign` that of y. */
export function angle(sign: 0 | 1, y: Magnitude, left: boolean, x: Magnitude): Real {
  const steep = isLarger(y, x);
  const arc = steep ? arcOfSmaller(x, y) : arcOfSmaller(y, x);
  if (!steep && !left) return { ...arc, sign };
  const base = steep ? PI / 2n : PI;
  const plus = steep && left;
  const rest = fixed(arc);
  return fixedResult(sign, plus ? base + rest : base - rest);
}

function isLarger(y: Magnitude, x: Magnitude): boolean {
  const [top, other] = [y.exponent + bitLength(y.significand), x.exponent + bitLength(x.significand)];
  if (top !== other) return top > other;
  const shift = y.exponent - x.exponent;
  return shift >= 0 ? y.significand << BigInt(shift) > x.significand : y.significand > x.significand << BigInt(-shift);
}
