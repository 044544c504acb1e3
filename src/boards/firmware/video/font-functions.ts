import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { ROM_LAYOUT } from '../rom-layout.ts';
import { crtcPort, FONT_OFFSET, loadFont } from './set-mode.ts';

const BIOS_SEGMENT = 0xf000;
const HEIGHTS: Readonly<Record<number, 8 | 14 | 16>> = { 1: 14, 2: 8, 3: 8, 4: 16 };
const MAXIMUM_SCAN_LINE = 9;
const VERTICAL_DISPLAY_END = 0x12;

/** INT 10h, AH = 11h: fonts of text modes (AL = 0xh, 1xh with new cells) and of graphics (2xh), and where they lie (30h). */
export function fontFunction(c: Caller): void {
  const { al } = c;
  if (al === 0x30) fontInformation(c);
  else if (al === 0x03) c.out(0x3c4, 0x03 | (c.bl << 8), 2);
  else if (al < 0x20) textFont(c, al);
  else graphicsFont(c, al & 0x0f);
}

function textFont(c: Caller, al: number): void {
  const kind = al & 0x0f;
  const height = HEIGHTS[kind];
  if (kind !== 0 && height === undefined) return;
  if (kind === 0) loadFont(c, c.bl & 7, c.address('es', c.bp), c.bh, c.dx, c.cx);
  else loadFont(c, c.bl & 7, BIOS_SEGMENT * 16 + FONT_OFFSET[height], height);
  if (al >= 0x10) setCellHeight(c, height ?? c.bh);
}

/** Gives text cells another height: as many rows as the lines of the screen allow. */
function setCellHeight(c: Caller, height: number): void {
  const port = crtcPort(c);
  c.out(port, MAXIMUM_SCAN_LINE);
  const old = c.in(port + 1);
  c.out(port + 1, (old & 0xe0) | (height - 1));
  const lines = readLines(c, port);
  const rows = Math.floor(lines / height);
  c.out(port, VERTICAL_DISPLAY_END);
  c.store(BDA.lastRow, 1, rows - 1);
  c.store(BDA.charHeight, 2, height);
  c.store(BDA.pageBytes, 2, rows * c.load(BDA.columns, 2) * 2 + 0x100);
  const start = height === 8 ? 6 : height - 3;
  c.out(port, 0x0a | (start << 8), 2);
  c.out(port, 0x0b | ((height === 8 ? 7 : height - 2) << 8), 2);
}

function readLines(c: Caller, port: number): number {
  c.out(port, VERTICAL_DISPLAY_END);
  const low = c.in(port + 1);
  c.out(port, 7);
  const overflow = c.in(port + 1);
  return low + ((overflow & 0x02) << 7) + ((overflow & 0x40) << 3) + 1;
}

/** Rows by BL, or by DL where that is 0. */
const GRAPHICS_ROWS: Readonly<Record<number, number>> = { 1: 14, 2: 25, 3: 43 };

function graphicsFont(c: Caller, kind: number): void {
  if (kind === 0) {
    c.store(0x1f * 4, 4, c.bp | (c.es << 16));
    return;
  }
  const height = kind === 1 ? c.cx : HEIGHTS[kind];
  if (height === undefined) return;
  const font = kind === 1 ? c.bp | (c.es << 16) : FONT_OFFSET[HEIGHTS[kind]] | (BIOS_SEGMENT << 16);
  c.store(0x43 * 4, 4, font >>> 0);
  c.store(BDA.charHeight, 2, height);
  c.store(BDA.lastRow, 1, (GRAPHICS_ROWS[c.bl] ?? c.dl) - 1);
}

function fontInformation(c: Caller): void {
  const rom = (offset: number) => [offset, BIOS_SEGMENT] as const;
  const vector = (n: number) => [c.load(n * 4, 2), c.load(n * 4 + 2, 2)] as const;
  const places: Readonly<Record<number, () => readonly [number, number]>> = {
    0: () => vector(0x1f),
    1: () => vector(0x43),
    2: () => rom(ROM_LAYOUT.font14),
    3: () => rom(ROM_LAYOUT.font8),
    4: () => rom(ROM_LAYOUT.font8 + 128 * 8),
    5: () => rom(ROM_LAYOUT.font14),
    6: () => rom(ROM_LAYOUT.font16),
    7: () => rom(ROM_LAYOUT.font16),
  };
  const place = places[c.bh];
  if (!place) return;
  const [offset, segment] = place();
  c.cx = c.load(BDA.charHeight, 2);
  c.dl = c.load(BDA.lastRow, 1);
  c.bp = offset;
  c.es = segment;
}
