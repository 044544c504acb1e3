/** How pixels lie in memory. */
export type VideoKind = 'text' | 'cga4' | 'cga2' | 'planar' | 'packed';

/** A video mode as the BIOS sets it. */
export interface VideoMode {
  readonly number: number;
  readonly kind: VideoKind;
  readonly columns: number;
  readonly rows: number;
  readonly charHeight: 8 | 14 | 16;
  /** where its memory lies, linear */
  readonly base: number;
  /** from a page to the next, in bytes */
  readonly pageBytes: number;
  readonly pages: number;
  readonly colors: number;
  /** default colours of the DAC */
  readonly palette: 'ega' | 'cga' | 'mono' | 'vga';
  readonly misc: number;
  readonly sequencer: Uint8Array;
  readonly crtc: Uint8Array;
  readonly attribute: Uint8Array;
  readonly graphics: Uint8Array;
}

const SEQUENCER: Readonly<Record<string, string>> = {
  text40: '08 03 00 02',
  text80: '00 03 00 02',
  cga4: '09 03 00 02',
  cga2: '01 01 00 06',
  planar40: '09 0f 00 06',
  planar80: '01 0f 00 06',
  packed: '01 0f 00 0e',
};
const ATTRIBUTE: Readonly<Record<string, string>> = {
  text: '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f 0c 00 0f 08 00',
  textMono: '00 08 08 08 08 08 08 08 10 18 18 18 18 18 18 18 0e 00 0f 08 00',
  cga4: '00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00 00',
  cga2: '00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17 01 00 01 00 00',
  cga16: '00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17 01 00 0f 00 00',
  ega: '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f 01 00 0f 00 00',
  mono: '00 08 00 00 18 18 00 00 00 08 00 00 00 18 00 00 0b 00 05 00 00',
  mcga2: '00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 00 3f 01 00 0f 00 00',
  packed: '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00 00',
};
const GRAPHICS: Readonly<Record<string, string>> = {
  text: '00 00 00 00 00 10 0e 00 ff',
  textMono: '00 00 00 00 00 10 0a 00 ff',
  cga4: '00 00 00 00 00 30 0f 00 ff',
  cga2: '00 00 00 00 00 00 0d 00 ff',
  planar: '00 00 00 00 00 00 05 0f ff',
  packed: '00 00 00 00 00 40 05 0f ff',
};
/** Registers 00h to 18h. */
const CRTC: Readonly<Record<string, string>> = {
  text40: '2d 27 28 90 2b a0 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 14 1f 96 b9 a3 ff',
  text80: '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff',
  textMono: '5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 0f 96 b9 a3 ff',
  cga4: '2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff',
  cga2: '5f 4f 50 82 54 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 c2 ff',
  planar40: '2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff',
  planar80: '5f 4f 50 82 54 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 e3 ff',
  lines350: '5f 4f 50 82 54 80 bf 1f 00 40 00 00 00 00 00 00 83 85 5d 28 0f 63 ba e3 ff',
  mcga2: '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 c3 ff',
  lines480: '5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff',
  packed: '5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff',
};

type Row = readonly [
  number: number,
  kind: VideoKind,
  columns: number,
  rows: number,
  charHeight: 8 | 14 | 16,
  base: number,
  pageBytes: number,
  pages: number,
  colors: number,
  palette: VideoMode['palette'],
  misc: number,
  sequencer: string,
  crtc: string,
  attribute: string,
  graphics: string,
];

/** The modes of a VGA (IBM PS/2 Hardware Interface Technical Reference, "Video subsystem", tables of modes). */
const ROWS: readonly Row[] = [
  [0x00, 'text', 40, 25, 16, 0xb8000, 0x0800, 8, 16, 'ega', 0x67, 'text40', 'text40', 'text', 'text'],
  [0x01, 'text', 40, 25, 16, 0xb8000, 0x0800, 8, 16, 'ega', 0x67, 'text40', 'text40', 'text', 'text'],
  [0x02, 'text', 80, 25, 16, 0xb8000, 0x1000, 8, 16, 'ega', 0x67, 'text80', 'text80', 'text', 'text'],
  [0x03, 'text', 80, 25, 16, 0xb8000, 0x1000, 8, 16, 'ega', 0x67, 'text80', 'text80', 'text', 'text'],
  [0x04, 'cga4', 40, 25, 8, 0xb8000, 0x4000, 1, 4, 'cga', 0x63, 'cga4', 'cga4', 'cga4', 'cga4'],
  [0x05, 'cga4', 40, 25, 8, 0xb8000, 0x4000, 1, 4, 'cga', 0x63, 'cga4', 'cga4', 'cga4', 'cga4'],
  [0x06, 'cga2', 80, 25, 8, 0xb8000, 0x4000, 1, 2, 'cga', 0x63, 'cga2', 'cga2', 'cga2', 'cga2'],
  [0x07, 'text', 80, 25, 16, 0xb0000, 0x1000, 8, 1, 'mono', 0x66, 'text80', 'textMono', 'textMono', 'textMono'],
  [0x0d, 'planar', 40, 25, 8, 0xa0000, 0x2000, 8, 16, 'cga', 0x63, 'planar40', 'planar40', 'cga16', 'planar'],
  [0x0e, 'planar', 80, 25, 8, 0xa0000, 0x4000, 4, 16, 'cga', 0x63, 'planar80', 'planar80', 'cga16', 'planar'],
  [0x0f, 'planar', 80, 25, 14, 0xa0000, 0x8000, 2, 1, 'mono', 0xa2, 'planar80', 'lines350', 'mono', 'planar'],
  [0x10, 'planar', 80, 25, 14, 0xa0000, 0x8000, 2, 16, 'ega', 0xa3, 'planar80', 'lines350', 'ega', 'planar'],
  [0x11, 'planar', 80, 30, 16, 0xa0000, 0xa000, 1, 2, 'ega', 0xe3, 'planar80', 'mcga2', 'mcga2', 'planar'],
  [0x12, 'planar', 80, 30, 16, 0xa0000, 0xa000, 1, 16, 'ega', 0xe3, 'planar80', 'lines480', 'ega', 'planar'],
  [0x13, 'packed', 40, 25, 8, 0xa0000, 0xfa00, 1, 256, 'vga', 0x63, 'packed', 'packed', 'packed', 'packed'],
];

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));
}

function modeOf(row: Row): VideoMode {
  const [number, kind, columns, rows, charHeight, base, pageBytes, pages, colors, palette, misc, ...names] = row;
  const [sequencer, crtc, attribute, graphics] = names;
  return {
    ...{ number, kind, columns, rows, charHeight, base, pageBytes, pages, colors, palette, misc },
    sequencer: bytesOf(SEQUENCER[sequencer]),
    crtc: bytesOf(CRTC[crtc]),
    attribute: bytesOf(ATTRIBUTE[attribute]),
    graphics: bytesOf(GRAPHICS[graphics]),
  };
}

/** By their numbers. */
export const VIDEO_MODES: ReadonlyMap<number, VideoMode> = new Map(ROWS.map((row) => [row[0], modeOf(row)]));
