import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { choose, type IntegerShape, LANE_BYTES, same, shuffle } from '../simd/lanes.ts';
import { lowOf, readVector, requireVectors, usesMmx, writeVector } from '../simd/operands.ts';

/** A result from destination `a` and source `s`. MMX operands are zero-extended, and only 64 bits of the result count. */
type Binary = (b: Builder, a: Val, s: Val, mmx: boolean) => Val;

function binary(f: Binary): Semantics {
  return (l) => {
    requireVectors(l);
    const source = readVector(l, 1);
    writeVector(l, 0, f(l.b, readVector(l, 0), source, usesMmx(l)));
  };
}

/** One operation of the IR. */
const direct = (name: string) => binary((b, a, s) => b.op(name, a, s));

/** Bytes of the lanes of (a, s) that an operation works across: 8 or 16 of each. */
function allBytes(mmx: boolean): number[] {
  const half = Array.from({ length: mmx ? 8 : 16 }, (_, i) => i);
  return [...half, ...half.map((i) => 16 + i)];
}

/** The first 16 of `bytes`, filled up for the upper half of an MMX result, which does not count. */
function shuffleBytes(b: Builder, a: Val, s: Val, bytes: readonly number[]): Val {
  return shuffle(
    b,
    a,
    s,
    Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0),
  );
}

/** Lanes with even (0) or odd (1) number of a, then of s. */
function everyOther(b: Builder, a: Val, s: Val, laneBytes: number, odd: 0 | 1, mmx: boolean): Val {
  const chosen = allBytes(mmx).filter((_, i) => (Math.floor(i / laneBytes) & 1) === odd);
  return shuffleBytes(b, a, s, chosen);
}

/** Lanes of a and s in turn, from the low or high half. */
function interleave(laneBytes: number, high: boolean): Binary {
  return (b, a, s, mmx) => {
    const half = mmx ? 4 : 8;
    const bytes: number[] = [];
    for (let at = high ? half : 0; at < (high ? 2 * half : half); at += laneBytes) {
      for (const vector of [0, 16]) for (let i = 0; i < laneBytes; i++) bytes.push(vector + at + i);
    }
    return shuffleBytes(b, a, s, bytes);
  };
}

/** Lanes of a, then of s, narrowed with saturation. */
function pack(name: string): Binary {
  return (b, a, s, mmx) => {
    if (!mmx) return b.op(name, a, s);
    const both = shuffle(b, a, s, allBytes(true));
    return b.op(name, both, both);
  };
}

/** An operation between neighbouring lanes of a, then of s. */
function horizontal(shape: 'i16x8' | 'i32x4', operation: string): Binary {
  return (b, a, s, mmx) => {
    const even = everyOther(b, a, s, LANE_BYTES[shape], 0, mmx);
    return b.op(`${shape}.${operation}`, even, everyOther(b, a, s, LANE_BYTES[shape], 1, mmx));
  };
}

/** The upper halves of 16-bit products. */
function multiplyHigh(sign: 's' | 'u'): Binary {
  const upper = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [4 * i + 2, 4 * i + 3]);
  return (b, a, s) => {
    const low = b.op(`i32x4.extmul_low_i16x8_${sign}`, a, s);
    return shuffle(b, low, b.op(`i32x4.extmul_high_i16x8_${sign}`, a, s), upper);
  };
}

/** PMULHRSW: WebAssembly's operation saturates -1 × -1, this does not. */
const multiplyRounding: Binary = (b, a, s) => {
  const least = same(b, 'i16x8', 0x8000);
  const both = b.op('v128.and', b.op('i16x8.eq', a, least), b.op('i16x8.eq', s, least));
  return b.op('v128.xor', b.op('i16x8.q15mulr_sat_s', a, s), both);
};

/** 64-bit products of the 32-bit lanes 0 and 2. */
function multiplyEven(sign: 's' | 'u'): Binary {
  const even = (b: Builder, x: Val) => everyOther(b, x, x, 4, 0, false);
  return (b, a, s) => b.op(`i64x2.extmul_low_i32x4_${sign}`, even(b, a), even(b, s));
}

/** PMADDUBSW: unsigned bytes of a times signed bytes of s; neighbouring products are added with saturation. */
const multiplyAddBytes: Binary = (b, a, s) => {
  const even = b.op('i16x8.mul', b.op('v128.and', a, same(b, 'i16x8', 0xff)), signedLow(b, s));
  const odd = b.op('i16x8.mul', b.op('i16x8.shr_u', a, 8), b.op('i16x8.shr_s', s, 8));
  return b.op('i16x8.add_sat_s', even, odd);
};

