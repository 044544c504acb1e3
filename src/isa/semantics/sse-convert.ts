import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import {
  FLOAT_32_FROM_INTEGER,
  FLOAT_32_TO_64,
  FLOAT_32_TO_INTEGER,
  FLOAT_64_FROM_INTEGER,
  FLOAT_64_TO_32,
  FLOAT_64_TO_INTEGER,
} from '../float/convert.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import type { Unless } from '../short-way.ts';
import { defineExact, type ExactHelpers, type ExactLane } from '../simd/float-exact.ts';
import {
  allLanes,
  areOrdered,
  areSafeResults,
  areZero,
  DOUBLE,
  ignoresInexact,
  isNormalOrInfinite,
  isSafeResult,
  isZero,
  SINGLE,
  type SimdFormat,
  toBits,
  toFloat,
} from '../simd/float-format.ts';
import { same } from '../simd/lanes.ts';
import {
  enterMmx,
  lowOf,
  readScalar,
  readVector,
  requireMmx,
  requireSse,
  usesMmx,
  writeLow,
  writeScalar,
  writeVector,
} from '../simd/operands.ts';
import { orExact } from './sse-float.ts';

const TO_INTEGER = { f32: FLOAT_32_TO_INTEGER, f64: FLOAT_64_TO_INTEGER } as const;

/** Processors enter MMX state even when the conversion then raises #XM. */
function requireOperands(l: Lift): void {
  if (usesMmx(l)) requireMmx(l);
  requireSse(l);
}

/** A number as bits of its format. */
function constantBits(b: Builder, f: SimdFormat, value: number): Val {
  const view = new DataView(new ArrayBuffer(8));
  if (f.float === 'f32') view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return b.const(f.bits, f.float === 'f32' ? view.getUint32(0) : view.getBigUint64(0));
}

function constantFloat(b: Builder, f: SimdFormat, value: number): Val {
  return toFloat(f, constantBits(b, f, value), b);
}

/** Whether a general-register operand has 64 bits. */
const isWide = (l: Lift, operand: number) => l.width(operand) === 64;

/** Lanes as signed integers of `width`; the integer indefinite and IE where one does not fit. */
function toIntegerLane(f: SimdFormat, width: 32 | 64, truncate: 0 | 1): () => ExactLane {
  return () =>
    (b, mxcsr, [a]) => {
      const value = b.call(TO_INTEGER[f.float], a, mxcsr, width, truncate);
      return width === 32 ? value.wrap() : value;
    };
}

function exactToInteger(f: SimdFormat, width: 32 | 64, truncate: 0 | 1): ExactHelpers {
  return defineExact({
    name: `sse_${f.float}_${truncate ? 'truncate' : 'round'}_i${width}`,
    format: f,
    result: width === 64 ? 'i64' : 'i32',
    operands: 1,
    lane: toIntegerLane(f, width, truncate),
  });
}

/** CVTSS2SI and its kin. Integral numbers in range convert without an exception, others with PE at most. */
function scalarToInteger(f: SimdFormat, truncate: 0 | 1): Semantics {
  const exact = { 32: exactToInteger(f, 32, truncate), 64: exactToInteger(f, 64, truncate) };
  return (l) => {
    requireSse(l);
    const { b } = l;
    const width = isWide(l, 0) ? 64 : 32;
    const { float: x, bits } = readScalar(l, 1, f);
    const type = width === 64 ? 'i64' : 'i32';
    const limit = 2 ** (width - 1);
    const fast = (unless: Unless) => {
      const integral = x.do(truncate ? 'trunc' : 'nearest');
      unless(integral.do('ge', constantFloat(b, f, -limit)).eqz());
      unless(integral.do('lt', constantFloat(b, f, limit)).eqz());
      unless(integral.do('eq', x).or(ignoresInexact(b)).eqz());
      return b.op(`${type}.trunc_sat_${f.float}_s`, integral);
    };
    l.write(0, orExact(l, type, fast, exact[width].scalar, bits, 0));
  };
}

/** The low two lanes, then zeros. */
function lowHalf(b: Builder, x: Val): Val {
  return b.opWithImmediate('i64x2.replace_lane', 1n, x, b.i64(0));
}

