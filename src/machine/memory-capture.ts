import { PAGE_BYTES, type RamMemory } from './guest-memory.ts';
import type { PageSource } from './lazy-memory.ts';
import { isZeroPage } from './ram-state.ts';

/** Pages that are read together. */
export const CHUNK_PAGES = 16;
/** Bytes of a chunk. Chunks begin at multiples of it. */
export const CHUNK_BYTES = CHUNK_PAGES * PAGE_BYTES;

/** The pages of a chunk that are not all zeros: a bit a page, and their bytes one after the other. */
export interface ChunkContent {
  readonly mask: number;
  readonly bytes: Uint8Array;
}

/**
 * Guest memory as it was at one moment, read while the machine goes on: a page that is about to change is copied first.
 * Pages that had not been brought in at that moment are read from where they come from.
 */
export class MemoryCapture {
  readonly #ram: RamMemory;
  readonly #source: PageSource | undefined;
  readonly #absent: ReadonlySet<number>;
  readonly #copies = new Map<number, Uint8Array>();

  /** Begins; from now on {@link firstWrite} must be told. @param source where absent pages come from */
  constructor(ram: RamMemory, source: PageSource | undefined) {
    this.#ram = ram;
    this.#source = source;
    this.#absent = new Set(ram.absentPages());
    ram.track(true);
  }

  /** Bytes that are held for pages which have changed since. */
  get heldBytes(): number {
    return this.#copies.size * PAGE_BYTES;
  }

  /** Keeps a page that is about to change. */
  firstWrite(gpa: number): void {
    if (!this.#absent.has(gpa)) this.#copies.set(gpa, this.#ram.forRead(gpa, PAGE_BYTES).slice());
  }

  /** Addresses of all chunks that have RAM, in order. */
  *chunks(): Generator<number> {
    let next = 0;
    for (const { gpa, length } of this.#ram.regions) {
      const first = Math.max(next, gpa - (gpa % CHUNK_BYTES));
      for (let at = first; at < gpa + length; at += CHUNK_BYTES) yield at;
      next = Math.ceil((gpa + length) / CHUNK_BYTES) * CHUNK_BYTES;
    }
  }

  /** What a chunk held. Each is to be read once: the capture then forgets it. @throws {Error} an absent page cannot be read */
  async read(chunk: number): Promise<ChunkContent> {
    const bytes = new Uint8Array(CHUNK_BYTES);
    const later: Promise<void>[] = [];
    let mask = 0;
    for (let page = 0; page < CHUNK_PAGES; page++) {
      const content = this.#page(chunk + page * PAGE_BYTES);
      if (content === undefined) continue;
      mask |= 1 << page;
      if (content instanceof Uint8Array) bytes.set(content, page * PAGE_BYTES);
      else later.push(content.then((read) => bytes.set(read, page * PAGE_BYTES)));
    }
    if (later.length > 0) await Promise.all(later);
    return { mask, bytes: compactChunk(bytes, mask) };
  }

  /** Stops hearing of writes. */
  end(): void {
    this.#ram.track(false);
    this.#copies.clear();
  }

  /** The page's content, to be copied at once; undefined for zeros and what is no RAM. */
  #page(gpa: number): Uint8Array | Promise<Uint8Array> | undefined {
    if (this.#absent.has(gpa)) return this.#source?.read(gpa);
    if (!this.#ram.isRam(gpa)) return undefined;
    const copy = this.#copies.get(gpa);
    this.#copies.delete(gpa);
    const bytes = copy ?? this.#ram.untrack(gpa);
    return isZeroPage(bytes) ? undefined : bytes;
  }
}

/** Moves the pages of the mask together, at the start of the chunk. @returns them */
export function compactChunk(bytes: Uint8Array, mask: number): Uint8Array {
  let length = 0;
  for (let page = 0; page < CHUNK_PAGES; page++) {
    if (((mask >> page) & 1) === 0) continue;
    bytes.copyWithin(length, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    length += PAGE_BYTES;
  }
  return bytes.subarray(0, length);
}
