import type { PixelFormat } from '../../display/interfaces.ts';

/** Index registers of the Bochs display interface (Bochs' vbe_display_api.txt; QEMU's docs/specs/standard-vga). */
export const DISPI = {
  id: 0,
  width: 1,
  height: 2,
  bitsPerPixel: 3,
  enable: 4,
  bank: 5,
  virtualWidth: 6,
  virtualHeight: 7,
  xOffset: 8,
  yOffset: 9,
  memory64K: 10,
} as const;
export const DISPI_COUNT = 11;

export const DISPI_ENABLED = 0x01;
const DISPI_GET_CAPABILITIES = 0x02;
const DISPI_8BIT_DAC = 0x20;
const DISPI_LFB_ENABLED = 0x40;
export const DISPI_NO_CLEAR = 0x80;
const ENABLE_WRITABLE = DISPI_ENABLED | DISPI_GET_CAPABILITIES | DISPI_8BIT_DAC | DISPI_LFB_ENABLED | DISPI_NO_CLEAR;

const OLDEST_ID = 0xb0c0;
const NEWEST_ID = 0xb0c5;
const MOST_WIDTH = 2560;
const MOST_HEIGHT = 1600;
const MOST_BITS = 32;
const BANK_BYTES = 0x10000;
/** Widths are multiples of this many pixels. */
const WIDTH_GRAIN = 8;

/** Layouts of pixels by their number of bits. Four bits are the planes of the VGA. */
const FORMATS: Readonly<Record<number, { format: PixelFormat; bytes: number }>> = {
  8: { format: 'indexed8', bytes: 1 },
  15: { format: 'x1r5g5b5', bytes: 2 },
  16: { format: 'r5g6b5', bytes: 2 },
  24: { format: 'r8g8b8', bytes: 3 },
  32: { format: 'x8r8g8b8', bytes: 4 },
};
const PLANAR_BITS = 4;

/** Who hears of changes: the adapter. */
export interface DispiHooks {
  /** the mode was switched on and asks for a black screen */
  clear(): void;
  /** the DAC's width of components changed */
  setWideDac(isWide: boolean): void;
}

/** The registers by which Bochs, QEMU and their guests set modes that a VGA does not have. */
export class BochsDispi {
  readonly #registers = new Uint16Array(DISPI_COUNT);
  readonly #memoryBytes: number;
  readonly #hooks: DispiHooks;
  #index = 0;

  /** @param memoryBytes of video memory */
  constructor(memoryBytes: number, hooks: DispiHooks) {
    this.#memoryBytes = memoryBytes;
    this.#hooks = hooks;
    this.#registers[DISPI.id] = NEWEST_ID;
    this.#registers[DISPI.bitsPerPixel] = 8;
  }

