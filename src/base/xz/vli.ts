import { XzInvalid } from './xz-invalid.ts';

const MOST_BYTES = 9;

/** Reads the fields of a header or an index one after the other. Every method throws {@link XzInvalid} past the end. */
export class VliReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what is read, for messages */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** How many bytes have been read. */
  get at(): number {
    return this.#at;
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw new XzInvalid(`${this.#what} is too short for what is in it`);
    return this.#bytes[this.#at++];
  }

  /** An integer of seven bits a byte, the lowest first (.xz file format, section 1.2). Those beyond 2^53 are refused. */
  vli(): number {
    let value = 0;
    for (let place = 0; place < MOST_BYTES; place++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte >= 0x80) continue;
      if ((byte === 0 && place > 0) || !Number.isSafeInteger(value)) break;
      return value;
    }
    throw new XzInvalid(`${this.#what} has a number that is too large, or longer than it has to be`);
  }

  /** A little-endian word of 32 bits. */
  u32(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** The padding: all that is left. */
  zeros(): void {
    while (this.#at < this.#bytes.length)
      if (this.byte() !== 0) throw new XzInvalid(`the padding of ${this.#what} is not zero`);
  }
}
