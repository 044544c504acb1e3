import { ByteWriter } from '../../../base/bytes.ts';
import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { setMode, showPalette } from './set-mode.ts';

/** The Bochs display interface. */
const DISPI_INDEX = 0x1ce;
const DISPI_DATA = 0x1cf;
const DISPI = {
  id: 0,
  width: 1,
  height: 2,
  bits: 3,
  enable: 4,
  bank: 5,
  virtualWidth: 6,
  virtualHeight: 7,
  xOffset: 8,
  yOffset: 9,
  memory64K: 10,
} as const;
const ENABLED = 0x01;
const DAC_8_BITS = 0x20;
const LFB = 0x40;
const NO_CLEAR = 0x80;

const SUCCESS = 0x004f;
const FAILED = 0x014f;
const UNKNOWN = 0x0100;
const USE_LFB = 0x4000;
const KEEP_MEMORY = 0x8000;
const MODE_MASK = 0x3fff;
const BANK_KIB = 64;
const WINDOW_SEGMENT = 0xa000;
const VBE_VERSION = 0x0300;
const INFO_V2_BYTES = 512;
const INFO_V1_BYTES = 256;
/** Color, graphics, supported, not VGA compatible, with a linear frame buffer. */
const MODE_ATTRIBUTES = 0x00bb;
const PCI_ADDRESS = 0xcf8;
const PCI_DATA = 0xcfc;
const PCI_ENABLE = 0x80000000;
const PCI_CLASS = 0x08;
const PCI_BAR0 = 0x10;
const VGA_COMPATIBLE = 0x030000;
const SLOTS = 32;

/** Modes: number, width, height, bits. VESA's own, then those of Bochs. */
const MODES: readonly (readonly [number: number, width: number, height: number, bits: number])[] = [
  [0x100, 640, 400, 8],
  [0x101, 640, 480, 8],
  [0x103, 800, 600, 8],
  [0x105, 1024, 768, 8],
  [0x107, 1280, 1024, 8],
  [0x10d, 320, 200, 15],
  [0x10e, 320, 200, 16],
  [0x10f, 320, 200, 24],
  [0x110, 640, 480, 15],
  [0x111, 640, 480, 16],
  [0x112, 640, 480, 24],
  [0x113, 800, 600, 15],
  [0x114, 800, 600, 16],
  [0x115, 800, 600, 24],
  [0x116, 1024, 768, 15],
  [0x117, 1024, 768, 16],
  [0x118, 1024, 768, 24],
  [0x119, 1280, 1024, 15],
  [0x11a, 1280, 1024, 16],
  [0x11b, 1280, 1024, 24],
  [0x11c, 1600, 1200, 8],
  [0x11d, 1600, 1200, 15],
  [0x11e, 1600, 1200, 16],
  [0x11f, 1600, 1200, 24],
  [0x140, 320, 200, 32],
  [0x141, 640, 400, 32],
  [0x142, 640, 480, 32],
  [0x143, 800, 600, 32],
  [0x144, 1024, 768, 32],
  [0x145, 1280, 1024, 32],
  [0x146, 320, 200, 8],
  [0x147, 1600, 1200, 32],
  [0x148, 1152, 864, 8],
  [0x149, 1152, 864, 15],
  [0x14a, 1152, 864, 16],
  [0x14b, 1152, 864, 24],
  [0x14c, 1152, 864, 32],
  [0x175, 1280, 768, 16],
  [0x176, 1280, 768, 24],
  [0x177, 1280, 768, 32],
  [0x178, 1280, 800, 16],
  [0x179, 1280, 800, 24],
  [0x17a, 1280, 800, 32],
  [0x18d, 1280, 720, 16],
  [0x18e, 1280, 720, 24],
  [0x18f, 1280, 720, 32],
  [0x190, 1920, 1080, 16],
  [0x191, 1920, 1080, 24],
  [0x192, 1920, 1080, 32],
];

/** Size and position of red, green, blue and the rest by bits a pixel. */
const MASKS: Readonly<Record<number, readonly number[]>> = {
  8: [0, 0, 0, 0, 0, 0, 0, 0],
  15: [5, 10, 5, 5, 5, 0, 1, 15],
  16: [5, 11, 6, 5, 5, 0, 0, 0],
  24: [8, 16, 8, 8, 8, 0, 0, 0],
  32: [8, 16, 8, 8, 8, 0, 8, 24],
};

type Function = (c: Caller) => number;

