import { PAGE_BYTES, PAGE_CODE } from '../machine/guest-memory.ts';
import { BlockNotes } from './block-notes.ts';
import { BlockTable } from './block-table.ts';
import type { CodeFunctions } from './decoded-code.ts';
import { recordLink } from './dispatch.ts';
import type { MemoryLayout } from './memory-layout.ts';
import { BLOCK, GONE, JUMP_CACHE, LINK, NOTE, NOTED, RECORD, RECORD_BYTES } from './records.ts';
import { WayIndex } from './way-index.ts';

/** A decoded block, as those see it who make something from it. While something is made from it there is one object for it. */
export interface Block {
  /** Address of its header. */
  readonly address: number;
  /** Guest-physical address of its first byte. */
  readonly start: number;
  /** What was made from it and must go with it. */
  derived: readonly Derived[];
  /** What its accesses look up at once was often found in two pages. Few blocks have this. */
  scattered?: true;
}

/** Something made from decoded blocks. */
export interface Derived {
  /** Called when one of them goes. */
  drop(): void;
}

const NOTHING_DERIVED: readonly Derived[] = [];

/** What is left without one that is gone. */
export function withoutDerived(all: readonly Derived[], gone: Derived): readonly Derived[] {
  const left = all.filter((other) => other !== gone);
  return left.length > 0 ? left : NOTHING_DERIVED;
}

/** What blocks of its page a block may be linked to, beside the one behind it. */
export interface BlockLinks {
  /** Whether the instruction before its last record is a branch, which may be linked to the block behind it, too. */
  readonly branches: boolean;
  /** Offset in the page to which the branch leads otherwise; undefined: elsewhere. */
  readonly taken: number | undefined;
}

/** What a block is made of, as the decoder hands it over. */
export interface NewBlock {
  readonly gpa: number;
  readonly bytes: number;
  readonly modeKey: number;
  /** Guest-physical address of the second page, where the block crosses into one. */
  readonly tailGpa: number | undefined;
  /** Slot of the handler that is put over records whose code has changed. */
  readonly staleHandler: number;
  /** Whether it may be translated: then entries into it are counted. */
  readonly translatable: boolean;
  /** Instructions, without the record that ends the block. */
  readonly count: number;
  /** Undefined: it is linked to none. */
  readonly links: BlockLinks | undefined;
}

/** The room for records is used in turn, and given up, by parts: as many, but none smaller than a page. */
const PARTS = 32;
const LEAST_PART_BYTES = 4096;

/** Owns the decoded code: where records lie, which block comes from which bytes, and what must go when these change. */
export class CodeCache {
  readonly #layout: MemoryLayout;
  readonly #view: DataView;
  readonly #code: CodeFunctions;
  readonly #watchPage: (page: number) => void;
  readonly #notes: BlockNotes;
  readonly #table: BlockTable;
  readonly #ways: WayIndex;
  /** Objects for blocks that something was made from, or may soon be, by address. */
  readonly #objects = new Map<number, Block>();
  /** How many blocks the table had no room for, by the numbers of pages that have such blocks. */
  readonly #untabled = new Map<number, number>();
  readonly #partBytes: number;
  /** Where the part begins that is filled now. */
  #part: number;
  #next: number;
  /** Where blocks end in parts that were filled, by the address of the part. */
  readonly #ends = new Map<number, number>();
  /** Times that code was thrown away to make room. */
  evictions = 0;
  /** Entries after which a counted block is hot. */
  hotAfter = 0;

  /** @param watchPage called when a page gets its first code: writes to it must take the slow path from now on */
  constructor(layout: MemoryLayout, view: DataView, code: CodeFunctions, watchPage: (page: number) => void) {
    this.#layout = layout;
    this.#view = view;
    this.#code = code;
    this.#watchPage = watchPage;
    this.#notes = new BlockNotes(view);
    this.#ways = new WayIndex(view, this.#notes);
    this.#table = new BlockTable(view, layout.blockTable, (block, slot) => this.#notes.setTableSlot(block, slot));
    const bytes = (layout.recordsEnd - layout.records) / PARTS;
    this.#partBytes = Math.max(LEAST_PART_BYTES, Math.floor(bytes / RECORD_BYTES) * RECORD_BYTES);
    this.#part = layout.records;
    this.#next = layout.records;
  }

