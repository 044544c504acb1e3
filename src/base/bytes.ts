/** Little-endian readers and writers over plain bytes: the file formats and tables of a PC are all little-endian. */

/** Thrown by {@link ByteReader} when a read passes the end of the data. */
export class OutOfData extends Error {
  readonly offset: number;
  constructor(offset: number, length: number, available: number) {
    super(`${length} bytes at offset ${offset} lie outside the ${available} bytes there are`);
    this.offset = offset;
  }
}

/** Reads little-endian integers at any offset of a byte array. Every method throws {@link OutOfData} past its end. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  u8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): bigint {
    this.#check(offset, 8);
    return this.#view.getBigUint64(offset, true);
  }

  /** A view (not a copy) of `length` bytes at `offset`. */
  slice(offset: number, length: number): Uint8Array {
    this.#check(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  #check(offset: number, length: number): void {
    const inside = offset >= 0 && length >= 0 && offset + length <= this.bytes.length;
    if (!inside) throw new OutOfData(offset, length, this.bytes.length);
  }
}

/** Appends little-endian integers and bytes to a growing buffer. Values are truncated to the field's width. */
export class ByteWriter {
  #bytes = new Uint8Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#grow(1)[0] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8);
  }

  u32(value: number): this {
    return this.u16(value).u16(value >>> 16);
  }

  u64(value: bigint): this {
    return this.u32(Number(value & 0xffffffffn)).u32(Number((value >> 32n) & 0xffffffffn));
  }

  append(bytes: ArrayLike<number>): this {
    this.#grow(bytes.length).set(bytes);
    return this;
  }

  /** Appends ASCII text; with `width`, cut or padded with `pad` to exactly that many bytes. */
  text(text: string, width: number = text.length, pad: number = 0): this {
    const field = this.#grow(width).fill(pad);
    for (let i = 0; i < Math.min(text.length, width); i++) field[i] = text.charCodeAt(i);
    return this;
  }

  zeros(count: number): this {
    this.#grow(count);
    return this;
  }

  /** Appends zeros until the length is a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** A copy of everything written so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(count: number): Uint8Array {
    const end = this.#length + count;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    const field = this.#bytes.subarray(this.#length, end);
    this.#length = end;
    return field;
  }
}

/** All parts, one after the other. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Makes the bytes sum to zero, modulo 256, by the one at `offset`. @returns them */
export function withChecksum(bytes: Uint8Array, offset: number): Uint8Array {
  bytes[offset] = 0;
  bytes[offset] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
