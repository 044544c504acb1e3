import { PAGE_BYTES, type RamMemory } from './guest-memory.ts';

/** Saved content of guest memory, which is brought in page by page. */
export interface PageSource {
  /** Guest-physical addresses of the pages that have content; all others are zeros. */
  pages(): Iterable<number>;
  /**
   * The content of one of them: at once where the host has it at hand.
   * @throws {Error} it cannot be had, now or later as a rejection
   */
  read(gpa: number): Uint8Array | Promise<Uint8Array>;
}

/** Guest memory whose pages come from a {@link PageSource} when they are first touched. */
export class LazyMemory {
  readonly #ram: RamMemory;
  #source: PageSource | undefined;

  constructor(ram: RamMemory) {
    this.#ram = ram;
  }

  /** The source of absent pages. */
  get source(): PageSource | undefined {
    return this.#source;
  }

  /** Makes the pages of a source absent. All other pages must be zeros. @throws {Error} the source has a page that is not RAM */
  attach(source: PageSource): void {
    this.#source = source;
    for (const gpa of source.pages()) this.#ram.makeAbsent(gpa);
  }

  /** Gives up the source: nothing is absent any more. */
  detach(): void {
    if (this.#source === undefined) return;
    this.#source = undefined;
    for (const gpa of this.#ram.absentPages()) this.#ram.bringIn(gpa, undefined);
  }

  /** Brings in the page at an address, if it is absent.
   * @returns undefined when it is there already, else a promise that it will be */
  pageIn(gpa: number): Promise<void> | undefined {
    const page = gpa - (gpa % PAGE_BYTES);
    if (!this.#ram.isAbsent(page) || this.#source === undefined) return undefined;
    const content = this.#source.read(page);
    if (content instanceof Uint8Array) {
      this.#ram.bringIn(page, content);
      return undefined;
    }
    return this.#whenRead(page, content);
  }

  /** Gives the page at an address its content, if it is absent. */
  bringIn(gpa: number, content: Uint8Array): void {
    if (this.#ram.isAbsent(gpa)) this.#ram.bringIn(gpa, content);
  }

  /** Brings in all of these pages that are absent. */
  async pageInAll(gpas: Iterable<number>): Promise<void> {
    for (const gpa of gpas) await this.pageIn(gpa);
  }

  /** Another access may have brought the page in meanwhile, and the guest changed it. */
  async #whenRead(page: number, content: Promise<Uint8Array>): Promise<void> {
    const source = this.#source;
    const bytes = await content;
    if (source === this.#source && this.#ram.isAbsent(page)) this.#ram.bringIn(page, bytes);
  }
}
