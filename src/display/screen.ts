import {
  DIRTY_PAGE_BYTES,
  type DisplaySource,
  type Frame,
  type LinearScanout,
  type PointerImage,
  type Rect,
  type Scanout,
  type VgaScanout,
} from './interfaces.ts';
import { drawLinearLine, PIXEL_BYTES } from './linear.ts';
import { isInPointer, overlayPointer } from './pointer-image.ts';
import { screenText } from './screen-text.ts';
import { drawGraphicsLine } from './vga-graphics.ts';
import { planeOffset, type VgaLine, vgaLines } from './vga-lines.ts';
import { drawTextLine, fontBytes, textCell } from './vga-text.ts';

const BLACK = 0xff000000;
const PLANES = 4;

/** Lines of a text screen that show one row of characters. */
interface TextBand {
  readonly y: number;
  readonly lines: VgaLine[];
  cells: Int32Array;
}

/**
 * The picture on a display adapter's screen, drawn anew where it has changed. There may be one for an adapter, since
 * it takes the adapter's record of what was written.
 */
export class Screen {
  readonly #source: DisplaySource;
  #frame: Frame = { width: 0, height: 0, pixels: new Uint32Array(0) };
  #line = new Uint32Array(0);
  #signature = '';
  #fonts: Uint8Array = new Uint8Array(0);
  #bands = new Map<number, TextBand>();
  #changes: Rect[] = [];
  /** The pointer that is in the picture. */
  #pointer: PointerImage | undefined;

  constructor(source: DisplaySource) {
    this.#source = source;
  }

  /** The picture as of the last {@link refresh}. A picture of another size is another object. */
  get frame(): Frame {
    return this.#frame;
  }

  /** The rows of a text screen as text, as of now; undefined where no text is shown. */
  text(): string[] | undefined {
    return screenText(this.#source.scanout());
  }

  /** Draws what has changed. @returns the changed parts of the picture; all of it where its size has changed */
  refresh(): Rect[] {
    const scanout = this.#source.scanout();
    const dirty = this.#source.takeDirty();
    this.#changes = [];
    const isResized = this.#resize(scanout);
    const signature = signatureOf(scanout);
    const isNew = signature !== this.#signature;
    this.#signature = signature;
    if (scanout.kind === 'blank') this.#drawBlank(isNew);
    else if (scanout.kind === 'linear') this.#drawLinear(scanout, isNew, dirty);
    else if (scanout.mode === 'text') this.#drawText(scanout, isNew, dirty);
    else this.#drawGraphics(scanout, isNew, dirty);
    return isResized ? [{ x: 0, y: 0, width: scanout.width, height: scanout.height }] : this.#changes;
  }

  #resize({ width, height }: Scanout): boolean {
    if (width === this.#frame.width && height === this.#frame.height) return false;
    this.#frame = { width, height, pixels: new Uint32Array(width * height).fill(BLACK) };
    this.#line = new Uint32Array(width);
    this.#signature = '';
    return true;
  }

  #drawBlank(isNew: boolean): void {
    if (!isNew) return;
    this.#line.fill(BLACK);
    for (let y = 0; y < this.#frame.height; y++) this.#putLine(y, 0, this.#line.length);
  }

  #drawLinear(screen: LinearScanout, isNew: boolean, dirty: Uint8Array): void {
    const bytes = screen.width * PIXEL_BYTES[screen.format];
    const { pointer } = screen;
    const moved = pointer === this.#pointer ? [] : [pointer, this.#pointer];
    this.#pointer = pointer;
    for (let y = 0; y < screen.height; y++) {
      const start = screen.offset + y * screen.pitch;
      const isSame = !isNew && !isDirty(dirty, start, start + bytes);
      if (isSame && !moved.some((image) => isInPointer(image, y))) continue;
      drawLinearLine(screen, y, this.#line);
      if (isInPointer(pointer, y)) overlayPointer(pointer, y, this.#line);
      this.#putLine(y, 0, screen.width);
    }
  }

  #drawGraphics(screen: VgaScanout, isNew: boolean, dirty: Uint8Array): void {
    for (const line of vgaLines(screen)) {
      const start = planeOffset(screen, line, 0) * PLANES;
      const end = planeOffset(screen, line, screen.columns) * PLANES + PLANES;
      if (!isNew && start < end && !isDirty(dirty, start, end)) continue;
      drawGraphicsLine(screen, line, this.#line);
      this.#putLine(line.y, 0, screen.width);
    }
  }

  #drawText(screen: VgaScanout, isNew: boolean, dirty: Uint8Array): void {
    const isWritten = isNew || dirty.some((flag) => flag !== 0);
    const isNewFont = isWritten && this.#takeFonts(fontBytes(screen));
    const known = this.#bands;
    this.#bands = new Map();
    for (const band of textBands(screen)) {
      this.#drawBand(screen, band, isNew || isNewFont ? undefined : known.get(band.y));
      this.#bands.set(band.y, band);
    }
  }

  /** @returns whether they are others than before */
  #takeFonts(fonts: Uint8Array): boolean {
    const before = this.#fonts;
    this.#fonts = fonts;
    return fonts.length !== before.length || fonts.some((byte, i) => byte !== before[i]);
  }

