import { PAGE_BYTES } from './guest-memory.ts';

/** The memory of a display adapter, which guest code may reach without asking the adapter. */
export interface VideoMemory {
  readonly length: number;
  /** All of it. The view stays valid until the next call into the machine. */
  bytes(): Uint8Array;
  /** Says where guest code reaches it. @param gpa a multiple of a page; undefined: nowhere */
  place(gpa: number | undefined): void;
  /** Sets the flag of each page that guest code has written since the last call. @param dirty a byte a page */
  collectDirty(dirty: Uint8Array): void;
}

/** Video memory that guest code reaches through the adapter alone. */
export class PlainVideoMemory implements VideoMemory {
  readonly #bytes: Uint8Array;

  /** @param length whole pages */
  constructor(length: number) {
    if (length % PAGE_BYTES !== 0) throw new RangeError(`${length} bytes of video memory are not whole pages`);
    this.#bytes = new Uint8Array(length);
  }

  get length(): number {
    return this.#bytes.length;
  }

  bytes(): Uint8Array {
    return this.#bytes;
  }

  place(): void {}

  collectDirty(): void {}
}
