import { PAGE_ABSENT, PAGE_BYTES, PAGE_DEVICE } from '../machine/guest-memory.ts';
import type { CodeReader } from './block-decoder.ts';
import type { MemoryLayout } from './memory-layout.ts';

/** What reading code needs of the engine. */
export interface CodeSource {
  /** See {@link CodeReader.translate}. */
  translate(linear: bigint): number;
  /** The byte at a guest-physical address, wherever it leads. @throws {GuestPageIn} */
  load(gpa: number): number;
  /** Host address of a page in RAM or video memory. */
  hostOf(gpa: number): number;
}

/** Reads code byte by byte; where a page of RAM lies is asked once. */
export class PagedCodeReader implements CodeReader {
  readonly #view: DataView;
  readonly #layout: MemoryLayout;
  readonly #source: CodeSource;
  /** The page that was asked about last, and its host address; -1 where its bytes must be loaded one by one. */
  #page = -1;
  #host = -1;

  /** @param view the whole memory */
  constructor(view: DataView, layout: MemoryLayout, source: CodeSource) {
    this.#view = view;
    this.#layout = layout;
    this.#source = source;
  }

  /** Every block begins with a translation, and guest code may have changed what a page is before it. */
  translate(linear: bigint): number {
    this.#page = -1;
    return this.#source.translate(linear);
  }

  fetch(gpa: number): number {
    const offset = gpa % PAGE_BYTES;
    const page = gpa - offset;
    if (page !== this.#page) {
      this.#page = page;
      this.#host = this.#findHost(page);
    }
    return this.#host < 0 ? this.#source.load(gpa) : this.#view.getUint8(this.#host + offset);
  }

  #findHost(page: number): number {
    const { pageFlags, pageCount } = this.#layout;
    const number = page / PAGE_BYTES;
    if (number >= pageCount) return -1;
    if (this.#view.getUint8(pageFlags + number) & (PAGE_ABSENT | PAGE_DEVICE)) return -1;
    return this.#source.hostOf(page);
  }
}
