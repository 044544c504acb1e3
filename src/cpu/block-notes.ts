import { PAGE_BYTES } from '../machine/guest-memory.ts';
import { recordLink } from './dispatch.ts';
import { BLOCK, LINK, NOTE, NOTED, RECORD, RECORD_BYTES } from './records.ts';

const NONE: readonly number[] = [];

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
    return this.#view.getUint32(block + BLOCK.start, true);
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
      if (view.getUint32(block + BLOCK.start, true) !== offset) continue;
      if (view.getUint32(block + BLOCK.modeKey, true) === modeKey && this.page(block) === page) return block;
    }
    return 0;
  }

  /** Visits the blocks that one may be linked to, and they to it: those of its mode that lie in its page alone, itself among them.
   * @param visit told a block and the record that ends it */
  forEachLinkable(block: number, visit: (other: number, last: number) => void): void {
    const view = this.#view;
    const [page, modeKey] = [this.page(block), this.modeKey(block)];
    for (let other = this.first(page); other !== 0; ) {
      const last = this.last(other);
      const sameMode = view.getUint32(other + BLOCK.modeKey, true) === modeKey;
      if (sameMode && view.getUint8(last + NOTE.tailBytes) === 0) visit(other, last);
      other = view.getUint32(last + this.#listOf(other, page), true);
    }
  }

  /** The links of a block, which ends with record `last`, that may lead to one at an offset of the same page. */
  linksTo(last: number, offset: number): readonly number[] {
    const view = this.#view;
    const branch = last - RECORD_BYTES;
    const isBehind = view.getUint16(last + RECORD.nextOffset, true) === offset;
    const isTarget = view.getUint16(last + NOTE.taken, true) === offset;
    if (!isBehind && !isTarget) return NONE;
    const flags = view.getUint8(last + NOTE.flags);
    const links: number[] = [];
    if (isBehind && flags & NOTED.falls) links.push(recordLink(last, LINK.next));
    if (isBehind && flags & NOTED.branches) links.push(recordLink(branch, LINK.next));
    if (isTarget && flags & NOTED.takes) links.push(recordLink(branch, LINK.taken));
    return links;
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
