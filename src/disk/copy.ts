import { chainExtent } from './chain.ts';
import type { ImageDriver } from './interfaces.ts';

const CHUNK_BYTES = 2 << 20;

/** How a disk is copied. */
export interface CopyOptions {
  /** Store clusters compressed where the format can. */
  readonly compress?: boolean;
  /** Runs of zeros at least this long are not written; 0 writes everything. */
  readonly sparseBytes?: number;
  /** The target already reads as zeros everywhere. */
  readonly targetIsZero: boolean;
  /** Told from 0 to 1. */
  readonly progress?: (fraction: number) => void;
}

/** Copies what a disk holds, through its whole chain, to another one of at least its size. */
export async function copyDisk(source: ImageDriver, target: ImageDriver, options: CopyOptions): Promise<void> {
  const { progress = () => {} } = options;
  const chunkBytes = Math.max(CHUNK_BYTES, target.clusterBytes);
  for (let offset = 0; offset < source.sizeBytes; ) {
    const length = Math.min(chunkBytes - (offset % chunkBytes), source.sizeBytes - offset);
    const zeros = await zerosAt(source, offset, length);
    if (zeros === length || zeros >= chunkBytes) await copyZeros(target, offset, zeros, options);
    else await copyData(target, offset, await readChunk(source, offset, length), options);
    offset += zeros === length || zeros >= chunkBytes ? zeros : length;
    progress(offset / source.sizeBytes);
  }
  await target.flush();
}

/** How many bytes from `offset` on are known to be zeros: up to `length`, or further where one look tells. */
async function zerosAt(source: ImageDriver, offset: number, length: number): Promise<number> {
  let zeros = 0;
  while (zeros < length) {
    const found = await chainExtent(source, offset + zeros, source.sizeBytes - offset - zeros);
    if (found.extent.kind === 'data') return Math.min(zeros, length);
    zeros += found.length;
  }
  return zeros;
}

async function readChunk(source: ImageDriver, offset: number, length: number): Promise<Uint8Array> {
  const chunk = new Uint8Array(Math.ceil(length / 512) * 512);
  await source.read(offset, chunk.subarray(0, length));
  return chunk;
}

async function copyZeros(
  target: ImageDriver,
  offset: number,
  length: number,
  { targetIsZero }: CopyOptions,
): Promise<void> {
  if (!targetIsZero) await target.writeZeros(offset, Math.ceil(length / 512) * 512);
}

async function copyData(target: ImageDriver, offset: number, chunk: Uint8Array, options: CopyOptions): Promise<void> {
  const { compress = false, sparseBytes = 4096 } = options;
  const unit = compress ? target.clusterBytes : sparseBytes || chunk.length;
  for (let at = 0; at < chunk.length; ) {
    const zero = sparseBytes > 0 && isZero(chunk.subarray(at, at + unit));
    let end = at + unit;
    const sameKind = () => (sparseBytes > 0 && isZero(chunk.subarray(end, end + unit))) === zero;
    while (!compress && end < chunk.length && sameKind()) end += unit;
    const part = chunk.subarray(at, Math.min(end, chunk.length));
    if (zero) await copyZeros(target, offset + at, part.length, options);
    else if (compress && target.writeCompressed) await target.writeCompressed(offset + at, part);
    else await target.write(offset + at, part);
    at = end;
  }
}

/** Whether all bytes are 0. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.byteOffset % 4 !== 0 || bytes.length % 4 !== 0) return bytes.every((byte) => byte === 0);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
