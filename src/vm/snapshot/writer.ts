import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { CHUNK_BYTES, type ChunkContent } from '../../machine/memory-capture.ts';
import {
  HEADER_BYTES,
  hashOf,
  makeHeader,
  makeTrailer,
  type Piece,
  type SnapshotCodec,
  type SnapshotSink,
  TRAILER_BYTES,
  writePiece,
} from './format.ts';
import { textOf } from './state-text.ts';

/** What the index of a file says: where everything else lies. Places of pieces are as JSON has them. */
export interface SnapshotIndex {
  /** The program that wrote the file, for people. */
  readonly writer: string;
  readonly state: JsonPiece;
  /** The state's byte arrays. */
  readonly stateBytes: JsonPiece;
  /** Further bytes by their names. */
  readonly parts: Readonly<Record<string, JsonPiece>>;
  /** Tables of chunks by their names: guest memory, disks. */
  readonly tables: Readonly<Record<string, JsonPiece>>;
}

/** Offset, stored bytes, length, hash in hexadecimal. */
export type JsonPiece = readonly [number, number, number, string];

/** Something that is read in chunks, of whose pages those with content are saved. */
export interface Chunked {
  /** Offsets of all chunks, in order, multiples of {@link CHUNK_BYTES}. */
  chunks(): Iterable<number>;
  read(chunk: number): Promise<ChunkContent>;
}

/** Chunks that are compressed and written at the same time: beside a busy guest, what the host has done is seen but once in a slice. */
const AT_ONCE = 16;
/** Chunks without content after which others get a turn. */
const EMPTY_IN_A_ROW = 64;

/** Writes a snapshot piece by piece, so that little of it is held at any time. */
export class SnapshotWriter {
  readonly #sink: SnapshotSink;
  readonly #codec: SnapshotCodec;
  readonly #parts: Record<string, JsonPiece> = {};
  readonly #tables: Record<string, JsonPiece> = {};
  #offset = HEADER_BYTES;
  #waiting: Uint8Array[] = [];
  #written: Promise<void>;

  constructor(sink: SnapshotSink, codec: SnapshotCodec) {
    this.#sink = sink;
    this.#codec = codec;
    this.#written = sink.append(makeHeader(codec));
  }

  /** Writes bytes that are found again by a name. @throws {Error} the sink fails */
  async part(name: string, bytes: Uint8Array): Promise<void> {
    this.#parts[name] = jsonPiece(await this.#piece(bytes));
  }

  /**
   * Writes the pages of something that have content.
   * @param turn lets others do what they have to do  @throws {Error} reading or the sink fails
   */
  async table(name: string, from: Chunked, turn: () => Promise<void>): Promise<void> {
    const rows: { readonly chunk: number; readonly mask: number; readonly piece: Promise<Piece> }[] = [];
    let empty = 0;
    for (const chunk of from.chunks()) {
      const { mask, bytes } = await from.read(chunk);
      if (mask !== 0) rows.push({ chunk, mask, piece: this.#piece(bytes) });
      else if (++empty % EMPTY_IN_A_ROW === 0) await turn();
      if (mask !== 0) await rows.at(-AT_ONCE)?.piece;
    }
    const table = new ByteWriter();
    for (const { chunk, mask, piece } of rows) writePiece(table.u32(chunk / CHUNK_BYTES).u32(mask), await piece);
    this.#tables[name] = jsonPiece(await this.#piece(table.finish()));
  }

  /** Writes the state and the end. @throws {TypeError} the state holds a value that states may not hold  @throws {Error} the sink fails */
  async finish(state: unknown, writer: string): Promise<void> {
    const { text, bytes } = textOf(state);
    const index: SnapshotIndex = {
      writer,
      state: jsonPiece(await this.#piece(new TextEncoder().encode(text))),
      stateBytes: jsonPiece(await this.#piece(bytes)),
      parts: this.#parts,
      tables: this.#tables,
    };
    const place = await this.#piece(new TextEncoder().encode(JSON.stringify(index)));
    await this.#append(makeTrailer(place, this.#offset + TRAILER_BYTES));
  }

  async #piece(bytes: Uint8Array): Promise<Piece> {
    const stored = await this.#codec.compress(bytes);
    const offset = this.#offset;
    await this.#append(stored);
    return { offset, stored: stored.length, length: bytes.length, hash: hashOf(stored) };
  }

  /** Pieces are appended in the order in which they are ready. */
  #append(bytes: Uint8Array): Promise<void> {
    this.#offset += bytes.length;
    this.#waiting.push(bytes);
    this.#written = this.#written.then(() => this.#flush());
    return this.#written;
  }

  /** Appends all that waits at once. */
  async #flush(): Promise<void> {
    const bytes = concatenate(this.#waiting.splice(0));
    if (bytes.length > 0) await this.#sink.append(bytes);
  }
}

function jsonPiece({ offset, stored, length, hash }: Piece): JsonPiece {
  return [offset, stored, length, hash.toString(16)];
}
