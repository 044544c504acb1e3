import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import { same, shuffle, vector } from '../simd/lanes.ts';
import { highOf, lowOf, readVector, requireSse, writeVector } from '../simd/operands.ts';

/** AES (FIPS 197) and carry-less multiplication. Bytes of the state lie column by column. */

/** Twice a number in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1. */
function double(x: number): number {
  return ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff;
}

/** The S-box: inverse in GF(2^8), then an affine map (FIPS 197, 5.1.1). Powers of 3 run through all but zero. */
function makeSubstitution(): number[] {
  const powers: number[] = [];
  for (let x = 1; powers.length < 255; x ^= double(x)) powers.push(x);
  const table = Array<number>(256).fill(0x63);
  powers.forEach((x, i) => {
    const inverse = powers[(255 - i) % 255];
    const twice = inverse | (inverse << 8);
    const turned = [0, 4, 5, 6, 7].reduce((all, n) => all ^ (twice >> n), 0);
    table[x] = (turned & 0xff) ^ 0x63;
  });
  return table;
}

const SUBSTITUTION = makeSubstitution();
const INVERSE_SUBSTITUTION = SUBSTITUTION.map((_, i) => SUBSTITUTION.indexOf(i));

/** (bytes) → every byte by `table`: sixteen look-ups of sixteen entries, of which one finds its index in range. */
function defineSubstitute(name: string, table: readonly number[]): IrHelper {
  return defineHelper(name, { params: ['v128'], result: 'v128' }, (b, x) => {
    let result = b.const('v128', 0);
    for (let first = 0; first < 256; first += 16) {
      const index = b.op('i8x16.sub', x, same(b, 'i8x16', first));
      const found = b.op('i8x16.swizzle', vector(b, table.slice(first, first + 16)), index);
      result = b.op('v128.or', result, found);
    }
    return result;
  });
}

const substitute = defineSubstitute('aes_substitute', SUBSTITUTION);
const inverseSubstitute = defineSubstitute('aes_inverse_substitute', INVERSE_SUBSTITUTION);

/** Where ShiftRows takes byte i from: row i mod 4 moves left by its number of columns. */
const SHIFT_ROWS = Array.from({ length: 16 }, (_, i) => (i + 4 * (i % 4)) % 16);
const INVERSE_SHIFT_ROWS = Array.from({ length: 16 }, (_, i) => (i + 12 * (i % 4)) % 16);

const xor = (b: Builder, ...values: readonly Val[]) => values.reduce((all, value) => b.op('v128.xor', all, value));

/** Every column turned by `rows`. */
function turn(b: Builder, x: Val, rows: number): Val {
  const from = Array.from({ length: 16 }, (_, i) => (i & 12) | ((i + rows) & 3));
  return shuffle(b, x, x, from);
}

function doubleBytes(b: Builder, x: Val): Val {
  const overflow = b.op('i8x16.lt_s', x, b.const('v128', 0));
  return xor(b, b.op('i8x16.add', x, x), b.op('v128.and', overflow, same(b, 'i8x16', 0x1b)));
}

/** MixColumns: 2, 3, 1, 1 times the bytes of the column. */
function mixColumns(b: Builder, x: Val): Val {
  const next = turn(b, x, 1);
  return xor(b, doubleBytes(b, xor(b, x, next)), next, turn(b, x, 2), turn(b, x, 3));
}

/** InvMixColumns: MixColumns after 5, 0, 4, 0 times the bytes of the column. */
function inverseMixColumns(b: Builder, x: Val): Val {
  const fourTimes = doubleBytes(b, doubleBytes(b, xor(b, x, turn(b, x, 2))));
  return mixColumns(b, xor(b, x, fourTimes));
}

/** One round: the state is operand 0, the round key operand 1. */
function round(decrypt: boolean, last: boolean): Semantics {
  return (l) => {
    requireSse(l);
    const { b } = l;
    const key = readVector(l, 1);
    const state = readVector(l, 0);
    const shifted = shuffle(b, state, state, decrypt ? INVERSE_SHIFT_ROWS : SHIFT_ROWS);
    const substituted = b.call(decrypt ? inverseSubstitute : substitute, shifted);
    const mix = decrypt ? inverseMixColumns : mixColumns;
    writeVector(l, 0, xor(b, last ? substituted : mix(b, substituted), key));
  };
}

const aesimc: Semantics = (l) => {
  requireSse(l);
  writeVector(l, 0, inverseMixColumns(l.b, readVector(l, 1)));
};

/** Doublewords 1 and 3 substituted; each also turned by a byte, with the round constant added. */
const aeskeygenassist: Semantics = (l) => {
  requireSse(l);
  const { b } = l;
  const words = b.call(substitute, readVector(l, 1));
  const arranged = shuffle(b, words, words, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
  const constant = b.op('i64x2.splat', l.read(2).extU().shl(32));
  writeVector(l, 0, xor(b, arranged, constant));
};

/** (x, y) → x · y without carries; the upper half of the result is in the upper lane. */
const multiply = defineHelper('carryless_multiply', { params: ['i64', 'i64'], result: 'v128' }, (b, x, y) => {
  const low = b.variable('i64', 0, 'low');
  const high = b.variable('i64', 0, 'high');
  const left = b.variable('i64', y, 'left');
  b.block((done) =>
    b.loop((again) => {
      const bits = b.get(left);
      b.if(bits.eqz(), () => b.break(done));
      const place = bits.ctz();
      b.set(low, b.get(low).xor(x.shl(place)));
      b.set(high, b.get(high).xor(x.shrU(1).shrU(b.i64(63).sub(place))));
      b.set(left, bits.and(bits.sub(1)));
      b.continue(again);
    }),
  );
  return b.opWithImmediate('i64x2.replace_lane', 1n, b.op('i64x2.splat', b.get(low)), b.get(high));
});

/** PCLMULQDQ: bit 0 of the immediate chooses the destination's half, bit 4 the source's. */
const pclmulqdq: Semantics = (l) => {
  requireSse(l);
  const source = readVector(l, 1);
  const target = readVector(l, 0);
  const imm = l.read(2);
  const x = highOf(l, target).selectIf(imm.and(1), lowOf(l, target, 64));
  const y = highOf(l, source).selectIf(imm.and(16), lowOf(l, source, 64));
  writeVector(l, 0, l.b.call(multiply, x, y));
};

/** AES-NI and PCLMULQDQ. */
export const CRYPTO: SemanticsTable = {
  aesenc: round(false, false),
  aesenclast: round(false, true),
  aesdec: round(true, false),
  aesdeclast: round(true, true),
  aesimc,
  aeskeygenassist,
  pclmulqdq,
};
