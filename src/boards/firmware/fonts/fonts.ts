import { BOX_CHARACTERS_END, drawBoxCharacter, FIRST_BOX_CHARACTER } from './box-drawing.ts';
import { GLYPHS_8X8, GLYPHS_8X13 } from './glyphs.ts';

/** Characters of a font. */
const CHARACTERS = 256;
const BLANK_ROWS_ABOVE: Readonly<Record<FontHeight, number>> = { 8: 0, 14: 0, 16: 1 };

/** Rows of a character in the fonts of a VGA. */
export type FontHeight = 8 | 14 | 16;

/** A font for code page 437 as a VGA BIOS has it: `height` bytes a character, the leftmost pixel in the highest bit. */
export function vgaFont(height: FontHeight): Uint8Array {
  const font = new Uint8Array(CHARACTERS * height);
  for (let code = 0; code < CHARACTERS; code++) font.set(glyph(code, height), code * height);
  return font;
}

function glyph(code: number, height: FontHeight): Uint8Array {
  if (code >= FIRST_BOX_CHARACTER && code < BOX_CHARACTERS_END) return drawBoxCharacter(code, height);
  const rows = (height === 8 ? GLYPHS_8X8 : GLYPHS_8X13)[code].match(/../g) ?? [];
  return Uint8Array.from([...Array(BLANK_ROWS_ABOVE[height]).fill(0), ...rows.map((row) => Number.parseInt(row, 16))]);
}
