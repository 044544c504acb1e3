const COLORS = 256;
const STATE_READING = 0x00;
const STATE_WRITING = 0x03;
const OPAQUE = 0xff000000;

/** The palette DAC: 256 colours of three components, of six bits or, as an extension, of eight. */
export class Dac {
  readonly #components = new Uint8Array(COLORS * 3);
  #mask = 0xff;
  #readIndex = 0;
  #writeIndex = 0;
  #component = 0;
  #reading = false;
  #latched = [0, 0];
  /** Whether components have eight bits. */
  isWide = false;

  /** The pixel mask register, 3C6h. */
  get mask(): number {
    return this.#mask;
  }
  set mask(value: number) {
    this.#mask = value;
  }

  /** 3C7h as it is read. */
  get state(): number {
    return this.#reading ? STATE_READING : STATE_WRITING;
  }

  /** 3C8h. */
  get writeIndex(): number {
    return this.#writeIndex;
  }

  /** 3C7h as it is written: the next components are read from this colour on. */
  startReading(index: number): void {
    this.#readIndex = index;
    this.#writeIndex = (index + 1) & 0xff;
    this.#component = 0;
    this.#reading = true;
  }

  startWriting(index: number): void {
    this.#writeIndex = index;
    this.#component = 0;
    this.#reading = false;
  }

  /** 3C9h. */
  readData(): number {
    const value = this.#components[this.#readIndex * 3 + this.#component];
    this.#component = (this.#component + 1) % 3;
    if (this.#component === 0) this.#readIndex = (this.#readIndex + 1) & 0xff;
    return value;
  }

  /** 3C9h: a colour changes as a whole, with its third component. */
  writeData(value: number): void {
    if (this.#component < 2) {
      this.#latched[this.#component++] = value;
      return;
    }
    const kept = this.isWide ? 0xff : 0x3f;
    const [red, green] = this.#latched;
    this.#components.set([red & kept, green & kept, value & kept], this.#writeIndex * 3);
    this.#component = 0;
    this.#writeIndex = (this.#writeIndex + 1) & 0xff;
  }

  /** The colour of a pixel value, with red in the lowest byte. */
  color(index: number): number {
    const at = (index & this.#mask) * 3;
    const [red, green, blue] = [this.#level(at), this.#level(at + 1), this.#level(at + 2)];
    return (OPAQUE | (blue << 16) | (green << 8) | red) >>> 0;
  }

  save() {
    return {
      components: this.#components.slice(),
      mask: this.#mask,
      readIndex: this.#readIndex,
      writeIndex: this.#writeIndex,
      component: this.#component,
      reading: this.#reading,
      latched: [...this.#latched],
      isWide: this.isWide,
    };
  }

  restore(state: ReturnType<Dac['save']>): void {
    this.#components.set(state.components);
    this.#mask = state.mask;
    this.#readIndex = state.readIndex;
    this.#writeIndex = state.writeIndex;
    this.#component = state.component;
    this.#reading = state.reading;
    this.#latched = [...state.latched];
    this.isWide = state.isWide;
  }

  /** A component at the full range of eight bits. */
  #level(at: number): number {
    const value = this.#components[at];
    return this.isWide ? value : (value << 2) | (value >> 4);
  }
}