const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x00: controllerInformation,
  0x01: modeInformation,
  0x02: setVbeMode,
  0x03: (c) => {
    const { number, isLinear } = currentMode(c);
    c.bx = number | (isLinear ? USE_LFB : 0);
    return SUCCESS;
  },
  0x05: bankSwitch,
  0x06: scanLineLength,
  0x07: displayStart,
  0x08: dacWidth,
  0x09: paletteData,
  0x15: () => FAILED,
};

/** INT 10h, AH = 4Fh (VESA VBE 3.0). */
export function vbeFunction(c: Caller): void {
  const call = isThere(c) ? FUNCTIONS[c.al] : undefined;
  c.ax = call ? call(c) : UNKNOWN;
}

function read(c: Caller, register: number): number {
  c.out(DISPI_INDEX, register, 2);
  return c.in(DISPI_DATA, 2);
}

function write(c: Caller, register: number, value: number): void {
  c.out(DISPI_INDEX, register, 2);
  c.out(DISPI_DATA, value, 2);
}

function isThere(c: Caller): boolean {
  return (read(c, DISPI.id) & 0xfff0) === 0xb0c0;
}

function bytesPerPixel(bits: number): number {
  return (bits + 7) >> 3;
}

function fits(c: Caller, width: number, height: number, bits: number): boolean {
  return width * height * bytesPerPixel(bits) <= read(c, DISPI.memory64K) * 0x10000;
}

function controllerInformation(c: Caller): number {
  const isVersion2 = c.load(c.address('es', c.di, 4), 4) === 0x32454256; // "VBE2"
  const length = isVersion2 ? INFO_V2_BYTES : INFO_V1_BYTES;
  const at = c.address('es', c.di, length);
  const listOffset = isVersion2 ? 0x100 : 0x22;
  const list = MODES.filter(([, width, height, bits]) => fits(c, width, height, bits)).map(([number]) => number);
  const text = listOffset + (list.length + 1) * 2;
  const pointer = (offset: number) => ((c.di + offset) & 0xffff) | (c.es << 16);
  const info = new ByteWriter().text('VESA').u16(VBE_VERSION).u32(pointer(text)).u32(1).u32(pointer(listOffset));
  info.u16(read(c, DISPI.memory64K)).u16(0x0100).u32(pointer(text)).u32(pointer(text)).u32(pointer(text));
  info.zeros(listOffset - info.length);
  for (const number of list) info.u16(number);
  info.u16(0xffff).text('Vitrine').u8(0);
  info.zeros(Math.max(0, length - info.length));
  c.storeBytes(at, info.finish().subarray(0, length));
  return SUCCESS;
}

function modeInformation(c: Caller): number {
  const mode = MODES.find(([number]) => number === (c.cx & MODE_MASK));
  if (!mode || !fits(c, mode[1], mode[2], mode[3])) return FAILED;
  const [, width, height, bits] = mode;
  const pitch = width * bytesPerPixel(bits);
  const images = Math.floor((read(c, DISPI.memory64K) * 0x10000) / (pitch * height)) - 1;
  const info = new ByteWriter().u16(MODE_ATTRIBUTES);
  info.append([7, 0]).u16(BANK_KIB).u16(BANK_KIB).u16(WINDOW_SEGMENT).u16(0).u32(0).u16(pitch);
  info
    .u16(width)
    .u16(height)
    .append([8, 16, 1, bits, 1, bits === 8 ? 4 : 6, 0, Math.min(images, 255), 1]);
  info
    .append(MASKS[bits])
    .u8(bits === 32 ? 2 : 0)
    .u32(frameBuffer(c))
    .u32(0)
    .u16(0);
  info.u16(pitch).u8(Math.min(images, 255)).u8(Math.min(images, 255)).append(MASKS[bits]).u32(0);
  c.storeBytes(c.address('es', c.di, 256), info.zeros(256 - info.length).finish());
  return SUCCESS;
}

/** Where the linear frame buffer lies: the first base address of the adapter, which is known by its class. */
function frameBuffer(c: Caller): number {
  for (let slot = 0; slot < SLOTS; slot++) {
    const address = PCI_ENABLE | (slot << 11);
    c.out(PCI_ADDRESS, (address | PCI_CLASS) >>> 0, 4);
    if (c.in(PCI_DATA, 4) >>> 8 !== VGA_COMPATIBLE) continue;
    c.out(PCI_ADDRESS, (address | PCI_BAR0) >>> 0, 4);
    return (c.in(PCI_DATA, 4) & ~0xf) >>> 0;
  }
  return 0;
}

