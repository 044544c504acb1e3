import { PAGE_BYTES, PAGE_CODE } from '../machine/guest-memory.ts';
import type { CodeFunctions } from './decoded-code.ts';
import { blockTableSlot } from './dispatch.ts';
import type { MemoryLayout } from './memory-layout.ts';
import { BLOCK, BLOCK_TABLE, JUMP_CACHE, RECORD, RECORD_BYTES } from './records.ts';

/** A decoded block, as the cache keeps account of it. */
export interface Block {
  /** Address of its header. */
  readonly address: number;
  /** Guest-physical address of its first byte, and of the byte behind its last. */
  readonly start: number;
  readonly end: number;
  readonly modeKey: number;
  /** For a block that crosses into another page: that page's guest-physical address and how many bytes lie there. */
  readonly tail: { readonly gpa: number; readonly bytes: number } | undefined;
  /** Slot of the block table that names it, or -1. */
  readonly tableSlot: number;
  readonly records: number;
  readonly staleHandler: number;
  /** Numbers of the links that lead to it; undefined: none. */
  incoming: Numbers;
  /** What was made from it and must go with it. */
  derived: readonly Derived[];
  /** What its accesses look up at once was often found in two pages. Few blocks have this. */
  scattered?: true;
}

/** None, one, or many: of the first two kinds there are hundreds of thousands, for which arrays would be large. */
type Numbers = number | number[] | undefined;

/** Something made from decoded blocks. */
export interface Derived {
  /** Called when one of them goes. */
  drop(): void;
}

/** Most blocks are never translated: they share this. */
const NOTHING_DERIVED: readonly Derived[] = [];

/** What is left without one that is gone. */
export function withoutDerived(all: readonly Derived[], gone: Derived): readonly Derived[] {
  const left = all.filter((other) => other !== gone);
  return left.length > 0 ? left : NOTHING_DERIVED;
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
  /** Slot of the handler that is put before the block to count how often it is entered; undefined: it is not counted. */
  readonly countHandler: number | undefined;
  /** Instructions, without the record that ends the block. */
  readonly count: number;
}

/** Owns the decoded code: where records lie, which block comes from which bytes, and what must go when these change. */
export class CodeCache {
  readonly #layout: MemoryLayout;
  readonly #view: DataView;
  readonly #code: CodeFunctions;
  readonly #watchPage: (page: number) => void;
  /** Few enough in each page that looking through them is no slower than one map of them all, which would be large. */
  readonly #byPage = new Map<number, Block[]>();
  /** Links waiting for a block: mode key, then guest-physical address. */
  readonly #wanted = new Map<number, Map<number, Numbers>>();
  #next: number;
  /** Times that everything was thrown away. */
  flushes = 0;
  /** Entries after which a counted block is hot. */
  hotAfter = 0;

  /** @param watchPage called when a page gets its first code: writes to it must take the slow path from now on */
  constructor(layout: MemoryLayout, view: DataView, code: CodeFunctions, watchPage: (page: number) => void) {
    this.#layout = layout;
    this.#view = view;
    this.#code = code;
    this.#watchPage = watchPage;
    this.#next = layout.records;
  }

