import type { Builder } from '../../ir/builder.ts';
import { fromLanes } from '../../ir/ops-simd.ts';
import type { Val } from '../../ir/val.ts';

/** Lane shapes of integer vectors. */
export type IntegerShape = 'i8x16' | 'i16x8' | 'i32x4' | 'i64x2';

/** Bytes of a lane. */
export const LANE_BYTES: Readonly<Record<IntegerShape, number>> = { i8x16: 1, i16x8: 2, i32x4: 4, i64x2: 8 };

/** A constant vector of lanes, lowest first. */
export function vector(b: Builder, lanes: readonly (number | bigint)[]): Val {
  return b.const('v128', fromLanes(lanes.map(BigInt)));
}

/** A constant vector with the same value in every lane. */
export function same(b: Builder, shape: IntegerShape, value: number | bigint): Val {
  return vector(b, Array<number | bigint>(16 / LANE_BYTES[shape]).fill(value));
}

/** 0, 1, … 15 in bytes. */
export function iota(b: Builder): Val {
  return vector(b, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
}

export function splat(b: Builder, shape: IntegerShape, value: Val): Val {
  return b.op(`${shape}.splat`, value);
}

/** A fixed permutation: byte i of the result is byte `indices[i]` of x (0–15) and y (16–31). */
export function shuffle(b: Builder, x: Val, y: Val, indices: readonly number[]): Val {
  return b.opWithImmediate('i8x16.shuffle', fromLanes(indices.map(BigInt)), x, y);
}

/** As {@link shuffle} with indices that need not be constant; 0 where an index is above 31. */
export function permute(b: Builder, x: Val, y: Val, indices: Val): Val {
  if (indices.what.kind === 'const' && isShuffle(indices.what.value)) {
    return b.opWithImmediate('i8x16.shuffle', indices.what.value, x, y);
  }
  const fromY = b.op('i8x16.sub', indices, same(b, 'i8x16', 16));
  return b.op('v128.or', b.op('i8x16.swizzle', x, indices), b.op('i8x16.swizzle', y, fromY));
}

const NOT_BELOW_32 = BigInt(`0x${'e0'.repeat(16)}`);

function isShuffle(indices: bigint): boolean {
  return (indices & NOT_BELOW_32) === 0n;
}

/** Permutes one vector; 0 where an index is above 15. */
export function permuteOne(b: Builder, x: Val, indices: Val): Val {
  if (indices.what.kind === 'const' && isShuffle(indices.what.value)) return permute(b, x, b.const('v128', 0), indices);
  return b.op('i8x16.swizzle', x, indices);
}

/** `whenSet` where bits of `mask` are set, else `otherwise`. */
export function blend(b: Builder, mask: Val, whenSet: Val, otherwise: Val): Val {
  return b.op('v128.bitselect', whenSet, otherwise, mask);
}

/** One of two vectors by an i32, which may be known already. */
export function choose(condition: Val, whenSet: Val, otherwise: Val): Val {
  if (condition.what.kind !== 'const') return whenSet.selectIf(condition, otherwise);
  return condition.what.value !== 0n ? whenSet : otherwise;
}

/** Lanes of ones where the bit of `bits` (i32) with the lane's number is set. Not for bytes. */
export function maskFromBits(b: Builder, shape: Exclude<IntegerShape, 'i8x16'>, bits: Val): Val {
  const count = 16 / LANE_BYTES[shape];
  const places = vector(
    b,
    Array.from({ length: count }, (_, i) => 1n << BigInt(i)),
  );
  const value = shape === 'i64x2' ? bits.extU() : bits;
  return b.op(`${shape}.eq`, b.op('v128.and', splat(b, shape, value), places), places);
}

/** Lane `index` (i32, in range) of a vector, zero-extended: i64 for i64x2, else i32. */
export function extractLane(b: Builder, shape: IntegerShape, x: Val, index: Val): Val {
  const name = `${shape}.extract_lane${LANE_BYTES[shape] < 4 ? '_u' : ''}`;
  if (index.what.kind === 'const') return b.opWithImmediate(name, index.what.value, x);
  const first = splat(b, 'i8x16', index.mul(LANE_BYTES[shape]));
  return b.opWithImmediate(name, 0n, b.op('i8x16.swizzle', x, b.op('i8x16.add', iota(b), first)));
}

/** `x` with lane `index` (i32, in range) replaced by the low bits of `value`. */
export function replaceLane(b: Builder, shape: IntegerShape, x: Val, index: Val, value: Val): Val {
  if (index.what.kind === 'const') return b.opWithImmediate(`${shape}.replace_lane`, index.what.value, x, value);
  const count = 16 / LANE_BYTES[shape];
  const numbers = vector(
    b,
    Array.from({ length: count }, (_, i) => i),
  );
  const chosen = splat(b, shape, shape === 'i64x2' ? index.extU() : index);
  return blend(b, b.op(`${shape}.eq`, numbers, chosen), splat(b, shape, value), x);
}