function setVbeMode(c: Caller): number {
  const { bx } = c;
  const number = bx & MODE_MASK;
  if (number < 0x100) return setMode(c, number | (bx & KEEP_MEMORY ? 0x80 : 0)) ? SUCCESS : FAILED;
  const mode = MODES.find((candidate) => candidate[0] === number);
  if (!mode || !fits(c, mode[1], mode[2], mode[3])) return FAILED;
  const [, width, height, bits] = mode;
  setMode(c, bits === 8 ? 0x13 : 0x12);
  write(c, DISPI.enable, 0);
  write(c, DISPI.bits, bits);
  write(c, DISPI.width, width);
  write(c, DISPI.height, height);
  write(c, DISPI.bank, 0);
  write(c, DISPI.enable, ENABLED | (bx & USE_LFB ? LFB : 0) | (bx & KEEP_MEMORY ? NO_CLEAR : 0));
  showPalette(c);
  c.store(BDA.columns, 2, width >> 3);
  c.store(BDA.lastRow, 1, (height >> 4) - 1);
  return SUCCESS;
}

function currentMode(c: Caller): { number: number; isLinear: boolean } {
  const enable = read(c, DISPI.enable);
  if (!(enable & ENABLED)) return { number: c.load(BDA.videoMode, 1), isLinear: false };
  const now = [read(c, DISPI.width), read(c, DISPI.height), read(c, DISPI.bits)];
  const mode = MODES.find(([, ...size]) => size.every((value, i) => value === now[i]));
  return { number: mode?.[0] ?? 0, isLinear: (enable & LFB) !== 0 };
}

function bankSwitch(c: Caller): number {
  if (!(read(c, DISPI.enable) & ENABLED) || c.bl !== 0) return FAILED;
  if (c.bh === 0) write(c, DISPI.bank, c.dx);
  else c.dx = read(c, DISPI.bank);
  return SUCCESS;
}

function scanLineLength(c: Caller): number {
  if (!(read(c, DISPI.enable) & ENABLED)) return FAILED;
  const bytes = bytesPerPixel(read(c, DISPI.bits));
  const { bl, cx } = c;
  if (bl === 0) write(c, DISPI.virtualWidth, cx);
  else if (bl === 2) write(c, DISPI.virtualWidth, Math.ceil(cx / bytes));
  const width = read(c, DISPI.virtualWidth);
  const most = Math.floor((read(c, DISPI.memory64K) * 0x10000) / (width * bytes));
  if (bl === 3) {
    c.bx = width * bytes;
    c.cx = width;
  } else {
    c.bx = width * bytes;
    c.cx = width;
  }
  c.dx = Math.min(most, 0xffff);
  return SUCCESS;
}

function displayStart(c: Caller): number {
  if (!(read(c, DISPI.enable) & ENABLED)) return FAILED;
  if ((c.bl & 0x7f) === 0) {
    write(c, DISPI.xOffset, c.cx);
    write(c, DISPI.yOffset, c.dx);
  } else {
    c.bh = 0;
    c.cx = read(c, DISPI.xOffset);
    c.dx = read(c, DISPI.yOffset);
  }
  return SUCCESS;
}

function dacWidth(c: Caller): number {
  const enable = read(c, DISPI.enable);
  if (!(enable & ENABLED) || read(c, DISPI.bits) !== 8) return FAILED;
  if (c.bl === 0)
    write(c, DISPI.enable, c.bh >= 8 ? enable | DAC_8_BITS | NO_CLEAR : (enable & ~DAC_8_BITS) | NO_CLEAR);
  c.bh = read(c, DISPI.enable) & DAC_8_BITS ? 8 : 6;
  return SUCCESS;
}

/** Entries are blue, green, red and a byte of nothing. */
function paletteData(c: Caller): number {
  const count = c.cx;
  if (count > 256 || c.dx > 255) return FAILED;
  const at = c.address('es', c.di, count * 4);
  if ((c.bl & 0x7f) === 0) {
    const values = c.loadBytes(at, count * 4);
    c.out(0x3c8, c.dx);
    for (let n = 0; n < values.length; n += 4) for (const part of [2, 1, 0]) c.out(0x3c9, values[n + part]);
    return SUCCESS;
  }
  if (c.bl !== 1) return FAILED;
  c.probe(at, count * 4);
  c.out(0x3c7, c.dx);
  for (let n = 0; n < count; n++) {
    const [red, green, blue] = [c.in(0x3c9), c.in(0x3c9), c.in(0x3c9)];
    c.store(at + n * 4, 4, blue | (green << 8) | (red << 16));
  }
  return SUCCESS;
}
