import { PAGE_BYTES } from '../machine/guest-memory.ts';
import { recordLink } from './dispatch.ts';
import { BLOCK, LINK, NOTE, NOTED, RECORD, RECORD_BYTES, WAY } from './records.ts';

/** One of {@link WAY}. */
export type Way = 0 | 1;

/** Part of a block in the page behind its own. */
export interface Tail {
  readonly gpa: number;
  readonly bytes: number;
}

/** Reads and writes what is known of blocks, by the addresses of their headers: see {@link NOTE}. 0 is no block. */
export class BlockNotes {
  readonly #view: DataView;
  /** The first block with bytes in a page, by guest-physical page number. */
  readonly #first = new Map<number, number>();

  constructor(view: DataView) {
    this.#view = view;
  }

  /** The record that ends a block. */
  last(block: number): number {
    return block + (this.#view.getUint32(block + BLOCK.count, true) + 1) * RECORD_BYTES;
  }

  page(block: number): number {
    return this.#view.getUint32(block + BLOCK.page, true);
  }

  /** Offset of its first byte in its page. */
  offset(block: number): number {
    return this.#view.getUint16(block + BLOCK.start, true);
  }

  /** Guest-physical address of its first byte. */
  start(block: number): number {
    return this.page(block) * PAGE_BYTES + this.offset(block);
  }

  modeKey(block: number): number {
    return this.#view.getUint32(block + BLOCK.modeKey, true);
  }

  /** Bytes in its own page. */
  bytesInPage(block: number): number {
    return this.#view.getUint32(block + BLOCK.extent, true) - this.#tailBytes(block);
  }

  tail(block: number): Tail | undefined {
    const bytes = this.#tailBytes(block);
    if (bytes === 0) return undefined;
    return { gpa: this.#view.getUint32(this.last(block) + NOTE.tailPage, true) * PAGE_BYTES, bytes };
  }

  hasTail(block: number): boolean {
    return this.#tailBytes(block) > 0;
  }

  tableSlot(block: number): number {
    return this.#view.getUint32(this.last(block) + NOTE.tableSlot, true);
  }

  setTableSlot(block: number, slot: number): void {
    this.#view.setUint32(this.last(block) + NOTE.tableSlot, slot, true);
  }

  staleHandler(block: number): number {
    return this.#view.getUint32(this.last(block) + NOTE.staleHandler, true);
  }

  isValid(block: number): boolean {
    return (this.#view.getUint8(this.last(block) + NOTE.flags) & NOTED.valid) !== 0;
  }

  isTranslatable(block: number): boolean {
    return (this.#view.getUint8(this.last(block) + NOTE.flags) & NOTED.translatable) !== 0;
  }

  /** Whether a block has bytes among those from `first` to `last`, guest-physical addresses. */
  overlaps(block: number, first: number, last: number): boolean {
    const start = this.start(block);
    if (start <= last && start + this.bytesInPage(block) > first) return true;
    const tail = this.tail(block);
    return tail !== undefined && tail.gpa <= last && tail.gpa + tail.bytes > first;
  }

  /** The block that begins at a guest-physical address, for a mode. */
  find(gpa: number, modeKey: number): number {
    const view = this.#view;
    const page = Math.floor(gpa / PAGE_BYTES);
    const offset = gpa % PAGE_BYTES;
    for (let block = this.first(page); block !== 0; block = this.next(block, page)) {
      if (view.getUint16(block + BLOCK.start, true) !== offset) continue;
      if (view.getUint32(block + BLOCK.modeKey, true) === modeKey && this.page(block) === page) return block;
    }
    return 0;
  }

  /** Where a way of a block leads to, as offset in its page; undefined: it may be linked to none there. */
  wayOffset(block: number, way: Way): number | undefined {
    const view = this.#view;
    const last = this.last(block);
    const flags = view.getUint8(last + NOTE.flags);
    if (way === WAY.taken) return flags & NOTED.takes ? view.getUint16(last + NOTE.taken, true) : undefined;
    const behind = view.getUint16(last + RECORD.nextOffset, true);
    return flags & NOTED.falls && behind < PAGE_BYTES ? behind : undefined;
  }

  /** The link of a way that the block has: that of its branch, or of the record that ends it. */
  linkOf(block: number, way: Way): number {
    const last = this.last(block);
    if (way === WAY.taken) return recordLink(last - RECORD_BYTES, LINK.taken);
    const branches = this.#view.getUint8(last + NOTE.flags) & NOTED.branches;
    return recordLink(branches ? last - RECORD_BYTES : last, LINK.next);
  }

  /** Address of what follows a way of a block in its chain. */
  chainAt(block: number, way: Way): number {
    return this.last(block) + NOTE.chain[way];
  }

  /** The pages that have code. */
  pages(): Iterable<number> {
    return this.#first.keys();
  }

  /** The first block with bytes in a page. */
  first(page: number): number {
    return this.#first.get(page) ?? 0;
  }

  /** The one that follows in the list of a page. */
  next(block: number, page: number): number {
    return this.#view.getUint32(this.#linkIn(block, page), true);
  }

  /** Puts a block at the head of a page's list. @returns whether it is the first one there */
  enlist(block: number, page: number): boolean {
    const first = this.first(page);
    this.#view.setUint32(this.#linkIn(block, page), first, true);
    this.#first.set(page, block);
    return first === 0;
  }

  /** Takes a block out of a page's list. @returns whether it was the last one there */
  strike(block: number, page: number): boolean {
    const behind = this.next(block, page);
    let other = this.first(page);
    if (other !== block) {
      while (this.next(other, page) !== block) other = this.next(other, page);
      this.#view.setUint32(this.#linkIn(other, page), behind, true);
    } else if (behind !== 0) this.#first.set(page, behind);
    else this.#first.delete(page);
    return other === block && behind === 0;
  }

  /** Notes that a block has become invalid. */
  invalidate(block: number): void {
    const at = this.last(block) + NOTE.flags;
    this.#view.setUint8(at, this.#view.getUint8(at) & ~NOTED.valid);
  }

  /** Forgets all blocks. */
  clear(): void {
    this.#first.clear();
  }

  #tailBytes(block: number): number {
    return this.#view.getUint8(this.last(block) + NOTE.tailBytes);
  }

  /** Where the number of the next block in a page's list stands. */
  #linkIn(block: number, page: number): number {
    return this.last(block) + this.#listOf(block, page);
  }

  /** Which field of its last record is for the list of a page. */
  #listOf(block: number, page: number): number {
    return this.page(block) === page ? NOTE.nextInPage : NOTE.nextInTailPage;
  }
}
