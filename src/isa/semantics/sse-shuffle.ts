import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import {
  blend,
  extractLane,
  type IntegerShape,
  iota,
  LANE_BYTES,
  maskFromBits,
  permute,
  permuteOne,
  replaceLane,
  same,
  shuffle,
  splat,
  vector,
} from '../simd/lanes.ts';
import {
  enterMmx,
  readVector,
  requireSse,
  requireVectors,
  usesMmx,
  writeGeneral,
  writeVector,
} from '../simd/operands.ts';

/** Where byte i of a lane order begins: lanes 0, 1, … of `laneBytes`. */
const byteInLane = (laneBytes: number) => Array.from({ length: 16 }, (_, i) => i % laneBytes);

/**
 * Byte indices from an immediate of four lane numbers of two bits, for lanes of 4 bytes in all 16 or of 2 bytes in the
 * low 8 bytes. The upper 8 bytes of the latter are the numbers 0, 0, … and mean nothing.
 */
function laneIndices(b: Builder, shape: 'i16x8' | 'i32x4', imm: Val): Val {
  const bytes = LANE_BYTES[shape];
  const factors = [64, 16, 4, 1, ...(bytes === 2 ? [0, 0, 0, 0] : [])];
  const scaled = b.op(`${shape}.mul`, splat(b, shape, imm), vector(b, factors));
  const lane = b.op('v128.and', b.op(`${shape}.shr_u`, scaled, 6), same(b, shape, 3));
  const spread = bytes === 2 ? 0x0202 : 0x04040404;
  return b.op('i8x16.add', b.op(`${shape}.mul`, lane, same(b, shape, spread)), vector(b, byteInLane(bytes)));
}

const pshufd: Semantics = (l) => {
  requireSse(l);
  const source = readVector(l, 1);
  writeVector(l, 0, permuteOne(l.b, source, laneIndices(l.b, 'i32x4', l.read(2))));
};

