import type { OpRow } from './ops.ts';
import type { Type } from './types.ts';

const scratch = new DataView(new ArrayBuffer(8));

/** The number whose f32 or f64 bit pattern is `bits`. */
export function floatFromBits(type: 'f32' | 'f64', bits: bigint): number {
  if (type === 'f32') {
    scratch.setUint32(0, Number(bits));
    return scratch.getFloat32(0);
  }
  scratch.setBigUint64(0, bits);
  return scratch.getFloat64(0);
}

/** The f32 or f64 bit pattern of `value`, rounded to nearest even. */
export function bitsFromFloat(type: 'f32' | 'f64', value: number): bigint {
  if (type === 'f32') {
    scratch.setFloat32(0, value);
    return BigInt(scratch.getUint32(0));
  }
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

const COMPARE: readonly [string, (a: number, b: number) => boolean][] = [
  ['eq', (a, b) => a === b],
  ['ne', (a, b) => a !== b],
  ['lt', (a, b) => a < b],
  ['gt', (a, b) => a > b],
  ['le', (a, b) => a <= b],
  ['ge', (a, b) => a >= b],
];

const BINARY: readonly [string, (a: number, b: number) => number][] = [
  ['add', (a, b) => a + b],
  ['sub', (a, b) => a - b],
  ['mul', (a, b) => a * b],
  ['div', (a, b) => a / b],
];

function nearestEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  const even = floor % 2 === 0 ? floor : floor + 1;
  const rounded = fraction < 0.5 ? floor : fraction > 0.5 ? floor + 1 : even;
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

const UNARY: readonly [string, number, (a: number) => number][] = [
  ['ceil', 2, Math.ceil],
  ['floor', 3, Math.floor],
  ['trunc', 4, Math.trunc],
  ['nearest', 5, nearestEven],
  ['sqrt', 6, Math.sqrt],
];

function opsOf(type: 'f32' | 'f64', firstCompare: number, firstUnary: number): OpRow[] {
  const read = (v: bigint) => floatFromBits(type, v);
  const write = (v: number) => bitsFromFloat(type, v);
  return [
    ...COMPARE.map(([name, f], i) => ({
      name: `${type}.${name}`,
      code: [firstCompare + i],
      params: [type, type],
      result: 'i32' as Type,
      evaluate: ([a, b]: readonly bigint[]) => BigInt(f(read(a), read(b))),
    })),
    ...UNARY.map(([name, offset, f]) => ({
      name: `${type}.${name}`,
      code: [firstUnary + offset],
      params: [type],
      result: type,
      evaluate: ([a]: readonly bigint[]) => write(f(read(a))),
    })),
    ...BINARY.map(([name, f], i) => ({
      name: `${type}.${name}`,
      code: [firstUnary + 7 + i],
      params: [type, type],
      result: type,
      evaluate: ([a, b]: readonly bigint[]) => write(f(read(a), read(b))),
    })),
  ];
}

function convert(name: string, code: readonly number[], from: Type, result: Type, f: (a: bigint) => bigint): OpRow {
  return { name, code, params: [from], result, evaluate: ([a]) => f(a) };
}

function saturate(value: number, bits: number): bigint {
  if (Number.isNaN(value)) return 0n;
  const limit = 1n << BigInt(bits - 1);
  if (value >= Number(limit)) return limit - 1n;
  if (value < -Number(limit)) return -limit;
  return BigInt(Math.trunc(value));
}

function saturateUnsigned(value: number, bits: number): bigint {
  if (Number.isNaN(value) || value <= 0) return 0n;
  const limit = 1n << BigInt(bits);
  return value >= Number(limit) ? limit - 1n : BigInt(Math.trunc(value));
}

const CONVERSIONS: readonly OpRow[] = [
  convert('f32.convert_i32_s', [0xb2], 'i32', 'f32', (a) => bitsFromFloat('f32', Number(BigInt.asIntN(32, a)))),
  convert('f64.convert_i32_s', [0xb7], 'i32', 'f64', (a) => bitsFromFloat('f64', Number(BigInt.asIntN(32, a)))),
  convert('f64.convert_i64_s', [0xb9], 'i64', 'f64', (a) => bitsFromFloat('f64', Number(BigInt.asIntN(64, a)))),
  convert('f64.convert_i64_u', [0xba], 'i64', 'f64', (a) => bitsFromFloat('f64', Number(a))),
  convert('f32.demote_f64', [0xb6], 'f64', 'f32', (a) => bitsFromFloat('f32', floatFromBits('f64', a))),
  convert('f64.promote_f32', [0xbb], 'f32', 'f64', (a) => bitsFromFloat('f64', floatFromBits('f32', a))),
  convert('i32.trunc_sat_f32_s', [0xfc, 0], 'f32', 'i32', (a) => saturate(floatFromBits('f32', a), 32)),
  convert('i32.trunc_sat_f64_s', [0xfc, 2], 'f64', 'i32', (a) => saturate(floatFromBits('f64', a), 32)),
  convert('i64.trunc_sat_f32_s', [0xfc, 4], 'f32', 'i64', (a) => saturate(floatFromBits('f32', a), 64)),
  convert('i64.trunc_sat_f64_s', [0xfc, 6], 'f64', 'i64', (a) => saturate(floatFromBits('f64', a), 64)),
  convert('i64.trunc_sat_f64_u', [0xfc, 7], 'f64', 'i64', (a) => saturateUnsigned(floatFromBits('f64', a), 64)),
];

/** The floating-point operations; what NaNs they yield is left open by WebAssembly, so semantics treat NaNs themselves. */
export function floatOps(): OpRow[] {
  return [...opsOf('f32', 0x5b, 0x8b), ...opsOf('f64', 0x61, 0x99), ...CONVERSIONS];
}
