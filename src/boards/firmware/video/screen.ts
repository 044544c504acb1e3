import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { VIDEO_MODES, type VideoMode } from './modes.ts';

/** A rectangle of character cells, both corners inside. */
export interface Cells {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const GRAPHICS_PORT = 0x3ce;
const SEQUENCER_PORT = 0x3c4;
const CGA_BANK = 0x2000;
const MODE_MASK = 0x7f;
const BLINK_OR_INTENSE_XOR = 0x80;

/** The screen as the data area describes it: character cells in every mode, and pixels in those of graphics. */
export class Screen {
  readonly mode: VideoMode;
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
    const number = caller.load(BDA.videoMode, 1) & MODE_MASK;
    this.mode = VIDEO_MODES.get(number) ?? (VIDEO_MODES.get(3) as VideoMode);
  }

  get columns(): number {
    return this.#caller.load(BDA.columns, 2);
  }
  get rows(): number {
    return this.#caller.load(BDA.lastRow, 1) + 1;
  }
  get charHeight(): number {
    return this.#caller.load(BDA.charHeight, 2);
  }
  get isText(): boolean {
    return this.mode.kind === 'text';
  }

  /** Character and attribute of a cell. In graphics modes the character is found by its shape. */
  readCell(page: number, column: number, row: number): { character: number; attribute: number } {
    if (!this.isText) return { character: this.#recognize(column, row), attribute: 0 };
    const cell = this.#caller.load(this.#cellAddress(page, column, row), 2);
    return { character: cell & 0xff, attribute: cell >> 8 };
  }

  /** Writes a cell. @param attribute absent: that of the cell stays, or in graphics modes white */
  writeCell(page: number, column: number, row: number, character: number, attribute?: number): void {
    if (this.isText) {
      const at = this.#cellAddress(page, column, row);
      if (attribute === undefined) this.#caller.store(at, 1, character);
      else this.#caller.store(at, 2, character | (attribute << 8));
    } else this.#draw(page, column, row, character, attribute ?? 7);
  }

  /** Moves the lines of a rectangle and blanks those that become free. @param lines positive: upwards */
  scroll(page: number, cells: Cells, lines: number, attribute: number): void {
    const height = cells.bottom - cells.top + 1;
    const distance = lines === 0 || Math.abs(lines) > height ? height : Math.abs(lines);
    const up = lines >= 0;
    for (let i = 0; i < height - distance; i++) {
      const to = up ? cells.top + i : cells.bottom - i;
      this.#copyRow(page, cells, up ? to + distance : to - distance, to);
    }
    for (let i = 0; i < distance; i++) this.#clearRow(page, cells, up ? cells.bottom - i : cells.top + i, attribute);
  }

  /** Sets a pixel. @param color with bit 7: exclusive or */
  setPixel(page: number, x: number, y: number, color: number): void {
    const { kind } = this.mode;
    if (kind === 'packed') this.#caller.store(this.mode.base + y * 320 + x, 1, color);
    else if (kind === 'planar') this.#setPlanar(page, x, y, color);
    else if (kind !== 'text') this.#setCga(x, y, color);
  }

  pixel(page: number, x: number, y: number): number {
    const { kind, base } = this.mode;
    if (kind === 'packed') return this.#caller.load(base + y * 320 + x, 1);
    if (kind === 'text') return 0;
    if (kind === 'planar') return this.#planarPixel(page, x, y);
    const { address, shift, mask } = this.#cgaPlace(x, y);
    return (this.#caller.load(address, 1) >> shift) & mask;
  }

  #cellAddress(page: number, column: number, row: number): number {
    return this.mode.base + page * this.#caller.load(BDA.pageBytes, 2) + (row * this.columns + column) * 2;
  }

  #copyRow(page: number, { left, right }: Cells, from: number, to: number): void {
    const c = this.#caller;
    if (this.isText) {
      const [source, target] = [this.#cellAddress(page, left, from), this.#cellAddress(page, left, to)];
      for (let n = 0; n <= right - left; n++) c.store(target + n * 2, 2, c.load(source + n * 2, 2));
      return;
    }
    if (this.mode.kind === 'planar') this.#graphics(5, 1);
    const height = this.charHeight;
    for (let line = 0; line < height; line++) {
      const [source, target] = [from * height + line, to * height + line].map((y) => this.#lineAddress(page, y));
      const [first, last] = [left, right + 1].map((column) => column * this.#bytesPerCell);
      for (let n = first; n < last; n++) c.store(target + n, 1, c.load(source + n, 1));
    }
    if (this.mode.kind === 'planar') this.#graphics(5, 0);
  }

  #clearRow(page: number, { left, right }: Cells, row: number, attribute: number): void {
    const c = this.#caller;
    if (this.isText) {
      const at = this.#cellAddress(page, left, row);
      for (let n = 0; n <= right - left; n++) c.store(at + n * 2, 2, 0x20 | (attribute << 8));
      return;
    }
    const planar = this.mode.kind === 'planar';
    if (planar) this.#beginPlanar(attribute, 0xff);
    const fill = this.#fillByte(attribute);
    const height = this.charHeight;
    for (let line = row * height; line < (row + 1) * height; line++) {
      const at = this.#lineAddress(page, line);
      for (let n = left * this.#bytesPerCell; n < (right + 1) * this.#bytesPerCell; n++) c.store(at + n, 1, fill);
    }
    if (planar) this.#endPlanar();
  }

  get #bytesPerCell(): number {
    const { kind } = this.mode;
    return kind === 'packed' ? 8 : kind === 'cga4' ? 2 : 1;
  }

  #fillByte(color: number): number {
    const { kind } = this.mode;
    if (kind === 'cga4') return (color & 3) * 0x55;
    return kind === 'cga2' ? (color & 1) * 0xff : color;
  }

  /** Address of the first pixel of a line. */
  #lineAddress(page: number, y: number): number {
    const { kind, base, columns } = this.mode;
    if (kind === 'packed') return base + y * 320;
    if (kind === 'planar') return base + page * this.#caller.load(BDA.pageBytes, 2) + y * columns;
    return base + (y >> 1) * 80 + (y & 1) * CGA_BANK;
  }

