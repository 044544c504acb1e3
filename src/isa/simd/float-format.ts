import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import { STATE } from '../registers.ts';
import { same } from './lanes.ts';

/** A floating-point format of SSE, as scalars, as vectors and as bits. */
export interface SimdFormat {
  readonly float: 'f32' | 'f64';
  readonly bits: 'i32' | 'i64';
  readonly width: 32 | 64;
  readonly floats: 'f32x4' | 'f64x2';
  readonly integers: 'i32x4' | 'i64x2';
  readonly lanes: 2 | 4;
  readonly fractionBits: 23 | 52;
  /** The exponent field of infinities and NaNs. */
  readonly maxExponent: 0xff | 0x7ff;
}

export const SINGLE: SimdFormat = {
  float: 'f32',
  bits: 'i32',
  width: 32,
  floats: 'f32x4',
  integers: 'i32x4',
  lanes: 4,
  fractionBits: 23,
  maxExponent: 0xff,
};
export const DOUBLE: SimdFormat = {
  float: 'f64',
  bits: 'i64',
  width: 64,
  floats: 'f64x2',
  integers: 'i64x2',
  lanes: 2,
  fractionBits: 52,
  maxExponent: 0x7ff,
};

/** Bits of MXCSR (SDM 1, 10.2.3). */
export const MXCSR = { PE: 1 << 5, DAZ: 1 << 6, masks: 0x1f80, masksShift: 7, rounding: 0x6000 } as const;
/** MXCSR without the exception flags. */
const CONTROLS = 0xffc0;

/** The bits of a positive number whose exponent field is `exponent` and whose fraction is zero. */
export function powerBits(f: SimdFormat, exponent: number): bigint {
  return BigInt(exponent) << BigInt(f.fractionBits);
}

export function mxcsrOf(b: Builder): Val {
  return b.load('i32', 4, b.cpu, STATE.mxcsr.offset);
}

/** Whether all exceptions are masked, rounding is to nearest, and denormals are not treated as zero, in or out. */
export function hasUsualControls(mxcsr: Val): Val {
  return mxcsr.and(CONTROLS).eq(MXCSR.masks);
}

/** As {@link hasUsualControls}, and PE is set already: a rounded result then changes nothing in MXCSR. */
export function ignoresInexact(b: Builder): Val {
  return unlessIgnoresInexact(b).eqz();
}

/** Not zero, i32, where {@link ignoresInexact} does not hold. */
export function unlessIgnoresInexact(b: Builder): Val {
  return mxcsrOf(b)
    .and(CONTROLS | MXCSR.PE)
    .xor(MXCSR.masks | MXCSR.PE);
}

/**
 * Neither zero nor denormal, i32. It may be infinite or NaN: then a result of it is no safe one, so that operands need
 * not be tested for that.
 */
export function isNotTiny(f: SimdFormat, x: Val): Val {
  return x.shl(1).geU(powerBits(f, 1) << 1n);
}

/** Denormal, zeros not being counted as such, i32. The difference makes zeros the largest of all. */
export function isDenormal(f: SimdFormat, x: Val): Val {
  return x
    .shl(1)
    .sub(1)
    .ltU((powerBits(f, 1) << 1n) - 1n);
}

/** A result with which neither overflow nor underflow can have come: normal, and not the smallest normal number. */
export function isSafeResult(f: SimdFormat, x: Val): Val {
  const least = powerBits(f, 2) << 1n;
  return x
    .shl(1)
    .sub(least)
    .ltU((powerBits(f, f.maxExponent) << 1n) - least);
}

/** Either zero, i32. */
export function isZero(x: Val): Val {
  return x.shl(1).eqz();
}

/** Normal or infinite, i32: zeros, denormals and NaNs are not. */
export function isNormalOrInfinite(f: SimdFormat, x: Val): Val {
  const least = powerBits(f, 1) << 1n;
  return x
    .shl(1)
    .sub(least)
    .leU((powerBits(f, f.maxExponent) << 1n) - least);
}

export function toFloat(f: SimdFormat, bits: Val, b: Builder): Val {
  return b.op(`${f.float}.reinterpret_${f.bits}`, bits);
}

export function toBits(f: SimdFormat, value: Val, b: Builder): Val {
  return b.op(`${f.bits}.reinterpret_${f.float}`, value);
}

/** A float in every lane: the positive number whose exponent field is `exponent` and whose fraction is zero. */
function powers(b: Builder, f: SimdFormat, exponent: number): Val {
  return same(b, f.integers, powerBits(f, exponent));
}

/** The lanes' magnitudes. */
function magnitudes(b: Builder, f: SimdFormat, x: Val): Val {
  return b.op(`${f.floats}.abs`, x);
}

/** Lanes of ones where `x` is zero. */
export function areZero(b: Builder, f: SimdFormat, x: Val): Val {
  return b.op(`${f.floats}.eq`, x, b.const('v128', 0));
}

