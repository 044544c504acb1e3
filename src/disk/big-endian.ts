import { ImageInvalid } from './interfaces.ts';

/** Unsigned big-endian fields of a structure in an image, which messages call `what`. */
export class BigEndianFields {
  readonly view: DataView;
  readonly #what: string;

  constructor(what: string, bytes: Uint8Array) {
    this.#what = what;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(offset: number): number {
    return this.#inside(offset, 1).getUint8(offset);
  }

  u16(offset: number): number {
    return this.#inside(offset, 2).getUint16(offset);
  }

  u32(offset: number): number {
    return this.#inside(offset, 4).getUint32(offset);
  }

  /** @throws {ImageInvalid} it is beyond what a number says exactly */
  u64(offset: number): number {
    const value = Number(this.#inside(offset, 8).getBigUint64(offset));
    if (!Number.isSafeInteger(value)) throw new ImageInvalid(this.#what, `a field has the absurd value ${value}`);
    return value;
  }

  bytes(offset: number, length: number): Uint8Array {
    const { buffer, byteOffset } = this.#inside(offset, length);
    return new Uint8Array(buffer, byteOffset + offset, length);
  }

  text(offset: number, length: number): string {
    return new TextDecoder().decode(this.bytes(offset, length));
  }

  #inside(offset: number, length: number): DataView {
    if (offset + length > this.view.byteLength) throw new ImageInvalid(this.#what, 'it is cut off');
    return this.view;
  }
}

/** Appends big-endian integers and bytes. */
export class BigEndianWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value);
  }

  /** @param value a safe integer */
  u64(value: number): this {
    return this.u32(Math.floor(value / 2 ** 32)).u32(value >>> 0);
  }

  append(bytes: ArrayLike<number>): this {
    for (let i = 0; i < bytes.length; i++) this.u8(bytes[i] ?? 0);
    return this;
  }

  text(text: string): this {
    return this.append(new TextEncoder().encode(text));
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.#bytes.push(0);
    return this;
  }

  /** Appends zeros until the length is a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.length % alignment)) % alignment);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }
}
