import type { Builder } from '../../ir/builder.ts';
import type { IrHelper } from '../../ir/define.ts';
import type { Type } from '../../ir/types.ts';
import type { Operand, Val } from '../../ir/val.ts';
import {
  type BinaryOperation,
  FLOAT_32_BINARY,
  FLOAT_32_SQRT,
  FLOAT_64_BINARY,
  FLOAT_64_SQRT,
} from '../float/arithmetic.ts';
import { FLOAT_32_INTEGRAL, FLOAT_64_INTEGRAL } from '../float/integral.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { defineExact, type ExactHelpers, type ExactLane } from '../simd/float-exact.ts';
import {
  allLanes,
  areNotTiny,
  areSafeResults,
  areZero,
  DOUBLE,
  ignoresInexact,
  isNotTiny,
  isSafeResult,
  laneBits,
  powerBits,
  SINGLE,
  type SimdFormat,
  toBits,
  toFloat,
} from '../simd/float-format.ts';
import { binaryShortcut, sqrtShortcut } from '../simd/float-shortcut.ts';
import { same, shuffle } from '../simd/lanes.ts';
import { readLow, readVector, requireSse, writeLow, writeVector } from '../simd/operands.ts';

const BINARY = { f32: FLOAT_32_BINARY, f64: FLOAT_64_BINARY } as const;
const SQRT = { f32: FLOAT_32_SQRT, f64: FLOAT_64_SQRT } as const;
const INTEGRAL = { f32: FLOAT_32_INTEGRAL, f64: FLOAT_64_INTEGRAL } as const;

/** `value` where the i32 `fast` says that it is right and changes nothing in MXCSR, else what the helper gives. */
export function orExact(
  l: Lift,
  type: Type,
  fast: Val,
  value: Val,
  helper: IrHelper,
  ...args: readonly Operand[]
): Val {
  return l.b.choose(
    type,
    fast,
    () => value,
    () => {
      l.markRecord();
      return l.b.call(helper, ...args);
    },
  );
}

/** A lane by one of the helpers of src/isa/float that take two operands and MXCSR. */
const binaryLane =
  (helper: IrHelper): ExactLane =>
  (b, mxcsr, [a, s]) =>
    b.call(helper, a, s, mxcsr);

function exactBinary(f: SimdFormat, operation: BinaryOperation): ExactHelpers {
  return defineExact({
    name: `sse_${f.float}_${operation}`,
    format: f,
    operands: 2,
    lane: () => binaryLane(BINARY[f.float][operation]),
    shortcut: binaryShortcut(f, operation),
  });
}

function scalarBinary(f: SimdFormat, operation: BinaryOperation, exact: ExactHelpers): Semantics {
  return (l) => {
    requireSse(l);
    const { b } = l;
    const s = readLow(l, 1, f.width);
    const a = laneBits(b, f, readVector(l, 0), 0);
    const result = toBits(f, toFloat(f, a, b).do(operation, toFloat(f, s, b)), b);
    const tame = isNotTiny(f, a).and(isNotTiny(f, s)).and(isSafeResult(f, result));
    writeLow(l, 0, orExact(l, f.bits, ignoresInexact(b).and(tame), result, exact.scalar, a, s, 0));
  };
}

/** Whether a result is right as it is: no operand denormal, and nothing that may have over- or underflown. */
function packedIsTame(b: Builder, f: SimdFormat, operation: BinaryOperation, a: Val, s: Val, result: Val): Val {
  const and = (x: Val, y: Val) => b.op('v128.and', x, y);
  const or = (x: Val, y: Val) => b.op('v128.or', x, y);
  const [zeroA, zeroS] = [areZero(b, f, a), areZero(b, f, s)];
  const operands = and(or(areNotTiny(b, f, a), zeroA), or(areNotTiny(b, f, s), zeroS));
  const zeros = areZero(b, f, result);
  const sum = operation === 'add' || operation === 'sub';
  const exactZeros = sum ? zeros : and(zeros, or(zeroA, zeroS));
  return allLanes(b, f, and(operands, or(areSafeResults(b, f, result), exactZeros)));
}

function applyPacked(l: Lift, f: SimdFormat, operation: BinaryOperation, exact: ExactHelpers, a: Val, s: Val): Val {
  const result = l.b.op(`${f.floats}.${operation}`, a, s);
  const fast = ignoresInexact(l.b).and(packedIsTame(l.b, f, operation, a, s, result));
  return orExact(l, 'v128', fast, result, exact.packed, a, s, 0);
}

function packedBinary(f: SimdFormat, operation: BinaryOperation, exact: ExactHelpers): Semantics {
  return (l) => {
    requireSse(l);
    const s = readVector(l, 1);
    writeVector(l, 0, applyPacked(l, f, operation, exact, readVector(l, 0), s));
  };
}

/** Lanes with even (0) or odd (1) number of a, then of s. */
function everyOther(b: Builder, f: SimdFormat, a: Val, s: Val, odd: 0 | 1): Val {
  const bytes = f.width / 8;
  const chosen = Array.from({ length: 32 }, (_, i) => i).filter((i) => (Math.floor(i / bytes) & 1) === odd);
  return shuffle(b, a, s, chosen);
}

