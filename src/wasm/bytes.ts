const FIRST_BYTES = 256;

/** A growing sequence of bytes with WebAssembly's number encodings (core specification, section 5.2). */
export class ByteSink {
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** What has been written; valid until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  append(other: ArrayLike<number>): void {
    const { length } = other;
    const at = this.#reserve(length);
    if (length > 16) this.#buffer.set(other, at);
    else for (let i = 0; i < length; i++) this.#buffer[at + i] = other[i];
  }

  /** Unsigned LEB128 of a non-negative safe integer. */
  unsigned(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a signed 32-bit integer. */
  signed32(value: number): void {
    let rest = value;
    for (;;) {
      const part = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (part & 64) === 0) || (rest === -1 && (part & 64) !== 0)) {
        this.byte(part);
        return;
      }
      this.byte(part | 128);
    }
  }

  /** Signed LEB128 of a signed 64-bit integer. */
  signed64(value: bigint): void {
    if (value >= -0x80000000n && value <= 0x7fffffffn) {
      this.signed32(Number(value));
      return;
    }
    let rest = value;
    for (;;) {
      const part = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && (part & 64) === 0) || (rest === -1n && (part & 64) !== 0)) {
        this.byte(part);
        return;
      }
      this.byte(part | 128);
    }
  }

  /** A name: its UTF-8 length and bytes. Names here are ASCII. */
  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** Room for `count` more bytes. @returns where they begin */
  #reserve(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, at));
      this.#buffer = larger;
    }
    return at;
  }
}