  /** Whether a mode of this interface is on. */
  get isEnabled(): boolean {
    return (this.#registers[DISPI.enable] & DISPI_ENABLED) !== 0;
  }

  get width(): number {
    return this.#registers[DISPI.width];
  }

  get height(): number {
    return this.#registers[DISPI.height];
  }

  /** The layout of pixels; undefined for four planes. */
  get format(): PixelFormat | undefined {
    return FORMATS[this.#registers[DISPI.bitsPerPixel]]?.format;
  }

  /** Bytes from a line to the next, in each plane where there are planes. */
  get pitch(): number {
    return this.#pitch(this.#registers[DISPI.virtualWidth]);
  }

  /** Where the picture starts, in bytes, in each plane where there are planes. */
  get offset(): number {
    const x = this.#registers[DISPI.xOffset];
    const bytes = FORMATS[this.#registers[DISPI.bitsPerPixel]]?.bytes;
    return this.#registers[DISPI.yOffset] * this.pitch + (bytes ? x * bytes : x >> 3);
  }

  /** Dots by which a picture of planes is shifted to the left, beside {@link offset}. */
  get pan(): number {
    return this.#registers[DISPI.xOffset] & 7;
  }

  /** Whether the window at A0000h shows the linear memory and not planes. */
  get hasLinearWindow(): boolean {
    return this.isEnabled && this.format !== undefined;
  }

  /** Bytes of linear memory that show at A0000h. */
  get windowLength(): number {
    return BANK_BYTES;
  }

  /** The first of them. */
  get bankOffset(): number {
    return this.#registers[DISPI.bank] * BANK_BYTES;
  }

  get index(): number {
    return this.#index;
  }
  set index(value: number) {
    this.#index = value;
  }

  /** @param index any 16-bit value; registers that are not there read as 0 */
  read(index: number): number {
    if (index === DISPI.memory64K) return this.#memoryBytes / BANK_BYTES;
    if (!(this.#registers[DISPI.enable] & DISPI_GET_CAPABILITIES)) return this.#registers[index] ?? 0;
    if (index === DISPI.width) return MOST_WIDTH;
    if (index === DISPI.height) return MOST_HEIGHT;
    return index === DISPI.bitsPerPixel ? MOST_BITS : (this.#registers[index] ?? 0);
  }

  write(index: number, value: number): void {
    const registers = this.#registers;
    switch (index) {
      case DISPI.id:
        if (value >= OLDEST_ID && value <= NEWEST_ID) registers[index] = value;
        break;
      case DISPI.width:
      case DISPI.height:
      case DISPI.bitsPerPixel:
        if (!this.isEnabled && isMode(index, value)) registers[index] = value;
        break;
      case DISPI.enable:
        this.#enable(value & ENABLE_WRITABLE);
        break;
      case DISPI.bank:
        if (value * BANK_BYTES < this.#memoryBytes) registers[index] = value;
        break;
      case DISPI.virtualWidth:
        this.#setVirtualWidth(value & ~(WIDTH_GRAIN - 1));
        break;
      case DISPI.xOffset:
      case DISPI.yOffset:
        this.#scroll(index, value);
        break;
    }
  }

  save() {
    return { registers: [...this.#registers], index: this.#index };
  }

  restore(state: ReturnType<BochsDispi['save']>): void {
    this.#registers.set(state.registers);
    this.#index = state.index;
  }

  #enable(value: number): void {
    const registers = this.#registers;
    const starts = (value & DISPI_ENABLED) !== 0 && !this.isEnabled;
    if (starts && !this.#startMode()) return;
    registers[DISPI.enable] = value;
    if (!(value & DISPI_ENABLED)) registers[DISPI.bank] = 0;
    this.#hooks.setWideDac((value & DISPI_8BIT_DAC) !== 0);
    if (starts && !(value & DISPI_NO_CLEAR)) this.#hooks.clear();
  }

  /** @returns whether there is memory for the mode */
  #startMode(): boolean {
    const registers = this.#registers;
    const pitch = this.#pitch(this.width);
    if (this.width === 0 || this.height === 0 || pitch * this.height > this.#planeBytes) return false;
    registers[DISPI.bank] = 0;
    registers[DISPI.xOffset] = 0;
    registers[DISPI.yOffset] = 0;
    this.#setVirtualWidth(this.width);
    return true;
  }

  /** Bytes that an address of the mode ranges over. */
  get #planeBytes(): number {
    return this.format ? this.#memoryBytes : this.#memoryBytes / 4;
  }

  #pitch(width: number): number {
    return width * (FORMATS[this.#registers[DISPI.bitsPerPixel]]?.bytes ?? 1 / 8);
  }

  /** A picture that longer lines would push out of the memory starts at its beginning again, as in QEMU. */
  #setVirtualWidth(width: number): void {
    const registers = this.#registers;
    const pitch = this.#pitch(width);
    if (width < this.width || pitch === 0 || pitch * this.height > this.#planeBytes) return;
    registers[DISPI.virtualWidth] = width;
    registers[DISPI.virtualHeight] = Math.min(0xffff, Math.floor(this.#planeBytes / pitch));
    if (this.#isInMemory) return;
    registers[DISPI.xOffset] = 0;
    registers[DISPI.yOffset] = 0;
  }

  /** Moves the picture over the memory; what would leave it does nothing. */
  #scroll(index: number, value: number): void {
    const before = this.#registers[index];
    this.#registers[index] = value;
    if (!this.#isInMemory) this.#registers[index] = before;
  }

  get #isInMemory(): boolean {
    const end = this.offset + this.pitch * (this.height - 1) + this.#pitch(this.width);
    return end <= this.#planeBytes;
  }
}

function isMode(index: number, value: number): boolean {
  if (index === DISPI.bitsPerPixel) return value === PLANAR_BITS || FORMATS[value] !== undefined;
  const most = index === DISPI.width ? MOST_WIDTH : MOST_HEIGHT;
  return value > 0 && value <= most && (index !== DISPI.width || value % WIDTH_GRAIN === 0);
}
