import type { Extent, ImageDriver, ImageFacts, ImageFile } from './interfaces.ts';

const ZEROS = new Uint8Array(1 << 20);

/** A part of a disk that lies in a file as it is; without a file it is zeros. */
export interface PlacedPart {
  readonly file?: ImageFile;
  /** Where it begins in the file. */
  readonly start: number;
  readonly sizeBytes: number;
}

/** A disk of parts that lie in files as they are, one after the other. */
export class PlacedImage implements ImageDriver {
  readonly format: string;
  readonly facts: ImageFacts;
  readonly clusterBytes = 512;
  readonly sizeBytes: number;
  readonly #parts: readonly PlacedPart[];

  constructor(format: string, parts: readonly PlacedPart[], facts: ImageFacts) {
    this.format = format;
    this.facts = facts;
    this.#parts = parts;
    this.sizeBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  get readOnly(): boolean {
    return this.#parts.some(({ file }) => file?.readOnly ?? true);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (const { part, within, at, length } of this.#pieces(offset, target.length)) {
      const piece = target.subarray(at, at + length);
      if (part.file) await part.file.read(part.start + within, piece);
      else piece.fill(0);
    }
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    for (const { part, within, at, length } of this.#pieces(offset, source.length)) {
      await part.file?.write(part.start + within, source.subarray(at, at + length));
    }
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += ZEROS.length) {
      await this.write(offset + at, ZEROS.subarray(0, Math.min(ZEROS.length, length - at)));
    }
  }

  /** Changes nothing: no host can make a hole in a file. */
  async discard(): Promise<void> {}

  async extent(offset: number, length: number): Promise<Extent> {
    const [piece] = this.#pieces(offset, length);
    if (piece?.part.file === undefined) return { kind: 'zero', length: piece?.length ?? length };
    return { kind: 'data', length: piece.length, fileOffset: piece.part.start + piece.within };
  }

  async flush(): Promise<void> {
    for (const { file } of this.#parts) await file?.flush();
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) await this.flush();
    } finally {
      for (const file of new Set(this.#parts.map((part) => part.file))) await file?.close();
    }
  }

  *#pieces(offset: number, length: number) {
    let start = 0;
    for (const part of this.#parts) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + part.sizeBytes);
      if (from < to) yield { part, within: from - start, at: from - offset, length: to - from };
      start += part.sizeBytes;
    }
  }
}
