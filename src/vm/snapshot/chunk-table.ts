import { ByteReader } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import type { PageSource } from '../../machine/lazy-memory.ts';
import { CHUNK_BYTES, CHUNK_PAGES } from '../../machine/memory-capture.ts';
import { PIECE_BYTES, type Piece, readPiece } from './format.ts';

/** Bytes of the pages that a table has. */
export const TABLE_PAGE_BYTES = PAGE_BYTES;
/** A row of a table: u32 number of the chunk, u32 mask of its pages, the piece. */
const ROW_BYTES = 8 + PIECE_BYTES;
/** Expanded chunks that are kept, since pages beside one that was touched often are too. */
const KEPT_CHUNKS = 16;

interface Chunk {
  readonly mask: number;
  readonly piece: Piece;
}

/** The pages of a table in a snapshot: guest memory, or a disk whose offsets stand for addresses. */
export class ChunkTable implements PageSource {
  readonly #chunks = new Map<number, Chunk>();
  readonly #expand: (piece: Piece) => Uint8Array | Promise<Uint8Array>;
  /** The one used last at the end. */
  readonly #kept = new Map<number, Uint8Array | Promise<Uint8Array>>();

  /** @throws {OutOfData} the table is cut off */
  constructor(table: Uint8Array, expand: (piece: Piece) => Uint8Array | Promise<Uint8Array>) {
    const reader = new ByteReader(table);
    for (let at = 0; at < table.length; at += ROW_BYTES) {
      this.#chunks.set(reader.u32(at) * CHUNK_BYTES, { mask: reader.u32(at + 4), piece: readPiece(reader, at + 8) });
    }
    this.#expand = expand;
  }

  /** Bytes of all pages that have content. */
  get contentBytes(): number {
    return [...this.#chunks.values()].reduce((sum, { piece }) => sum + piece.length, 0);
  }

  *pages(): Generator<number> {
    for (const [start, { mask }] of this.#chunks) {
      for (let page = 0; page < CHUNK_PAGES; page++) if ((mask >> page) & 1) yield start + page * PAGE_BYTES;
    }
  }

  /** Whether the page at an offset has content. */
  has(offset: number): boolean {
    const mask = this.#chunks.get(offset - (offset % CHUNK_BYTES))?.mask ?? 0;
    return ((mask >> numberIn(offset)) & 1) !== 0;
  }

  read(offset: number): Uint8Array | Promise<Uint8Array> {
    const start = offset - (offset % CHUNK_BYTES);
    const chunk = this.#chunks.get(start);
    if (!chunk || !this.has(offset)) return new Uint8Array(PAGE_BYTES);
    const before = countBits(chunk.mask & ((1 << numberIn(offset)) - 1));
    const cut = (bytes: Uint8Array) => bytes.subarray(before * PAGE_BYTES, (before + 1) * PAGE_BYTES);
    const content = this.#content(start, chunk);
    return content instanceof Uint8Array ? cut(content) : content.then(cut);
  }

  #content(start: number, { piece }: Chunk): Uint8Array | Promise<Uint8Array> {
    const content = this.#kept.get(start) ?? this.#expand(piece);
    this.#kept.delete(start);
    this.#kept.set(start, content);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_CHUNKS && oldest !== undefined) this.#kept.delete(oldest);
    return content;
  }
}

/** The number of a page in its chunk. */
function numberIn(offset: number): number {
  return Math.floor((offset % CHUNK_BYTES) / PAGE_BYTES);
}

function countBits(mask: number): number {
  let count = 0;
  for (let bits = mask; bits !== 0; bits &= bits - 1) count++;
  return count;
}