/** CVTPS2DQ, CVTPD2DQ, CVTPS2PI, CVTPD2PI and their truncating forms: `lanes` numbers to signed doublewords. */
function packedToInteger(f: SimdFormat, truncate: 0 | 1, lanes: 2 | 4, name: string): Semantics {
  const exact = defineExact({
    name: `sse_${name}`,
    format: f,
    resultFormat: SINGLE,
    lanes,
    operands: 1,
    lane: toIntegerLane(f, 32, truncate),
  });
  const convert = f.float === 'f32' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero';
  return (l) => {
    requireOperands(l);
    const { b } = l;
    const source = readVector(l, 1);
    if (usesMmx(l)) enterMmx(l);
    const x = lanes === f.lanes ? source : lowHalf(b, source);
    const fast = (unless: Unless) => {
      const integral = b.op(`${f.floats}.${truncate ? 'trunc' : 'nearest'}`, x);
      const limit = (value: number) => b.op(`${f.integers}.splat`, constantBits(b, f, value));
      const above = b.op(`${f.floats}.ge`, integral, limit(-(2 ** 31)));
      const inRange = b.op('v128.and', above, b.op(`${f.floats}.lt`, integral, limit(2 ** 31)));
      unless(allLanes(b, f, inRange).eqz());
      unless(
        allLanes(b, f, b.op(`${f.floats}.eq`, integral, x))
          .or(ignoresInexact(b))
          .eqz(),
      );
      return b.op(convert, integral);
    };
    writeVector(l, 0, orExact(l, 'v128', fast, exact.packed, source, 0));
  };
}

/** Whether every integer of this size has a number of its own, i32: -2^n to 2^n for n bits of precision. */
function isExactInteger(x: Val, precision: number): Val {
  const limit = 1n << BigInt(precision);
  return x.add(limit).leU(2n * limit);
}

function exactFromInteger(f: SimdFormat): ExactHelpers {
  const helper = f.float === 'f32' ? FLOAT_32_FROM_INTEGER : FLOAT_64_FROM_INTEGER;
  return defineExact({
    name: `sse_i64_to_${f.float}`,
    format: DOUBLE,
    result: f.bits,
    operands: 1,
    lane:
      () =>
      (b, mxcsr, [a]) =>
        b.call(helper, a, mxcsr),
  });
}

const EXACT_FROM_INTEGER = { f32: exactFromInteger(SINGLE), f64: exactFromInteger(DOUBLE) } as const;

const cvtsi2sd: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const value = l.read(1);
  const number = b.op(`f64.convert_${value.type}_s`, value);
  if (!isWide(l, 1)) writeScalar(l, 0, DOUBLE, number);
  else {
    const fast = (unless: Unless) => {
      unless(isExactInteger(value, 53).or(ignoresInexact(b)).eqz());
      return number;
    };
    writeScalar(l, 0, DOUBLE, orExact(l, 'f64', fast, EXACT_FROM_INTEGER.f64.scalar, value, 0));
  }
};

const cvtsi2ss: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const value = l.read(1);
  const fast = (unless: Unless) => {
    const small = isExactInteger(value, 24);
    unless((isWide(l, 1) ? small : small.or(ignoresInexact(b))).eqz());
    return b.op('f32.convert_i32_s', value.wrap());
  };
  writeScalar(l, 0, SINGLE, orExact(l, 'f32', fast, EXACT_FROM_INTEGER.f32.scalar, value.extS(), 0));
};

/** Four doublewords to single precision; lanes that do not count are zero. */
const FROM_DOUBLEWORDS = defineExact({
  name: 'sse_dq_to_ps',
  format: SINGLE,
  operands: 1,
  lane:
    () =>
    (b, mxcsr, [a]) =>
      b.call(FLOAT_32_FROM_INTEGER, a.extS(), mxcsr),
});

function doublewordsToSingles(l: Lift, x: Val): Val {
  const { b } = l;
  const limit = 1 << 24;
  const fast = (unless: Unless) => {
    const moved = b.op('i32x4.add', x, same(b, 'i32x4', limit));
    const small = b.op('i32x4.all_true', b.op('i32x4.le_u', moved, same(b, 'i32x4', 2 * limit)));
    unless(small.or(ignoresInexact(b)).eqz());
    return b.op('f32x4.convert_i32x4_s', x);
  };
  return orExact(l, 'v128', fast, FROM_DOUBLEWORDS.packed, x, 0);
}

const cvtdq2ps: Semantics = (l) => {
  requireSse(l);
  writeVector(l, 0, doublewordsToSingles(l, readVector(l, 1)));
};

const cvtpi2ps: Semantics = (l) => {
  requireOperands(l);
  const source = readVector(l, 1);
  if (usesMmx(l)) enterMmx(l);
  writeLow(l, 0, lowOf(l, doublewordsToSingles(l, source), 64));
};

