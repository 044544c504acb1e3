import { ByteReader, ByteWriter, concatenate } from '../base/bytes.ts';
import { deflate, inflate } from '../base/deflate.ts';
import { Hash64 } from '../base/hash64.ts';
import type { DeviceState } from '../machine/interfaces.ts';

/** Thrown for bytes that are no saved machine that this version can read; the message says why in one line. */
export class SnapshotInvalid extends Error {}

/**
 * A saved machine as bytes. Header, little-endian: magic, u32 format version, u32 length of the index, u64 length of
 * all, u64 checksum of what follows. Then the index and the blobs, each compressed by itself (RFC 1951). The index is
 * JSON: `state` with `{ "$bigint": decimal }` and `{ "$bytes": number of a blob }` in it, and `blobs`, their lengths.
 */
const MAGIC = new TextEncoder().encode('VITRINE\x1a');
const FORMAT_VERSION = 1;
const HEADER_BYTES = 32;

interface Index {
  readonly state: unknown;
  readonly blobs: readonly number[];
}

/** Writes a saved state as bytes that any host can read back. @throws {TypeError} the state holds a value that states may not hold */
export async function serialize(state: DeviceState): Promise<Uint8Array<ArrayBuffer>> {
  const blobs: Uint8Array<ArrayBuffer>[] = [];
  const encoded = encode(state, (bytes) => blobs.push(new Uint8Array(bytes)) - 1);
  const stored: Uint8Array<ArrayBuffer>[] = [];
  for (const blob of blobs) stored.push(await deflate(blob));
  const json = JSON.stringify({ state: encoded, blobs: stored.map(({ length }) => length) } satisfies Index);
  const index = await deflate(new TextEncoder().encode(json));
  const body = concatenate([index, ...stored]);
  const header = new ByteWriter()
    .append(MAGIC)
    .u32(FORMAT_VERSION)
    .u32(index.length)
    .u64(BigInt(HEADER_BYTES + body.length))
    .u64(new Hash64().add(body).value)
    .finish();
  return concatenate([header, body]);
}

/** Reads what {@link serialize} wrote. @throws {SnapshotInvalid} */
export async function deserialize(bytes: Uint8Array): Promise<DeviceState> {
  const indexBytes = checkHeader(bytes);
  const body = new Uint8Array(bytes.subarray(HEADER_BYTES));
  try {
    const index: Index = JSON.parse(new TextDecoder().decode(await inflate(body.slice(0, indexBytes))));
    const blobs: Uint8Array[] = [];
    let at = indexBytes;
    for (const length of index.blobs) {
      blobs.push(await inflate(body.slice(at, at + length)));
      at += length;
    }
    return decode(index.state, blobs) as DeviceState;
  } catch (error) {
    throw new SnapshotInvalid('the saved machine is damaged', { cause: error });
  }
}

/** @returns the length of the index  @throws {SnapshotInvalid} */
function checkHeader(bytes: Uint8Array): number {
  const known = Math.min(bytes.length, MAGIC.length);
  if (known === 0 || MAGIC.subarray(0, known).some((byte, i) => byte !== bytes[i])) {
    throw new SnapshotInvalid('this is not a saved machine');
  }
  if (bytes.length < HEADER_BYTES) throw new SnapshotInvalid('the saved machine is cut off in its header');
  const header = new ByteReader(bytes);
  const version = header.u32(8);
  if (version !== FORMAT_VERSION) {
    throw new SnapshotInvalid(`the saved machine has format ${version}; this version reads format ${FORMAT_VERSION}`);
  }
  const length = header.u64(16);
  if (length !== BigInt(bytes.length)) {
    throw new SnapshotInvalid(`the saved machine is cut off or joined: ${bytes.length} bytes instead of ${length}`);
  }
  if (new Hash64().add(new Uint8Array(bytes.subarray(HEADER_BYTES))).value !== header.u64(24)) {
    throw new SnapshotInvalid('the saved machine is damaged: its checksum is wrong');
  }
  return header.u32(12);
}

function encode(value: unknown, keep: (bytes: Uint8Array) => number): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (value instanceof Uint8Array) return { $bytes: keep(value) };
  if (Array.isArray(value)) return value.map((item) => encode(item, keep));
  if (typeof value === 'object' && value !== null) {
    if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError('a state holds plain values only');
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, encode(field, keep)]));
  }
  if (
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    (typeof value === 'number' && !Number.isFinite(value))
  ) {
    throw new TypeError(`a state cannot hold ${String(value)}`);
  }
  return value;
}

function decode(value: unknown, blobs: readonly Uint8Array[]): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, blobs));
  if (typeof value !== 'object' || value === null) return value;
  if ('$bigint' in value) return BigInt(String(value.$bigint));
  if ('$bytes' in value) return blobs[Number(value.$bytes)];
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, decode(field, blobs)]));
}
