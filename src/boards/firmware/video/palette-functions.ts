import type { Caller } from '../caller.ts';
import { Screen } from './screen.ts';
import { showPalette } from './set-mode.ts';

const ATTRIBUTE = 0x3c0;
const ATTRIBUTE_READ = 0x3c1;
const DAC_READ_INDEX = 0x3c7;
const DAC_INDEX = 0x3c8;
const DAC_DATA = 0x3c9;
const DAC_MASK = 0x3c6;
const MODE_CONTROL = 0x10;
const OVERSCAN = 0x11;
const COLOR_SELECT = 0x14;
const PALETTE_REGISTERS = 16;

function readAttribute(c: Caller, index: number): number {
  c.in(0x3da);
  c.in(0x3ba);
  c.out(ATTRIBUTE, index);
  const value = c.in(ATTRIBUTE_READ);
  showPalette(c);
  return value;
}

function writeAttribute(c: Caller, index: number, value: number): void {
  c.in(0x3da);
  c.in(0x3ba);
  c.out(ATTRIBUTE, index);
  c.out(ATTRIBUTE, value);
  showPalette(c);
}

type Function = (c: Caller) => void;

/** Functions of INT 10h, AH = 10h, by AL. */
const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x00: (c) => writeAttribute(c, c.bl & 0x1f, c.bh),
  0x01: (c) => writeAttribute(c, OVERSCAN, c.bh),
  0x02: (c) => {
    const values = c.loadBytes(c.address('es', c.dx, PALETTE_REGISTERS + 1), PALETTE_REGISTERS + 1);
    values.forEach((value, i) => {
      writeAttribute(c, i === PALETTE_REGISTERS ? OVERSCAN : i, value);
    });
  },
  0x03: (c) => {
    const mode = readAttribute(c, MODE_CONTROL);
    writeAttribute(c, MODE_CONTROL, c.bl & 1 ? mode | 8 : mode & ~8);
  },
  0x07: (c) => {
    c.bh = readAttribute(c, c.bl & 0x1f);
  },
  0x08: (c) => {
    c.bh = readAttribute(c, OVERSCAN);
  },
  0x09: (c) => {
    const at = c.address('es', c.dx, PALETTE_REGISTERS + 1);
    const indices = Array.from({ length: PALETTE_REGISTERS }, (_, i) => i);
    c.storeBytes(
      at,
      Uint8Array.from([...indices, OVERSCAN], (index) => readAttribute(c, index)),
    );
  },
  0x10: (c) => {
    c.out(DAC_INDEX, c.bl);
    for (const part of [c.dh, c.ch, c.cl]) c.out(DAC_DATA, part);
  },
  0x12: (c) => {
    const values = c.loadBytes(c.address('es', c.dx, 1), c.cx * 3);
    c.out(DAC_INDEX, c.bl);
    for (const part of values) c.out(DAC_DATA, part);
  },
  0x13: (c) => {
    const mode = readAttribute(c, MODE_CONTROL);
    if (c.bl === 0) writeAttribute(c, MODE_CONTROL, (mode & 0x7f) | (c.bh << 7));
    else if (c.bl === 1) writeAttribute(c, COLOR_SELECT, mode & 0x80 ? c.bh & 0x0f : (c.bh << 2) & 0x0c);
  },
  0x15: (c) => {
    c.out(DAC_READ_INDEX, c.bl);
    const [red, green, blue] = [c.in(DAC_DATA), c.in(DAC_DATA), c.in(DAC_DATA)];
    c.dh = red;
    c.cx = (green << 8) | blue;
  },
  0x17: (c) => {
    const at = c.address('es', c.dx, 1);
    c.probe(at, c.cx * 3);
    c.out(DAC_READ_INDEX, c.bl);
    for (let n = 0; n < c.cx * 3; n++) c.store(at + n, 1, c.in(DAC_DATA));
  },
  0x18: (c) => c.out(DAC_MASK, c.bl),
  0x19: (c) => {
    c.bl = c.in(DAC_MASK);
  },
  0x1a: (c) => {
    const isPaged = readAttribute(c, MODE_CONTROL) >> 7;
    const select = readAttribute(c, COLOR_SELECT);
    c.bx = isPaged | ((isPaged ? select & 0x0f : select >> 2) << 8);
  },
  0x1b: (c) => sumToGray(c, c.bl, c.cx),
};

/** INT 10h, AH = 0Bh and 10h. */
export function paletteFunction(c: Caller): void {
  if (c.ah === 0x0b) cgaColors(c);
  else FUNCTIONS[c.al]?.(c);
}

/** The CGA's way: a border or background, or one of two palettes of mode 4. */
function cgaColors(c: Caller): void {
  const { isText } = new Screen(c);
  const { bl } = c;
  if (c.bh === 0) {
    writeAttribute(c, OVERSCAN, bl & 0x1f);
    if (!isText) writeAttribute(c, 0, (bl & 0x0f) | ((bl & 8) << 1));
  } else {
    for (let n = 1; n < 4; n++) writeAttribute(c, n, (n * 2 + (bl & 1)) | 0x10);
  }
}

function sumToGray(c: Caller, first: number, count: number): void {
  for (let n = first; n < first + count; n++) {
    c.out(DAC_READ_INDEX, n & 0xff);
    const [red, green, blue] = [c.in(DAC_DATA), c.in(DAC_DATA), c.in(DAC_DATA)];
    const gray = Math.min(0x3f, Math.round(0.3 * red + 0.59 * green + 0.11 * blue));
    c.out(DAC_INDEX, n & 0xff);
    for (let part = 0; part < 3; part++) c.out(DAC_DATA, gray);
  }
}
