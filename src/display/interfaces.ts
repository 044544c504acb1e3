/** What connects display adapters and input devices with what shows and feeds them. */

/** Bytes of video memory to a dirty flag. */
export const DIRTY_PAGE_BYTES = 4096;

/** Layouts of a pixel in memory; the first-named component has the highest bits. Indexed pixels go through the palette. */
export type PixelFormat =
  | 'indexed8'
  | 'x1r5g5b5'
  | 'r5g6b5'
  | 'r8g8b8'
  | 'x8r8g8b8'
  | 'x8b8g8r8'
  | 'b8g8r8x8'
  | 'r8g8b8x8';

/** A pointer that the adapter lays over the screen. Another one, or the same elsewhere, is another object. */
export interface PointerImage {
  /** of its upper left corner, which may be outside of the screen */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** as pixels of a {@link Frame}, with their opacity in the highest byte, by which the colours have been multiplied */
  readonly pixels: Uint32Array;
}

/** A screen of pixels that follow one another in memory. */
export interface LinearScanout {
  readonly kind: 'linear';
  readonly width: number;
  readonly height: number;
  readonly memory: Uint8Array;
  /** of the first pixel, in bytes */
  readonly offset: number;
  /** from a line to the next, in bytes */
  readonly pitch: number;
  readonly format: PixelFormat;
  /** colours of indexed pixels, as pixels of a {@link Frame} */
  readonly palette: Uint32Array;
  readonly pointer?: PointerImage;
}

/** A cursor of a text screen: a block over some rows of a cell. */
export interface TextCursor {
  /** the cell's address, as the CRTC counts */
  readonly address: number;
  readonly firstRow: number;
  readonly lastRow: number;
}

/** A screen that a VGA makes of its four planes. Byte `n` of plane `p` is byte `4 * n + p` of the memory. */
export interface VgaScanout {
  readonly kind: 'vga';
  readonly width: number;
  readonly height: number;
  readonly memory: Uint8Array;
  /** what a character clock's worth of memory means: a character cell, one bit a pixel in four planes, two bits a pixel, or a byte a pixel */
  readonly mode: 'text' | 'planar' | 'interleaved' | 'packed';
  /** character clocks in a line */
  readonly columns: number;
  /** dots in a character clock: 8 or 9 */
  readonly characterDots: number;
  /** 2 where the dot clock is halved */
  readonly dotScale: number;
  /** scan lines of a character row */
  readonly rowLines: number;
  /** scan lines on the screen to one of a row: 2 where lines are doubled */
  readonly lineScale: number;
  /** memory address of the first character clock, as the CRTC counts */
  readonly startAddress: number;
  /** row scan counter at the top of the screen */
  readonly firstRowScan: number;
  /** addresses from a row to the next */
  readonly pitch: number;
  /** the last line before the memory address starts over at 0 */
  readonly lineCompare: number;
  /** dots by which the screen is shifted to the left */
  readonly pan: number;
  /** whether the part below {@link lineCompare} is not shifted */
  readonly splitIsFixed: boolean;
  /** addresses are multiplied by two to this power */
  readonly addressShift: 0 | 1 | 2;
  /** the address bit that comes in below in word mode */
  readonly wrapBit: 13 | 15;
  /** whether row scan bits 0 and 1 take the place of address bits 13 and 14, as a CGA and a Hercules card have it */
  readonly rowScanAt13: boolean;
  readonly rowScanAt14: boolean;
  /** how many character clocks have the same address */
  readonly clocksPerAddress: 1 | 2 | 4;
  /** colours as pixels of a {@link Frame}: 256 in packed mode, else the sixteen of the attribute controller */
  readonly palette: Uint32Array;
  /** plane 2 addresses of the fonts for characters whose attribute bit 3 is clear and set */
  readonly fonts: readonly [number, number];
  /** whether characters C0h to DFh continue into the ninth column */
  readonly lineGraphics: boolean;
  /** the row that underlines characters whose attribute says so */
  readonly underlineRow: number;
  /** whether attributes are those of a monochrome adapter */
  readonly monochrome: boolean;
  /** whether attribute bit 7 blinks, and not a bright background */
  readonly blinkEnabled: boolean;
  /** whether what blinks is hidden now */
  readonly blinkHides: boolean;
  /** undefined while it is not shown */
  readonly cursor: TextCursor | undefined;
}

/** A dark screen. */
export interface BlankScanout {
  readonly kind: 'blank';
  readonly width: number;
  readonly height: number;
}

/** What a display adapter shows, and where that lies. It holds until the guest runs again. */
export type Scanout = LinearScanout | VgaScanout | BlankScanout;

/** The display adapter as what shows its screen sees it. */
export interface DisplaySource {
  scanout(): Scanout;
  /** The pages of the scan-out's memory that were written since the last call, a byte a page of {@link DIRTY_PAGE_BYTES}, not 0 if so. */
  takeDirty(): Uint8Array;
}

/** A picture: a pixel a number, red in its lowest byte, then green and blue; the highest is FFh. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

/** A part of a picture. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A key of a PC keyboard, by each of the codes that know it. */
export interface Key {
  /** QEMU's QKeyCode */
  readonly name: string;
  /** scan code set 1, with bit 7 for those behind E0h: QEMU's key number */
  readonly number: number;
  /** scan code set 2: one byte, E0xxh for an extended key; two special sequences as src/devices/i8042 numbers them */
  readonly set2: number;
  /** Linux's input event code, which virtio-input takes */
  readonly evdev: number;
}

/** A keyboard of the guest. */
export interface KeyboardSink {
  /** @param repeats whether the keyboard is to repeat the key while it is held; where it is not, {@link again} tells of each time */
  key(key: Key, down: boolean, repeats: boolean): void;
  /** A held key is repeated by who holds it. */
  again(key: Key): void;
}

/** Buttons of a pointing device: bits of a mask. */
export const BUTTON = { left: 1, right: 2, middle: 4, side: 8, extra: 16 } as const;

/** A pointing device that tells how far it was moved. */
export interface RelativePointerSink {
  /** @param dx to the right  @param dy down  @param wheel notches down  @param buttons bits of {@link BUTTON} */
  move(dx: number, dy: number, wheel: number, buttons: number): void;
}

/** The width and height of the screen as an {@link AbsolutePointerSink} counts them. */
export const POINTER_RANGE = 0x8000;

/** A pointing device that tells where it is. */
export interface AbsolutePointerSink {
  /** whether the guest listens to it now */
  readonly isActive: boolean;
  /** @param x 0 to {@link POINTER_RANGE} - 1  @param y likewise  @param wheel notches down  @param buttons bits of {@link BUTTON} */
  point(x: number, y: number, wheel: number, buttons: number): void;
}

/** The guest's input devices. Where there are several of a kind, the guest hears of everything once. */
export interface InputSinks {
  readonly keyboard: KeyboardSink;
  readonly mouse: RelativePointerSink;
  /** in order of preference */
  readonly tablets: readonly AbsolutePointerSink[];
}
