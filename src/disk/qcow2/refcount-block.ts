/** Refcounts side by side in a block, 2^order bits each; those smaller than a byte begin at its lowest bit. */
export class RefcountBlock {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #bits: number;
  /** Whether it differs from the file. */
  dirty = false;

  constructor(bytes: Uint8Array<ArrayBuffer>, order: number) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#bits = 2 ** order;
  }

  get(index: number): number {
    switch (this.#bits) {
      case 64:
        return Number(this.#view.getBigUint64(index * 8));
      case 32:
        return this.#view.getUint32(index * 4);
      case 16:
        return this.#view.getUint16(index * 2);
      case 8:
        return this.#view.getUint8(index);
      default: {
        const bit = index * this.#bits;
        return (this.#view.getUint8(bit >>> 3) >>> (bit & 7)) & (2 ** this.#bits - 1);
      }
    }
  }

  set(index: number, value: number): void {
    this.dirty = true;
    if (this.#bits === 64) this.#view.setBigUint64(index * 8, BigInt(value));
    else if (this.#bits === 32) this.#view.setUint32(index * 4, value);
    else if (this.#bits === 16) this.#view.setUint16(index * 2, value);
    else if (this.#bits === 8) this.#view.setUint8(index, value);
    else this.#setBits(index * this.#bits, value);
  }

  #setBits(bit: number, value: number): void {
    const others = this.#view.getUint8(bit >>> 3) & ~((2 ** this.#bits - 1) << (bit & 7));
    this.#view.setUint8(bit >>> 3, others | (value << (bit & 7)));
  }
}
