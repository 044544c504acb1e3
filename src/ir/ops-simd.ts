import type { OpRow } from './ops.ts';
import { floatOps } from './ops-float.ts';
import type { Type } from './types.ts';

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

type Evaluate = OpRow['evaluate'];

function vectorOp(name: string, n: number, operands: number, evaluate: Evaluate, result: Type = 'v128'): OpRow {
  return { name, code: simdCode(n), params: Array<Type>(operands).fill('v128'), result, evaluate };
}

/** Integer lanes: how many, how wide, and the number of the first instruction of each group. */
interface Shape {
  readonly name: string;
  readonly lanes: number;
  readonly bits: number;
  /** What a lane is outside a vector. */
  readonly scalar: Type;
}

const I8: Shape = { name: 'i8x16', lanes: 16, bits: 8, scalar: 'i32' };
const I16: Shape = { name: 'i16x8', lanes: 8, bits: 16, scalar: 'i32' };
const I32: Shape = { name: 'i32x4', lanes: 4, bits: 32, scalar: 'i32' };
const I64: Shape = { name: 'i64x2', lanes: 2, bits: 64, scalar: 'i64' };
const INTEGERS = [I8, I16, I32, I64];
const F32: Shape = { name: 'f32x4', lanes: 4, bits: 32, scalar: 'f32' };
const F64: Shape = { name: 'f64x2', lanes: 2, bits: 64, scalar: 'f64' };
const FLOATS = [F32, F64];

type LaneBinary = (a: bigint, b: bigint, bits: number) => bigint;
type LaneUnary = (a: bigint, bits: number) => bigint;

const s = (value: bigint, bits: number) => BigInt.asIntN(bits, value);
const mask = (condition: boolean) => (condition ? -1n : 0n);

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low;
  return value > high ? high : value;
}

function lesser(a: bigint, b: bigint): bigint {
  return clamp(a, 0n, b);
}

