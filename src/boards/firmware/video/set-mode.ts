import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { ROM_LAYOUT } from '../rom-layout.ts';
import { VIDEO_MODES, type VideoMode } from './modes.ts';
import { defaultPalette } from './palette.ts';

const PORT = {
  attribute: 0x3c0,
  misc: 0x3c2,
  sequencer: 0x3c4,
  dacMask: 0x3c6,
  dacIndex: 0x3c8,
  dacData: 0x3c9,
  graphics: 0x3ce,
  dispiIndex: 0x1ce,
  dispiData: 0x1cf,
} as const;
const MONOCHROME_CRTC = 0x3b4;
const COLOR_CRTC = 0x3d4;
const MISC_COLOR = 1;
const CRTC_VERTICAL_RETRACE_END = 0x11;
const ATTRIBUTE_SHOW = 0x20;
const DISPI_ENABLE = 4;
const KEEP_MEMORY = 0x80;
const BIOS_SEGMENT = 0xf000;
const FONT_BYTES = 32;
const FONT_MEMORY = 0xa0000;
const PAGES = 8;

/** Fonts in the BIOS segment. */
export const FONT_OFFSET = { 8: ROM_LAYOUT.font8, 14: ROM_LAYOUT.font14, 16: ROM_LAYOUT.font16 } as const;

/** Where registers of the CRTC are in the mode that is set. */
export function crtcPort(caller: Caller): number {
  return caller.load(BDA.crtcPort, 2);
}

/** Sets a mode (INT 10h, AH = 00h). @param number with bit 7 where the memory is to keep its content */
export function setMode(caller: Caller, number: number): boolean {
  const mode = VIDEO_MODES.get(number & ~KEEP_MEMORY);
  if (!mode) return false;
  caller.out(PORT.dispiIndex, DISPI_ENABLE, 2);
  caller.out(PORT.dispiData, 0, 2);
  setRegisters(caller, mode);
  setColors(caller, mode);
  if (!(number & KEEP_MEMORY)) clearMemory(caller, mode);
  if (mode.kind === 'text') loadFont(caller, 0, FONT_OFFSET[mode.charHeight] + BIOS_SEGMENT * 16, mode.charHeight);
  describe(caller, mode, number & KEEP_MEMORY);
  showPalette(caller);
  return true;
}

function setRegisters(c: Caller, mode: VideoMode): void {
  const crtc = mode.misc & MISC_COLOR ? COLOR_CRTC : MONOCHROME_CRTC;
  c.out(PORT.sequencer, 0x0100, 2);
  c.out(PORT.misc, mode.misc);
  mode.sequencer.forEach((value, i) => {
    c.out(PORT.sequencer, (i + 1) | (value << 8), 2);
  });
  c.out(PORT.sequencer, 0x0300, 2);
  c.out(crtc, CRTC_VERTICAL_RETRACE_END, 2);
  mode.crtc.forEach((value, i) => {
    c.out(crtc, i | (value << 8), 2);
  });
  mode.graphics.forEach((value, i) => {
    c.out(PORT.graphics, i | (value << 8), 2);
  });
  c.in(crtc + 6);
  mode.attribute.forEach((value, i) => {
    c.out(PORT.attribute, i);
    c.out(PORT.attribute, value);
  });
}

function setColors(c: Caller, mode: VideoMode): void {
  c.out(PORT.dacMask, 0xff);
  c.out(PORT.dacIndex, 0);
  for (const color of defaultPalette(mode.palette)) for (const part of color) c.out(PORT.dacData, part);
}

/** Lets the attribute controller show its palette again. */
export function showPalette(c: Caller): void {
  c.in(COLOR_CRTC + 6);
  c.in(MONOCHROME_CRTC + 6);
  c.out(PORT.attribute, ATTRIBUTE_SHOW);
}

function clearMemory(c: Caller, { kind, base }: VideoMode): void {
  const isText = kind === 'text';
  const length = isText || kind === 'cga2' || kind === 'cga4' ? 0x8000 : 0x10000;
  for (let at = base; at < base + length; at += 4) c.store(at, 4, isText ? 0x07200720 : 0);
}

/** Puts a font into plane 2. @param block 0 to 7  @param font linear address  @param count characters from `first` on */
export function loadFont(c: Caller, block: number, font: number, height: number, first = 0, count = 256): void {
  const enter = [0x0402, 0x0704];
  const leave = [0x0302, 0x0304];
  for (const value of enter) c.out(PORT.sequencer, value, 2);
  for (const value of [0x0204, 0x0005, 0x0406]) c.out(PORT.graphics, value, 2);
  const blockBytes = 0x4000 * (block & 3) + 0x2000 * ((block >> 2) & 1);
  for (let character = 0; character < count; character++) {
    const at = FONT_MEMORY + blockBytes + (first + character) * FONT_BYTES;
    for (let row = 0; row < height; row++) c.store(at + row, 1, c.load(font + character * height + row, 1));
  }
  for (const value of leave) c.out(PORT.sequencer, value, 2);
  const monochrome = !(c.in(0x3cc) & MISC_COLOR);
  for (const value of [0x0004, 0x1005, monochrome ? 0x0a06 : 0x0e06]) c.out(PORT.graphics, value, 2);
}

function describe(c: Caller, mode: VideoMode, keep: number): void {
  c.store(BDA.videoMode, 1, mode.number);
  c.store(BDA.columns, 2, mode.columns);
  c.store(BDA.pageBytes, 2, mode.pageBytes);
  c.store(BDA.pageStart, 2, 0);
  for (let page = 0; page < PAGES; page++) c.store(BDA.cursor + page * 2, 2, 0);
  c.store(BDA.cursorShape, 2, mode.kind === 'text' ? 0x0607 : 0);
  c.store(BDA.page, 1, 0);
  c.store(BDA.crtcPort, 2, mode.misc & MISC_COLOR ? COLOR_CRTC : MONOCHROME_CRTC);
  c.store(BDA.modeControl, 1, mode.number === 6 ? 0x1e : 0x29);
  c.store(BDA.paletteMask, 1, mode.number === 6 ? 0x3f : 0x30);
  c.store(BDA.lastRow, 1, mode.rows - 1);
  c.store(BDA.charHeight, 2, mode.charHeight);
  c.store(BDA.videoControl, 1, 0x60 | keep);
  c.store(BDA.videoSwitches, 1, 0xf9);
  c.store(BDA.videoFlags, 1, (c.load(BDA.videoFlags, 1) & 0x7f) | 0x11);
  c.store(0x43 * 4, 4, FONT_OFFSET[mode.charHeight] | (BIOS_SEGMENT << 16));
  if (mode.kind !== 'text') c.store(0x1f * 4, 4, (ROM_LAYOUT.font8 + 128 * 8) | (BIOS_SEGMENT << 16));
}
