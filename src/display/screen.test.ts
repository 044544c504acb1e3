import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DisplaySource, LinearScanout, Scanout, VgaScanout } from './interfaces.ts';
import { Screen } from './screen.ts';

const [BLACK, RED, GREEN, BLUE, WHITE] = [0xff000000, 0xff0000ff, 0xff00ff00, 0xffff0000, 0xffffffff];
const PAGES = 64;

/** An adapter that shows what it is told, and says that all of its memory is written until told otherwise. */
function adapter<S extends Scanout>(first: S) {
  return {
    shown: first,
    dirty: new Uint8Array(PAGES).fill(1),
    scanout(): S {
      return this.shown;
    },
    takeDirty(): Uint8Array {
      const taken = this.dirty;
      this.dirty = new Uint8Array(PAGES);
      return taken;
    },
  } satisfies DisplaySource & { shown: S; dirty: Uint8Array };
}

const LINEAR: LinearScanout = {
  kind: 'linear',
  width: 4,
  height: 3,
  memory: new Uint8Array(PAGES * 4096),
  offset: 0,
  pitch: 4096,
  format: 'x8r8g8b8',
  palette: Uint32Array.from({ length: 256 }, (_, i) => (BLACK | i) >>> 0),
};

/** Text of 3 columns and 2 rows, 8×2 dots a cell; glyph `n` has `n` in its first row of dots and its complement below. */
function textScreen(changes: Partial<VgaScanout> = {}): VgaScanout {
  const memory = new Uint8Array(PAGES * 4096);
  for (let code = 0; code < 256; code++) {
    memory[code * 32 * 4 + 2] = code;
    memory[(code * 32 + 1) * 4 + 2] = ~code;
    memory[(0x4000 + code * 32) * 4 + 2] = 0xaa;
  }
  for (let cell = 0; cell < 0x800; cell++) memory.set([0x20, 0x07], cell * 4 * 2);
  const palette = Uint32Array.from({ length: 16 }, (_, i) => [BLACK, BLUE, GREEN, 0, RED][i] ?? WHITE);
  return {
    kind: 'vga',
    mode: 'text',
    width: 24,
    height: 4,
    memory,
    columns: 3,
    characterDots: 8,
    dotScale: 1,
    rowLines: 2,
    lineScale: 1,
    startAddress: 0,
    firstRowScan: 0,
    pitch: 3,
    lineCompare: 0x3ff,
    pan: 0,
    splitIsFixed: false,
    addressShift: 1,
    wrapBit: 15,
    rowScanAt13: false,
    rowScanAt14: false,
    clocksPerAddress: 1,
    palette,
    fonts: [0, 0],
    lineGraphics: true,
    underlineRow: 0x1f,
    monochrome: false,
    blinkEnabled: true,
    blinkHides: false,
    cursor: undefined,
    ...changes,
  };
}

function put({ memory }: VgaScanout, cell: number, code: number, attribute = 0x07): void {
  memory.set([code, attribute], cell * 2 * 4);
}

/** A line of the picture as a string of `#` for what is not black. */
function line({ frame }: Screen, y: number): string {
  return [...frame.pixels.subarray(y * frame.width, (y + 1) * frame.width)]
    .map((pixel) => (pixel === BLACK ? '.' : '#'))
    .join('');
}

function drawn(scanout: Scanout): Screen {
  const screen = new Screen(adapter(scanout));
  screen.refresh();
  return screen;
}