/** HADD, HSUB: neighbouring lanes of the destination, then of the source. */
function horizontal(f: SimdFormat, operation: 'add' | 'sub', exact: ExactHelpers): Semantics {
  return (l) => {
    requireSse(l);
    const s = readVector(l, 1);
    const a = readVector(l, 0);
    const [even, odd] = [everyOther(l.b, f, a, s, 0), everyOther(l.b, f, a, s, 1)];
    writeVector(l, 0, applyPacked(l, f, operation, exact, even, odd));
  };
}

/** ADDSUB: even lanes are subtracted, odd lanes added. */
function addSub(f: SimdFormat): Semantics {
  const exact = defineExact({
    name: `sse_${f.float}_addsub`,
    format: f,
    operands: 2,
    lane: (i) => binaryLane(BINARY[f.float][i % 2 === 0 ? 'sub' : 'add']),
  });
  const pairs = Array.from({ length: 16 }, (_, i) => (Math.floor((8 * i) / f.width) % 2 === 0 ? i : 16 + i));
  return (l) => {
    requireSse(l);
    const { b } = l;
    const s = readVector(l, 1);
    const a = readVector(l, 0);
    const result = shuffle(b, b.op(`${f.floats}.sub`, a, s), b.op(`${f.floats}.add`, a, s), pairs);
    const fast = ignoresInexact(b).and(packedIsTame(b, f, 'add', a, s, result));
    writeVector(l, 0, orExact(l, 'v128', fast, result, exact.packed, a, s, 0));
  };
}

/** The semantics of one operation on scalars and vectors, and those made of it. */
function arithmetic(f: SimdFormat, suffix: 's' | 'd'): SemanticsTable {
  const table: Record<string, Semantics> = {};
  for (const operation of ['add', 'sub', 'mul', 'div'] as const) {
    const exact = exactBinary(f, operation);
    table[`${operation}s${suffix}`] = scalarBinary(f, operation, exact);
    table[`${operation}p${suffix}`] = packedBinary(f, operation, exact);
    if (operation === 'add' || operation === 'sub') {
      table[`h${operation}p${suffix}`] = horizontal(f, operation, exact);
    }
  }
  table[`addsubp${suffix}`] = addSub(f);
  return table;
}

function squareRoot(f: SimdFormat, suffix: 's' | 'd'): SemanticsTable {
  const exact = defineExact({
    name: `sse_${f.float}_sqrt`,
    format: f,
    operands: 1,
    lane:
      () =>
      (b, mxcsr, [a]) =>
        b.call(SQRT[f.float], a, mxcsr),
    shortcut: sqrtShortcut(f),
  });
  const least = powerBits(f, 1);
  const infinity = powerBits(f, f.maxExponent);
  return {
    [`sqrts${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const a = readLow(l, 1, f.width);
      const result = toBits(f, toFloat(f, a, b).do('sqrt'), b);
      const fast = ignoresInexact(b).and(a.sub(least).ltU(infinity - least));
      writeLow(l, 0, orExact(l, f.bits, fast, result, exact.scalar, a, 0));
    },
    [`sqrtp${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const a = readVector(l, 1);
      const above = b.op(`${f.integers}.gt_s`, a, same(b, f.integers, least - 1n));
      const finite = b.op(`${f.integers}.lt_s`, a, same(b, f.integers, infinity));
      const fast = ignoresInexact(b).and(allLanes(b, f, b.op('v128.and', above, finite)));
      const result = b.op(`${f.floats}.sqrt`, a);
      writeVector(l, 0, orExact(l, 'v128', fast, result, exact.packed, a, 0));
    },
  };
}

/** ROUNDSS and its kin: to an integral number, by the immediate's rounding or MXCSR's. */
function roundIntegral(f: SimdFormat, suffix: 's' | 'd'): SemanticsTable {
  const exact = defineExact({
    name: `sse_${f.float}_round`,
    format: f,
    operands: 1,
    lane:
      () =>
      (b, mxcsr, [a], imm) =>
        b.call(INTEGRAL[f.float], a, imm, mxcsr),
  });
  return {
    [`rounds${suffix}`]: (l) => {
      requireSse(l);
      const a = readLow(l, 1, f.width);
      l.markRecord();
      writeLow(l, 0, l.b.call(exact.scalar, a, l.read(2)));
    },
    [`roundp${suffix}`]: (l) => {
      requireSse(l);
      const a = readVector(l, 1);
      l.markRecord();
      writeVector(l, 0, l.b.call(exact.packed, a, l.read(2)));
    },
  };
}

/** Arithmetic on single and double precision. */
export const SSE_FLOAT: SemanticsTable = {
  ...arithmetic(SINGLE, 's'),
  ...arithmetic(DOUBLE, 'd'),
  ...squareRoot(SINGLE, 's'),
  ...squareRoot(DOUBLE, 'd'),
  ...roundIntegral(SINGLE, 's'),
  ...roundIntegral(DOUBLE, 'd'),
};
