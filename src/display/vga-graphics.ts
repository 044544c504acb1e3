import type { VgaScanout } from './interfaces.ts';
import { planeOffset, type VgaLine } from './vga-lines.ts';

const PLANES = 4;
const PIXELS_PER_CLOCK = { planar: 8, interleaved: 8, packed: 4 } as const;

type GraphicsMode = keyof typeof PIXELS_PER_CLOCK;

/** Draws a line of a graphics screen. @param target as many pixels as the screen is wide */
export function drawGraphicsLine(screen: VgaScanout, line: VgaLine, target: Uint32Array): void {
  const mode = screen.mode as GraphicsMode;
  const dots = screen.dotScale * (8 / PIXELS_PER_CLOCK[mode]);
  const values = new Uint8Array(8);
  let x = -line.pan * screen.dotScale;
  for (let clock = 0; x < target.length; clock++) {
    decode(screen, mode, planeOffset(screen, line, clock) * PLANES, values);
    for (let i = 0; i < PIXELS_PER_CLOCK[mode]; i++) {
      const color = screen.palette[values[i]];
      for (let end = x + dots; x < end; x++) if (x >= 0 && x < target.length) target[x] = color;
    }
  }
}

/** Takes the pixels of a character clock apart. */
function decode({ memory }: VgaScanout, mode: GraphicsMode, at: number, values: Uint8Array): void {
  if (mode === 'packed') {
    for (let i = 0; i < 4; i++) values[i] = memory[at + i];
  } else if (mode === 'planar') {
    decodePlanar(memory, at, values);
  } else {
    decodeInterleaved(memory, at, values);
  }
}

function decodePlanar(memory: Uint8Array, at: number, values: Uint8Array): void {
  const [plane0, plane1, plane2, plane3] = [memory[at], memory[at + 1], memory[at + 2], memory[at + 3]];
  for (let i = 0; i < 8; i++) {
    const bit = 7 - i;
    const low = ((plane0 >> bit) & 1) | (((plane1 >> bit) & 1) << 1);
    values[i] = low | (((plane2 >> bit) & 1) << 2) | (((plane3 >> bit) & 1) << 3);
  }
}

/** Two bits a pixel: the low ones from planes 0 and 1, which hold even and odd bytes, the high ones from 2 and 3. */
function decodeInterleaved(memory: Uint8Array, at: number, values: Uint8Array): void {
  for (let i = 0; i < 8; i++) {
    const [byte, shift] = [i >> 2, 6 - (i & 3) * 2];
    values[i] = ((memory[at + byte] >> shift) & 3) | (((memory[at + byte + 2] >> shift) & 3) << 2);
  }
}
