const LARGEST_BATCH_BYTES = 4096;

/** Gathers single bytes and writes them together, at the latest when the event loop turns. */
export class OutputBatch {
  readonly #write: (bytes: Uint8Array) => void;
  #bytes: number[] = [];

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  push(byte: number): void {
    this.#bytes.push(byte);
    if (this.#bytes.length === 1) setImmediate(() => this.flush());
    if (this.#bytes.length >= LARGEST_BATCH_BYTES) this.flush();
  }

  /** Writes what was gathered. */
  flush(): void {
    if (this.#bytes.length === 0) return;
    const bytes = Uint8Array.from(this.#bytes);
    this.#bytes = [];
    this.#write(bytes);
  }
}