/** PSHUFW, PSHUFLW: the low four words; the others stay as in the source. */
const shuffleLowWords: Semantics = (l) => {
  requireVectors(l);
  const source = readVector(l, 1);
  const indices = laneIndices(l.b, 'i16x8', l.read(2));
  const whole = shuffle(l.b, indices, iota(l.b), [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
  writeVector(l, 0, permuteOne(l.b, source, whole));
};

const pshufhw: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const source = readVector(l, 1);
  const indices = b.op('i8x16.add', laneIndices(b, 'i16x8', l.read(2)), same(b, 'i8x16', 8));
  const whole = shuffle(b, iota(b), indices, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  writeVector(l, 0, permuteOne(b, source, whole));
};

/** Two lanes of the destination, then two of the source. */
const shufps: Semantics = (l) => {
  requireSse(l);
  const source = readVector(l, 1);
  const secondHalf = vector(l.b, [0, 0, 0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 16, 16, 16, 16]);
  const indices = l.b.op('i8x16.add', laneIndices(l.b, 'i32x4', l.read(2)), secondHalf);
  writeVector(l, 0, permute(l.b, readVector(l, 0), source, indices));
};

const shufpd: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const source = readVector(l, 1);
  const high = b.op('v128.and', maskFromBits(b, 'i64x2', l.read(2)), same(b, 'i8x16', 8));
  const first = vector(b, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  writeVector(l, 0, permute(b, readVector(l, 0), source, b.op('i8x16.add', first, high)));
};

/** PSHUFB: bytes by number; zero where bit 7 of the number is set. */
const pshufb: Semantics = (l) => {
  requireVectors(l);
  const numbers = l.b.op('v128.and', readVector(l, 1), same(l.b, 'i8x16', usesMmx(l) ? 0x87 : 0x8f));
  writeVector(l, 0, l.b.op('i8x16.swizzle', readVector(l, 0), numbers));
};

/** PALIGNR: source and destination as one, shifted right by bytes. */
const palignr: Semantics = (l) => {
  requireVectors(l);
  const { b } = l;
  const source = readVector(l, 1);
  const target = readVector(l, 0);
  const indices = b.op('i8x16.add_sat_u', iota(b), splat(b, 'i8x16', l.read(2)));
  if (!usesMmx(l)) writeVector(l, 0, permute(b, source, target, indices));
  else {
    const both = shuffle(b, source, target, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
    writeVector(l, 0, permuteOne(b, both, indices));
  }
};

/** PSLLDQ, PSRLDQ: the whole register by bytes. */
function shiftBytes(left: boolean): Semantics {
  return (l) => {
    requireSse(l);
    const { b } = l;
    const imm = l.read(1);
    const count = splat(b, 'i8x16', b.i32(16).selectIf(imm.gtU(16), imm));
    const indices = b.op(left ? 'i8x16.sub' : 'i8x16.add', iota(b), count);
    writeVector(l, 0, permuteOne(b, readVector(l, 0), indices));
  };
}

/** Replaces a lane by a general register or memory. */
function insert(shape: IntegerShape): Semantics {
  return (l) => {
    requireVectors(l);
    const value = l.read(1);
    const lanes = (usesMmx(l) ? 8 : 16) / LANE_BYTES[shape];
    writeVector(l, 0, replaceLane(l.b, shape, readVector(l, 0), l.read(2).and(lanes - 1), value));
  };
}

/** A lane, zero-extended, to a general register or memory. */
function extract(shape: IntegerShape): Semantics {
  return (l) => {
    requireVectors(l);
    const lanes = (usesMmx(l) ? 8 : 16) / LANE_BYTES[shape];
    writeGeneral(l, 0, extractLane(l.b, shape, readVector(l, 1), l.read(2).and(lanes - 1)));
    if (usesMmx(l)) enterMmx(l);
  };
}

/** INSERTPS: a lane of the source (or memory) over a lane of the destination, then some lanes cleared. */
const insertps: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const source = readVector(l, 1);
  const imm = l.read(2);
  const value = l.isMemory(1)
    ? extractLane(b, 'i32x4', source, b.i32(0))
    : extractLane(b, 'i32x4', source, imm.shrU(6));
  const inserted = replaceLane(b, 'i32x4', readVector(l, 0), imm.shrU(4).and(3), value);
  writeVector(l, 0, b.op('v128.andnot', inserted, maskFromBits(b, 'i32x4', imm)));
};

/** Lanes of the source where bits of the immediate are set. */
function blendByBits(shape: 'i16x8' | 'i32x4' | 'i64x2'): Semantics {
  return (l) => {
    requireSse(l);
    const source = readVector(l, 1);
    writeVector(l, 0, blend(l.b, maskFromBits(l.b, shape, l.read(2)), source, readVector(l, 0)));
  };
}

/** Lanes of the source where the sign bits of XMM0's lanes are set. */
function blendBySign(shape: IntegerShape): Semantics {
  return (l) => {
    requireSse(l);
    const source = readVector(l, 1);
    const mask = l.b.op(`${shape}.shr_s`, readVector(l, 2), LANE_BYTES[shape] * 8 - 1);
    writeVector(l, 0, blend(l.b, mask, source, readVector(l, 0)));
  };
}

const SHAPE_OF_BYTES: Readonly<Record<number, IntegerShape>> = { 1: 'i8x16', 2: 'i16x8', 4: 'i32x4', 8: 'i64x2' };

/** The low lanes of the source, extended step by step from `from` to `to` bytes. */
function extendLanes(from: number, to: number, sign: 's' | 'u'): Semantics {
  return (l) => {
    requireSse(l);
    let value = readVector(l, 1);
    for (let bytes = from; bytes < to; bytes *= 2) {
      value = l.b.op(`${SHAPE_OF_BYTES[2 * bytes]}.extend_low_${SHAPE_OF_BYTES[bytes]}_${sign}`, value);
    }
    writeVector(l, 0, value);
  };
}

/** PHMINPOSUW: the least of eight words and its number, found as numbered doublewords. */
const phminposuw: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const source = readVector(l, 1);
  const numbered = (half: string, numbers: readonly number[]) => {
    const high = b.op('i32x4.shl', b.op(`i32x4.extend_${half}_i16x8_u`, source), 16);
    return b.op('v128.or', high, vector(b, numbers));
  };
  let least = b.op('i32x4.min_u', numbered('low', [0, 1, 2, 3]), numbered('high', [4, 5, 6, 7]));
  for (const distance of [8, 4]) {
    const other = Array.from({ length: 16 }, (_, i) => (i + distance) % 16);
    least = b.op('i32x4.min_u', least, shuffle(b, least, least, other));
  }
  const result = extractLane(b, 'i32x4', least, b.i32(0)).rotl(16);
  writeVector(l, 0, replaceLane(b, 'i32x4', b.const('v128', 0), b.i32(0), result));
};

/** MPSADBW: eight sums of four absolute differences, between bytes of the destination and one group of the source. */
const mpsadbw: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const source = readVector(l, 1);
  const target = readVector(l, 0);
  const imm = l.read(2);
  const targetFirst = b.op('i8x16.add', iota(b), splat(b, 'i8x16', imm.and(4)));
  const sourceFirst = splat(b, 'i8x16', imm.and(3).shl(2));
  let sum = b.const('v128', 0);
  for (let i = 0; i < 4; i++) {
    const step = same(b, 'i8x16', i);
    const x = permuteOne(b, target, b.op('i8x16.add', targetFirst, step));
    const y = permuteOne(b, source, b.op('i8x16.add', sourceFirst, step));
    const difference = b.op('v128.or', b.op('i8x16.sub_sat_u', x, y), b.op('i8x16.sub_sat_u', y, x));
    sum = b.op('i16x8.add', sum, b.op('i16x8.extend_low_i8x16_u', difference));
  }
  writeVector(l, 0, sum);
};

