import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { VECTOR } from '../registers.ts';
import { iota, maskFromBits, same, splat, vector } from '../simd/lanes.ts';
import { readVector, requireSse, vectorOf } from '../simd/operands.ts';

/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM 1, 4.1 and SDM 2, chapter 4.1 "Imm8 control byte operation"). */

/** Bits of the immediate. */
const IMM = { words: 1, signed: 2, aggregation: 2, negative: 0x10, onlyValid: 0x20, wide: 0x40 } as const;

/** What tells strings of bytes from strings of words. */
interface Elements {
  readonly shape: 'i8x16' | 'i16x8';
  readonly count: 8 | 16;
  readonly bytes: 1 | 2;
  readonly signBit: number;
}

const BYTES: Elements = { shape: 'i8x16', count: 16, bytes: 1, signBit: 0x80 };
const WORDS: Elements = { shape: 'i16x8', count: 8, bytes: 2, signBit: 0x8000 };

/** The strings of a comparison. */
interface Strings {
  readonly first: Val;
  readonly second: Val;
  readonly firstLength: Val;
  readonly secondLength: Val;
}

/** Lanes of ones for elements in front of `length` (i32). */
function validLanes(b: Builder, e: Elements, length: Val): Val {
  const numbers = vector(
    b,
    Array.from({ length: e.count }, (_, i) => i),
  );
  return b.op(`${e.shape}.lt_u`, numbers, splat(b, e.shape, length));
}

/** Element `index` (i32) of a string in all lanes. */
function broadcast(b: Builder, e: Elements, string: Val, index: Val): Val {
  const spread = e.bytes === 1 ? index : index.mul(0x0202).add(0x0100);
  return b.op('i8x16.swizzle', string, splat(b, e.shape, spread));
}

/** Repeats `body` with `index` from 0 by `step` while it is below `end`. */
function forEach(b: Builder, end: Val, step: number, body: (index: Val) => void): void {
  const index = b.variable('i32', 0, 'index');
  b.block((done) =>
    b.loop((again) => {
      b.if(b.get(index).geU(end), () => b.break(done));
      body(b.get(index));
      b.set(index, b.get(index).add(step));
      b.continue(again);
    }),
  );
}

type Aggregation = (b: Builder, e: Elements, strings: Strings, imm: Val) => Val;

/** Elements of the second string that occur in the first. */
const equalAny: Aggregation = (b, e, { first, second, firstLength, secondLength }) => {
  const found = b.variable('v128', 0);
  forEach(b, firstLength, 1, (index) => {
    const same = b.op(`${e.shape}.eq`, second, broadcast(b, e, first, index));
    b.set(found, b.op('v128.or', b.get(found), same));
  });
  return b.op('v128.and', b.get(found), validLanes(b, e, secondLength));
};

/** Elements of the second string within one of the ranges that the first one lists, lowest and highest in turn. */
const ranges: Aggregation = (b, e, { first, second, firstLength, secondLength }, imm) => {
  const signed = imm.and(IMM.signed).nez();
  const flip = splat(b, e.shape, b.i32(e.signBit).selectIf(signed, 0));
  const [bounds, elements] = [first, second].map((string) => b.op('v128.xor', string, flip));
  const found = b.variable('v128', 0);
  forEach(b, firstLength.and(~1), 2, (index) => {
    const above = b.op(`${e.shape}.ge_u`, elements, broadcast(b, e, bounds, index));
    const below = b.op(`${e.shape}.le_u`, elements, broadcast(b, e, bounds, index.add(1)));
    b.set(found, b.op('v128.or', b.get(found), b.op('v128.and', above, below)));
  });
  return b.op('v128.and', b.get(found), validLanes(b, e, secondLength));
};

/** Places at which both strings have the same element, or both have ended. */
const equalEach: Aggregation = (b, e, { first, second, firstLength, secondLength }) => {
  const [validFirst, validSecond] = [firstLength, secondLength].map((length) => validLanes(b, e, length));
  const equal = b.op('v128.and', b.op(`${e.shape}.eq`, first, second), b.op('v128.and', validFirst, validSecond));
  return b.op('v128.or', equal, b.op('v128.not', b.op('v128.or', validFirst, validSecond)));
};

/** Places at which the first string begins within the second; it may continue beyond the register. */
const equalOrdered: Aggregation = (b, e, { first, second, firstLength, secondLength }) => {
  const found = b.variable('v128', -1);
  const valid = validLanes(b, e, secondLength);
  forEach(b, firstLength, 1, (index) => {
    const numbers = b.op('i8x16.add', iota(b), splat(b, 'i8x16', index.mul(e.bytes)));
    const beyond = b.op('i8x16.gt_u', numbers, same(b, 'i8x16', 15));
    const equal = b.op(`${e.shape}.eq`, b.op('i8x16.swizzle', second, numbers), broadcast(b, e, first, index));
    const matches = b.op('v128.and', equal, b.op('i8x16.swizzle', valid, numbers));
    b.set(found, b.op('v128.and', b.get(found), b.op('v128.or', matches, beyond)));
  });
  return b.get(found);
};