  /** Room for a block of `records` records behind its header. Throws the oldest code away where there is none left: no guest code may be running. */
  allocate(records: number): number {
    const bytes = (records + 1) * RECORD_BYTES;
    while (this.#next + bytes > this.#partEnd) this.#nextPart();
    const address = this.#next;
    this.#next += bytes;
    this.#code.reserve(this.#next);
    return address;
  }

  /** Makes a written block known. */
  insert(address: number, block: NewBlock): void {
    const { gpa, modeKey, tailGpa } = block;
    this.#writeHeader(address, block);
    const known = this.#find(gpa, modeKey); // it could not be reached any more
    if (known !== 0) this.#remove(known);
    const tableSlot = this.#table.enter(gpa, modeKey, address);
    if (tableSlot === 0) this.#countUntabled(pageOf(gpa), 1);
    this.#writeNotes(address, block, tableSlot);
    const page = pageOf(gpa);
    this.#enlist(address, page);
    if (tailGpa === undefined) this.#linkAll(address);
    else if (pageOf(tailGpa) !== page) this.#enlist(address, pageOf(tailGpa));
  }

  /** The block whose header is at `address`, while it is valid. */
  at(address: number): Block | undefined {
    const page = this.#notes.page(address);
    for (let block = this.#notes.first(page); block !== 0; block = this.#notes.next(block, page)) {
      if (block === address) return this.#objectOf(block);
    }
    return undefined;
  }

  /** Whether the block with this header may be translated. */
  isTranslatable(address: number): boolean {
    return this.#notes.isTranslatable(address);
  }

  /** Counts from now on how often a block is entered, which its first record's handler runs. */
  count(address: number): void {
    this.#code.setEntry(address, this.#view.getUint32(address + RECORD_BYTES + RECORD.handler, true));
    this.#view.setUint16(address + BLOCK.label, 0, true);
    this.#view.setInt32(address + BLOCK.countdown, this.hotAfter, true);
  }

  /** The block at an address and mode that can be linked to. */
  blockAt(gpa: number, modeKey: number): Block | undefined {
    const block = this.#find(gpa, modeKey);
    return block === 0 || this.#notes.hasTail(block) ? undefined : this.#objectOf(block);
  }

  /** The blocks that have bytes in the page of an address. */
  blocksNear(gpa: number): readonly Block[] {
    const page = pageOf(gpa);
    const blocks: Block[] = [];
    for (let block = this.#notes.first(page); block !== 0; block = this.#notes.next(block, page)) {
      blocks.push(this.#objectOf(block));
    }
    return blocks;
  }

  /** The block at an address and mode, which may be one instruction that crosses into another page: where that is, and how many bytes are in the first. */
  placeOf(gpa: number, modeKey: number) {
    const address = this.#find(gpa, modeKey);
    if (address === 0) return undefined;
    return { address, bytesInPage: this.#notes.bytesInPage(address), tail: this.#notes.tail(address) };
  }

  /**
   * Forgets the blocks made from any of `length` bytes at `gpa`.
   * @returns whether there were any
   */
  invalidate(gpa: number, length: number): boolean {
    let any = false;
    const last = gpa + length - 1;
    for (let page = pageOf(gpa); page <= pageOf(last); page++) {
      let next = 0;
      for (let block = this.#notes.first(page); block !== 0; block = next) {
        next = this.#notes.next(block, page);
        if (!this.#notes.overlaps(block, gpa, last)) continue;
        this.#remove(block);
        any = true;
      }
    }
    return any;
  }

  /** Forgets everything. No guest code may be running. */
  flush(): void {
    this.#table.clear();
    this.#ways.clear();
    this.#clearJumpCaches();
    for (const page of this.#notes.pages()) this.#flagCode(page, false);
    for (const { derived } of this.#objects.values()) for (const one of derived) one.drop();
    this.#objects.clear();
    this.#notes.clear();
    this.#untabled.clear();
    this.#code.clear();
    this.#ends.clear();
    this.#part = this.#layout.records;
    this.#next = this.#layout.records;
  }

  get #partEnd(): number {
    return Math.min(this.#part + this.#partBytes, this.#layout.recordsEnd);
  }

  /** Goes on in the next part, whose code goes: it is the oldest. */
  #nextPart(): void {
    this.#ends.set(this.#part, this.#next);
    const next = this.#part + this.#partBytes;
    this.#part = next < this.#layout.recordsEnd ? next : this.#layout.records;
    this.#next = this.#part;
    const end = this.#ends.get(this.#part);
    if (end === undefined) return;
    for (let block = this.#part; block < end; block = this.#notes.last(block) + RECORD_BYTES) {
      if (this.#notes.isValid(block)) this.#remove(block);
    }
    this.#clearJumpCaches();
    this.evictions++;
  }

  #writeHeader(address: number, block: NewBlock): void {
    const view = this.#view;
    view.setUint32(address + BLOCK.count, block.count, true);
    view.setUint32(address + BLOCK.page, pageOf(block.gpa), true);
    view.setUint16(address + BLOCK.start, block.gpa % PAGE_BYTES, true);
    view.setUint32(address + BLOCK.modeKey, block.modeKey, true);
    view.setUint32(address + BLOCK.extent, block.bytes, true);
    this.count(address);
  }

  #writeNotes(
    address: number,
    { gpa, bytes, tailGpa, staleHandler, links, translatable }: NewBlock,
    tableSlot: number,
  ): void {
    const view = this.#view;
    const last = this.#notes.last(address);
    const tailBytes = tailGpa === undefined ? 0 : bytes - (PAGE_BYTES - (gpa % PAGE_BYTES));
    view.setUint16(last + NOTE.taken, links?.taken ?? 0, true);
    view.setUint8(last + NOTE.tailBytes, tailBytes);
    view.setUint8(last + NOTE.flags, flagsOf(links) | (translatable ? NOTED.translatable : 0));
    view.setUint32(last + NOTE.tableSlot, tableSlot, true);
    view.setUint32(last + NOTE.tailPage, pageOf(tailGpa ?? 0), true);
    view.setUint32(last + NOTE.staleHandler, staleHandler, true);
    const branch = last - RECORD_BYTES;
    for (const record of [last, branch]) {
      for (const link of [LINK.next, LINK.taken]) this.#code.setLink(recordLink(record, link), 0);
    }
  }

  #objectOf(block: number): Block {
    const known = this.#objects.get(block);
    if (known !== undefined) return known;
    const made = { address: block, start: this.#notes.start(block), derived: NOTHING_DERIVED };
    this.#objects.set(block, made);
    return made;
  }

  /** Links a block and others of its page to one another. */
  #linkAll(block: number): void {
    const notes = this.#notes;
    this.#ways.add(block);
    this.#ways.forEachTo(block, (link) => this.#code.setLink(link, block));
    const [gpa, modeKey] = [notes.page(block) * PAGE_BYTES, notes.modeKey(block)];
    this.#ways.forEachFrom(block, (link, offset) => {
      const other = this.#find(gpa + offset, modeKey);
      if (other !== 0 && !notes.hasTail(other)) this.#code.setLink(link, other);
    });
  }

  /** Cuts the links that lead to a block. */
  #unlink(block: number): void {
    this.#ways.forEachTo(block, (link) => this.#code.setLink(link, 0));
    this.#ways.remove(block);
  }