function signedLow(b: Builder, x: Val): Val {
  return b.op('i16x8.shr_s', b.op('i16x8.shl', x, 8), 8);
}

function absoluteDifference(b: Builder, a: Val, s: Val): Val {
  return b.op('v128.or', b.op('i8x16.sub_sat_u', a, s), b.op('i8x16.sub_sat_u', s, a));
}

/** PSADBW: the sum of absolute differences of each eight bytes. */
const sumDifferences: Binary = (b, a, s) => {
  const words = b.op('i16x8.extadd_pairwise_i8x16_u', absoluteDifference(b, a, s));
  const doublewords = b.op('i32x4.extadd_pairwise_i16x8_u', words);
  const sums = b.op('i64x2.add', doublewords, b.op('i64x2.shr_u', doublewords, 32));
  return b.op('v128.and', sums, same(b, 'i64x2', 0xffff));
};

/** PSIGN: lanes of a negated where s is negative, zero where s is zero. */
function applySign(shape: IntegerShape): Binary {
  return (b, a, s) => {
    const negative = b.op(`${shape}.shr_s`, s, LANE_BYTES[shape] * 8 - 1);
    const signed = b.op(`${shape}.sub`, b.op('v128.xor', a, negative), negative);
    return b.op('v128.andnot', signed, b.op(`${shape}.eq`, s, b.const('v128', 0)));
  };
}

/** The count of a shift: an immediate, or the low 64 bits of a register or of memory. */
function shiftCount(l: Lift): Val {
  return l.shape.operands[1].kind === 'imm' ? l.read(1).extU() : lowOf(l, readVector(l, 1), 64);
}

/** Shifts lanes; a count of the lane's width or more clears them, or fills them with the sign. */
function shift(shape: IntegerShape, operation: 'shl' | 'shr_u' | 'shr_s'): Semantics {
  const last = LANE_BYTES[shape] * 8 - 1;
  return (l) => {
    requireVectors(l);
    const count = shiftCount(l);
    const beyond = count.gtU(last);
    const limited = operation === 'shr_s' ? l.b.i64(last).selectIf(beyond, count) : count;
    const shifted = l.b.op(`${shape}.${operation}`, readVector(l, 0), limited.wrap());
    writeVector(l, 0, operation === 'shr_s' ? shifted : choose(beyond, l.b.const('v128', 0), shifted));
  };
}

const INTEGER_LOGIC: SemanticsTable = {
  pand: direct('v128.and'),
  por: direct('v128.or'),
  pxor: direct('v128.xor'),
  pandn: binary((b, a, s) => b.op('v128.andnot', s, a)),
};

/** The logic instructions on floating-point data are those on integers. */
const FLOAT_LOGIC: SemanticsTable = {
  andps: INTEGER_LOGIC.pand,
  andpd: INTEGER_LOGIC.pand,
  orps: INTEGER_LOGIC.por,
  orpd: INTEGER_LOGIC.por,
  xorps: INTEGER_LOGIC.pxor,
  xorpd: INTEGER_LOGIC.pxor,
  andnps: INTEGER_LOGIC.pandn,
  andnpd: INTEGER_LOGIC.pandn,
};

const ADD_SUBTRACT: SemanticsTable = {
  paddb: direct('i8x16.add'),
  paddw: direct('i16x8.add'),
  paddd: direct('i32x4.add'),
  paddq: direct('i64x2.add'),
  paddsb: direct('i8x16.add_sat_s'),
  paddsw: direct('i16x8.add_sat_s'),
  paddusb: direct('i8x16.add_sat_u'),
  paddusw: direct('i16x8.add_sat_u'),
  psubb: direct('i8x16.sub'),
  psubw: direct('i16x8.sub'),
  psubd: direct('i32x4.sub'),
  psubq: direct('i64x2.sub'),
  psubsb: direct('i8x16.sub_sat_s'),
  psubsw: direct('i16x8.sub_sat_s'),
  psubusb: direct('i8x16.sub_sat_u'),
  psubusw: direct('i16x8.sub_sat_u'),
  phaddw: binary(horizontal('i16x8', 'add')),
  phaddd: binary(horizontal('i32x4', 'add')),
  phaddsw: binary(horizontal('i16x8', 'add_sat_s')),
  phsubw: binary(horizontal('i16x8', 'sub')),
  phsubd: binary(horizontal('i32x4', 'sub')),
  phsubsw: binary(horizontal('i16x8', 'sub_sat_s')),
  psadbw: binary(sumDifferences),
  psignb: binary(applySign('i8x16')),
  psignw: binary(applySign('i16x8')),
  psignd: binary(applySign('i32x4')),
  pabsb: binary((b, _a, s) => b.op('i8x16.abs', s)),
  pabsw: binary((b, _a, s) => b.op('i16x8.abs', s)),
  pabsd: binary((b, _a, s) => b.op('i32x4.abs', s)),
};

