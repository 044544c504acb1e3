/** The Data Encryption Standard (FIPS 46-3), which VNC's password check is made of; bits are numbered from 1, leftmost first. */

const INITIAL = [
  ...[58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32],
  ...[24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21, 13, 5, 63, 55],
  ...[47, 39, 31, 23, 15, 7],
];
const EXPANSION = [
  ...[32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20, 21, 20],
  ...[21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1],
];
const PERMUTATION = [
  ...[16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11],
  ...[4, 25],
];
const CHOICE_1 = [
  ...[57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63],
  ...[55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4],
];
const CHOICE_2 = [
  ...[14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55],
  ...[30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32],
];
const ROTATIONS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
/** The eight substitution boxes: four rows each, a hexadecimal digit a value. */
const BOXES = [
  'e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d',
  'f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9',
  'a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c',
  '7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e',
  '2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453',
  'c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d',
  '4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c',
  'd2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b',
].map((digits) => [...digits].map((digit) => Number.parseInt(digit, 16)));

const FINAL = INITIAL.map((_, i) => INITIAL.indexOf(i + 1) + 1);
const HALF = 32;
const KEY_HALF = 28;

type Bits = readonly number[];

/** Encrypts a block. @param key 8 bytes, whose lowest bits do not count  @param block 8 bytes */
export function encryptDes(key: Uint8Array, block: Uint8Array): Uint8Array {
  const bits = permuted(bitsOf(block), INITIAL);
  let [left, right]: [Bits, Bits] = [bits.slice(0, HALF), bits.slice(HALF)];
  for (const roundKey of roundKeys(bitsOf(key))) [left, right] = [right, xored(left, mixed(right, roundKey))];
  return bytesOf(permuted([...right, ...left], FINAL));
}

function roundKeys(key: Bits): Bits[] {
  const chosen = permuted(key, CHOICE_1);
  let [c, d] = [chosen.slice(0, KEY_HALF), chosen.slice(KEY_HALF)];
  return ROTATIONS.map((count) => {
    c = [...c.slice(count), ...c.slice(0, count)];
    d = [...d.slice(count), ...d.slice(0, count)];
    return permuted([...c, ...d], CHOICE_2);
  });
}

function mixed(half: Bits, roundKey: Bits): Bits {
  const input = xored(permuted(half, EXPANSION), roundKey);
  const output = BOXES.flatMap((box, i) => {
    const [b0, b1, b2, b3, b4, b5] = input.slice(i * 6, i * 6 + 6);
    const value = box[(b0 * 2 + b5) * 16 + b1 * 8 + b2 * 4 + b3 * 2 + b4];
    return [3, 2, 1, 0].map((bit) => (value >> bit) & 1);
  });
  return permuted(output, PERMUTATION);
}

function permuted(bits: Bits, table: readonly number[]): Bits {
  return table.map((position) => bits[position - 1]);
}

function xored(a: Bits, b: Bits): Bits {
  return a.map((bit, i) => bit ^ b[i]);
}

function bitsOf(bytes: Uint8Array): Bits {
  return [...bytes].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (byte >> bit) & 1));
}

function bytesOf(bits: Bits): Uint8Array {
  return Uint8Array.from({ length: bits.length / 8 }, (_, i) =>
    bits.slice(i * 8, i * 8 + 8).reduce((byte, bit) => byte * 2 + bit, 0),
  );
}
