const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const ZERO = 1;

/** What a table says of one cluster of the disk. */
export type Mapping =
  | { readonly kind: 'absent' }
  /** Reads as zeros; `offset` is 0 unless a cluster is kept for it. */
  | { readonly kind: 'zero'; readonly offset: number; readonly copied: boolean }
  /** @property copied its refcount is 1, so that it may be written in place */
  | { readonly kind: 'data'; readonly offset: number; readonly copied: boolean }
  /** @property length bytes to the end of the last sector that holds some of it */
  | { readonly kind: 'compressed'; readonly offset: number; readonly length: number };

export const ABSENT: Mapping = { kind: 'absent' };
export const ZERO_CLUSTER: Mapping = { kind: 'zero', offset: 0, copied: false };

/** An L1 or L2 table: big-endian words of 64 bits, and which of them differ from the file. */
export class EntryTable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  #dirtyStart = Number.POSITIVE_INFINITY;
  #dirtyEnd = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  get length(): number {
    return this.bytes.length / 8;
  }

  get isDirty(): boolean {
    return this.#dirtyEnd > 0;
  }

  set(index: number, high: number, low: number): void {
    this.view.setUint32(index * 8, high);
    this.view.setUint32(index * 8 + 4, low);
    this.#dirtyStart = Math.min(this.#dirtyStart, index * 8);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, index * 8 + 8);
  }

  /** An offset in bits 9 to 55, and whether bit 63 says that its refcount is 1. */
  place(index: number): { readonly offset: number; readonly copied: boolean } {
    const [high, low] = [this.view.getUint32(index * 8), this.view.getUint32(index * 8 + 4)];
    return { offset: (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0), copied: high >= COPIED };
  }

  setPlace(index: number, offset: number, copied: boolean, low = 0): void {
    this.set(index, Math.floor(offset / 2 ** 32) + (copied ? COPIED : 0), (offset % 2 ** 32) | low);
  }

  /** The sectors that differ from the file, which are then taken for written. */
  takeDirty(): { readonly start: number; readonly bytes: Uint8Array } {
    const start = Math.floor(this.#dirtyStart / 512) * 512;
    const end = Math.min(Math.ceil(this.#dirtyEnd / 512) * 512, this.bytes.length);
    this.#dirtyStart = Number.POSITIVE_INFINITY;
    this.#dirtyEnd = 0;
    return { start, bytes: this.bytes.slice(start, end) };
  }
}

/** An L2 table: where the clusters of a part of the disk are. */
export class L2Table extends EntryTable {
  /** Its place in the file. */
  offset: number;
  /** Nothing in the file refers to it yet. */
  fresh: boolean;
  readonly #clusterBits: number;

  constructor(bytes: Uint8Array<ArrayBuffer>, clusterBits: number, offset: number, fresh: boolean) {
    super(bytes);
    this.#clusterBits = clusterBits;
    this.offset = offset;
    this.fresh = fresh;
  }

  get(index: number): Mapping {
    const high = this.view.getUint32(index * 8);
    const low = this.view.getUint32(index * 8 + 4);
    if (high === 0 && low === 0) return ABSENT;
    if (high & COMPRESSED) return this.#compressed(high, low);
    const place = this.place(index);
    if (low & ZERO) return { kind: 'zero', ...place };
    return place.offset === 0 ? ABSENT : { kind: 'data', ...place };
  }

  put(index: number, mapping: Mapping): void {
    switch (mapping.kind) {
      case 'absent':
        this.set(index, 0, 0);
        break;
      case 'zero':
        this.setPlace(index, mapping.offset, mapping.copied, ZERO);
        break;
      case 'data':
        this.setPlace(index, mapping.offset, mapping.copied);
        break;
      case 'compressed':
        this.#putCompressed(index, mapping.offset, mapping.length);
    }
  }

  /** Bits below this hold the offset of compressed data, those above a number of further sectors. */
  get #offsetBits(): number {
    return 62 - (this.#clusterBits - 8);
  }

  #compressed(high: number, low: number): Mapping {
    const highBits = this.#offsetBits - 32;
    const offset = (high & (2 ** highBits - 1)) * 2 ** 32 + low;
    const sectors = ((high & ~COMPRESSED & 0x7fff_ffff) >>> highBits) + 1;
    return { kind: 'compressed', offset, length: sectors * 512 - (offset % 512) };
  }

  #putCompressed(index: number, offset: number, length: number): void {
    const sectors = Math.floor((offset + length - 1) / 512) - Math.floor(offset / 512);
    const high = COMPRESSED + sectors * 2 ** (this.#offsetBits - 32) + Math.floor(offset / 2 ** 32);
    this.set(index, high, offset % 2 ** 32);
  }
}