const MULTIPLY: SemanticsTable = {
  pmullw: direct('i16x8.mul'),
  pmulld: direct('i32x4.mul'),
  pmulhw: binary(multiplyHigh('s')),
  pmulhuw: binary(multiplyHigh('u')),
  pmulhrsw: binary(multiplyRounding),
  pmuludq: binary(multiplyEven('u')),
  pmuldq: binary(multiplyEven('s')),
  pmaddwd: direct('i32x4.dot_i16x8_s'),
  pmaddubsw: binary(multiplyAddBytes),
};

const COMPARE: SemanticsTable = {
  pcmpeqb: direct('i8x16.eq'),
  pcmpeqw: direct('i16x8.eq'),
  pcmpeqd: direct('i32x4.eq'),
  pcmpeqq: direct('i64x2.eq'),
  pcmpgtb: direct('i8x16.gt_s'),
  pcmpgtw: direct('i16x8.gt_s'),
  pcmpgtd: direct('i32x4.gt_s'),
  pcmpgtq: direct('i64x2.gt_s'),
  pminsb: direct('i8x16.min_s'),
  pminub: direct('i8x16.min_u'),
  pminsw: direct('i16x8.min_s'),
  pminuw: direct('i16x8.min_u'),
  pminsd: direct('i32x4.min_s'),
  pminud: direct('i32x4.min_u'),
  pmaxsb: direct('i8x16.max_s'),
  pmaxub: direct('i8x16.max_u'),
  pmaxsw: direct('i16x8.max_s'),
  pmaxuw: direct('i16x8.max_u'),
  pmaxsd: direct('i32x4.max_s'),
  pmaxud: direct('i32x4.max_u'),
  pavgb: direct('i8x16.avgr_u'),
  pavgw: direct('i16x8.avgr_u'),
};

const SHIFT: SemanticsTable = {
  psllw: shift('i16x8', 'shl'),
  pslld: shift('i32x4', 'shl'),
  psllq: shift('i64x2', 'shl'),
  psrlw: shift('i16x8', 'shr_u'),
  psrld: shift('i32x4', 'shr_u'),
  psrlq: shift('i64x2', 'shr_u'),
  psraw: shift('i16x8', 'shr_s'),
  psrad: shift('i32x4', 'shr_s'),
};

const PACK: SemanticsTable = {
  packsswb: binary(pack('i8x16.narrow_i16x8_s')),
  packuswb: binary(pack('i8x16.narrow_i16x8_u')),
  packssdw: binary(pack('i16x8.narrow_i32x4_s')),
  packusdw: binary(pack('i16x8.narrow_i32x4_u')),
  punpcklbw: binary(interleave(1, false)),
  punpcklwd: binary(interleave(2, false)),
  punpckldq: binary(interleave(4, false)),
  punpcklqdq: binary(interleave(8, false)),
  punpckhbw: binary(interleave(1, true)),
  punpckhwd: binary(interleave(2, true)),
  punpckhdq: binary(interleave(4, true)),
  punpckhqdq: binary(interleave(8, true)),
  unpcklps: binary(interleave(4, false)),
  unpcklpd: binary(interleave(8, false)),
  unpckhps: binary(interleave(4, true)),
  unpckhpd: binary(interleave(8, true)),
};

/** Integer arithmetic, logic, comparisons, shifts and fixed rearrangements on MMX and XMM registers. */
export const SSE_INT: SemanticsTable = {
  ...INTEGER_LOGIC,
  ...FLOAT_LOGIC,
  ...ADD_SUBTRACT,
  ...MULTIPLY,
  ...COMPARE,
  ...SHIFT,
  ...PACK,
};