  /** Room for a block of `records` records behind its header. Throws everything away when there is none left: no guest code may be running. */
  allocate(records: number): number {
    const bytes = (records + 1) * RECORD_BYTES;
    if (this.#next + bytes > this.#layout.recordsEnd) this.flush();
    const address = this.#next;
    this.#next += bytes;
    this.#code.reserve(this.#next);
    return address;
  }

  /** Gives back what {@link allocate} gave last beyond the records that were used. */
  trim(address: number, records: number): void {
    this.#next = address + (records + 1) * RECORD_BYTES;
  }

  /** Makes a written block known. */
  insert(address: number, block: NewBlock): void {
    const view = this.#view;
    view.setUint32(address + BLOCK.count, block.count, true);
    view.setUint32(address + BLOCK.page, Math.floor(block.gpa / PAGE_BYTES), true);
    view.setUint32(address + BLOCK.start, block.gpa % PAGE_BYTES, true);
    view.setUint32(address + BLOCK.modeKey, block.modeKey, true);
    view.setUint32(address + BLOCK.extent, block.bytes, true);
    const first = view.getUint32(address + RECORD_BYTES + RECORD.handler, true);
    this.#code.setEntry(address, block.countHandler ?? first);
    view.setUint32(address + BLOCK.countdown, this.hotAfter, true);
    view.setUint32(address + BLOCK.label, 0, true);
    const inPage = block.tailGpa === undefined ? block.bytes : PAGE_BYTES - (block.gpa % PAGE_BYTES);
    const entry: Block = {
      address,
      start: block.gpa,
      end: block.gpa + inPage,
      modeKey: block.modeKey,
      tail: block.tailGpa === undefined ? undefined : { gpa: block.tailGpa, bytes: block.bytes - inPage },
      tableSlot: block.tailGpa === undefined ? this.#enterInTable(block.gpa, block.modeKey, address) : -1,
      records: block.count + 1,
      staleHandler: block.staleHandler,
      incoming: undefined,
      derived: NOTHING_DERIVED,
    };
    // One that was there could not be reached any more.
    const known = this.anyAt(block.gpa, block.modeKey);
    if (known !== undefined) this.#remove(known);
    this.#register(block.gpa, entry);
    if (block.tailGpa !== undefined) this.#register(block.tailGpa, entry);
    if (block.tailGpa === undefined) this.#answerWanted(block.modeKey, block.gpa, entry);
  }

  /** The block whose header is at `address`, while it is valid. */
  at(address: number): Block | undefined {
    const view = this.#view;
    const page = view.getUint32(address + BLOCK.page, true);
    return this.#byPage.get(page)?.find((block) => block.address === address);
  }

  /** Whether the block with this header has a counting handler before it. */
  isCounted(address: number): boolean {
    if (this.at(address)?.derived.length !== 0) return false;
    const first = this.#view.getUint32(address + RECORD_BYTES + RECORD.handler, true);
    return this.#view.getUint32(address + BLOCK.entry, true) !== first;
  }

  /** The block at an address and mode that can be linked to. */
  blockAt(gpa: number, modeKey: number): Block | undefined {
    const block = this.anyAt(gpa, modeKey);
    return block?.tail === undefined ? block : undefined;
  }

  /** The block at an address and mode, which may be one instruction that crosses into another page. */
  anyAt(gpa: number, modeKey: number): Block | undefined {
    for (const block of this.blocksNear(gpa)) if (block.start === gpa && block.modeKey === modeKey) return block;
    return undefined;
  }

  /** The blocks that have bytes in the page of an address. */
  blocksNear(gpa: number): readonly Block[] {
    return this.#byPage.get(pageOf(gpa)) ?? [];
  }

  /** Sets a link to the block at (gpa, mode), now or when it is decoded. */
  link(link: number, gpa: number, modeKey: number): void {
    const block = this.blockAt(gpa, modeKey);
    if (block !== undefined) this.#setLink(link, block);
    else {
      const wanted = entryOf(this.#wanted, modeKey, () => new Map<number, Numbers>());
      wanted.set(gpa, withNumber(wanted.get(gpa), link));
    }
  }

  /**
   * Forgets the blocks made from any of `length` bytes at `gpa`.
   * @returns whether there were any; then jump caches must be made invalid
   */
  invalidate(gpa: number, length: number): boolean {
    let any = false;
    const last = gpa + length - 1;
    for (let page = pageOf(gpa); page <= pageOf(last); page++) {
      const blocks = this.#byPage.get(page);
      if (blocks === undefined) continue;
      for (const block of blocks.filter((candidate) => overlaps(candidate, gpa, last))) {
        this.#remove(block);
        any = true;
      }
    }
    return any;
  }

  /** Forgets everything. No guest code may be running. */
  flush(): void {
    const view = this.#view;
    const { blockTable, cpus, pageFlags, pageCount } = this.#layout;
    new Uint8Array(view.buffer, blockTable, BLOCK_TABLE.entries * BLOCK_TABLE.bytes).fill(0);
    for (const { jumpCache } of cpus) {
      new Uint8Array(view.buffer, jumpCache, JUMP_CACHE.entries * JUMP_CACHE.bytes).fill(0);
    }
    for (const page of this.#byPage.keys()) {
      if (page < pageCount) view.setUint8(pageFlags + page, view.getUint8(pageFlags + page) & ~PAGE_CODE);
    }
    for (const blocks of this.#byPage.values()) {
      for (const block of blocks) for (const derived of block.derived) derived.drop();
    }
    this.#byPage.clear();
    this.#wanted.clear();
    this.#code.clear();
    this.#next = this.#layout.records;
    this.flushes++;
  }

  #register(gpa: number, block: Block): void {
    const page = pageOf(gpa);
    const blocks = entryOf(this.#byPage, page, () => [] as Block[]);
    blocks.push(block);
    if (page >= this.#layout.pageCount) return;
    const at = this.#layout.pageFlags + page;
    const flags = this.#view.getUint8(at);
    if (flags & PAGE_CODE) return;
    this.#view.setUint8(at, flags | PAGE_CODE);
    this.#watchPage(page);
  }

  #enterInTable(gpa: number, modeKey: number, address: number): number {
    const view = this.#view;
    let slot = blockTableSlot(gpa);
    for (let probe = 0; probe < BLOCK_TABLE.probes; probe++) {
      const at = this.#layout.blockTable + slot * BLOCK_TABLE.bytes;
      const key = view.getBigUint64(at, true);
      if (key === 0n || key === TOMBSTONE) {
        view.setBigUint64(at, BigInt(gpa) | (BigInt(modeKey) << 48n), true);
        view.setUint32(at + BLOCK_TABLE.block, address, true);
        return at;
      }
      slot = (slot + 1) & (BLOCK_TABLE.entries - 1);
    }
    return -1;
  }

  #answerWanted(modeKey: number, gpa: number, block: Block): void {
    const links = this.#wanted.get(modeKey);
    for (const link of numbersOf(links?.get(gpa))) this.#setLink(link, block);
    links?.delete(gpa);
  }

  #setLink(link: number, block: Block): void {
    this.#code.setLink(link, block.address);
    block.incoming = withNumber(block.incoming, link);
  }