  #cgaPlace(x: number, y: number): { address: number; shift: number; mask: number } {
    const bits = this.mode.kind === 'cga4' ? 2 : 1;
    const perByte = 8 / bits;
    const address = this.#lineAddress(0, y) + Math.floor(x / perByte);
    return { address, shift: 8 - bits - (x % perByte) * bits, mask: (1 << bits) - 1 };
  }

  #setCga(x: number, y: number, color: number): void {
    const { address, shift, mask } = this.#cgaPlace(x, y);
    const old = this.#caller.load(address, 1);
    const bits = (color & mask) << shift;
    this.#caller.store(address, 1, color & BLINK_OR_INTENSE_XOR ? old ^ bits : (old & ~(mask << shift)) | bits);
  }

  #setPlanar(page: number, x: number, y: number, color: number): void {
    const at = this.#lineAddress(page, y) + (x >> 3);
    this.#beginPlanar(color & 0x0f, 0x80 >> (x & 7));
    if (color & BLINK_OR_INTENSE_XOR) this.#graphics(3, 0x18);
    this.#caller.load(at, 1);
    this.#caller.store(at, 1, 0xff);
    this.#endPlanar();
  }

  #planarPixel(page: number, x: number, y: number): number {
    const at = this.#lineAddress(page, y) + (x >> 3);
    let color = 0;
    for (let plane = 0; plane < 4; plane++) {
      this.#graphics(4, plane);
      color |= ((this.#caller.load(at, 1) >> (7 - (x & 7))) & 1) << plane;
    }
    return color;
  }

  /** Draws a character. In planar and CGA modes bit 7 of the colour means exclusive or. */
  #draw(page: number, column: number, row: number, character: number, color: number): void {
    const height = this.charHeight;
    const shape = this.#shape(character);
    const xor = color & BLINK_OR_INTENSE_XOR && this.mode.kind !== 'packed';
    if (this.mode.kind === 'planar' && !xor) {
      this.#drawPlanar(this.#lineAddress(page, row * height) + column, shape, color);
      return;
    }
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < 8; x++) {
        const on = (shape[y] >> (7 - x)) & 1;
        if (on || !xor) this.setPixel(page, column * 8 + x, row * height + y, on ? color : 0);
      }
    }
  }

  #drawPlanar(at: number, shape: Uint8Array, color: number): void {
    const c = this.#caller;
    this.#beginPlanar(0, 0xff);
    for (let y = 0; y < shape.length; y++) c.store(at + y * this.mode.columns, 1, 0);
    this.#graphics(0, color & 0x0f);
    for (let y = 0; y < shape.length; y++) {
      this.#graphics(8, shape[y]);
      c.load(at + y * this.mode.columns, 1);
      c.store(at + y * this.mode.columns, 1, 0xff);
    }
    this.#endPlanar();
  }

  /** Rows of a character: of the font at INT 43h, or of that at INT 1Fh for the second half of an 8 × 8 one. */
  #shape(character: number): Uint8Array {
    const c = this.#caller;
    const height = this.charHeight;
    const second = height === 8 && character >= 0x80;
    const vector = (second ? 0x1f : 0x43) * 4;
    const font = c.load(vector + 2, 2) * 16 + c.load(vector, 2);
    return c.loadBytes(font + (second ? character - 0x80 : character) * height, height);
  }

  #recognize(column: number, row: number): number {
    const height = this.charHeight;
    const rows = Array.from({ length: height }, (_, y) => {
      let bits = 0;
      for (let x = 0; x < 8; x++) bits = bits * 2 + (this.pixel(0, column * 8 + x, row * height + y) ? 1 : 0);
      return bits;
    });
    for (let character = 0; character < 256; character++) {
      if (this.#shape(character).every((bits, y) => bits === rows[y])) return character;
    }
    return 0;
  }

  #beginPlanar(color: number, bitMask: number): void {
    this.#caller.out(SEQUENCER_PORT, 0x0f02, 2);
    this.#graphics(0, color & 0x0f);
    this.#graphics(1, 0x0f);
    this.#graphics(8, bitMask);
  }

  #endPlanar(): void {
    for (const [index, value] of [
      [0, 0],
      [1, 0],
      [3, 0],
      [8, 0xff],
    ]) {
      this.#graphics(index, value);
    }
  }

  #graphics(index: number, value: number): void {
    this.#caller.out(GRAPHICS_PORT, index | (value << 8), 2);
  }
}
