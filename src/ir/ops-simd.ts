import type { Op } from './ops.ts';

/** Splits a 128-bit pattern into `count` lanes, lowest first. */
export function lanesOf(value: bigint, count: number): bigint[] {
  const bits = 128 / count;
  return Array.from({ length: count }, (_, i) => BigInt.asUintN(bits, value >> BigInt(i * bits)));
}

/** The 128-bit pattern of lanes, lowest first. */
export function fromLanes(lanes: readonly bigint[]): bigint {
  const bits = 128 / lanes.length;
  return lanes.reduce((all, lane, i) => all | (BigInt.asUintN(bits, lane) << BigInt(i * bits)), 0n);
}

/** The bytes of SIMD instruction `n`: the prefix and the number in LEB128. */
function simdCode(n: number): number[] {
  return n < 128 ? [0xfd, n] : [0xfd, (n & 127) | 128, n >> 7];
}

const BITWISE: readonly Op[] = [
  { name: 'v128.not', code: simdCode(77), params: ['v128'], result: 'v128', evaluate: ([a]) => ~a },
  { name: 'v128.and', code: simdCode(78), params: ['v128', 'v128'], result: 'v128', evaluate: ([a, b]) => a & b },
  { name: 'v128.andnot', code: simdCode(79), params: ['v128', 'v128'], result: 'v128', evaluate: ([a, b]) => a & ~b },
  { name: 'v128.or', code: simdCode(80), params: ['v128', 'v128'], result: 'v128', evaluate: ([a, b]) => a | b },
  { name: 'v128.xor', code: simdCode(81), params: ['v128', 'v128'], result: 'v128', evaluate: ([a, b]) => a ^ b },
];

const LANE_ACCESS: readonly Op[] = [
  {
    name: 'i64x2.extract_lane',
    code: simdCode(29),
    params: ['v128'],
    result: 'i64',
    lanes: 2,
    evaluate: ([a], lane) => lanesOf(a, 2)[Number(lane)],
  },
  {
    name: 'i64x2.replace_lane',
    code: simdCode(30),
    params: ['v128', 'i64'],
    result: 'v128',
    lanes: 2,
    evaluate: ([a, b], lane) => fromLanes(lanesOf(a, 2).map((v, i) => (i === Number(lane) ? b : v))),
  },
  {
    name: 'i64x2.splat',
    code: simdCode(18),
    params: ['i64'],
    result: 'v128',
    evaluate: ([a]) => fromLanes([a, a]),
  },
];

/** The SIMD operations. */
export function simdOps(): Op[] {
  return [...BITWISE, ...LANE_ACCESS];
}
