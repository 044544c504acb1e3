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
import { ROUND } from '../float/results.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { shortWay, type Unless } from '../short-way.ts';
import { defineExact, type ExactHelpers, type ExactLane } from '../simd/float-exact.ts';
import {
  allLanes,
  areDenormal,
  areExtreme,
  areNotFinite,
  areOrdered,
  areTiny,
  areUnsafeResults,
  areZero,
  DOUBLE,
  ignoresInexact,
  isNormalOrInfinite,
  isZero,
  laneBits,
  lanesSet,
  MXCSR,
  mxcsrOf,
  powerBits,
  SINGLE,
  type SimdFormat,
  unlessIgnoresInexact,
} from '../simd/float-format.ts';
import { binaryShortcut, sqrtShortcut } from '../simd/float-shortcut.ts';
import { choose, same, shuffle } from '../simd/lanes.ts';
import { readLowLane, readScalar, readVector, requireSse, writeScalar, writeVector } from '../simd/operands.ts';

const BINARY = { f32: FLOAT_32_BINARY, f64: FLOAT_64_BINARY } as const;
const SQRT = { f32: FLOAT_32_SQRT, f64: FLOAT_64_SQRT } as const;
const INTEGRAL = { f32: FLOAT_32_INTEGRAL, f64: FLOAT_64_INTEGRAL } as const;

/**
 * What the short way gives, which `fast` records with the tests that say whether it is right and changes nothing in MXCSR;
 * what the helper gives where one of them fails. @returns a value of `type`; the helper's result is its bits
 */
