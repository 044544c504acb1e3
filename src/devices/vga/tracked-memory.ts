import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import type { VideoMemory } from '../../machine/video-memory.ts';

/** Pages that are not all zero: page number and content. */
export type SavedPages = readonly (readonly [page: number, bytes: Uint8Array])[];

const PAGE_WORDS = PAGE_BYTES / 4;

/** Video memory, with a flag for each page that has changed. */
export class TrackedMemory {
  readonly #memory: VideoMemory;
  readonly #dirty: Uint8Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #words: Uint32Array = new Uint32Array(0);
  /** Whether there may be anything else than zeros: looking takes time. */
  #mayBeWritten = false;

  constructor(memory: VideoMemory) {
    this.#memory = memory;
    this.#dirty = new Uint8Array(memory.length / PAGE_BYTES).fill(1);
  }

  get bytes(): Uint8Array {
    return this.#memory.bytes();
  }

  /** The same memory as 32-bit words of the host's order, which is the guest's. */
  get words(): Uint32Array {
    const bytes = this.#memory.bytes();
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    }
    return this.#words;
  }

  /** Says where guest code reaches it, as VideoMemory has it. */
  place(gpa: number | undefined): void {
    if (gpa !== undefined) this.#mayBeWritten = true;
    this.#memory.place(gpa);
  }

  /** To be called for every byte that the adapter itself changes. @param offset inside the memory */
  touched(offset: number): void {
    this.#mayBeWritten = true;
    this.#dirty[offset >>> 12] = 1;
  }

  /** As DisplaySource has it. */
  takeDirty(): Uint8Array {
    this.#memory.collectDirty(this.#dirty);
    const taken = this.#dirty.slice();
    this.#dirty.fill(0);
    return taken;
  }

  clear(): void {
    if (this.#mayBeWritten) this.bytes.fill(0);
    this.#dirty.fill(1);
  }

  save(): SavedPages {
    if (!this.#mayBeWritten) return [];
    const { words, bytes } = this;
    const pages: [number, Uint8Array][] = [];
    for (let page = 0; page < this.#dirty.length; page++) {
      if (isZero(words, page * PAGE_WORDS)) continue;
      pages.push([page, bytes.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)]);
    }
    return pages;
  }

  restore(pages: SavedPages): void {
    this.clear();
    this.#mayBeWritten = pages.length > 0;
    for (const [page, bytes] of pages) this.bytes.set(bytes, page * PAGE_BYTES);
  }
}

function isZero(words: Uint32Array, from: number): boolean {
  for (let i = from; i < from + PAGE_WORDS; i++) if (words[i] !== 0) return false;
  return true;
}