/** CVTDQ2PD, CVTPI2PD: every doubleword has a double of its own. */
const doublewordsToDoubles: Semantics = (l) => {
  requireOperands(l);
  writeVector(l, 0, l.b.op('f64x2.convert_low_i32x4_s', readVector(l, 1)));
  if (usesMmx(l)) enterMmx(l);
};

const WIDEN = defineExact({
  name: 'sse_f32_to_f64',
  format: SINGLE,
  result: 'i64',
  resultFormat: DOUBLE,
  lanes: 2,
  operands: 1,
  lane:
    () =>
    (b, mxcsr, [a]) =>
      b.call(FLOAT_32_TO_64, a, mxcsr),
});
const NARROW = defineExact({
  name: 'sse_f64_to_f32',
  format: DOUBLE,
  result: 'i32',
  resultFormat: SINGLE,
  operands: 1,
  lane:
    () =>
    (b, mxcsr, [a]) =>
      b.call(FLOAT_64_TO_32, a, mxcsr),
});

const cvtss2sd: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const a = readScalar(l, 1, SINGLE);
  const fast = (unless: Unless) => {
    b.if(isNormalOrInfinite(SINGLE, a.bits).eqz(), () => unless(isZero(a.bits).eqz()));
    return b.op('f64.promote_f32', a.float);
  };
  writeScalar(l, 0, DOUBLE, orExact(l, 'f64', fast, WIDEN.scalar, a.bits, 0));
};

/** A denormal of double precision gives zero, which is no safe result. */
const cvtsd2ss: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const a = readScalar(l, 1, DOUBLE);
  const fast = (unless: Unless) => {
    const value = b.op('f32.demote_f64', a.float);
    unless(ignoresInexact(b).eqz());
    b.if(isSafeResult(SINGLE, toBits(SINGLE, value, b)).eqz(), () => unless(isZero(a.bits).eqz()));
    return value;
  };
  writeScalar(l, 0, SINGLE, orExact(l, 'f32', fast, NARROW.scalar, a.bits, 0));
};

const cvtps2pd: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const x = lowHalf(b, readVector(l, 1));
  const fast = (unless: Unless) => {
    unless(allLanes(b, SINGLE, areOrdered(b, SINGLE, x)).eqz());
    return b.op('f64x2.promote_low_f32x4', x);
  };
  writeVector(l, 0, orExact(l, 'v128', fast, WIDEN.packed, x, 0));
};

const cvtpd2ps: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const x = readVector(l, 1);
  const fast = (unless: Unless) => {
    const value = b.op('f32x4.demote_f64x2_zero', x);
    const safe = b.op('i64x2.extend_low_i32x4_s', areSafeResults(b, SINGLE, value));
    unless(ignoresInexact(b).eqz());
    unless(allLanes(b, DOUBLE, b.op('v128.or', safe, areZero(b, DOUBLE, x))).eqz());
    return value;
  };
  writeVector(l, 0, orExact(l, 'v128', fast, NARROW.packed, x, 0));
};

/** Conversions between the floating-point formats and integers. */
export const SSE_CONVERT: SemanticsTable = {
  cvtss2si: scalarToInteger(SINGLE, 0),
  cvttss2si: scalarToInteger(SINGLE, 1),
  cvtsd2si: scalarToInteger(DOUBLE, 0),
  cvttsd2si: scalarToInteger(DOUBLE, 1),
  cvtps2dq: packedToInteger(SINGLE, 0, 4, 'cvtps2dq'),
  cvttps2dq: packedToInteger(SINGLE, 1, 4, 'cvttps2dq'),
  cvtpd2dq: packedToInteger(DOUBLE, 0, 2, 'cvtpd2dq'),
  cvttpd2dq: packedToInteger(DOUBLE, 1, 2, 'cvttpd2dq'),
  cvtps2pi: packedToInteger(SINGLE, 0, 2, 'cvtps2pi'),
  cvttps2pi: packedToInteger(SINGLE, 1, 2, 'cvttps2pi'),
  cvtpd2pi: packedToInteger(DOUBLE, 0, 2, 'cvtpd2pi'),
  cvttpd2pi: packedToInteger(DOUBLE, 1, 2, 'cvttpd2pi'),
  cvtsi2sd,
  cvtsi2ss,
  cvtdq2ps,
  cvtpi2ps,
  cvtdq2pd: doublewordsToDoubles,
  cvtpi2pd: doublewordsToDoubles,
  cvtss2sd,
  cvtsd2ss,
  cvtps2pd,
  cvtpd2ps,
};
