import { gunzipSync } from 'node:zlib';
import type { Frame } from '../../src/display/interfaces.ts';
import { debianFile } from '../guests/debian.ts';

/** Size of a cell on consoles that draw text into a picture. */
const CELL = { width: 8, height: 16 } as const;
const PSF2_MAGIC = 0x864ab572;
const FIRST_PRINTABLE = 0x20;
const FIRST_BEHIND_PRINTABLE = 0x7f;
const MOST_COLORS = 4096;

/** Shapes of characters, by their rows joined by commas. */
export type Glyphs = ReadonlyMap<string, string>;

/** The fonts that consoles draw: the kernel's is much like the first, the second is that of Debian's installer. */
const FONTS = [
  { package: 'console-setup-linux', pattern: './usr/share/consolefonts/Lat15-VGA16.psf.gz' },
  { package: 'psf-unifont', pattern: './usr/share/consolefonts/Unifont-APL8x16.psf.gz' },
] as const;

/** The characters of ASCII in the fonts that consoles of Linux draw. @throws {Error} a package cannot be had */
export async function consoleGlyphs(): Promise<Glyphs> {
  const fonts = await Promise.all(FONTS.map((font) => debianFile({ architecture: 'amd64', ...font })));
  return new Map(fonts.flatMap((packed) => [...readPsf(gunzipSync(packed))]));
}

/** Reads a font of the Linux console, of 256 characters or more whose first are those of ASCII. */
function readPsf(file: Uint8Array): Glyphs {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isSecond = view.getUint32(0, true) === PSF2_MAGIC;
  const start = isSecond ? view.getUint32(8, true) : 4;
  const glyphs = new Map<string, string>();
  for (let code = FIRST_PRINTABLE; code < FIRST_BEHIND_PRINTABLE; code++) {
    const at = start + code * CELL.height;
    glyphs.set(file.subarray(at, at + CELL.height).join(), String.fromCharCode(code));
  }
  return glyphs;
}

/** Reads text from a picture of cells with two colours each: what is no known character is a blank. */
export function readGlyphs(frame: Frame, glyphs: Glyphs): string[] {
  const rows = Math.floor(frame.height / CELL.height);
  const columns = Math.floor(frame.width / CELL.width);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => readCell(frame, glyphs, column, row))
      .join('')
      .trimEnd(),
  );
}

function readCell({ pixels, width }: Frame, glyphs: Glyphs, column: number, row: number): string {
  const first = row * CELL.height * width + column * CELL.width;
  const ground = pixels[first];
  const shape: number[] = [];
  for (let y = 0; y < CELL.height; y++) {
    let bits = 0;
    for (let x = 0; x < CELL.width; x++) bits = (bits << 1) | Number(pixels[first + y * width + x] !== ground);
    shape.push(bits);
  }
  return glyphs.get(shape.join()) ?? glyphs.get(shape.map((bits) => bits ^ 0xff).join()) ?? ' ';
}

/** How many colours a picture has, counted up to a few thousand. */
export function countColors({ pixels }: Frame): number {
  const colors = new Set<number>();
  for (const pixel of pixels) if (colors.add(pixel).size === MOST_COLORS) break;
  return colors.size;
}

/** How many percent of a picture have the colour that most of it has. */
export function groundPercent({ pixels }: Frame): number {
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  return (100 * Math.max(...counts.values())) / pixels.length;
}
