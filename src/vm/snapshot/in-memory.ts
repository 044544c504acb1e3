import { concatenate } from '../../base/bytes.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { deflateCodec, type SnapshotCodec, type SnapshotSink, type SnapshotSource } from './format.ts';
import { SnapshotFile } from './reader.ts';
import { SnapshotWriter } from './writer.ts';

/** A snapshot that is written to memory. */
export class MemorySink implements SnapshotSink {
  readonly #parts: Uint8Array[] = [];

  async append(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes);
  }

  /** All that was written. */
  bytes(): Uint8Array<ArrayBuffer> {
    return concatenate(this.#parts);
  }
}

/** A snapshot that lies in memory. */
export class MemorySource implements SnapshotSource {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length);
  }

  close(): void {}
}

/** A state alone as bytes that any host can read back. @throws {TypeError} the state holds a value that states may not hold */
export async function serialize(state: DeviceState, codec: SnapshotCodec = deflateCodec): Promise<Uint8Array> {
  const sink = new MemorySink();
  await new SnapshotWriter(sink, codec).finish(state, 'vitrine');
  return sink.bytes();
}

/** Reads what {@link serialize} wrote. @throws {SnapshotInvalid} */
export async function deserialize(bytes: Uint8Array): Promise<DeviceState> {
  return (await SnapshotFile.open(new MemorySource(bytes))).state;
}
