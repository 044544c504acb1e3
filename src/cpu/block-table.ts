import { blockTableSlot } from './dispatch.ts';
import { BLOCK_TABLE } from './records.ts';

/** Marks a freed slot: probing goes on behind it. No key has all bits set. */
const TOMBSTONE = 0xffff_ffff_ffff_ffffn;

/** The table in which guest code finds blocks by guest-physical address and mode. */
export class BlockTable {
  readonly #view: DataView;
  readonly #at: number;

  /** @param at where it lies in the memory */
  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  /** Enters a block. @returns address of its slot; 0: there is no room where it would be looked for */
  enter(gpa: number, modeKey: number, block: number): number {
    const view = this.#view;
    let slot = blockTableSlot(gpa);
    for (let probe = 0; probe < BLOCK_TABLE.probes; probe++) {
      const at = this.#at + slot * BLOCK_TABLE.bytes;
      const key = view.getBigUint64(at, true);
      if (key === 0n || key === TOMBSTONE) {
        view.setBigUint64(at, BigInt(gpa) | (BigInt(modeKey) << 48n), true);
        view.setUint32(at + BLOCK_TABLE.block, block, true);
        return at;
      }
      slot = (slot + 1) & (BLOCK_TABLE.entries - 1);
    }
    return 0;
  }

  /** The block at an address, for a mode; 0 where the table has none. */
  find(gpa: number, modeKey: number): number {
    const view = this.#view;
    const [low, high] = [gpa >>> 0, Math.floor(gpa / 2 ** 32) + modeKey * 2 ** 16];
    let slot = blockTableSlot(gpa);
    for (let probe = 0; probe < BLOCK_TABLE.probes; probe++) {
      const at = this.#at + slot * BLOCK_TABLE.bytes;
      const [foundLow, foundHigh] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      if (foundLow === low && foundHigh === high) return view.getUint32(at + BLOCK_TABLE.block, true);
      if (foundLow === 0 && foundHigh === 0) return 0;
      slot = (slot + 1) & (BLOCK_TABLE.entries - 1);
    }
    return 0;
  }

  /** Frees the slot at an address. Where nothing follows it, nothing is looked for behind it. */
  leave(at: number): void {
    const view = this.#view;
    const last = this.#at + (BLOCK_TABLE.entries - 1) * BLOCK_TABLE.bytes;
    const next = at === last ? this.#at : at + BLOCK_TABLE.bytes;
    view.setBigUint64(at, view.getBigUint64(next, true) === 0n ? 0n : TOMBSTONE, true);
  }

  clear(): void {
    new Uint8Array(this.#view.buffer, this.#at, BLOCK_TABLE.entries * BLOCK_TABLE.bytes).fill(0);
  }
}
