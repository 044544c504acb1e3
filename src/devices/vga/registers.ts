/** Registers and bits of a VGA, as the IBM VGA reference (PS/2 Hardware Interface Technical Reference, "Video Subsystem") numbers them. */

/** Sequencer. */
export const SEQ = { clockingMode: 1, mapMask: 2, characterMap: 3, memoryMode: 4 } as const;
export const SEQ_8_DOTS = 0x01;
export const SEQ_DOT_CLOCK_HALF = 0x08;
export const SEQ_SCREEN_OFF = 0x20;
export const SEQ_ODD_EVEN_OFF = 0x04;
export const SEQ_CHAIN_4 = 0x08;
/** Writable bits of each register. */
export const SEQ_WRITABLE = [0x03, 0x3d, 0x0f, 0x3f, 0x0e] as const;

/** CRT controller. */
export const CRTC = {
  horizontalTotal: 0x00,
  horizontalDisplayEnd: 0x01,
  horizontalRetraceStart: 0x04,
  horizontalRetraceEnd: 0x05,
  verticalTotal: 0x06,
  overflow: 0x07,
  presetRowScan: 0x08,
  maximumScanLine: 0x09,
  cursorStart: 0x0a,
  cursorEnd: 0x0b,
  startHigh: 0x0c,
  startLow: 0x0d,
  cursorHigh: 0x0e,
  cursorLow: 0x0f,
  verticalRetraceStart: 0x10,
  verticalRetraceEnd: 0x11,
  verticalDisplayEnd: 0x12,
  offset: 0x13,
  underline: 0x14,
  verticalBlankStart: 0x15,
  modeControl: 0x17,
  lineCompare: 0x18,
} as const;
export const CRTC_COUNT = 0x19;
export const CRTC_PROTECT = 0x80;
/** Bit 8 of the line compare: the one bit of the protected registers that stays writable. */
export const OVERFLOW_LINE_COMPARE_8 = 0x10;
export const MAXIMUM_LINE_COMPARE_9 = 0x40;
export const SCAN_DOUBLING = 0x80;
export const CURSOR_OFF = 0x20;
export const UNDERLINE_COUNT_BY_4 = 0x20;
export const UNDERLINE_DOUBLEWORD = 0x40;
export const MODE_NOT_ROW_SCAN_13 = 0x01;
export const MODE_NOT_ROW_SCAN_14 = 0x02;
export const MODE_HALF_VERTICAL = 0x04;
export const MODE_COUNT_BY_2 = 0x08;
export const MODE_WRAP_15 = 0x20;
export const MODE_BYTE = 0x40;

/** Graphics controller. */
export const GFX = {
  setReset: 0,
  enableSetReset: 1,
  colorCompare: 2,
  rotate: 3,
  readMap: 4,
  mode: 5,
  miscellaneous: 6,
  colorDoNotCare: 7,
  bitMask: 8,
} as const;
export const GFX_WRITABLE = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff] as const;
export const GFX_READ_MODE_1 = 0x08;
export const GFX_ODD_EVEN = 0x10;
export const GFX_SHIFT_INTERLEAVED = 0x20;
export const GFX_SHIFT_256 = 0x40;
export const GFX_GRAPHICS = 0x01;

/** Attribute controller. */
export const ATTR = { mode: 0x10, overscan: 0x11, planeEnable: 0x12, pan: 0x13, colorSelect: 0x14 } as const;
export const ATTR_COUNT = 0x15;
/** Bit of the index register: the palette is shown, not accessed. */
export const ATTR_PALETTE_SHOWN = 0x20;
export const ATTR_GRAPHICS = 0x01;
export const ATTR_MONOCHROME = 0x02;
export const ATTR_LINE_GRAPHICS = 0x04;
export const ATTR_BLINK = 0x08;
export const ATTR_SPLIT_FIXED = 0x20;
export const ATTR_COLOR_SELECT_54 = 0x80;

/** Miscellaneous output register. */
export const MISC_COLOR_ADDRESSES = 0x01;
export const MISC_ENABLE_RAM = 0x02;
export const MISC_CLOCK_SHIFT = 2;

/** Input status register 1. */
export const STATUS_DISPLAY_OFF = 0x01;
export const STATUS_VERTICAL_RETRACE = 0x08;

/** What the registers of a VGA hold. The index and data registers' partners are found by `…Index`. */
export interface VgaRegisters {
  readonly sequencer: Uint8Array;
  readonly crtc: Uint8Array;
  readonly graphics: Uint8Array;
  readonly attribute: Uint8Array;
  sequencerIndex: number;
  crtcIndex: number;
  graphicsIndex: number;
  attributeIndex: number;
  /** whether the attribute port takes data next */
  attributeData: boolean;
  misc: number;
  feature: number;
}

/** Registers as power-on leaves them. */
export function powerOnRegisters(): VgaRegisters {
  return {
    sequencer: new Uint8Array(SEQ_WRITABLE.length),
    crtc: new Uint8Array(CRTC_COUNT),
    graphics: new Uint8Array(GFX_WRITABLE.length),
    attribute: new Uint8Array(ATTR_COUNT),
    sequencerIndex: 0,
    crtcIndex: 0,
    graphicsIndex: 0,
    attributeIndex: 0,
    attributeData: false,
    misc: MISC_COLOR_ADDRESSES | MISC_ENABLE_RAM,
    feature: 0,
  };
}

/** Lines of the picture. */
export function verticalDisplayEnd({ crtc }: VgaRegisters): number {
  const overflow = crtc[CRTC.overflow];
  return crtc[CRTC.verticalDisplayEnd] + ((overflow & 0x02) << 7) + ((overflow & 0x40) << 3) + 1;
}

/** Lines of the picture with its blanking. */
export function verticalTotal({ crtc }: VgaRegisters): number {
  const overflow = crtc[CRTC.overflow];
  return crtc[CRTC.verticalTotal] + ((overflow & 0x01) << 8) + ((overflow & 0x20) << 4) + 2;
}

/** The line that vertical retrace begins with. */
export function verticalRetraceStart({ crtc }: VgaRegisters): number {
  const overflow = crtc[CRTC.overflow];
  return crtc[CRTC.verticalRetraceStart] + ((overflow & 0x04) << 6) + ((overflow & 0x80) << 2);
}

/** The line after which the memory address starts over. */
export function lineCompare({ crtc }: VgaRegisters): number {
  const bit8 = crtc[CRTC.overflow] & OVERFLOW_LINE_COMPARE_8 ? 0x100 : 0;
  const bit9 = crtc[CRTC.maximumScanLine] & MAXIMUM_LINE_COMPARE_9 ? 0x200 : 0;
  return crtc[CRTC.lineCompare] | bit8 | bit9;
}