  #remove(block: Block): void {
    const view = this.#view;
    for (const derived of block.derived) derived.drop();
    this.#code.setEntry(block.address, block.staleHandler);
    if (block.tableSlot >= 0) view.setBigUint64(block.tableSlot, TOMBSTONE, true);
    for (const link of numbersOf(block.incoming)) this.#code.setLink(link, 0);
    for (let n = 1; n <= block.records; n++) {
      this.#code.setHandler(block.address + n * RECORD_BYTES, block.staleHandler);
    }
    this.#unregister(pageOf(block.start), block);
    if (block.tail !== undefined) this.#unregister(pageOf(block.tail.gpa), block);
  }

  #unregister(page: number, block: Block): void {
    const left = (this.#byPage.get(page) ?? []).filter((other) => other !== block);
    if (left.length > 0) {
      this.#byPage.set(page, left);
      return;
    }
    this.#byPage.delete(page);
    const at = this.#layout.pageFlags + page;
    const view = this.#view;
    if (page < this.#layout.pageCount) view.setUint8(at, view.getUint8(at) & ~PAGE_CODE);
  }
}

/** Marks a freed slot of the block table: probing goes on behind it. No key has all bits set. */
const TOMBSTONE = 0xffff_ffff_ffff_ffffn;

/** Up to this length an array is made anew for each number: one that grows has room for 16 more, and most never get them. */
const MOST_EXACT = 16;

function withNumber(numbers: Numbers, another: number): Numbers {
  if (numbers === undefined) return another;
  if (typeof numbers === 'number') return [numbers, another];
  if (numbers.length < MOST_EXACT) return [...numbers, another];
  numbers.push(another);
  return numbers;
}

function numbersOf(numbers: Numbers): readonly number[] {
  if (numbers === undefined) return [];
  return typeof numbers === 'number' ? [numbers] : numbers;
}

function pageOf(gpa: number): number {
  return Math.floor(gpa / PAGE_BYTES);
}

function overlaps(block: Block, first: number, last: number): boolean {
  if (block.start <= last && block.end > first) return true;
  return block.tail !== undefined && block.tail.gpa <= last && block.tail.gpa + block.tail.bytes > first;
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
