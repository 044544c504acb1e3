import { closeSync, openSync, writeSync } from 'node:fs';

const BUFFER_BYTES = 256 * 1024;
const FLUSH_MILLIS = 200;

/** A file that is written piece by piece, and is never far behind. */
export class CaptureFile {
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #timer: NodeJS.Timeout;
  #length = 0;

  /** @throws {Error} it cannot be written */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'w');
    this.#timer = setInterval(() => this.#flush(), FLUSH_MILLIS).unref();
  }

  /** @param bytes fewer than 256 KiB */
  write(bytes: Uint8Array): void {
    if (this.#length + bytes.length > BUFFER_BYTES) this.#flush();
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#flush();
    closeSync(this.#descriptor);
  }

  /** What a full disk has no room for is lost. */
  #flush(): void {
    try {
      if (this.#length > 0) writeSync(this.#descriptor, this.#buffer, 0, this.#length);
    } catch {}
    this.#length = 0;
  }
}
