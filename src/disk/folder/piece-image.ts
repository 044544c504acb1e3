import { type Extent, type ImageDriver, RequestRefused } from '../interfaces.ts';

/** A range of a disk that is made when it is read. */
export interface DiskPiece {
  readonly offset: number;
  readonly length: number;
  read(within: number, target: Uint8Array): Promise<void>;
}

/** A piece that is at hand. */
export function bytesPiece(offset: number, bytes: Uint8Array): DiskPiece {
  const read = async (within: number, target: Uint8Array) => {
    target.set(bytes.subarray(within, within + target.length));
  };
  return { offset, length: bytes.length, read };
}

/** A read-only disk made of pieces; between them it is zeros. */
export class PieceImage implements ImageDriver {
  readonly format = 'raw';
  readonly readOnly = true;
  readonly clusterBytes = 512;
  readonly facts = {};
  readonly sizeBytes: number;
  readonly #pieces: readonly DiskPiece[];

  /** @param pieces none may overlap another */
  constructor(sizeBytes: number, pieces: readonly DiskPiece[]) {
    this.sizeBytes = sizeBytes;
    this.#pieces = pieces.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    target.fill(0);
    for (let i = this.#firstAfter(offset); i < this.#pieces.length; i++) {
      const piece = this.#pieces[i] as DiskPiece;
      if (piece.offset >= offset + target.length) return;
      const start = Math.max(offset, piece.offset);
      const end = Math.min(offset + target.length, piece.offset + piece.length);
      await piece.read(start - piece.offset, target.subarray(start - offset, end - offset));
    }
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const piece = this.#pieces[this.#firstAfter(offset)];
    const from = Math.min(
      Math.max(Math.floor((piece?.offset ?? offset + length) / 512) * 512, offset),
      offset + length,
    );
    if (from > offset || piece === undefined) return { kind: 'zero', length: from - offset || length };
    const end = Math.ceil((piece.offset + piece.length) / 512) * 512;
    return { kind: 'data', length: Math.min(length, end - offset) };
  }

  write(): Promise<never> {
    return this.#refuse();
  }

  writeZeros(): Promise<never> {
    return this.#refuse();
  }

  discard(): Promise<never> {
    return this.#refuse();
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  /** The first piece that ends after `offset`. */
  #firstAfter(offset: number): number {
    let [low, high] = [0, this.#pieces.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offset: start, length } = this.#pieces[middle] as DiskPiece;
      if (start + length > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #refuse(): Promise<never> {
    throw new RequestRefused('a disk made from a folder is only read; an overlay takes writes');
  }
}
