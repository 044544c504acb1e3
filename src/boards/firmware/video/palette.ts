import type { VideoMode } from './modes.ts';

/** A colour of the DAC: red, green and blue of six bits. */
export type Color = readonly [red: number, green: number, blue: number];

const LOW = 0x15;
const HIGH = 0x2a;

/** Colours of the DAC after a mode was set (IBM PS/2 Hardware Interface Technical Reference, "Video subsystem"). */
export function defaultPalette(palette: VideoMode['palette']): Color[] {
  switch (palette) {
    case 'ega':
      return Array.from({ length: 64 }, (_, index) => egaColor(index));
    case 'cga':
      return Array.from({ length: 64 }, (_, index) => cgaColor((index & 7) | (index & 0x10 ? 8 : 0)));
    case 'mono':
      return Array.from({ length: 64 }, (_, index) => monoColor(index));
    case 'vga':
      return vgaColors();
  }
}

/** Bits 2 to 0 are red, green and blue, bits 5 to 3 the same at half the strength. */
function egaColor(index: number): Color {
  const part = (bit: number) => ((index >> bit) & 1) * HIGH + ((index >> (bit + 3)) & 1) * LOW;
  return [part(2), part(1), part(0)];
}

/** Red, green, blue and intensity; dark yellow is brown. */
function cgaColor(index: number): Color {
  if (index === 6) return [HIGH, LOW, 0];
  const bright = index & 8 ? LOW : 0;
  const part = (bit: number) => ((index >> bit) & 1) * HIGH + bright;
  return [part(2), part(1), part(0)];
}

function monoColor(index: number): Color {
  const level = ((index >> 3) & 1) * HIGH + ((index >> 4) & 1) * LOW;
  return [level, level, level];
}

const GRAYS = [0x00, 0x05, 0x08, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38, 0x3f];
/** Levels from the weakest to the strongest part of a hue: three saturations at each of three intensities. */
const HUE_LEVELS = [
  [0x00, 0x10, 0x1f, 0x2f, 0x3f],
  [0x1f, 0x27, 0x2f, 0x37, 0x3f],
  [0x2d, 0x31, 0x36, 0x3a, 0x3f],
  [0x00, 0x07, 0x0e, 0x15, 0x1c],
  [0x0e, 0x11, 0x15, 0x18, 0x1c],
  [0x14, 0x16, 0x18, 0x1a, 0x1c],
  [0x00, 0x04, 0x08, 0x0c, 0x10],
  [0x08, 0x0a, 0x0c, 0x0e, 0x10],
  [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
] as const;

/** Sixteen of the CGA, sixteen grays, nine circles of 24 hues from blue on, and black. */
function vgaColors(): Color[] {
  const colors = Array.from({ length: 16 }, (_, index) => cgaColor(index));
  colors.push(...GRAYS.map((level): Color => [level, level, level]));
  for (const levels of HUE_LEVELS) for (let hue = 0; hue < 24; hue++) colors.push(hueColor(levels, hue));
  while (colors.length < 256) colors.push([0, 0, 0]);
  return colors;
}

/** From blue over magenta, red, yellow, green and cyan: one part rises while another stays, then one falls. */
function hueColor(levels: readonly number[], hue: number): Color {
  const rise = levels[hue % 4];
  const fall = levels[4 - (hue % 4)];
  const [least, , , , most] = levels;
  const colors: Color[] = [
    [rise, least, most],
    [most, least, fall],
    [most, rise, least],
    [fall, most, least],
    [least, most, rise],
    [least, fall, most],
  ];
  return colors[Math.floor(hue / 4)];
}
