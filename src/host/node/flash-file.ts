import type { ImageFile } from '../../disk/interfaces.ts';

/** The most a flash chip's file may hold: what is below 4 GiB for firmware. */
const MOST_BYTES = 8 << 20;

/** A flash chip's content in a file: what a guest changes is written there, and is durable once the file is closed. */
export class FlashFile {
  readonly content: Uint8Array;
  readonly #file: ImageFile;
  /** What has changed since the last write began. */
  #from = Number.POSITIVE_INFINITY;
  #to = 0;
  #writing: Promise<void> | undefined;

  private constructor(file: ImageFile, content: Uint8Array) {
    this.#file = file;
    this.content = content;
  }

  /** Reads a chip's content. The file belongs to the chip, which closes it.
   * @throws {RangeError} it is too large for a chip */
  static async open(file: ImageFile): Promise<FlashFile> {
    if (file.sizeBytes > MOST_BYTES) throw new RangeError(`${file.sizeBytes} bytes are more than ${MOST_BYTES}`);
    const content = new Uint8Array(file.sizeBytes);
    await file.read(0, content);
    return new FlashFile(file, content);
  }

  /** Has a change written to the file, with others that come before the host gets to it. */
  written(offset: number, length: number): void {
    this.#from = Math.min(this.#from, offset);
    this.#to = Math.max(this.#to, offset + length);
    this.#writing ??= Promise.resolve().then(() => this.#write());
    this.#writing.catch(() => {});
  }

  /** @throws {Error} a change could not be written */
  async close(): Promise<void> {
    try {
      await this.#writing;
      await this.#file.flush();
    } finally {
      await this.#file.close();
    }
  }

  async #write(): Promise<void> {
    while (this.#from < this.#to) {
      const [from, to] = [this.#from, this.#to];
      this.#from = Number.POSITIVE_INFINITY;
      this.#to = 0;
      await this.#file.write(from, this.content.slice(from, to));
    }
    this.#writing = undefined;
  }
}
