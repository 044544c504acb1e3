import type { ImageFile } from '../interfaces.ts';

/** A part of a file as a file of its own, which the whole one outlives. */
export class FileWindow implements ImageFile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #file: ImageFile;
  readonly #start: number;
  #sizeBytes: number;

  /** @param sizeBytes how much of the file it is; absent: nothing yet, to be written at the end of the file */
  constructor(file: ImageFile, name: string, start: number, sizeBytes?: number) {
    this.#file = file;
    this.name = name;
    this.readOnly = sizeBytes !== undefined;
    this.#start = start;
    this.#sizeBytes = sizeBytes ?? 0;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const inside = Math.min(target.length, Math.max(0, this.#sizeBytes - offset));
    target.fill(0, inside);
    if (inside > 0) await this.#file.read(this.#start + offset, target.subarray(0, inside));
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    await this.#file.write(this.#start + offset, source);
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + source.length);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#file.truncate(this.#start + sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async close(): Promise<void> {}
}
