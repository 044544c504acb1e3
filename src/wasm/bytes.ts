/** A growing list of bytes with WebAssembly's number encodings (core specification, section 5.2). */
export class ByteSink {
  readonly bytes: number[] = [];

  byte(...values: number[]): void {
    for (const value of values) this.bytes.push(value);
  }

  append(other: readonly number[]): void {
    for (const value of other) this.bytes.push(value);
  }

  /** Unsigned LEB128 of a non-negative safe integer. */
  unsigned(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.bytes.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.bytes.push(rest);
  }

  /** Signed LEB128 of a signed 32-bit integer. */
  signed32(value: number): void {
    let rest = value;
    for (;;) {
      const part = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (part & 64) === 0) || (rest === -1 && (part & 64) !== 0)) {
        this.bytes.push(part);
        return;
      }
      this.bytes.push(part | 128);
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
        this.bytes.push(part);
        return;
      }
      this.bytes.push(part | 128);
    }
  }

  /** A name: its UTF-8 length and bytes. Names here are ASCII. */
  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.bytes.push(text.charCodeAt(i));
  }
}