  /** Draws the cells of a row that differ from those of `known`, which the same lines showed before. */
  #drawBand(screen: VgaScanout, band: TextBand, known: TextBand | undefined): void {
    const { pan } = band.lines[0];
    const isSame = known !== undefined && known.lines.length === band.lines.length && sameLine(known, band);
    const columns = screen.columns + (pan > 0 ? 1 : 0);
    band.cells = Int32Array.from({ length: columns }, (_, column) => textCell(screen, band.lines[0], column));
    let [first, last] = [0, columns - 1];
    const differs = (column: number) => !isSame || known.cells[column] !== band.cells[column];
    while (first < columns && !differs(first)) first++;
    while (last > first && !differs(last)) last--;
    if (first >= columns) return;
    const cellDots = screen.characterDots * screen.dotScale;
    const left = first * cellDots - pan * screen.dotScale;
    for (const { y, rowScan } of band.lines) {
      drawTextLine(screen, rowScan, band.cells.subarray(first, last + 1), left, this.#line);
      this.#putLine(y, Math.max(0, left), Math.min(screen.width, left + (last + 1 - first) * cellDots));
    }
  }

  /** Puts the part of the line buffer from `left` to `right` into the picture and notes what of it is new. */
  #putLine(y: number, left: number, right: number): void {
    const { pixels, width } = this.#frame;
    const line = this.#line;
    const start = y * width;
    let [from, to] = [left, right];
    while (from < to && pixels[start + from] === line[from]) from++;
    if (from === to) return;
    while (pixels[start + to - 1] === line[to - 1]) to--;
    pixels.set(line.subarray(from, to), start + from);
    this.#changed(y, from, to);
  }

  /** Adds to the changed parts; lines that follow one another become one part. */
  #changed(y: number, from: number, to: number): void {
    const last = this.#changes.at(-1);
    if (last === undefined || last.y + last.height !== y) {
      this.#changes.push({ x: from, y, width: to - from, height: 1 });
      return;
    }
    const x = Math.min(last.x, from);
    const end = Math.max(last.x + last.width, to);
    this.#changes[this.#changes.length - 1] = { x, y: last.y, width: end - x, height: last.height + 1 };
  }
}

/** Everything on which the whole picture depends, as text: with another one, all is drawn anew. */
function signatureOf(scanout: Scanout): string {
  if (scanout.kind === 'blank') return 'blank';
  const { memory: _, palette, ...rest } = scanout;
  if (rest.kind === 'linear') return `${JSON.stringify({ ...rest, pointer: undefined })} ${palette.join()}`;
  const { cursor, blinkHides: __, ...screen } = rest;
  const shape = cursor && screen.mode === 'text' ? [cursor.firstRow, cursor.lastRow] : [];
  return `${JSON.stringify(screen)} ${shape.join()} ${palette.join()}`;
}

function isDirty(dirty: Uint8Array, start: number, end: number): boolean {
  const last = Math.floor((end - 1) / DIRTY_PAGE_BYTES);
  for (let page = Math.floor(start / DIRTY_PAGE_BYTES); page <= last; page++) if (dirty[page]) return true;
  return false;
}

function textBands(screen: VgaScanout): TextBand[] {
  const bands: TextBand[] = [];
  for (const line of vgaLines(screen)) {
    const last = bands.at(-1);
    const first = last?.lines[0];
    if (first?.address === line.address && first.pan === line.pan) last?.lines.push(line);
    else bands.push({ y: line.y, lines: [line], cells: new Int32Array(0) });
  }
  return bands;
}

function sameLine(a: TextBand, b: TextBand): boolean {
  const [before, after] = [a.lines[0], b.lines[0]];
  return before.rowScan === after.rowScan && before.pan === after.pan;
}
