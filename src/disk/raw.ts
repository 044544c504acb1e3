import type { Extent, ImageDriver, ImageFacts, ImageFile } from './interfaces.ts';

const ZEROS = new Uint8Array(1 << 20);

/** The file is the disk. Where it has holes it reads as zeros; a discard changes nothing, because neither Node nor
 * browsers can make a hole in a file. */
export class RawImage implements ImageDriver {
  readonly format: string = 'raw';
  readonly clusterBytes = 512;
  readonly facts: ImageFacts = {};
  readonly #file: ImageFile;
  #sizeBytes: number;

  constructor(file: ImageFile) {
    this.#file = file;
    this.#sizeBytes = file.sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get readOnly(): boolean {
    return this.#file.readOnly;
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#file.read(offset, target);
  }

  readNow(offset: number, targets: readonly Uint8Array[]): boolean {
    return this.#file.readNow?.(offset, targets) ?? false;
  }

  write(offset: number, source: Uint8Array): Promise<void> {
    return this.#file.write(offset, source);
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    const end = Math.min(offset + length, this.#file.sizeBytes);
    for (let at = offset; at < end; at += ZEROS.length) {
      await this.#file.write(at, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
    }
  }

  async discard(): Promise<void> {}

  async extent(offset: number, length: number): Promise<Extent> {
    return { length, kind: 'data', fileOffset: offset };
  }

  async resize(sizeBytes: number): Promise<void> {
    await this.#file.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) await this.#file.flush();
    } finally {
      await this.#file.close();
    }
  }
}
