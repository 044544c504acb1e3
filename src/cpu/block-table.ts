import { blockTableSlot } from './dispatch.ts';
import { BLOCK_TABLE } from './records.ts';

/** What one in the upper half of a key is of an address, and what a mode is of that half: see {@link BLOCK_TABLE}. */
const HIGH = 2 ** 32;
const MODE = 2 ** 16;

/** The table in which guest code finds blocks by guest-physical address and mode. */
export class BlockTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #moved: (block: number, slot: number) => void;

  /** @param at where it lies in the memory  @param moved called when a block comes to be in another slot, whose address is given */
  constructor(view: DataView, at: number, moved: (block: number, slot: number) => void) {
    this.#view = view;
    this.#at = at;
    this.#moved = moved;
  }

  /** Enters a block. @returns address of its slot; 0: there is no room where it would be looked for */
  enter(gpa: number, modeKey: number, block: number): number {
    const view = this.#view;
    let slot = blockTableSlot(gpa);
    for (let probe = 0; probe < BLOCK_TABLE.probes; probe++) {
      const at = this.#addressOf(slot);
      if (this.#isFree(at)) {
        view.setUint32(at, gpa >>> 0, true);
        view.setUint32(at + 4, highOf(gpa, modeKey), true);
        view.setUint32(at + BLOCK_TABLE.block, block, true);
        return at;
      }
      slot = nextSlot(slot);
    }
    return 0;
  }

  /** The block at an address, for a mode; 0 where the table has none. */
  find(gpa: number, modeKey: number): number {
    const view = this.#view;
    const [low, high] = [gpa >>> 0, highOf(gpa, modeKey)];
    let slot = blockTableSlot(gpa);
    for (let probe = 0; probe < BLOCK_TABLE.probes; probe++) {
      const at = this.#addressOf(slot);
      const [foundLow, foundHigh] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      if (foundLow === low && foundHigh === high) return view.getUint32(at + BLOCK_TABLE.block, true);
      if (foundLow === 0 && foundHigh === 0) return 0;
      slot = nextSlot(slot);
    }
    return 0;
  }

  /** Frees the slot at an address. What stands behind it, and may be looked for from it or before, moves up: gaps end a search. */
  leave(at: number): void {
    let free = (at - this.#at) / BLOCK_TABLE.bytes;
    let slot = free;
    for (let behind = 1; behind < BLOCK_TABLE.probes; behind++) {
      slot = nextSlot(slot);
      const from = this.#addressOf(slot);
      if (this.#isFree(from)) break;
      if (stepsBetween(this.#wantedSlot(from), slot) < behind) continue;
      this.#move(from, this.#addressOf(free));
      free = slot;
      behind = 0;
    }
    this.#view.setBigUint64(this.#addressOf(free), 0n, true);
  }

  #move(from: number, to: number): void {
    const view = this.#view;
    for (let offset = 0; offset < BLOCK_TABLE.bytes; offset += 4) {
      view.setUint32(to + offset, view.getUint32(from + offset, true), true);
    }
    this.#moved(view.getUint32(to + BLOCK_TABLE.block, true), to);
  }

  #addressOf(slot: number): number {
    return this.#at + slot * BLOCK_TABLE.bytes;
  }

  #isFree(at: number): boolean {
    return this.#view.getUint32(at, true) === 0 && this.#view.getUint32(at + 4, true) === 0;
  }

  /** The slot in which the key that stands at an address would be first. */
  #wantedSlot(at: number): number {
    const high = this.#view.getUint32(at + 4, true) % MODE;
    return blockTableSlot(this.#view.getUint32(at, true) + high * HIGH);
  }

  clear(): void {
    new Uint8Array(this.#view.buffer, this.#at, BLOCK_TABLE.entries * BLOCK_TABLE.bytes).fill(0);
  }
}

/** The upper half of a key: {@link BLOCK_TABLE}. */
function highOf(gpa: number, modeKey: number): number {
  return Math.floor(gpa / HIGH) + modeKey * MODE;
}

function nextSlot(slot: number): number {
  return (slot + 1) & (BLOCK_TABLE.entries - 1);
}

/** How many slots behind `from` a slot is. */
function stepsBetween(from: number, slot: number): number {
  return (slot - from) & (BLOCK_TABLE.entries - 1);
}
