import type { LinearScanout, Scanout, TextCursor, VgaScanout } from '../../display/interfaces.ts';
import type { Dac } from './dac.ts';
import type { BochsDispi } from './dispi.ts';
import {
  ATTR,
  ATTR_BLINK,
  ATTR_COLOR_SELECT_54,
  ATTR_GRAPHICS,
  ATTR_LINE_GRAPHICS,
  ATTR_MONOCHROME,
  ATTR_PALETTE_SHOWN,
  ATTR_SPLIT_FIXED,
  CRTC,
  CURSOR_OFF,
  GFX,
  GFX_GRAPHICS,
  GFX_SHIFT_256,
  GFX_SHIFT_INTERLEAVED,
  lineCompare,
  MODE_BYTE,
  MODE_COUNT_BY_2,
  MODE_HALF_VERTICAL,
  MODE_NOT_ROW_SCAN_13,
  MODE_NOT_ROW_SCAN_14,
  MODE_WRAP_15,
  SCAN_DOUBLING,
  SEQ,
  SEQ_8_DOTS,
  SEQ_DOT_CLOCK_HALF,
  SEQ_SCREEN_OFF,
  UNDERLINE_COUNT_BY_4,
  UNDERLINE_DOUBLEWORD,
  type VgaRegisters,
  verticalDisplayEnd,
} from './registers.ts';

/** What a screen is made of. */
export interface ScanoutSource {
  readonly registers: VgaRegisters;
  readonly dac: Dac;
  readonly dispi: BochsDispi;
  readonly memory: Uint8Array;
  /** pictures drawn since power-on: what blinks goes by it */
  readonly frame: number;
}

const DARK = { width: 640, height: 400 } as const;
/** Pictures in which the cursor, and characters, are shown and then are not. */
const CURSOR_BLINK_FRAMES = 8;
const CHARACTER_BLINK_FRAMES = 16;
const COLORS = 256;
const PIXEL_VALUES = 16;

/** Where the sequencer's character map register puts fonts in plane 2 (IBM VGA, "Character Map Select"). */
const FONT_OFFSETS = [0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000] as const;

/** Says what the registers put on the screen. */
export function scanoutOf(source: ScanoutSource): Scanout {
  const { registers, dispi } = source;
  const { sequencer, attributeIndex } = registers;
  const isOff = !(attributeIndex & ATTR_PALETTE_SHOWN);
  if (dispi.isEnabled) {
    if (isOff) return { kind: 'blank', width: dispi.width, height: dispi.height };
    return linearScanout(source) ?? planarDispi(source);
  }
  if (isOff || sequencer[SEQ.clockingMode] & SEQ_SCREEN_OFF || !sequencer[0]) return { kind: 'blank', ...DARK };
  return vgaScanout(source);
}

function linearScanout({ dispi, dac, memory }: ScanoutSource): LinearScanout | undefined {
  const { width, height, offset, pitch, format } = dispi;
  return format && { kind: 'linear', width, height, memory, offset, pitch, format, palette: dacPalette(dac) };
}

/** A Bochs mode of four planes: a VGA's picture with another geometry. */
function planarDispi(source: ScanoutSource): VgaScanout {
  const { width, height, offset, pitch, pan } = source.dispi;
  return {
    ...vgaScanout(source),
    width,
    height,
    mode: 'planar',
    columns: width >> 3,
    characterDots: 8,
    dotScale: 1,
    rowLines: 1,
    lineScale: 1,
    startAddress: offset,
    firstRowScan: 0,
    pitch,
    lineCompare: height,
    pan,
    addressShift: 0,
    rowScanAt13: false,
    rowScanAt14: false,
    clocksPerAddress: 1,
    palette: attributePalette(source),
  };
}

function vgaScanout(source: ScanoutSource): VgaScanout {
  const { registers, memory, frame } = source;
  const { sequencer, crtc, attribute } = registers;
  const clocking = sequencer[SEQ.clockingMode];
  const mode = modeOf(registers);
  const columns = crtc[CRTC.horizontalDisplayEnd] + 1;
  const characterDots = mode !== 'text' || clocking & SEQ_8_DOTS ? 8 : 9;
  const dotScale = clocking & SEQ_DOT_CLOCK_HALF ? 2 : 1;
  const attributeMode = attribute[ATTR.mode];
  return {
    kind: 'vga',
    width: columns * characterDots * dotScale,
    height: verticalDisplayEnd(registers) * (crtc[CRTC.modeControl] & MODE_HALF_VERTICAL ? 2 : 1),
    memory,
    mode,
    columns,
    characterDots,
    dotScale,
    ...addressing(registers),
    pan: panOf(mode, characterDots, attribute[ATTR.pan]),
    splitIsFixed: (attributeMode & ATTR_SPLIT_FIXED) !== 0,
    palette: mode === 'packed' ? dacPalette(source.dac) : attributePalette(source),
    fonts: fontsOf(sequencer[SEQ.characterMap]),
    lineGraphics: (attributeMode & ATTR_LINE_GRAPHICS) !== 0,
    underlineRow: crtc[CRTC.underline] & 0x1f,
    monochrome: (attributeMode & ATTR_MONOCHROME) !== 0,
    blinkEnabled: (attributeMode & ATTR_BLINK) !== 0,
    blinkHides: (Math.floor(frame / CHARACTER_BLINK_FRAMES) & 1) !== 0,
    cursor: cursorOf(crtc, frame),
  };
}