export function orExact(
  l: Lift,
  type: Type,
  fast: (unless: Unless) => Val,
  helper: IrHelper,
  ...args: readonly Operand[]
): Val {
  const { b } = l;
  const result = b.variable(type, 0, 'result');
  shortWay(
    b,
    (unless) => b.set(result, fast(unless)),
    () => {
      l.markRecord();
      const bits = b.call(helper, ...args);
      b.set(result, bits.type === type ? bits : b.op(`${type}.reinterpret_${bits.type}`, bits));
    },
  );
  return b.get(result);
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

/** What a short way of arithmetic needs: two vectors of operands, and the result of the host's arithmetic on them. */
interface Arithmetic {
  readonly format: SimdFormat;
  readonly operation: BinaryOperation;
  readonly a: Val;
  readonly s: Val;
  readonly result: Val;
  /** The lanes that count, as bits: of the others nothing is asked. */
  readonly lanes: number;
}

/**
 * The result that the host's arithmetic gave, where it is right and changes nothing in MXCSR, else that of `exact`, which
 * is recorded as the rare case. A sum that is tiny is exact; a product or quotient that is zero for a zero operand, too.
 */
function checked(l: Lift, arithmetic: Arithmetic, exact: () => Val): Val {
  const { b } = l;
  const { format: f, operation, a, s, result, lanes } = arithmetic;
  const checkedResult = b.variable('v128', result, 'result');
  const among = (mask: Val) => lanesSet(b, f, mask).and(lanes);
  const sum = operation === 'add' || operation === 'sub';
  const unusual = unlessIgnoresInexact(b);
  const suspicious = b.op('v128.or', areTiny(b, f, a, s), areExtreme(b, f, result, sum ? 0 : 2));
  b.ifRarely(unusual.or(among(suspicious)), () => {
    const denormal = b.op('v128.or', areDenormal(b, f, a), areDenormal(b, f, s));
    b.if(unusual.or(among(b.op('v128.or', denormal, areWrong(b, arithmetic)))), () => {
      l.markRecord();
      b.set(checkedResult, exact());
    });
  });
  return b.get(checkedResult);
}

/** Lanes of ones where the result of numbers that are no denormals is wrong, or has an exception. */
function areWrong(b: Builder, { format: f, operation, a, s, result }: Arithmetic): Val {
  if (operation === 'add' || operation === 'sub') return areNotFinite(b, f, result);
  const zeroA = areZero(b, f, a);
  const zeroOperand = operation === 'mul' ? b.op('v128.or', zeroA, areZero(b, f, s)) : zeroA;
  const exactZero = b.op('v128.and', zeroOperand, areZero(b, f, result));
  return b.op('v128.andnot', areUnsafeResults(b, f, result), exactZero);
}

function scalarBinary(f: SimdFormat, operation: BinaryOperation, exact: ExactHelpers): Semantics {
  return (l) => {
    requireSse(l);
    const { b } = l;
    const s = readLowLane(l, 1, f.width);
    const a = readVector(l, 0);
    const number = (vector: Val) => b.opWithImmediate(`${f.floats}.extract_lane`, 0n, vector);
    const replaced = (shape: string, value: Val) => b.opWithImmediate(`${shape}.replace_lane`, 0n, a, value);
    const result = replaced(f.floats, number(a).do(operation, number(s)));
    const value = checked(l, { format: f, operation, a, s, result, lanes: 1 }, () =>
      replaced(f.integers, b.call(exact.scalar, laneBits(b, f, a, 0), laneBits(b, f, s, 0), 0)),
    );
    writeVector(l, 0, value);
  };
}

/** As {@link checked}, for all lanes. */
function checkedPacked(
  l: Lift,
  format: SimdFormat,
  operation: BinaryOperation,
  exact: ExactHelpers,
  a: Val,
  s: Val,
  result: Val,
): Val {
  const lanes = (1 << format.lanes) - 1;
  return checked(l, { format, operation, a, s, result, lanes }, () => l.b.call(exact.packed, a, s, 0));
}

function applyPacked(l: Lift, f: SimdFormat, operation: BinaryOperation, exact: ExactHelpers, a: Val, s: Val): Val {
  return checkedPacked(l, f, operation, exact, a, s, l.b.op(`${f.floats}.${operation}`, a, s));
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
    writeVector(l, 0, checkedPacked(l, f, 'add', exact, a, s, result));
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
      const a = readScalar(l, 1, f);
      const fast = (unless: Unless) => {
        unless(ignoresInexact(b).eqz());
        unless(a.bits.sub(least).geU(infinity - least));
        return a.float.do('sqrt');
      };
      writeScalar(l, 0, f, orExact(l, f.float, fast, exact.scalar, a.bits, 0));
    },
    [`sqrtp${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const a = readVector(l, 1);
      const fast = (unless: Unless) => {
        const above = b.op(`${f.integers}.gt_s`, a, same(b, f.integers, least - 1n));
        const finite = b.op(`${f.integers}.lt_s`, a, same(b, f.integers, infinity));
        unless(ignoresInexact(b).eqz());
        unless(allLanes(b, f, b.op('v128.and', above, finite)).eqz());
        return b.op(`${f.floats}.sqrt`, a);
      };
      writeVector(l, 0, orExact(l, 'v128', fast, exact.packed, a, 0));
    },
  };
}

/** Bits of the immediate of ROUNDSS and its kin, beside the rounding in bits 0 and 1 (SDM 2, ROUNDPD). */
const ROUND_BY_MXCSR = 4;
const SUPPRESS_PRECISION = 8;

/** The rounding that an immediate names, MXCSR's own being to nearest. */
function integralBy(imm: Val, x: Val, round: (name: string, x: Val) => Val): Val {
  const number = choose(imm.and(ROUND_BY_MXCSR), imm.and(0), imm.and(3));
  const upOrZero = choose(number.eq(ROUND.up), round('ceil', x), round('trunc', x));
  const notNearest = choose(number.eq(ROUND.down), round('floor', x), upOrZero);
  return choose(number.eqz(), round('nearest', x), notNearest);
}

/** Leaves the short way of a rounding where MXCSR's rounding counts and is another, or where PE is to be set. */
function checkRounding(b: Builder, imm: Val, unchanged: Val, unless: Unless): void {
  unless(mxcsrOf(b).and(MXCSR.rounding).nez().and(imm.shrU(2)));
  unless(unchanged.or(ignoresInexact(b)).eqz().and(imm.and(SUPPRESS_PRECISION).eqz()));
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
      const { b } = l;
      const a = readScalar(l, 1, f);
      const imm = l.read(2);
      const fast = (unless: Unless) => {
        b.if(isNormalOrInfinite(f, a.bits).eqz(), () => unless(isZero(a.bits).eqz()));
        const value = integralBy(imm, a.float, (name, x) => x.do(name));
        checkRounding(b, imm, value.do('eq', a.float), unless);
        return value;
      };
      writeScalar(l, 0, f, orExact(l, f.float, fast, exact.scalar, a.bits, imm));
    },
    [`roundp${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const a = readVector(l, 1);
      const imm = l.read(2);
      const fast = (unless: Unless) => {
        unless(allLanes(b, f, areOrdered(b, f, a)).eqz());
        const value = integralBy(imm, a, (name, x) => b.op(`${f.floats}.${name}`, x));
        checkRounding(b, imm, allLanes(b, f, b.op(`${f.floats}.eq`, value, a)), unless);
        return value;
      };
      writeVector(l, 0, orExact(l, 'v128', fast, exact.packed, a, imm));
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
