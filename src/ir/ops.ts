import { type Operation, operation } from './kinds.ts';
import { floatOps } from './ops-float.ts';
import { simdOps } from './ops-simd.ts';
import { byType, type Type } from './types.ts';

/**
 * One pure operation of the IR: its WebAssembly encoding and its meaning for the evaluator.
 * Names are those of the WebAssembly text format, so the specification says what each does.
 */
export interface OpRow {
  readonly name: string;
  /** The instruction's bytes (WebAssembly core specification, section 5.4); an immediate follows where `immediateBytes` is set. */
  readonly code: readonly number[];
  readonly params: readonly Type[];
  readonly result: Type;
  /** Bytes of the immediate: 1 for a lane index, 16 for a shuffle's lane indices, lowest first. */
  readonly immediateBytes?: 1 | 16;
  /** Values are bit patterns, non-negative; the result is reduced to its type by the caller. `imm` is the immediate. */
  readonly evaluate: (args: readonly bigint[], imm: bigint) => bigint;
}

/** A pure operation, and what values are that it computes without an immediate. */
export interface Op extends OpRow {
  readonly plain: Operation;
  /** It adds integers, and so does nothing where the second one is zero. */
  readonly isSum: boolean;
}

type Binary = (a: bigint, b: bigint, signed: (v: bigint) => bigint, bits: bigint) => bigint;

function divideTruncating(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new Error('IR division by zero');
  return a / b;
}

const COMPARISONS: readonly [string, Binary][] = [
  ['eq', (a, b) => BigInt(a === b)],
  ['ne', (a, b) => BigInt(a !== b)],
  ['lt_s', (a, b, s) => BigInt(s(a) < s(b))],
  ['lt_u', (a, b) => BigInt(a < b)],
  ['gt_s', (a, b, s) => BigInt(s(a) > s(b))],
  ['gt_u', (a, b) => BigInt(a > b)],
  ['le_s', (a, b, s) => BigInt(s(a) <= s(b))],
  ['le_u', (a, b) => BigInt(a <= b)],
  ['ge_s', (a, b, s) => BigInt(s(a) >= s(b))],
  ['ge_u', (a, b) => BigInt(a >= b)],
];

const ARITHMETIC: readonly [string, Binary][] = [
  ['add', (a, b) => a + b],
  ['sub', (a, b) => a - b],
  ['mul', (a, b) => a * b],
  ['div_s', (a, b, s) => divideTruncating(s(a), s(b))],
  ['div_u', (a, b) => divideTruncating(a, b)],
  ['rem_s', (a, b, s) => s(a) - divideTruncating(s(a), s(b)) * s(b)],
  ['rem_u', (a, b) => a - divideTruncating(a, b) * b],
  ['and', (a, b) => a & b],
  ['or', (a, b) => a | b],
  ['xor', (a, b) => a ^ b],
  ['shl', (a, b, _s, n) => a << (b % n)],
  ['shr_s', (a, b, s, n) => s(a) >> (b % n)],
  ['shr_u', (a, b, _s, n) => a >> (b % n)],
  ['rotl', (a, b, _s, n) => (a << (b % n)) | (a >> (n - (b % n)))],
  ['rotr', (a, b, _s, n) => (a >> (b % n)) | (a << (n - (b % n)))],
];

function countLeadingZeros(a: bigint, bits: bigint): bigint {
  return a === 0n ? bits : bits - BigInt(a.toString(2).length);
}

function countTrailingZeros(a: bigint, bits: bigint): bigint {
  if (a === 0n) return bits;
  let n = 0n;
  while (((a >> n) & 1n) === 0n) n++;
  return n;
}

function countOnes(a: bigint): bigint {
  return BigInt(a.toString(2).replaceAll('0', '').length);
}

