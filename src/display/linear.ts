import type { LinearScanout, PixelFormat } from './interfaces.ts';

const OPAQUE = 0xff000000;

/** Bytes of a pixel. */
export const PIXEL_BYTES: Readonly<Record<PixelFormat, number>> = {
  indexed8: 1,
  x1r5g5b5: 2,
  r5g6b5: 2,
  r8g8b8: 3,
  x8r8g8b8: 4,
  x8b8g8r8: 4,
  b8g8r8x8: 4,
  r8g8b8x8: 4,
};

type Convert = (memory: Uint8Array, at: number, palette: Uint32Array) => number;

/** How a pixel in memory becomes one of a Frame. */
const CONVERT: Readonly<Record<PixelFormat, Convert>> = {
  indexed8: (memory, at, palette) => palette[memory[at]],
  x1r5g5b5: (memory, at) => {
    const value = memory[at] | (memory[at + 1] << 8);
    return opaque(five(value >> 10), five(value >> 5), five(value));
  },
  r5g6b5: (memory, at) => {
    const value = memory[at] | (memory[at + 1] << 8);
    return opaque(five(value >> 11), six(value >> 5), five(value));
  },
  r8g8b8: (memory, at) => opaque(memory[at + 2], memory[at + 1], memory[at]),
  x8r8g8b8: (memory, at) => opaque(memory[at + 2], memory[at + 1], memory[at]),
  x8b8g8r8: (memory, at) => opaque(memory[at], memory[at + 1], memory[at + 2]),
  b8g8r8x8: (memory, at) => opaque(memory[at + 1], memory[at + 2], memory[at + 3]),
  r8g8b8x8: (memory, at) => opaque(memory[at + 3], memory[at + 2], memory[at + 1]),
};

/** Draws a line of pixels. @param target as many pixels as the screen is wide */
export function drawLinearLine(screen: LinearScanout, y: number, target: Uint32Array): void {
  const isWords = screen.format === 'x8r8g8b8' && ((screen.memory.byteOffset + screen.offset) | screen.pitch) % 4 === 0;
  if (isWords) {
    drawWords(screen, y, target);
    return;
  }
  const convert = CONVERT[screen.format];
  const bytes = PIXEL_BYTES[screen.format];
  let at = screen.offset + y * screen.pitch;
  for (let x = 0; x < target.length; x++, at += bytes) target[x] = convert(screen.memory, at, screen.palette);
}

/** The usual layout, a word a pixel: red and blue change places. */
function drawWords({ memory, offset, pitch }: LinearScanout, y: number, target: Uint32Array): void {
  const words = new Uint32Array(memory.buffer, memory.byteOffset + offset + y * pitch, target.length);
  for (let x = 0; x < target.length; x++) {
    const word = words[x];
    target[x] = OPAQUE | ((word & 0xff) << 16) | (word & 0xff00) | ((word >> 16) & 0xff);
  }
}

function opaque(red: number, green: number, blue: number): number {
  return (OPAQUE | (blue << 16) | (green << 8) | red) >>> 0;
}

function five(value: number): number {
  const bits = value & 0x1f;
  return (bits << 3) | (bits >> 2);
}

function six(value: number): number {
  const bits = value & 0x3f;
  return (bits << 2) | (bits >> 4);
}