/** Lanes of ones where `x` is denormal: {@link isDenormal} by a signed comparison, for want of an unsigned one. */
export function areDenormal(b: Builder, f: SimdFormat, x: Val): Val {
  const signBit = 1n << BigInt(f.width - 1);
  const moved = b.op(`${f.integers}.add`, b.op(`${f.integers}.shl`, x, 1), same(b, f.integers, signBit - 1n));
  return b.op(`${f.integers}.lt_s`, moved, same(b, f.integers, (powerBits(f, 1) << 1n) - 1n - signBit));
}

/** Lanes of ones where the magnitude of `x`, as bits, is below `low` or not below `high`. */
function areOutside(b: Builder, f: SimdFormat, x: Val, low: bigint, high: bigint): Val {
  const signBit = 1n << BigInt(f.width - 1);
  const moved = b.op(`${f.integers}.add`, b.op(`${f.integers}.shl`, x, 1), same(b, f.integers, signBit - 2n * low));
  return b.op(`${f.integers}.gt_s`, moved, same(b, f.integers, 2n * (high - low) - 1n - signBit));
}

/** Lanes of ones where `x` is infinite or NaN. */
export function areNotFinite(b: Builder, f: SimdFormat, x: Val): Val {
  return areOutside(b, f, x, 0n, powerBits(f, f.maxExponent));
}

/** Lanes of ones where a result may have come with overflow or underflow: {@link isSafeResult} does not hold. */
export function areUnsafeResults(b: Builder, f: SimdFormat, x: Val): Val {
  return areOutside(b, f, x, powerBits(f, 2), powerBits(f, f.maxExponent));
}

/** The part of a positive number with this exponent that its uppermost 32 bits hold; its fraction is zero. */
function upperBits(f: SimdFormat, exponent: number): number {
  return Number(powerBits(f, exponent) >> BigInt(f.width - 32));
}

/**
 * The uppermost 32 bits of each lane's magnitude. Quick tests look at these alone: comparisons of 32 bits have more units
 * of the host than those of 64. Of doubles, the other halves of lanes give nothing of use.
 */
function upperMagnitudes(b: Builder, x: Val): Val {
  return b.op('v128.and', x, same(b, 'i32x4', 0x7fff_ffff));
}

/** Top bits of lanes where one of two numbers is zero or denormal. */
export function areTiny(b: Builder, f: SimdFormat, x: Val, y: Val): Val {
  const least = b.op('i32x4.min_s', upperMagnitudes(b, x), upperMagnitudes(b, y));
  return b.op('i32x4.gt_s', same(b, 'i32x4', upperBits(f, 1)), least);
}

/** Top bits of lanes where the exponent field of a number is below `least`, or that of infinities and NaNs. */
export function areExtreme(b: Builder, f: SimdFormat, x: Val, least: number): Val {
  const [low, high] = [upperBits(f, least), upperBits(f, f.maxExponent)];
  const magnitudes = upperMagnitudes(b, x);
  if (least === 0) return b.op('i32x4.gt_s', magnitudes, same(b, 'i32x4', high - 1));
  const moved = b.op('i32x4.add', magnitudes, same(b, 'i32x4', 0x8000_0000 - low));
  return b.op('i32x4.gt_s', moved, same(b, 'i32x4', high - low - 1 - 0x8000_0000));
}

/** Which lanes have their top bit set: bits of an i32. */
export function lanesSet(b: Builder, f: SimdFormat, mask: Val): Val {
  return b.op(`${f.integers}.bitmask`, mask);
}

/** Lanes of ones where {@link isNotTiny} holds, and `x` is no NaN. */
export function areNotTiny(b: Builder, f: SimdFormat, x: Val): Val {
  return b.op(`${f.floats}.ge`, magnitudes(b, f, x), powers(b, f, 1));
}

/** Lanes of ones where a result cannot have come with overflow or underflow. */
export function areSafeResults(b: Builder, f: SimdFormat, x: Val): Val {
  const magnitude = magnitudes(b, f, x);
  const large = b.op(`${f.floats}.ge`, magnitude, powers(b, f, 2));
  return b.op('v128.and', large, b.op(`${f.floats}.lt`, magnitude, powers(b, f, f.maxExponent)));
}

/** Lanes of ones where `x` is neither denormal nor NaN. */
export function areOrdered(b: Builder, f: SimdFormat, x: Val): Val {
  return b.op('v128.or', areNotTiny(b, f, x), areZero(b, f, x));
}

/** Whether all bits of all lanes are set, where every lane is all ones or all zeros, i32. */
export function allLanes(b: Builder, f: SimdFormat, mask: Val): Val {
  return b.op(`${f.integers}.all_true`, mask);
}

/** Whether no bit of any lane is set, i32. */
export function noLane(b: Builder, mask: Val): Val {
  return b.op('v128.any_true', mask).eqz();
}

/** Lane `i` of a vector, as bits. */
export function laneBits(b: Builder, f: SimdFormat, x: Val, i: number): Val {
  return b.opWithImmediate(`${f.integers}.extract_lane`, BigInt(i), x);
}

/** A vector of lanes given as bits; missing ones are zero. */
export function fromLaneBits(b: Builder, f: SimdFormat, lanes: readonly Val[]): Val {
  return lanes.reduce(
    (all, lane, i) => b.opWithImmediate(`${f.integers}.replace_lane`, BigInt(i), all, lane),
    b.const('v128', 0),
  );
}