describe('Screen of linear memory', () => {
  it('draws every layout of pixels', () => {
    const draw = (format: LinearScanout['format'], bytes: number[]) => {
      const memory = LINEAR.memory.slice();
      memory.set(bytes);
      return [...drawn({ ...LINEAR, format, memory }).frame.pixels.subarray(0, 3)];
    };
    assert.deepEqual(draw('indexed8', [0, 5, 255]), [BLACK, BLACK + 5, BLACK + 255]);
    assert.deepEqual(draw('x1r5g5b5', [0x00, 0x7c, 0xe0, 0x03, 0x1f, 0x80]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('r5g6b5', [0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('r8g8b8', [0, 0, 255, 0, 255, 0, 255, 0, 0]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('x8r8g8b8', [0, 0, 255, 9, 0, 255, 0, 9, 255, 0, 0, 9]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('x8b8g8r8', [255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255, 9]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('b8g8r8x8', [9, 255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255]), [RED, GREEN, BLUE]);
    assert.deepEqual(draw('r8g8b8x8', [9, 0, 0, 255, 9, 0, 255, 0, 9, 255, 0, 0]), [RED, GREEN, BLUE]);
  });

  it('lays the pointer over it, and draws what was below when it has gone', () => {
    const memory = LINEAR.memory.slice().fill(255, 0, 3 * 4096);
    const [clear, half] = [0, 0x80800000];
    const pointer = { x: 1, y: 1, width: 2, height: 2, pixels: Uint32Array.of(RED, half, clear, GREEN) };
    const source = adapter<LinearScanout>({ ...LINEAR, memory, pointer });
    const screen = new Screen(source);
    screen.refresh();
    const lines = () => [0, 4, 8].map((at) => [...screen.frame.pixels.subarray(at, at + 4)]);
    const [W, mixed] = [WHITE, 0xffff7f7f];
    assert.deepEqual(lines(), [
      [W, W, W, W],
      [W, RED, mixed, W],
      [W, W, GREEN, W],
    ]);
    source.shown = { ...source.shown, pointer: { ...pointer, x: -1, y: 2 } };
    assert.deepEqual(screen.refresh(), [{ x: 0, y: 1, width: 3, height: 2 }]);
    assert.deepEqual(lines()[2], [mixed, W, W, W]);
    source.shown = { ...source.shown, pointer: undefined };
    assert.deepEqual(screen.refresh(), [{ x: 0, y: 2, width: 1, height: 1 }]);
    assert.ok(screen.frame.pixels.every((pixel) => pixel === W));
  });

  it('draws anew only what was written, and reports only what looks different', () => {
    const source = adapter({ ...LINEAR, memory: LINEAR.memory.slice() });
    const screen = new Screen(source);
    assert.deepEqual(screen.refresh(), [{ x: 0, y: 0, width: 4, height: 3 }]);
    assert.deepEqual(screen.refresh(), []);
    source.shown.memory.fill(255, 4096 + 4, 4096 + 12);
    source.shown.memory.fill(255, 8192 + 8, 8192 + 12);
    source.dirty[1] = 1;
    assert.deepEqual(screen.refresh(), [{ x: 1, y: 1, width: 2, height: 1 }]);
    source.dirty.fill(1);
    assert.deepEqual(screen.refresh(), [{ x: 2, y: 2, width: 1, height: 1 }]);
    source.dirty.fill(1);
    assert.deepEqual(screen.refresh(), []);
  });

  it('makes another picture for another size', () => {
    const source = adapter<Scanout>(LINEAR);
    const screen = new Screen(source);
    screen.refresh();
    const { frame } = screen;
    source.shown = { kind: 'blank', width: 8, height: 2 };
    assert.deepEqual(screen.refresh(), [{ x: 0, y: 0, width: 8, height: 2 }]);
    assert.notEqual(screen.frame, frame);
    assert.deepEqual(new Set(screen.frame.pixels), new Set([BLACK]));
  });
});

describe('Screen of text', () => {
  it('draws glyphs in their colours', () => {
    const text = textScreen();
    put(text, 0, 0x81, 0x41);
    const screen = drawn(text);
    assert.deepEqual([...screen.frame.pixels.subarray(0, 8)], [BLUE, RED, RED, RED, RED, RED, RED, BLUE]);
    assert.equal(screen.frame.pixels[24], RED);
  });

  it('reports the cells that changed', () => {
    const source = adapter(textScreen());
    const screen = new Screen(source);
    screen.refresh();
    put(source.shown, 4, 0xff);
    source.dirty[0] = 1;
    assert.deepEqual(screen.refresh(), [{ x: 8, y: 2, width: 8, height: 2 }]);
    source.shown.memory[0x20 * 32 * 4 + 2] = 0xff; // the blank's glyph
    source.dirty[0] = 1;
    assert.ok(screen.refresh().length > 0);
    assert.equal(line(screen, 0), '#'.repeat(24));
  });

  it('shows the cursor while there is one', () => {
    const source = adapter(textScreen());
    const screen = new Screen(source);
    screen.refresh();
    source.shown = { ...source.shown, cursor: { address: 2, firstRow: 1, lastRow: 1 } };
    screen.refresh();
    assert.deepEqual([line(screen, 0).slice(16), line(screen, 1).slice(16)], ['..#.....', '########']);
    source.shown = { ...source.shown, cursor: undefined };
    assert.equal(screen.refresh().length, 1);
    assert.equal(line(screen, 1).slice(16), '##.#####');
  });

  it('hides what blinks, or has bright backgrounds', () => {
    const text = textScreen({ blinkHides: true });
    put(text, 0, 0xff, 0x87);
    assert.equal(line(drawn(text), 0).slice(0, 8), '........');
    assert.equal(line(drawn({ ...text, blinkHides: false }), 0).slice(0, 8), '########');
    assert.equal(drawn({ ...text, blinkEnabled: false }).frame.pixels[24], WHITE);
  });

  it('continues line graphics into the ninth column, takes the second font, underlines', () => {
    const text = textScreen({ characterDots: 9, width: 27, fonts: [0, 0x4000], underlineRow: 1 });
    put(text, 0, 0xc3);
    put(text, 1, 0xe3);
    put(text, 2, 0x00, 0x0f);
    put(text, 3, 0xff, 0x01);
    assert.equal(line(drawn(text), 0), '##....###' + '###...##.' + '#.#.#.#..');
    assert.equal(line(drawn(text), 3).slice(0, 9), '#########');
    assert.equal(line(drawn({ ...text, lineGraphics: false }), 0).slice(0, 9), '##....##.');
  });

  it('is shifted, starts inside a row, and has a split that is not shifted', () => {
    const text = textScreen({ pan: 3, firstRowScan: 1, startAddress: 0x100, lineCompare: 1, splitIsFixed: true });
    put(text, 0x100, 0x0f);
    put(text, 0x103, 0x18);
    put(text, 0, 0x80);
    const screen = drawn(text);
    assert.equal(line(screen, 0).slice(0, 8), '#....##.');
    assert.equal(line(screen, 1).slice(0, 5), '##...');
    assert.equal(line(screen, 2).slice(0, 8), '#.......');
  });

  it('doubles dots and lines', () => {
    const text = textScreen({ dotScale: 2, width: 48, lineScale: 2, height: 8 });
    put(text, 0, 0x81);
    const screen = drawn(text);
    assert.equal(line(screen, 0).slice(0, 16), '##............##');
    assert.equal(line(screen, 1), line(screen, 0));
    assert.equal(line(screen, 2).slice(0, 16), '..############..');
  });

  it('is text as text', () => {
    const text = textScreen();
    for (const [i, code] of [0x48, 0x69, 0x20, 0xc9, 0xcd, 0x01].entries()) put(text, i, code);
    assert.deepEqual(new Screen(adapter(text)).text(), ['Hi', '╔═☺']);
    assert.equal(new Screen(adapter(LINEAR)).text(), undefined);
  });
});

describe('Screen of planes', () => {
  const graphics = (changes: Partial<VgaScanout>) =>
    textScreen({ rowLines: 1, addressShift: 0, memory: new Uint8Array(PAGES * 4096), ...changes });

  it('puts a pixel together from four planes', () => {
    const screen = graphics({ mode: 'planar' });
    screen.memory.set([0x80, 0x40, 0xa0, 0x00]);
    assert.deepEqual([...drawn(screen).frame.pixels.subarray(0, 4)], [WHITE, GREEN, RED, BLACK]);
  });

  it('takes two bits from a byte, as a CGA, with odd lines 8 KiB on', () => {
    const screen = graphics({ mode: 'interleaved', addressShift: 1, rowLines: 2, pitch: 3, rowScanAt13: true });
    screen.memory.set([0b01_10_00_01, 0b10_00_00_00]);
    screen.memory[0x2000 * 4] = 0b00_00_00_10;
    assert.deepEqual([...drawn(screen).frame.pixels.subarray(0, 5)], [BLUE, GREEN, BLACK, BLUE, GREEN]);
    assert.equal(drawn(screen).frame.pixels[24 + 3], GREEN);
  });

  it('has a byte a pixel, two dots wide, in doubleword and in byte addressing', () => {
    const palette = LINEAR.palette;
    const chained = graphics({ mode: 'packed', palette, addressShift: 2, pitch: 3 });
    chained.memory.set([1, 2, 3, 4], 0);
    chained.memory.set([5, 6, 7, 8], 4 * 4);
    assert.deepEqual(
      [...drawn(chained).frame.pixels.subarray(6, 10)],
      [4, 4, 5, 5].map((value) => BLACK + value),
    );
    const modeX = graphics({ mode: 'packed', palette, pan: 2 });
    modeX.memory.set([1, 2, 3, 4, 5, 6, 7, 8], 0);
    assert.deepEqual(
      [...drawn(modeX).frame.pixels.subarray(0, 3)],
      [2, 2, 3].map((value) => BLACK + value),
    );
  });
});
