import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { ROM_LAYOUT } from '../rom-layout.ts';
import { fontFunction } from './font-functions.ts';
import { paletteFunction } from './palette-functions.ts';
import { type Cells, Screen } from './screen.ts';
import { crtcPort, setMode } from './set-mode.ts';
import { vbeFunction } from './vbe.ts';

const BELL = 7;
const BACKSPACE = 8;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const CRTC_CURSOR_START = 0x0a;
const CRTC_START = 0x0c;
const CRTC_CURSOR = 0x0e;
const VGA_COLOR = 8;
const VGA_MONO = 7;

type Function = (c: Caller) => void;

/** Functions of INT 10h by AH. Those that are not there do nothing, as on an IBM VGA. */
const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x00: (c) => {
    const mode = c.al;
    if (setMode(c, mode)) c.al = (mode & 0x7f) > 7 ? 0x20 : (mode & 0x7f) === 6 ? 0x3f : 0x30;
  },
  0x01: (c) => setCursorShape(c, c.cx),
  0x02: (c) => setCursor(c, c.bh, c.dx),
  0x03: (c) => {
    const page = c.bh;
    c.dx = c.load(BDA.cursor + (page & 7) * 2, 2);
    c.cx = c.load(BDA.cursorShape, 2);
  },
  0x05: (c) => selectPage(c, c.al),
  0x06: (c) => scrollWindow(c, c.al),
  0x07: (c) => scrollWindow(c, -c.al),
  0x08: (c) => {
    const page = c.bh & 7;
    const at = c.load(BDA.cursor + page * 2, 2);
    const { character, attribute } = new Screen(c).readCell(page, at & 0xff, at >> 8);
    c.ax = character | (attribute << 8);
  },
  0x09: (c) => writeCells(c, c.bl),
  0x0a: (c) => writeCells(c, undefined),
  0x0b: (c) => paletteFunction(c),
  0x0c: (c) => new Screen(c).setPixel(c.bh, c.cx, c.dx, c.al),
  0x0d: (c) => {
    c.al = new Screen(c).pixel(c.bh, c.cx, c.dx);
  },
  0x0e: (c) => teletype(c, c.load(BDA.page, 1), c.al, undefined, c.bl),
  0x0f: (c) => {
    c.ax = c.load(BDA.videoMode, 1) | (c.load(BDA.videoControl, 1) & 0x80) | (c.load(BDA.columns, 1) << 8);
    c.bh = c.load(BDA.page, 1);
  },
  0x10: (c) => paletteFunction(c),
  0x11: (c) => fontFunction(c),
  0x12: (c) => alternateSelect(c),
  0x13: (c) => writeString(c),
  0x1a: (c) => displayCombination(c),
  0x1b: (c) => stateInformation(c),
  0x4f: (c) => vbeFunction(c),
};

/** INT 10h. */
export function video(c: Caller): void {
  if (!c.isPrivileged) c.probe(0xa0000, 0x20000);
  FUNCTIONS[c.ah]?.(c);
}

function setCursorShape(c: Caller, shape: number): void {
  c.store(BDA.cursorShape, 2, shape);
  const [start, end] = scaledShape(c, shape >> 8, shape & 0xff);
  const port = crtcPort(c);
  c.out(port, CRTC_CURSOR_START | (start << 8), 2);
  c.out(port, (CRTC_CURSOR_START + 1) | (end << 8), 2);
}

/** Programs count a CGA's eight rows: their cursor becomes one of the same place in a taller cell. */
function scaledShape(c: Caller, start: number, end: number): [number, number] {
  const height = c.load(BDA.charHeight, 2);
  const isEmulated = (c.load(BDA.videoControl, 1) & 1) === 0;
  if (!isEmulated || height <= 8 || end >= 8 || start >= 0x20) return [start, end];
  if (end !== start + 1) return [Math.floor(((start + 1) * height) / 8) - 1, Math.floor(((end + 1) * height) / 8) - 1];
  return height === 14
    ? [11, 12]
    : [Math.floor(((end + 1) * height) / 8) - 3, Math.floor(((end + 1) * height) / 8) - 2];
}

/** Moves a page's cursor. @param place row in the high byte, column in the low */
function setCursor(c: Caller, page: number, place: number): void {
  if (page > 7) return;
  c.store(BDA.cursor + page * 2, 2, place);
  if (page !== c.load(BDA.page, 1)) return;
  const columns = c.load(BDA.columns, 2);
  const address = (c.load(BDA.pageStart, 2) >> 1) + (place >> 8) * columns + (place & 0xff);
  writeCrtcPair(c, CRTC_CURSOR, address);
}

function writeCrtcPair(c: Caller, index: number, value: number): void {
  const port = crtcPort(c);
  c.out(port, index | (value & 0xff00), 2);
  c.out(port, (index + 1) | ((value & 0xff) << 8), 2);
}

function selectPage(c: Caller, page: number): void {
  const { mode, isText } = new Screen(c);
  if (page >= mode.pages) return;
  const start = page * c.load(BDA.pageBytes, 2);
  c.store(BDA.page, 1, page);
  c.store(BDA.pageStart, 2, start);
  writeCrtcPair(c, CRTC_START, isText ? start >> 1 : start);
  setCursor(c, page, c.load(BDA.cursor + page * 2, 2));
}