/** PTEST: ZF when no bit is common, CF when the source has no bit outside the destination. */
const ptest: Semantics = (l) => {
  requireSse(l);
  const source = readVector(l, 1);
  const target = readVector(l, 0);
  const none = (x: Val) => l.b.op('v128.any_true', x).xor(1);
  const zf = none(l.b.op('v128.and', source, target));
  const cf = none(l.b.op('v128.andnot', source, target));
  l.flags.writeWord(zf.shl(6).or(cf));
};

function pmov(sign: 's' | 'u', prefix: string): SemanticsTable {
  return {
    [`${prefix}bw`]: extendLanes(1, 2, sign),
    [`${prefix}bd`]: extendLanes(1, 4, sign),
    [`${prefix}bq`]: extendLanes(1, 8, sign),
    [`${prefix}wd`]: extendLanes(2, 4, sign),
    [`${prefix}wq`]: extendLanes(2, 8, sign),
    [`${prefix}dq`]: extendLanes(4, 8, sign),
  };
}

/** Rearrangements that depend on an immediate or on data, lanes in and out, and the odd ones of SSE4. */
export const SSE_SHUFFLE: SemanticsTable = {
  pshufd,
  pshufw: shuffleLowWords,
  pshuflw: shuffleLowWords,
  pshufhw,
  shufps,
  shufpd,
  pshufb,
  palignr,
  pslldq: shiftBytes(true),
  psrldq: shiftBytes(false),
  pinsrb: insert('i8x16'),
  pinsrw: insert('i16x8'),
  pinsrd: insert('i32x4'),
  pinsrq: insert('i64x2'),
  pextrb: extract('i8x16'),
  pextrw: extract('i16x8'),
  pextrd: extract('i32x4'),
  pextrq: extract('i64x2'),
  extractps: extract('i32x4'),
  insertps,
  blendps: blendByBits('i32x4'),
  blendpd: blendByBits('i64x2'),
  pblendw: blendByBits('i16x8'),
  blendvps: blendBySign('i32x4'),
  blendvpd: blendBySign('i64x2'),
  pblendvb: blendBySign('i8x16'),
  ...pmov('s', 'pmovsx'),
  ...pmov('u', 'pmovzx'),
  phminposuw,
  mpsadbw,
  ptest,
};