  #remove(block: number): void {
    const notes = this.#notes;
    for (const derived of this.#objects.get(block)?.derived ?? []) derived.drop();
    this.#objects.delete(block);
    const stale = notes.staleHandler(block);
    this.#code.setEntry(block, stale);
    this.#view.setUint16(block + BLOCK.label, GONE, true);
    const slot = notes.tableSlot(block);
    if (slot !== 0) this.#table.leave(slot);
    else this.#countUntabled(notes.page(block), -1);
    const tail = notes.tail(block);
    if (tail === undefined) this.#unlink(block);
    const last = notes.last(block);
    for (let record = block + RECORD_BYTES; record <= last; record += RECORD_BYTES)
      this.#code.setHandler(record, stale);
    const page = notes.page(block);
    this.#strike(block, page);
    if (tail !== undefined && pageOf(tail.gpa) !== page) this.#strike(block, pageOf(tail.gpa));
    notes.invalidate(block);
  }

  /** The block at an address and mode, or 0. Pages may have hundreds, the table nearly always has room for all. */
  #find(gpa: number, modeKey: number): number {
    const found = this.#table.find(gpa, modeKey);
    return found !== 0 || !this.#untabled.has(pageOf(gpa)) ? found : this.#notes.find(gpa, modeKey);
  }

  #countUntabled(page: number, change: 1 | -1): void {
    const count = (this.#untabled.get(page) ?? 0) + change;
    if (count > 0) this.#untabled.set(page, count);
    else this.#untabled.delete(page);
  }

  #enlist(block: number, page: number): void {
    if (this.#notes.enlist(block, page)) this.#flagCode(page, true);
  }

  #strike(block: number, page: number): void {
    if (this.#notes.strike(block, page)) this.#flagCode(page, false);
  }

  #flagCode(page: number, hasCode: boolean): void {
    if (page >= this.#layout.pageCount) return;
    const at = this.#layout.pageFlags + page;
    const flags = this.#view.getUint8(at);
    this.#view.setUint8(at, hasCode ? flags | PAGE_CODE : flags & ~PAGE_CODE);
    if (hasCode && !(flags & PAGE_CODE)) this.#watchPage(page);
  }

  #clearJumpCaches(): void {
    for (const { jumpCache } of this.#layout.cpus) {
      new Uint8Array(this.#view.buffer, jumpCache, JUMP_CACHE.entries * JUMP_CACHE.bytes).fill(0);
    }
  }
}

function flagsOf(links: BlockLinks | undefined): number {
  if (links === undefined) return NOTED.valid;
  const { branches, taken } = links;
  return NOTED.valid | NOTED.falls | (branches ? NOTED.branches : 0) | (taken === undefined ? 0 : NOTED.takes);
}

function pageOf(gpa: number): number {
  return Math.floor(gpa / PAGE_BYTES);
}