function scrollWindow(c: Caller, lines: number): void {
  const screen = new Screen(c);
  const cells: Cells = {
    left: c.cl,
    top: c.ch,
    right: Math.min(c.dl, screen.columns - 1),
    bottom: Math.min(c.dh, screen.rows - 1),
  };
  if (cells.left > cells.right || cells.top > cells.bottom) return;
  screen.scroll(c.load(BDA.page, 1), cells, lines, c.bh);
}

/** AH = 09h and 0Ah: the same character CX times from the cursor on, which stays. */
function writeCells(c: Caller, attribute: number | undefined): void {
  const screen = new Screen(c);
  const page = screen.mode.kind === 'packed' ? 0 : c.bh & 7;
  const place = c.load(BDA.cursor + page * 2, 2);
  const { columns } = screen;
  const color = screen.isText ? attribute : c.bl;
  const start = (place >> 8) * columns + (place & 0xff);
  const end = Math.min(start + c.cx, columns * screen.rows);
  for (let n = start; n < end; n++) screen.writeCell(page, n % columns, Math.floor(n / columns), c.al, color);
}

/** Writes a character at the cursor as a terminal would, and moves the cursor. */
export function teletype(c: Caller, page: number, character: number, attribute: number | undefined, color = 7): void {
  if (character === BELL) return;
  const screen = new Screen(c);
  const place = c.load(BDA.cursor + (page & 7) * 2, 2);
  let [column, row] = [place & 0xff, place >> 8];
  if (character === BACKSPACE) column = Math.max(0, column - 1);
  else if (character === CARRIAGE_RETURN) column = 0;
  else if (character === LINE_FEED) row++;
  else {
    screen.writeCell(page, column, row, character, screen.isText ? attribute : (attribute ?? color));
    column++;
  }
  if (column >= screen.columns) {
    column = 0;
    row++;
  }
  if (row >= screen.rows) {
    const blank = screen.isText ? screen.readCell(page, 0, screen.rows - 1).attribute : 0;
    screen.scroll(page, { left: 0, top: 0, right: screen.columns - 1, bottom: screen.rows - 1 }, 1, blank);
    row = screen.rows - 1;
  }
  setCursor(c, page, (row << 8) | column);
}

/** AH = 13h. AL: bit 0 moves the cursor, bit 1 says that attributes lie between the characters. */
function writeString(c: Caller): void {
  const { al, bl, cx, dx } = c;
  const page = c.bh & 7;
  const before = c.load(BDA.cursor + page * 2, 2);
  setCursor(c, page, dx);
  const step = al & 2 ? 2 : 1;
  for (let n = 0; n < cx; n++) {
    const at = c.address('es', (c.bp + n * step) & 0xffff);
    teletype(c, page, c.load(at, 1), step === 2 ? c.load(at + 1, 1) : bl);
  }
  if (!(al & 1)) setCursor(c, page, before);
}

function alternateSelect(c: Caller): void {
  const flags = c.load(BDA.videoFlags, 1);
  switch (c.bl) {
    case 0x10:
      c.bx = 0x0003 | (c.load(BDA.crtcPort, 2) === 0x3b4 ? 0x100 : 0);
      c.cx = 0x0009;
      return;
    case 0x30: // lines of text modes
      c.store(BDA.videoFlags, 1, (flags & 0x6f) | [0x80, 0x00, 0x10][c.al % 3]);
      break;
    case 0x31: // default palette loading
      c.store(BDA.videoFlags, 1, (flags & ~0x08) | (c.al & 1 ? 8 : 0));
      break;
    case 0x33: // gray summing
      c.store(BDA.videoFlags, 1, (flags & ~0x02) | (c.al & 1 ? 0 : 2));
      break;
    case 0x34: // cursor emulation
      c.store(BDA.videoControl, 1, (c.load(BDA.videoControl, 1) & ~1) | (c.al & 1));
      break;
    case 0x36:
      c.out(0x3c4, 1);
      c.out(0x3c5, (c.in(0x3c5) & ~0x20) | (c.al & 1 ? 0x20 : 0));
      break;
    case 0x32:
      break;
    default:
      return;
  }
  c.al = 0x12;
}

function displayCombination(c: Caller): void {
  if (c.al === 0) c.bx = c.load(BDA.crtcPort, 2) === 0x3b4 ? VGA_MONO : VGA_COLOR;
  c.al = 0x1a;
}

/** AH = 1Bh: 64 bytes at ES:DI, the data area's video part among them. */
function stateInformation(c: Caller): void {
  if (c.bx !== 0) return;
  const { mode, rows } = new Screen(c);
  const table = new Uint8Array(64);
  table.set([ROM_LAYOUT.videoStatic & 0xff, ROM_LAYOUT.videoStatic >> 8, 0x00, 0xf0]);
  table.set(c.loadBytes(BDA.videoMode, 30), 4);
  table[0x22] = rows;
  table[0x23] = c.load(BDA.charHeight, 1);
  table[0x25] = c.load(BDA.crtcPort, 2) === 0x3b4 ? VGA_MONO : VGA_COLOR;
  table[0x27] = mode.colors & 0xff;
  table[0x28] = mode.colors >> 8;
  table[0x29] = mode.pages;
  table[0x2a] = mode.crtc[0x12] === 0xdf ? 3 : mode.crtc[0x12] === 0x5d ? 1 : 2;
  table[0x31] = 3; // 256 KiB
  c.storeBytes(c.address('es', c.di, table.length), table);
  c.al = 0x1b;
}