function integerOps(type: 'i32' | 'i64', eqz: number, clz: number): OpRow[] {
  const n = type === 'i32' ? 32 : 64;
  const bits = BigInt(n);
  const signed = (v: bigint) => BigInt.asIntN(n, v);
  const binary = (table: readonly [string, Binary][], first: number, result: Type): OpRow[] =>
    table.map(([name, f], i) => ({
      name: `${type}.${name}`,
      code: [first + i],
      params: [type, type],
      result,
      evaluate: ([a, b]) => f(a, b, signed, bits),
    }));
  const unary = (name: string, code: number, result: Type, f: (a: bigint) => bigint): OpRow => ({
    name: `${type}.${name}`,
    code: [code],
    params: [type],
    result,
    evaluate: ([a]) => f(a),
  });
  return [
    unary('eqz', eqz, 'i32', (a) => BigInt(a === 0n)),
    ...binary(COMPARISONS, eqz + 1, 'i32'),
    unary('clz', clz, type, (a) => countLeadingZeros(a, bits)),
    unary('ctz', clz + 1, type, (a) => countTrailingZeros(a, bits)),
    unary('popcnt', clz + 2, type, countOnes),
    ...binary(ARITHMETIC, clz + 3, type),
  ];
}

function conversion(name: string, code: number, from: Type, result: Type, f: (a: bigint) => bigint): OpRow {
  return { name, code: [code], params: [from], result, evaluate: ([a]) => f(a) };
}

const CONVERSIONS: readonly OpRow[] = [
  conversion('i32.wrap_i64', 0xa7, 'i64', 'i32', (a) => a),
  conversion('i64.extend_i32_s', 0xac, 'i32', 'i64', (a) => BigInt.asIntN(32, a)),
  conversion('i64.extend_i32_u', 0xad, 'i32', 'i64', (a) => a),
  conversion('i32.extend8_s', 0xc0, 'i32', 'i32', (a) => BigInt.asIntN(8, a)),
  conversion('i32.extend16_s', 0xc1, 'i32', 'i32', (a) => BigInt.asIntN(16, a)),
  conversion('i64.extend8_s', 0xc2, 'i64', 'i64', (a) => BigInt.asIntN(8, a)),
  conversion('i64.extend16_s', 0xc3, 'i64', 'i64', (a) => BigInt.asIntN(16, a)),
  conversion('i64.extend32_s', 0xc4, 'i64', 'i64', (a) => BigInt.asIntN(32, a)),
  conversion('i32.reinterpret_f32', 0xbc, 'f32', 'i32', (a) => a),
  conversion('i64.reinterpret_f64', 0xbd, 'f64', 'i64', (a) => a),
  conversion('f32.reinterpret_i32', 0xbe, 'i32', 'f32', (a) => a),
  conversion('f64.reinterpret_i64', 0xbf, 'i64', 'f64', (a) => a),
];

function selectOp(type: Type): OpRow {
  return {
    name: `${type}.select`,
    code: type === 'v128' ? [0x1c, 0x01, 0x7b] : [0x1b],
    params: [type, type, 'i32'],
    result: type,
    evaluate: ([a, b, c]) => (c !== 0n ? a : b),
  };
}

const TYPES: readonly Type[] = ['i32', 'i64', 'f32', 'f64', 'v128'];

function complete(row: OpRow): Op {
  const op = { ...row, plain: {} as Operation, isSum: row.name === 'i32.add' || row.name === 'i64.add' };
  op.plain = operation(op, 0n);
  return op;
}

/** Every pure operation by name. */
export const OPS: ReadonlyMap<string, Op> = new Map(
  [
    ...integerOps('i32', 0x45, 0x67),
    ...integerOps('i64', 0x50, 0x79),
    ...CONVERSIONS,
    ...TYPES.map(selectOp),
    ...floatOps(),
    ...simdOps(),
  ].map((row) => [row.name, complete(row)]),
);

/** @throws {Error} there is none of this name */
export function opNamed(name: string): Op {
  const op = OPS.get(name);
  if (op === undefined) throw new Error(`no IR operation ${name}`);
  return op;
}

/** Operations whose names differ by the type that they begin with, for the types that have one. */
export type OpFamily = Readonly<Record<Type, Op | undefined>>;

/** The operations of a name without its type. */
export function familyOf(name: string): OpFamily {
  const [i32, i64, f32, f64, v128] = TYPES.map((type) => OPS.get(`${type}.${name}`));
  return { i32, i64, f32, f64, v128 };
}

/** The operation of a family for a type. @throws {Error} there is none */
export function opFor(family: OpFamily, type: Type): Op {
  const op = byType(family, type);
  if (op === undefined) throw new Error(`no IR operation of type ${type} like ${family.i32?.name ?? family.f64?.name}`);
  return op;
}
