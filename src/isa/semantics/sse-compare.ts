import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import { COMPARED, FLOAT_32_COMPARE, FLOAT_64_COMPARE } from '../float/compare.ts';
import { denormalsAreZero } from '../float/results.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import type { Unless } from '../short-way.ts';
import { defineExact } from '../simd/float-exact.ts';
import {
  allLanes,
  areOrdered,
  DOUBLE,
  isNormalOrInfinite,
  isZero,
  powerBits,
  SINGLE,
  type SimdFormat,
} from '../simd/float-format.ts';
import { choose } from '../simd/lanes.ts';
import {
  readScalar,
  readVector,
  requireSse,
  type Scalar,
  scalarOf,
  writeLow,
  writeScalar,
  writeVector,
} from '../simd/operands.ts';
import { orExact } from './sse-float.ts';

const COMPARISON = { f32: FLOAT_32_COMPARE, f64: FLOAT_64_COMPARE } as const;

/** `x`, or a zero with its sign where it is denormal and MXCSR.DAZ is set. */
function flushDenormal(b: Builder, f: SimdFormat, mxcsr: Val, x: Val): Val {
  const denormal = x.shl(1).ltU(powerBits(f, 1) << 1n);
  const sign = x.and(b.const(f.bits, -(1n << BigInt(f.width - 1))));
  return sign.selectIf(denormal.and(denormalsAreZero(mxcsr)), x);
}

/** Leaves the short way where one of two numbers is denormal or NaN: comparing others raises nothing. */
function checkOrdered(b: Builder, f: SimdFormat, a: Scalar, s: Scalar, unless: Unless): void {
  for (const { bits } of [a, s]) b.if(isNormalOrInfinite(f, bits).eqz(), () => unless(isZero(bits).eqz()));
}

/** As {@link checkOrdered}, for all lanes of two vectors. */
function checkAllOrdered(b: Builder, f: SimdFormat, a: Val, s: Val, unless: Unless): void {
  unless(allLanes(b, f, b.op('v128.and', areOrdered(b, f, a), areOrdered(b, f, s))).eqz());
}

