import { PAGE_BYTES } from '../machine/guest-memory.ts';
import type { BlockNotes, Way } from './block-notes.ts';
import { WAY } from './records.ts';

const CHAINS_LOG2 = 17;
const WAYS: readonly Way[] = [WAY.behind, WAY.taken];
/** Spreads places over the chains. Another each time, so that no guest can know which places share one. */
const SPREAD = (Math.random() * 2 ** 32) | 1;

/**
 * The ways on which blocks go on in their pages, by where they lead to: so that a block that is decoded, or goes, finds the
 * links that lead to it without a look at all blocks of its page. A way is named by its block's address and, in the
 * lowest bit, which of the two it is; chains are kept in the blocks' notes.
 */
export class WayIndex {
  readonly #view: DataView;
  readonly #notes: BlockNotes;
  /** The first way of each chain; 0: none. */
  readonly #chains = new Uint32Array(1 << CHAINS_LOG2);

  constructor(view: DataView, notes: BlockNotes) {
    this.#view = view;
    this.#notes = notes;
  }

  /** Adds the ways of a block. */
  add(block: number): void {
    for (const way of WAYS) {
      const chain = this.#chainOf(block, way);
      if (chain === undefined) continue;
      this.#view.setUint32(this.#notes.chainAt(block, way), this.#chains[chain], true);
      this.#chains[chain] = block + way;
    }
  }

  /** Takes the ways of a block out. */
  remove(block: number): void {
    for (const way of WAYS) {
      const chain = this.#chainOf(block, way);
      if (chain === undefined) continue;
      const behind = this.#next(block + way);
      let before = this.#chains[chain];
      if (before === block + way) {
        this.#chains[chain] = behind;
        continue;
      }
      while (this.#next(before) !== block + way) before = this.#next(before);
      this.#view.setUint32(this.#notes.chainAt(blockOf(before), wayOf(before)), behind, true);
    }
  }

  /** Visits the links that may lead to a block: those of its mode and its page. */
  forEachTo(block: number, visit: (link: number) => void): void {
    const notes = this.#notes;
    const [page, offset, modeKey] = [notes.page(block), notes.offset(block), notes.modeKey(block)];
    for (let at = this.#chains[chainOf(page, offset)]; at !== 0; at = this.#next(at)) {
      const [from, way] = [blockOf(at), wayOf(at)];
      const isThere = notes.page(from) === page && notes.wayOffset(from, way) === offset;
      if (isThere && notes.modeKey(from) === modeKey) visit(notes.linkOf(from, way));
    }
  }

  /** Visits the links of a block, with the offsets in its page to which they lead. */
  forEachFrom(block: number, visit: (link: number, offset: number) => void): void {
    for (const way of WAYS) {
      const offset = this.#notes.wayOffset(block, way);
      if (offset !== undefined) visit(this.#notes.linkOf(block, way), offset);
    }
  }

  /** Forgets all ways. */
  clear(): void {
    this.#chains.fill(0);
  }

  /** The chain that a way of a block is in, if the block has it. */
  #chainOf(block: number, way: Way): number | undefined {
    const offset = this.#notes.wayOffset(block, way);
    return offset === undefined ? undefined : chainOf(this.#notes.page(block), offset);
  }

  #next(way: number): number {
    return this.#view.getUint32(this.#notes.chainAt(blockOf(way), wayOf(way)), true);
  }
}

function blockOf(way: number): number {
  return way - (way & 1);
}

function wayOf(way: number): Way {
  return (way & 1) as Way;
}

function chainOf(page: number, offset: number): number {
  return Math.imul(page * PAGE_BYTES + offset, SPREAD) >>> (32 - CHAINS_LOG2);
}
