import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import { blend, same } from '../simd/lanes.ts';
import { lowOf, readVector, requireSse, writeLow, writeVector } from '../simd/operands.ts';

const SIGN = 0x80000000;
const INFINITY = 0x7f800000;
const LEAST_NORMAL = 0x00800000;
const QUIET = 0x00400000;
const INDEFINITE = 0xffc00000;
const ONE = 0x3f800000;

const all = (b: Builder, value: number) => same(b, 'i32x4', value);
const and = (b: Builder, x: Val, y: Val) => b.op('v128.and', x, y);
const or = (b: Builder, x: Val, y: Val) => b.op('v128.or', x, y);

/** The result for operands that are NaN, zero or denormal (taken as zero), and `usual` for others. */
function withSpecial(b: Builder, x: Val, usual: Val): Val {
  const magnitude = b.op('v128.andnot', x, all(b, SIGN));
  const infinity = or(b, and(b, x, all(b, SIGN)), all(b, INFINITY));
  const small = b.op('i32x4.lt_s', magnitude, all(b, LEAST_NORMAL));
  const isNan = b.op('i32x4.gt_s', magnitude, all(b, INFINITY));
  return blend(b, isNan, or(b, x, all(b, QUIET)), blend(b, small, infinity, usual));
}

/** Rounds to 12 bits of fraction; 2^-126 and less become zero, as on processors (SDM 2, RCPPS, leaves it open near there). */
function shorten(b: Builder, r: Val): Val {
  const rounded = b.op('v128.andnot', b.op('i32x4.add', r, all(b, 0x400)), all(b, 0x7ff));
  const magnitude = b.op('v128.andnot', r, all(b, SIGN));
  const tiny = b.op('i32x4.le_s', magnitude, all(b, LEAST_NORMAL));
  return blend(b, tiny, and(b, r, all(b, SIGN)), rounded);
}

/** RCPPS: relative error below 1.5 · 2^-12, no exceptions, MXCSR not heeded (SDM 2, RCPPS). */
const reciprocal = defineHelper('sse_rcp', { params: ['v128'], result: 'v128' }, (b, x) =>
  withSpecial(b, x, shorten(b, b.op('f32x4.div', all(b, ONE), x))),
);

/** RSQRTPS: as {@link reciprocal}; negative numbers have no root. */
const reciprocalRoot = defineHelper('sse_rsqrt', { params: ['v128'], result: 'v128' }, (b, x) => {
  const magnitude = b.op('v128.andnot', x, all(b, SIGN));
  const root = shorten(b, b.op('f32x4.div', all(b, ONE), b.op('f32x4.sqrt', magnitude)));
  const negative = b.op('i32x4.shr_s', x, 31);
  return withSpecial(b, x, blend(b, negative, all(b, INDEFINITE), root));
});

function packed(helper: typeof reciprocal): Semantics {
  return (l) => {
    requireSse(l);
    writeVector(l, 0, l.b.call(helper, readVector(l, 1)));
  };
}

function scalar(helper: typeof reciprocal): Semantics {
  return (l) => {
    requireSse(l);
    writeLow(l, 0, lowOf(l, l.b.call(helper, readVector(l, 1)), 32));
  };
}

/** Approximations of single precision. */
export const SSE_APPROXIMATE: SemanticsTable = {
  rcpps: packed(reciprocal),
  rcpss: scalar(reciprocal),
  rsqrtps: packed(reciprocalRoot),
  rsqrtss: scalar(reciprocalRoot),
};