/** MIN, MAX: the source unless the destination is less (greater). So of zeros, and with a NaN, the source is the result. */
function extreme(f: SimdFormat, name: 'min' | 'max', suffix: 's' | 'd'): SemanticsTable {
  const wanted = name === 'min' ? COMPARED.less : COMPARED.greater;
  const exact = defineExact({
    name: `sse_${f.float}_${name}`,
    format: f,
    operands: 2,
    lane:
      () =>
      (b, mxcsr, [a, s]) => {
        const first = b.call(COMPARISON[f.float], a, s, mxcsr, 0).eq(wanted);
        return flushDenormal(b, f, mxcsr, a.selectIf(first, s));
      },
  });
  return {
    [`${name}s${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const s = readScalar(l, 1, f);
      const old = readVector(l, 0);
      const a = scalarOf(b, f, old);
      const fast = (unless: Unless) => {
        checkOrdered(b, f, a, s, unless);
        const chosen = b.op(`${f.floats}.p${name}`, b.op(`${f.floats}.splat`, s.float), old);
        return b.opWithImmediate(`${f.floats}.extract_lane`, 0n, chosen);
      };
      writeScalar(l, 0, f, orExact(l, f.float, fast, exact.scalar, a.bits, s.bits, 0));
    },
    [`${name}p${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const s = readVector(l, 1);
      const a = readVector(l, 0);
      const fast = (unless: Unless) => {
        checkAllOrdered(b, f, a, s, unless);
        return b.op(`${f.floats}.p${name}`, s, a);
      };
      writeVector(l, 0, orExact(l, 'v128', fast, exact.packed, a, s, 0));
    },
  };
}

/** The four predicates of CMPPS; bit 2 of the immediate inverts (SDM 2, table 3-1). */
interface Predicates {
  readonly equal: Val;
  readonly less: Val;
  readonly lessOrEqual: Val;
  readonly unordered: Val;
}

function chosen(imm: Val, p: Predicates): Val {
  const number = imm.and(3);
  const third = choose(number.eq(2), p.lessOrEqual, p.unordered);
  return choose(number.eqz(), p.equal, choose(number.eq(1), p.less, third));
}

const isInverted = (imm: Val) => imm.shrU(2).and(1);

/** All ones or all zeros of the format's width, from an i32 of 0 or 1. */
function maskOf(f: SimdFormat, condition: Val): Val {
  return (f.bits === 'i64' ? condition.extU() : condition).neg();
}

function compare(f: SimdFormat, suffix: 's' | 'd'): SemanticsTable {
  const exact = defineExact({
    name: `sse_${f.float}_cmp`,
    format: f,
    operands: 2,
    lane:
      () =>
      (b, mxcsr, [a, s], imm) => {
        const number = imm.and(3);
        const quiet = number.eqz().or(number.eq(3));
        const found = b.call(COMPARISON[f.float], a, s, mxcsr, quiet);
        const [less, equal] = [found.eq(COMPARED.less), found.eq(COMPARED.equal)];
        const unordered = found.eq(COMPARED.unordered);
        const holds = chosen(imm, { equal, less, lessOrEqual: less.or(equal), unordered });
        return maskOf(f, holds.xor(isInverted(imm)));
      },
  });
  return {
    [`cmps${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const s = readScalar(l, 1, f);
      const a = scalarOf(b, f, readVector(l, 0));
      const [x, y, imm] = [a.float, s.float, l.read(2)];
      const fast = (unless: Unless) => {
        checkOrdered(b, f, a, s, unless);
        const relation = { equal: x.do('eq', y), less: x.do('lt', y), lessOrEqual: x.do('le', y), unordered: b.i32(0) };
        return maskOf(f, chosen(imm, relation).xor(isInverted(imm)));
      };
      writeLow(l, 0, orExact(l, f.bits, fast, exact.scalar, a.bits, s.bits, imm));
    },
    [`cmpp${suffix}`]: (l) => {
      requireSse(l);
      const { b } = l;
      const s = readVector(l, 1);
      const [a, imm] = [readVector(l, 0), l.read(2)];
      const fast = (unless: Unless) => {
        checkAllOrdered(b, f, a, s, unless);
        const by = (name: string) => b.op(`${f.floats}.${name}`, a, s);
        const relation = { equal: by('eq'), less: by('lt'), lessOrEqual: by('le'), unordered: b.const('v128', 0) };
        return b.op('v128.xor', chosen(imm, relation), b.op('i32x4.splat', isInverted(imm).neg()));
      };
      writeVector(l, 0, orExact(l, 'v128', fast, exact.packed, a, s, imm));
    },
  };
}

/** COMISS, UCOMISS: the relation to ZF, PF and CF. The latter takes quiet NaNs without an exception. */
function compareToFlags(f: SimdFormat, quiet: 0 | 1): Semantics {
  const exact = defineExact({
    name: `sse_${f.float}_${quiet === 1 ? 'ucomi' : 'comi'}`,
    format: f,
    result: 'i32',
    operands: 2,
    lane:
      () =>
      (b, mxcsr, [a, s]) =>
        b.call(COMPARISON[f.float], a, s, mxcsr, quiet),
  });
  return (l) => {
    requireSse(l);
    const { b } = l;
    const s = readScalar(l, 1, f);
    const a = scalarOf(b, f, readVector(l, 0));
    const fast = (unless: Unless) => {
      checkOrdered(b, f, a, s, unless);
      return a.float.do('eq', s.float).shl(6).or(a.float.do('lt', s.float));
    };
    l.flags.compared(orExact(l, 'i32', fast, exact.scalar, a.bits, s.bits, 0));
  };
}

/** Comparisons of single and double precision. */
export const SSE_COMPARE: SemanticsTable = {
  ...extreme(SINGLE, 'min', 's'),
  ...extreme(SINGLE, 'max', 's'),
  ...extreme(DOUBLE, 'min', 'd'),
  ...extreme(DOUBLE, 'max', 'd'),
  ...compare(SINGLE, 's'),
  ...compare(DOUBLE, 'd'),
  comiss: compareToFlags(SINGLE, 0),
  comisd: compareToFlags(DOUBLE, 0),
  ucomiss: compareToFlags(SINGLE, 1),
  ucomisd: compareToFlags(DOUBLE, 1),
};
