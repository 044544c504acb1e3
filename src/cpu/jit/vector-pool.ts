import { type MemoryLayout, MOST_VECTORS, VECTOR_BYTES } from '../memory-layout.ts';

/** Constant vectors of a machine's translated code, each kept once in the room that the layout has for them. */
export class VectorPool {
  readonly #view: DataView;
  readonly #base: number;
  readonly #addresses = new Map<bigint, number>();

  constructor(view: DataView, { vectors }: MemoryLayout) {
    this.#view = view;
    this.#base = vectors;
  }

  /** Where a vector lies in the machine's memory; undefined where there is no more room. */
  addressOf(value: bigint): number | undefined {
    const known = this.#addresses.get(value);
    if (known !== undefined || this.#addresses.size === MOST_VECTORS) return known;
    const address = this.#base + this.#addresses.size * VECTOR_BYTES;
    this.#addresses.set(value, address);
    this.#view.setBigUint64(address, value & 0xffff_ffff_ffff_ffffn, true);
    this.#view.setBigUint64(address + 8, value >> 64n, true);
    return address;
  }
}
