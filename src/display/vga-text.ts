import type { VgaScanout } from './interfaces.ts';
import { planeOffset, type VgaLine } from './vga-lines.ts';

const PLANES = 4;
const FONT_PLANE = 2;
const FONT_PITCH = 32;
const ATTRIBUTE_SHIFT = 8;
/** Flags of a cell beside character and attribute. */
const CELL_CURSOR = 0x10000;
const CELL_HIDDEN = 0x20000;
const ATTRIBUTE_FONT_B = 0x08;
const ATTRIBUTE_BLINK = 0x80;
const FIRST_LINE_GRAPHICS = 0xc0;
const LAST_LINE_GRAPHICS = 0xdf;
const ADDRESSES = 0xffff;

/** A cell of a text screen in a number: character, attribute and flags. Equal numbers look alike while font and colours stay. */
export function textCell(screen: VgaScanout, line: VgaLine, column: number): number {
  const at = planeOffset(screen, line, column) * PLANES;
  const attribute = screen.memory[at + 1];
  const hasCursor = screen.cursor !== undefined && ((line.address + column) & ADDRESSES) === screen.cursor.address;
  const isHidden = screen.blinkEnabled && screen.blinkHides && (attribute & ATTRIBUTE_BLINK) !== 0;
  const flags = (hasCursor ? CELL_CURSOR : 0) | (isHidden ? CELL_HIDDEN : 0);
  return screen.memory[at] | (attribute << ATTRIBUTE_SHIFT) | flags;
}

/** Draws one line of cells. @param x of the first cell; may lie outside @param target as many pixels as the screen is wide */
export function drawTextLine(
  screen: VgaScanout,
  rowScan: number,
  cells: ArrayLike<number>,
  x: number,
  target: Uint32Array,
): void {
  let left = x;
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i];
    const [foreground, background] = colorsOf(screen, cell >> ATTRIBUTE_SHIFT);
    let bits = dotsOf(screen, cell, rowScan);
    for (let dot = 0; dot < screen.characterDots; dot++) {
      const color = bits & 0x100 ? foreground : background;
      bits <<= 1;
      for (let end = left + screen.dotScale; left < end; left++) {
        if (left >= 0 && left < target.length) target[left] = color;
      }
    }
  }
}

function colorsOf({ palette, blinkEnabled }: VgaScanout, attribute: number): [number, number] {
  return [palette[attribute & 0x0f], palette[(attribute >> 4) & (blinkEnabled ? 7 : 15)]];
}

/** The nine dots of a line of a cell, the leftmost in bit 8. */
function dotsOf(screen: VgaScanout, cell: number, rowScan: number): number {
  const { cursor } = screen;
  const isCursorRow = cursor !== undefined && rowScan >= cursor.firstRow && rowScan <= cursor.lastRow;
  if (cell & CELL_CURSOR && isCursorRow) return 0x1ff;
  if (cell & CELL_HIDDEN) return 0;
  const [code, attribute] = [cell & 0xff, (cell >> ATTRIBUTE_SHIFT) & 0xff];
  if (rowScan === screen.underlineRow && isUnderlined(screen, attribute)) return 0x1ff;
  const font = screen.fonts[attribute & ATTRIBUTE_FONT_B ? 1 : 0];
  const row = screen.memory[(font + code * FONT_PITCH + rowScan) * PLANES + FONT_PLANE];
  const continues = screen.lineGraphics && code >= FIRST_LINE_GRAPHICS && code <= LAST_LINE_GRAPHICS;
  return (row << 1) | (continues ? row & 1 : 0);
}

function isUnderlined({ monochrome }: VgaScanout, attribute: number): boolean {
  return (attribute & (monochrome ? 0x77 : 0x07)) === 1;
}

/** A copy of the fonts that a screen shows: to see whether they have changed. */
export function fontBytes({ memory, fonts }: VgaScanout): Uint8Array {
  const bytes = new Uint8Array(fonts.length * 256 * FONT_PITCH);
  fonts.forEach((font, which) => {
    for (let i = 0; i < 256 * FONT_PITCH; i++) {
      bytes[which * 256 * FONT_PITCH + i] = memory[(font + i) * PLANES + FONT_PLANE];
    }
  });
  return bytes;
}
