/** The first of the characters that draw boxes and blocks, B0h to DFh. */
export const FIRST_BOX_CHARACTER = 0xb0;
/** The character after the last of them. */
export const BOX_CHARACTERS_END = 0xe0;

/** For B3h to DAh: how many lines lead up, down, left and right. */
const ARMS: readonly string[] = [
  ...['1100', '1110', '1120', '2210', '0210', '0120', '2220', '2200', '0220', '2020', '2010', '1020', '0110'],
  ...['1001', '1011', '0111', '1101', '0011', '1111', '1102', '2201', '2002', '0202', '2022', '0222', '2202', '0022'],
  ...['2222', '1022', '2011', '0122', '0211', '2001', '1002', '0102', '0201', '2211', '1122', '1010', '0101'],
];
const FIRST_LINES = 0xb3;
const LINES_END = FIRST_LINES + ARMS.length;

/** Light, medium and dark shade: even and odd rows. */
const SHADES = [
  [0x22, 0x88],
  [0x55, 0xaa],
  [0xdd, 0x77],
] as const;

/** Full block, lower half, left half, right half, upper half: what the upper and the lower half of the cell show. */
const BLOCKS = [
  [0xff, 0xff],
  [0x00, 0xff],
  [0xf0, 0xf0],
  [0x0f, 0x0f],
  [0xff, 0x00],
] as const;

/** Vertical lines: a pair covers columns 2 to 5 with a gap in the middle, a single one columns 3 and 4. */
const PAIR = 0x3c;
const SINGLE = 0x18;
const LEFT_OF_PAIR = 0xfc;
const LEFT_OF_SINGLE = 0xf8;
const RIGHT_OF_PAIR = 0x3f;
const RIGHT_OF_SINGLE = 0x1f;
const BEFORE_SINGLE = 0xe0;
const BEHIND_SINGLE = 0x07;

/** Draws a character of {@link FIRST_BOX_CHARACTER} to {@link BOX_CHARACTERS_END}: it fills its cell, so that neighbours join. @param height of the cell, at least 8 */
export function drawBoxCharacter(code: number, height: number): Uint8Array {
  if (code < FIRST_LINES)
    return Uint8Array.from({ length: height }, (_, y) => SHADES[code - FIRST_BOX_CHARACTER][y & 1]);
  if (code >= LINES_END)
    return Uint8Array.from({ length: height }, (_, y) => BLOCKS[code - LINES_END][y < height / 2 ? 0 : 1]);
  const [up, down, left, right] = [...ARMS[code - FIRST_LINES]].map(Number);
  return drawLines({ up, down, left, right }, height);
}

interface Arms {
  readonly up: number;
  readonly down: number;
  readonly left: number;
  readonly right: number;
}

/** Pairs of lines are drawn as bars and then hollowed out, which makes their corners right. */
function drawLines(arms: Arms, height: number): Uint8Array {
  const rows = new Uint8Array(height);
  const middle = height >> 1;
  drawVertical(rows, arms, middle);
  drawHorizontal(rows, arms, middle);
  hollowVertical(rows, arms, middle);
  hollowHorizontal(rows, arms, middle);
  return rows;
}

function drawVertical(rows: Uint8Array, { up, down, left, right }: Arms, middle: number): void {
  const half = left === 2 || right === 2 ? 1 : 0;
  const bar = (lines: number) => (lines === 2 ? PAIR : lines === 1 ? SINGLE : 0);
  for (let y = 0; y <= middle + half; y++) rows[y] |= bar(up);
  for (let y = middle - half; y < rows.length; y++) rows[y] |= bar(down);
}

function drawHorizontal(rows: Uint8Array, { up, down, left, right }: Arms, middle: number): void {
  const isPair = up === 2 || down === 2;
  const draw = (lines: number, bar: number) => {
    if (lines === 1) rows[middle] |= bar;
    if (lines === 2) for (let y = middle - 1; y <= middle + 1; y++) rows[y] |= bar;
  };
  draw(left, isPair ? LEFT_OF_PAIR : LEFT_OF_SINGLE);
  draw(right, isPair ? RIGHT_OF_PAIR : RIGHT_OF_SINGLE);
}

function hollowVertical(rows: Uint8Array, { up, down, left, right }: Arms, middle: number): void {
  const joinsPair = left === 2 || right === 2;
  if (up === 2) for (let y = 0; y < middle; y++) rows[y] &= ~SINGLE;
  if (down === 2) for (let y = middle + 1; y < rows.length; y++) rows[y] &= ~SINGLE;
  const through = up === 2 && down === 2 && !(left === 1 && right === 1);
  if (through || (joinsPair && (up === 2 || down === 2))) rows[middle] &= ~SINGLE;
}

function hollowHorizontal(rows: Uint8Array, { up, down, left, right }: Arms, middle: number): void {
  const isPair = up === 2 || down === 2;
  if (left === 2) rows[middle] &= ~(isPair && (right === 2 || up + down === 2) ? LEFT_OF_SINGLE : BEFORE_SINGLE);
  if (right === 2) rows[middle] &= ~(isPair && (left === 2 || up + down === 2) ? RIGHT_OF_SINGLE : BEHIND_SINGLE);
  if (left === 2 && right === 2 && !(up === 1 && down === 1)) rows[middle] &= ~SINGLE;
}