function modeOf({ graphics, attribute }: VgaRegisters): VgaScanout['mode'] {
  const isText = !(graphics[GFX.miscellaneous] & GFX_GRAPHICS) && !(attribute[ATTR.mode] & ATTR_GRAPHICS);
  if (isText) return 'text';
  if (graphics[GFX.mode] & GFX_SHIFT_256) return 'packed';
  return graphics[GFX.mode] & GFX_SHIFT_INTERLEAVED ? 'interleaved' : 'planar';
}

function addressing(registers: VgaRegisters) {
  const { crtc } = registers;
  const control = crtc[CRTC.modeControl];
  const underline = crtc[CRTC.underline];
  const maximum = crtc[CRTC.maximumScanLine];
  const bytePan = (crtc[CRTC.presetRowScan] >> 5) & 3;
  return {
    rowLines: (maximum & 0x1f) + 1,
    lineScale: (maximum & SCAN_DOUBLING ? 2 : 1) * (control & MODE_HALF_VERTICAL ? 2 : 1),
    startAddress: crtc[CRTC.startHigh] * 0x100 + crtc[CRTC.startLow] + bytePan,
    firstRowScan: crtc[CRTC.presetRowScan] & 0x1f,
    pitch: crtc[CRTC.offset] * 2,
    lineCompare: lineCompare(registers),
    addressShift: underline & UNDERLINE_DOUBLEWORD ? 2 : control & MODE_BYTE ? 0 : 1,
    wrapBit: control & MODE_WRAP_15 ? 15 : 13,
    rowScanAt13: !(control & MODE_NOT_ROW_SCAN_13),
    rowScanAt14: !(control & MODE_NOT_ROW_SCAN_14),
    clocksPerAddress: underline & UNDERLINE_COUNT_BY_4 ? 4 : control & MODE_COUNT_BY_2 ? 2 : 1,
  } as const;
}

/** Dots to the left. Nine-dot characters are shifted by one more than the register says, 8 being none. */
function panOf(mode: VgaScanout['mode'], characterDots: number, register: number): number {
  const pan = register & 0x0f;
  if (characterDots === 9) return pan >= 8 ? 0 : pan + 1;
  return mode === 'packed' ? pan & 6 : pan & 7;
}

function fontsOf(register: number): [number, number] {
  const [a, b] = [((register >> 3) & 4) | ((register >> 2) & 3), ((register >> 2) & 4) | (register & 3)];
  return [FONT_OFFSETS[b], FONT_OFFSETS[a]];
}

function cursorOf(crtc: Uint8Array, frame: number): TextCursor | undefined {
  const start = crtc[CRTC.cursorStart];
  const end = crtc[CRTC.cursorEnd];
  const hides = (Math.floor(frame / CURSOR_BLINK_FRAMES) & 1) !== 0;
  if (start & CURSOR_OFF || hides) return undefined;
  const skew = (end >> 5) & 3;
  const address = (crtc[CRTC.cursorHigh] * 0x100 + crtc[CRTC.cursorLow] + skew) & 0xffff;
  return { address, firstRow: start & 0x1f, lastRow: end & 0x1f };
}

function dacPalette(dac: Dac): Uint32Array {
  return Uint32Array.from({ length: COLORS }, (_, index) => dac.color(index));
}

/** The colours of the sixteen pixel values, by way of the attribute controller. */
function attributePalette({ registers: { attribute }, dac }: ScanoutSource): Uint32Array {
  const select = attribute[ATTR.colorSelect];
  const has54 = (attribute[ATTR.mode] & ATTR_COLOR_SELECT_54) !== 0;
  const index = (pixel: number) => {
    const entry = attribute[pixel & attribute[ATTR.planeEnable] & 0x0f];
    const low = has54 ? (entry & 0x0f) | ((select & 3) << 4) : entry & 0x3f;
    return low | ((select & 0x0c) << 4);
  };
  return Uint32Array.from({ length: PIXEL_VALUES }, (_, pixel) => dac.color(index(pixel)));
}