const AGGREGATIONS: readonly Aggregation[] = [equalAny, ranges, equalEach, equalOrdered];

/** (strings, lengths, immediate) → the resulting bits, one for each element of the second string. */
function defineCompare(e: Elements): IrHelper {
  return defineHelper(
    `sse_string_${e.shape}`,
    { params: ['v128', 'v128', 'i32', 'i32', 'i32'], result: 'i32' },
    (b, first, second, firstLength, secondLength, imm) => {
      const found = b.variable('i32', 0, 'found');
      AGGREGATIONS.forEach((aggregate, number) => {
        b.if(imm.shrU(IMM.aggregation).and(3).eq(number), () => {
          const lanes = aggregate(b, e, { first, second, firstLength, secondLength }, imm);
          b.set(found, b.op(`${e.shape}.bitmask`, lanes));
        });
      });
      const every = b.i32((1 << e.count) - 1);
      const valid = b.i32(1).shl(secondLength).sub(1);
      const inverted = valid.selectIf(imm.and(IMM.onlyValid), every);
      return b.get(found).xor(inverted.selectIf(imm.and(IMM.negative), 0));
    },
  );
}

const COMPARE_BYTES = defineCompare(BYTES);
const COMPARE_WORDS = defineCompare(WORDS);

/** 8 or 16 elements, by the immediate, i32. */
function elementCount(b: Builder, imm: Val): Val {
  return b.i32(8).selectIf(imm.and(IMM.words), 16);
}

/** The magnitude of EAX or EDX (RAX or RDX with REX.W), at most the number of elements. */
function explicitLength(l: Lift, register: number, count: Val): Val {
  const value = l.size === 64 ? l.gpr(register, 64) : l.gpr(register, 32).extS();
  const magnitude = value.neg().selectIf(value.ltS(0), value);
  return count.selectIf(magnitude.geU(count.extU()), magnitude.wrap());
}

/** The number of elements in front of the first zero. */
function implicitLength(b: Builder, string: Val, imm: Val): Val {
  const zero = b.const('v128', 0);
  const bytes = b.op('i8x16.bitmask', b.op('i8x16.eq', string, zero)).or(1 << 16);
  const words = b.op('i16x8.bitmask', b.op('i16x8.eq', string, zero)).or(1 << 8);
  return words.selectIf(imm.and(IMM.words), bytes).ctz();
}

/** ECX: the number of the first (or last) set bit, or of elements where none is set. */
function writeIndex(l: Lift, bits: Val, imm: Val, count: Val): void {
  const last = l.b.i32(31).sub(bits.clz());
  const index = last.selectIf(imm.and(IMM.wide), bits.ctz());
  l.setGpr(1, 32, index.selectIf(bits, count));
}

/** XMM0: the bits themselves, or a byte or word of ones for each. */
function writeMask(l: Lift, bits: Val, imm: Val): void {
  const { b } = l;
  const inBytes = b.op(
    'i8x16.swizzle',
    splat(b, 'i16x8', bits),
    vector(b, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
  );
  const places = vector(b, [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
  const byteMask = b.op('i8x16.eq', b.op('v128.and', inBytes, places), places);
  const wide = maskFromBits(b, 'i16x8', bits).selectIf(imm.and(IMM.words), byteMask);
  b.store(16, b.cpu, VECTOR, wide.selectIf(imm.and(IMM.wide), vectorOf(l, bits)));
}

function compareStrings(explicit: boolean, write: typeof writeIndex): Semantics {
  return (l) => {
    requireSse(l);
    const { b } = l;
    const second = l.readVector(1);
    const first = readVector(l, 0);
    const imm = l.read(2);
    const count = elementCount(b, imm);
    const firstLength = explicit ? explicitLength(l, 0, count) : implicitLength(b, first, imm);
    const secondLength = explicit ? explicitLength(l, 2, count) : implicitLength(b, second, imm);
    const operands = [first, second, firstLength, secondLength, imm];
    const bits = b.choose(
      'i32',
      imm.and(IMM.words),
      () => b.call(COMPARE_WORDS, ...operands),
      () => b.call(COMPARE_BYTES, ...operands),
    );
    write(l, bits, imm, count);
    const [zf, sf] = [secondLength.ltU(count), firstLength.ltU(count)];
    l.flags.writeWord(bits.nez().or(zf.shl(6)).or(sf.shl(7)).or(bits.and(1).shl(11)));
  };
}

/** The string comparisons of SSE4.2. */
export const SSE_STRING: SemanticsTable = {
  pcmpestri: compareStrings(true, writeIndex),
  pcmpestrm: compareStrings(true, writeMask),
  pcmpistri: compareStrings(false, writeIndex),
  pcmpistrm: compareStrings(false, writeMask),
};
