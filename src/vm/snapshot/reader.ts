import type { DeviceState } from '../../machine/interfaces.ts';
import { ChunkTable } from './chunk-table.ts';
import {
  deflateCodec,
  HEADER_BYTES,
  hashOf,
  type Piece,
  readHeader,
  readTrailer,
  type SnapshotCodec,
  SnapshotInvalid,
  type SnapshotSource,
  TRAILER_BYTES,
} from './format.ts';
import { stateOf } from './state-text.ts';
import type { JsonPiece, SnapshotIndex } from './writer.ts';

/** An open snapshot. Its state is read at once, everything else when it is asked for. */
export class SnapshotFile {
  readonly state: DeviceState;
  /** The program that wrote the file. */
  readonly writer: string;
  readonly #source: SnapshotSource;
  readonly #codec: SnapshotCodec;
  readonly #index: SnapshotIndex;

  private constructor(source: SnapshotSource, codec: SnapshotCodec, index: SnapshotIndex, state: DeviceState) {
    this.#source = source;
    this.#codec = codec;
    this.#index = index;
    this.state = state;
    this.writer = index.writer;
  }

  /**
   * Opens a snapshot. The source belongs to it from then on.
   * @param codecs the host's own, besides the one that every host has
   * @throws {SnapshotInvalid} it is none, or cut off, damaged, or of another version
   */
  static async open(source: SnapshotSource, codecs: readonly SnapshotCodec[] = []): Promise<SnapshotFile> {
    const codec = readHeader(await source.read(0, Math.min(HEADER_BYTES, source.length)), [...codecs, deflateCodec]);
    const at = Math.max(HEADER_BYTES, source.length - TRAILER_BYTES);
    const place = readTrailer(await source.read(at, Math.max(0, source.length - at)), source.length);
    try {
      const text = async (piece: Piece) => new TextDecoder().decode(await expandPiece(source, codec, piece));
      const index: SnapshotIndex = JSON.parse(await text(place));
      const bytes = await expandPiece(source, codec, pieceOf(index.stateBytes));
      const state = stateOf({ text: await text(pieceOf(index.state)), bytes });
      return new SnapshotFile(source, codec, index, state as DeviceState);
    } catch (error) {
      throw error instanceof SnapshotInvalid ? error : damaged(error);
    }
  }

  get length(): number {
    return this.#source.length;
  }

  /** The bytes of a part; undefined where there is none of this name. @throws {SnapshotInvalid} it is damaged */
  async part(name: string): Promise<Uint8Array | undefined> {
    if (!Object.hasOwn(this.#index.parts, name)) return undefined;
    return expandPiece(this.#source, this.#codec, pieceOf(this.#index.parts[name]));
  }

  /** The pages of a table. @throws {SnapshotInvalid} there is none of this name, or it is damaged */
  async table(name: string): Promise<ChunkTable> {
    if (!Object.hasOwn(this.#index.tables, name)) throw new SnapshotInvalid(`the saved machine has no ${name}`);
    const table = await expandPiece(this.#source, this.#codec, pieceOf(this.#index.tables[name]));
    return new ChunkTable(table, (piece) => expandPiece(this.#source, this.#codec, piece));
  }

  close(): void {
    this.#source.close();
  }
}

/** Reads and expands a piece, at once where that can be. @throws {SnapshotInvalid} it is damaged, now or as a rejection */
function expandPiece(source: SnapshotSource, codec: SnapshotCodec, piece: Piece): Uint8Array | Promise<Uint8Array> {
  const stored = source.read(piece.offset, piece.stored);
  if (stored instanceof Uint8Array) return expandStored(stored, codec, piece);
  return stored.then((bytes) => expandStored(bytes, codec, piece));
}

function expandStored(stored: Uint8Array, codec: SnapshotCodec, piece: Piece): Uint8Array | Promise<Uint8Array> {
  if (stored.length !== piece.stored || hashOf(stored) !== piece.hash) throw damaged();
  const check = (bytes: Uint8Array) => {
    if (bytes.length !== piece.length) throw damaged();
    return bytes;
  };
  const expanded = codec.expand(stored, piece.length);
  return expanded instanceof Uint8Array ? check(expanded) : expanded.then(check);
}

function damaged(cause?: unknown): SnapshotInvalid {
  return new SnapshotInvalid('the saved machine is damaged: a checksum is wrong', { cause });
}

function pieceOf([offset, stored, length, hash]: JsonPiece): Piece {
  return { offset, stored, length, hash: BigInt(`0x${hash}`) };
}