function greater(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

/** `value` limited to what `bits` can hold. */
function saturate(value: bigint, bits: number, signed: boolean): bigint {
  const limit = 1n << BigInt(signed ? bits - 1 : bits);
  return clamp(value, signed ? -limit : 0n, limit - 1n);
}

/** Lane by lane: [operation, the instruction's number for each of INTEGERS (0: there is none), meaning]. */
const BINARY: readonly [string, readonly number[], LaneBinary][] = [
  ['eq', [35, 45, 55, 214], (a, b) => mask(a === b)],
  ['ne', [36, 46, 56, 215], (a, b) => mask(a !== b)],
  ['lt_s', [37, 47, 57, 216], (a, b, n) => mask(s(a, n) < s(b, n))],
  ['lt_u', [38, 48, 58, 0], (a, b) => mask(a < b)],
  ['gt_s', [39, 49, 59, 217], (a, b, n) => mask(s(a, n) > s(b, n))],
  ['gt_u', [40, 50, 60, 0], (a, b) => mask(a > b)],
  ['le_s', [41, 51, 61, 218], (a, b, n) => mask(s(a, n) <= s(b, n))],
  ['le_u', [42, 52, 62, 0], (a, b) => mask(a <= b)],
  ['ge_s', [43, 53, 63, 219], (a, b, n) => mask(s(a, n) >= s(b, n))],
  ['ge_u', [44, 54, 64, 0], (a, b) => mask(a >= b)],
  ['add', [110, 142, 174, 206], (a, b) => a + b],
  ['sub', [113, 145, 177, 209], (a, b) => a - b],
  ['mul', [0, 149, 181, 213], (a, b) => a * b],
  ['add_sat_s', [111, 143, 0, 0], (a, b, n) => saturate(s(a, n) + s(b, n), n, true)],
  ['add_sat_u', [112, 144, 0, 0], (a, b, n) => saturate(a + b, n, false)],
  ['sub_sat_s', [114, 146, 0, 0], (a, b, n) => saturate(s(a, n) - s(b, n), n, true)],
  ['sub_sat_u', [115, 147, 0, 0], (a, b, n) => saturate(a - b, n, false)],
  ['min_s', [118, 150, 182, 0], (a, b, n) => (s(a, n) < s(b, n) ? a : b)],
  ['min_u', [119, 151, 183, 0], lesser],
  ['max_s', [120, 152, 184, 0], (a, b, n) => (s(a, n) > s(b, n) ? a : b)],
  ['max_u', [121, 153, 185, 0], greater],
  ['avgr_u', [123, 155, 0, 0], (a, b) => (a + b + 1n) >> 1n],
  ['q15mulr_sat_s', [0, 130, 0, 0], (a, b, n) => saturate((s(a, n) * s(b, n) + 0x4000n) >> 15n, n, true)],
];

const UNARY: readonly [string, readonly number[], LaneUnary][] = [
  ['abs', [96, 128, 160, 192], (a, n) => (s(a, n) < 0n ? -s(a, n) : a)],
  ['neg', [97, 129, 161, 193], (a) => -a],
];

/** As UNARY, for FLOATS. */
const SIGNS: typeof UNARY = [
  ['abs', [224, 236], (a, n) => BigInt.asUintN(n - 1, a)],
  ['neg', [225, 237], (a, n) => a ^ (1n << BigInt(n - 1))],
];

/** Shifts by a count of i32, taken modulo the lane's width. */
const SHIFTS: readonly [string, readonly number[], LaneBinary][] = [
  ['shl', [107, 139, 171, 203], (a, count) => a << count],
  ['shr_s', [108, 140, 172, 204], (a, count, n) => s(a, n) >> count],
  ['shr_u', [109, 141, 173, 205], (a, count) => a >> count],
];

function mapLanes(shape: Shape, f: (lanes: bigint[], i: number) => bigint, ...vectors: readonly bigint[]): bigint {
  const split = vectors.map((v) => lanesOf(v, shape.lanes));
  const laneAt = (i: number) => split.map((lanes) => lanes[i]);
  return fromLanes(Array.from({ length: shape.lanes }, (_, i) => f(laneAt(i), i)));
}

/** An operation for every shape that has a number for it. */
function forShapes(
  shapes: readonly Shape[],
  numbers: readonly number[],
  make: (shape: Shape, n: number) => OpRow,
): OpRow[] {
  return shapes.flatMap((shape, i) => (numbers[i] === 0 ? [] : [make(shape, numbers[i])]));
}

function unaryOps(shapes: readonly Shape[], table: typeof UNARY): OpRow[] {
  return table.flatMap(([name, numbers, f]) =>
    forShapes(shapes, numbers, (shape, n) =>
      vectorOp(`${shape.name}.${name}`, n, 1, ([a]) => mapLanes(shape, ([x]) => f(x, shape.bits), a)),
    ),
  );
}

function binaryOps(): OpRow[] {
  return BINARY.flatMap(([name, numbers, f]) =>
    forShapes(INTEGERS, numbers, (shape, n) =>
      vectorOp(`${shape.name}.${name}`, n, 2, ([a, b]) => mapLanes(shape, ([x, y]) => f(x, y, shape.bits), a, b)),
    ),
  );
}

function shiftOps(): OpRow[] {
  return SHIFTS.flatMap(([name, numbers, f]) =>
    forShapes(INTEGERS, numbers, (shape, n) => ({
      name: `${shape.name}.${name}`,
      code: simdCode(n),
      params: ['v128', 'i32'],
      result: 'v128',
      evaluate: ([a, count]) => mapLanes(shape, ([x]) => f(x, count % BigInt(shape.bits), shape.bits), a),
    })),
  );
}

/** Numbers by shape: splat, extract (with the name's suffix), replace. */
const LANE_ACCESS: readonly [Shape, number, Readonly<Record<string, number>>, number][] = [
  [I8, 15, { _s: 21, _u: 22 }, 23],
  [I16, 16, { _s: 24, _u: 25 }, 26],
  [I32, 17, { '': 27 }, 28],
  [I64, 18, { '': 29 }, 30],
  [F32, 19, { '': 31 }, 32],
  [F64, 20, { '': 33 }, 34],
];

function laneAccessOps(): OpRow[] {
  return LANE_ACCESS.flatMap(([shape, splat, extracts, replace]): OpRow[] => {
    const { name, lanes, bits, scalar } = shape;
    return [
      {
        name: `${name}.splat`,
        code: simdCode(splat),
        params: [scalar],
        result: 'v128',
        evaluate: ([a]) => fromLanes(Array<bigint>(lanes).fill(a)),
      },
      ...Object.entries(extracts).map(
        ([suffix, n]): OpRow => ({
          name: `${name}.extract_lane${suffix}`,
          code: simdCode(n),
          params: ['v128'],
          result: scalar,
          immediateBytes: 1,
          evaluate: ([a], lane) =>
            suffix === '_s' ? s(lanesOf(a, lanes)[Number(lane)], bits) : lanesOf(a, lanes)[Number(lane)],
        }),
      ),
      {
        name: `${name}.replace_lane`,
        code: simdCode(replace),
        params: ['v128', scalar],
        result: 'v128',
        immediateBytes: 1,
        evaluate: ([a, b], lane) => mapLanes(shape, ([x], i) => (i === Number(lane) ? b : x), a),
      },
    ];
  });
}

/** [wide shape, narrow shape, first number of narrow, extend and extmul (undefined: there is none)]. */
const WIDTH_CHANGES: readonly [Shape, Shape, number | undefined, number, number][] = [
  [I16, I8, 101, 135, 156],
  [I32, I16, 133, 167, 188],
  [I64, I32, undefined, 199, 220],
];
const HALVES = ['low_s', 'high_s', 'low_u', 'high_u'] as const;

/** Half of a vector's lanes, extended. */
function extendHalf(narrow: Shape, half: string, value: bigint): bigint[] {
  const lanes = lanesOf(value, narrow.lanes);
  const chosen = half.startsWith('low') ? lanes.slice(0, narrow.lanes / 2) : lanes.slice(narrow.lanes / 2);
  return half.endsWith('_s') ? chosen.map((lane) => s(lane, narrow.bits)) : chosen;
}

function narrowOps(wide: Shape, narrow: Shape, first: number): OpRow[] {
  return ['s', 'u'].map((sign, i) =>
    vectorOp(`${narrow.name}.narrow_${wide.name}_${sign}`, first + i, 2, ([a, b]) => {
      const lanes = [...lanesOf(a, wide.lanes), ...lanesOf(b, wide.lanes)];
      return fromLanes(lanes.map((lane) => saturate(s(lane, wide.bits), narrow.bits, sign === 's')));
    }),
  );
}

function widthOps(): OpRow[] {
  return WIDTH_CHANGES.flatMap(([wide, narrow, firstNarrow, extend, extmul]): OpRow[] => [
    ...(firstNarrow === undefined ? [] : narrowOps(wide, narrow, firstNarrow)),
    ...HALVES.map((half, i) => {
      const name = `${wide.name}.extend_${half.replace('_', `_${narrow.name}_`)}`;
      return vectorOp(name, extend + i, 1, ([a]) => fromLanes(extendHalf(narrow, half, a)));
    }),
    ...HALVES.map((half, i) => {
      const name = `${wide.name}.extmul_${half.replace('_', `_${narrow.name}_`)}`;
      return vectorOp(name, extmul + i, 2, ([a, b]) => {
        const right = extendHalf(narrow, half, b);
        return fromLanes(extendHalf(narrow, half, a).map((x, lane) => x * right[lane]));
      });
    }),
  ]);
}

/** [shape, any bit set in all lanes, sign bits]. */
const REDUCTIONS: readonly [Shape, number, number][] = [
  [I8, 99, 100],
  [I16, 131, 132],
  [I32, 163, 164],
  [I64, 195, 196],
];

function reductionOps(): OpRow[] {
  return REDUCTIONS.flatMap(([{ name, lanes, bits }, allTrue, bitmask]) => [
    vectorOp(`${name}.all_true`, allTrue, 1, ([a]) => BigInt(lanesOf(a, lanes).every((lane) => lane !== 0n)), 'i32'),
    vectorOp(
      `${name}.bitmask`,
      bitmask,
      1,
      ([a]) => lanesOf(a, lanes).reduce((all, lane, i) => all | ((lane >> BigInt(bits - 1)) << BigInt(i)), 0n),
      'i32',
    ),
  ]);
}

function swizzle(value: bigint, indices: bigint): bigint {
  const bytes = lanesOf(value, 16);
  return fromLanes(lanesOf(indices, 16).map((i) => bytes[Number(i)] ?? 0n));
}

/** Multiplies signed 16-bit lanes and adds neighbouring products. */
function dotProduct(a: bigint, b: bigint): bigint {
  const x = lanesOf(a, 8).map((lane) => s(lane, 16));
  const y = lanesOf(b, 8).map((lane) => s(lane, 16));
  return fromLanes([0, 2, 4, 6].map((i) => x[i] * y[i] + x[i + 1] * y[i + 1]));
}

/** Adds neighbouring unsigned lanes into lanes of twice the width. */
function addPairs(narrow: Shape, value: bigint): bigint {
  const lanes = lanesOf(value, narrow.lanes);
  return fromLanes(Array.from({ length: narrow.lanes / 2 }, (_, i) => lanes[2 * i] + lanes[2 * i + 1]));
}

const WHOLE: readonly OpRow[] = [
  vectorOp('v128.not', 77, 1, ([a]) => ~a),
  vectorOp('v128.and', 78, 2, ([a, b]) => a & b),
  vectorOp('v128.andnot', 79, 2, ([a, b]) => a & ~b),
  vectorOp('v128.or', 80, 2, ([a, b]) => a | b),
  vectorOp('v128.xor', 81, 2, ([a, b]) => a ^ b),
  vectorOp('v128.bitselect', 82, 3, ([a, b, c]) => (a & c) | (b & ~c)),
  vectorOp('v128.any_true', 83, 1, ([a]) => BigInt(a !== 0n), 'i32'),
  vectorOp('i8x16.swizzle', 14, 2, ([a, b]) => swizzle(a, b)),
  vectorOp('i16x8.extadd_pairwise_i8x16_u', 125, 1, ([a]) => addPairs(I8, a)),
  vectorOp('i32x4.extadd_pairwise_i16x8_u', 127, 1, ([a]) => addPairs(I16, a)),
  vectorOp('i32x4.dot_i16x8_s', 186, 2, ([a, b]) => dotProduct(a, b)),
  {
    name: 'i8x16.shuffle',
    code: simdCode(13),
    params: ['v128', 'v128'],
    result: 'v128',
    immediateBytes: 16,
    evaluate: ([a, b], lanes) => {
      const bytes = [...lanesOf(a, 16), ...lanesOf(b, 16)];
      return fromLanes(lanesOf(lanes, 16).map((i) => bytes[Number(i)]));
    },
  },
];

const SCALARS = new Map(floatOps().map((op) => [op.name, op.evaluate]));

function scalar(name: string): Evaluate {
  const evaluate = SCALARS.get(name);
  if (evaluate === undefined) throw new Error(`no scalar operation ${name}`);
  return evaluate;
}

/** Floating point, as the scalar operation in every lane: [operation, operands, number for f32x4, for f64x2]. */
const FLOAT: readonly [string, 1 | 2, number, number][] = [
  ['ceil', 1, 103, 116],
  ['floor', 1, 104, 117],
  ['trunc', 1, 105, 122],
  ['nearest', 1, 106, 148],
  ['sqrt', 1, 227, 239],
  ['add', 2, 228, 240],
  ['sub', 2, 229, 241],
  ['mul', 2, 230, 242],
  ['div', 2, 231, 243],
];
const FLOAT_COMPARES = ['eq', 'ne', 'lt', 'gt', 'le', 'ge'];

function floatLaneOps(shape: Shape, firstCompare: number, firstPseudo: number, column: 2 | 3): OpRow[] {
  const { name, scalar: type } = shape;
  const lessThan = scalar(`${type}.lt`);
  return [
    ...FLOAT.map((row) => {
      const f = scalar(`${type}.${row[0]}`);
      return vectorOp(`${name}.${row[0]}`, row[column], row[1], (args) =>
        mapLanes(shape, (lanes) => f(lanes, 0n), ...args),
      );
    }),
    ...FLOAT_COMPARES.map((compare, i) => {
      const f = scalar(`${type}.${compare}`);
      return vectorOp(`${name}.${compare}`, firstCompare + i, 2, ([a, b]) =>
        mapLanes(shape, (lanes) => mask(f(lanes, 0n) !== 0n), a, b),
      );
    }),
    vectorOp(`${name}.pmin`, firstPseudo, 2, ([a, b]) =>
      mapLanes(shape, ([x, y]) => (lessThan([y, x], 0n) !== 0n ? y : x), a, b),
    ),
    vectorOp(`${name}.pmax`, firstPseudo + 1, 2, ([a, b]) =>
      mapLanes(shape, ([x, y]) => (lessThan([x, y], 0n) !== 0n ? y : x), a, b),
    ),
  ];
}

const convertLow = (a: bigint, f: Evaluate) =>
  fromLanes(
    lanesOf(a, 4)
      .slice(0, 2)
      .map((lane) => f([lane], 0n)),
  );
const convertPair = (a: bigint, f: Evaluate) => fromLanes([...lanesOf(a, 2).map((lane) => f([lane], 0n)), 0n, 0n]);
const convertAll = (a: bigint, f: Evaluate) => fromLanes(lanesOf(a, 4).map((lane) => f([lane], 0n)));

const CONVERSIONS: readonly OpRow[] = [
  vectorOp('f32x4.demote_f64x2_zero', 94, 1, ([a]) => convertPair(a, scalar('f32.demote_f64'))),
  vectorOp('f64x2.promote_low_f32x4', 95, 1, ([a]) => convertLow(a, scalar('f64.promote_f32'))),
  vectorOp('i32x4.trunc_sat_f32x4_s', 248, 1, ([a]) => convertAll(a, scalar('i32.trunc_sat_f32_s'))),
  vectorOp('f32x4.convert_i32x4_s', 250, 1, ([a]) => convertAll(a, scalar('f32.convert_i32_s'))),
  vectorOp('i32x4.trunc_sat_f64x2_s_zero', 252, 1, ([a]) => convertPair(a, scalar('i32.trunc_sat_f64_s'))),
  vectorOp('f64x2.convert_low_i32x4_s', 254, 1, ([a]) => convertLow(a, scalar('f64.convert_i32_s'))),
];

/** The SIMD operations (WebAssembly core specification, section 5.4.9). */
export function simdOps(): OpRow[] {
  return [
    ...WHOLE,
    ...binaryOps(),
    ...unaryOps(INTEGERS, UNARY),
    ...unaryOps(FLOATS, SIGNS),
    ...shiftOps(),
    ...laneAccessOps(),
    ...widthOps(),
    ...reductionOps(),
    ...floatLaneOps(F32, 65, 234, 2),
    ...floatLaneOps(F64, 71, 246, 3),
    ...CONVERSIONS,
  ];
}
