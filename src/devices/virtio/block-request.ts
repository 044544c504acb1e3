import type { DiskRequest } from '../../machine/disk-queue.ts';
import type { Chain } from './chain.ts';

/** Bytes of a sector, in which the device counts whatever its block size. */
export const SECTOR_BYTES = 512;
/** Bytes that are moved at once: larger requests are made in pieces, so that the host's memory stays bounded. */
const PIECE_BYTES = 1 << 20;
/** Segments that one discard or write-zeroes request may have. */
export const MOST_SEGMENTS = 32;
/** Sectors that a segment may have. */
export const MOST_DISCARD_SECTORS = 1 << 22;
export const MOST_ZERO_SECTORS = 1 << 14;

/** Request types (virtio 1.2 section 5.2.6); bit 31 was the legacy barrier. */
const TYPE = { read: 0, write: 1, flush: 4, identify: 8, discard: 11, writeZeroes: 13 } as const;
const LEGACY_BARRIER = 0x80000000;
export const HEADER_BYTES = 16;
const SEGMENT_BYTES = 16;
const SEGMENT_UNMAP = 1;
const STATUS_BYTES = 1;

/** How a request ended, as its last byte says. */
export const STATUS = { ok: 0, ioError: 1, unsupported: 2 } as const;

/** What a request's bytes and place are: `from` counts from the start of the data. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What is asked for. */
export type BlockRequest =
  | ({ readonly kind: 'read' | 'write' } & Extent)
  | { readonly kind: 'discard' | 'writeZeroes'; readonly extents: readonly Extent[] }
  | { readonly kind: 'flush' | 'identify' }
  | { readonly kind: 'fail'; readonly status: number };

/** A request that ends at once with an error. */
function fail(status: number): BlockRequest {
  return { kind: 'fail', status };
}

/** Reads the request that a chain holds and checks it against the disk. */
export function parseRequest(
  chain: Chain,
  disk: { readonly sizeBytes: number; readonly readOnly: boolean },
): BlockRequest {
  const header = new DataView(chain.readBytes(0, HEADER_BYTES).buffer);
  if (header.byteLength < HEADER_BYTES || chain.writableBytes < STATUS_BYTES) return fail(STATUS.ioError);
  const offset = Number(header.getBigUint64(8, true)) * SECTOR_BYTES;
  const data = chain.readableBytes - HEADER_BYTES;
  const changes = (request: BlockRequest) => (disk.readOnly ? fail(STATUS.ioError) : request);
  const transfer = (kind: 'read' | 'write', length: number) =>
    fits({ offset, length }, disk.sizeBytes) ? ({ kind, offset, length } as const) : fail(STATUS.ioError);
  switch ((header.getUint32(0, true) & ~LEGACY_BARRIER) >>> 0) {
    case TYPE.read:
      return transfer('read', chain.writableBytes - STATUS_BYTES);
    case TYPE.write:
      return changes(transfer('write', data));
    case TYPE.flush:
      return { kind: 'flush' };
    case TYPE.identify:
      return { kind: 'identify' };
    case TYPE.discard:
      return changes(parseExtents(chain, 'discard', MOST_DISCARD_SECTORS, disk.sizeBytes));
    case TYPE.writeZeroes:
      return changes(parseExtents(chain, 'writeZeroes', MOST_ZERO_SECTORS, disk.sizeBytes));
    default:
      return fail(STATUS.unsupported);
  }
}

function fits({ offset, length }: Extent, sizeBytes: number): boolean {
  return length % SECTOR_BYTES === 0 && offset + length <= sizeBytes;
}

function parseExtents(
  chain: Chain,
  kind: 'discard' | 'writeZeroes',
  mostSectors: number,
  sizeBytes: number,
): BlockRequest {
  const count = (chain.readableBytes - HEADER_BYTES) / SEGMENT_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MOST_SEGMENTS) return fail(STATUS.ioError);
  const view = new DataView(chain.readBytes(HEADER_BYTES, count * SEGMENT_BYTES).buffer);
  const extents: Extent[] = [];
  for (let at = 0; at < view.byteLength; at += SEGMENT_BYTES) {
    const [sectors, flags] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
    const extent = { offset: Number(view.getBigUint64(at, true)) * SECTOR_BYTES, length: sectors * SECTOR_BYTES };
    if (flags & ~SEGMENT_UNMAP || (kind === 'discard' && flags)) return fail(STATUS.unsupported);
    if (sectors > mostSectors || !fits(extent, sizeBytes)) return fail(STATUS.ioError);
    extents.push(extent);
  }
  return { kind, extents };
}

/** Gives a copy of so many bytes of the data that is to be written, from a place in it on. */
type Source = (at: number, length: number) => Uint8Array;

/** What is asked of the disk for a part of a request. */
export interface Piece {
  readonly request: DiskRequest;
  /** The position after it. */
  readonly next: number;
}

/**
 * The part of a request that comes at a position: 0 is the start, and each piece says the next.
 * @param source the data to be written
 * @param writeThrough whether writes are to be on stable storage when they end
 * @returns undefined at the end
 */
export function pieceAt(
  request: BlockRequest,
  position: number,
  source: Source,
  writeThrough: boolean,
): Piece | undefined {
  switch (request.kind) {
    case 'read':
    case 'write':
      return transferPiece(request, position, source, writeThrough);
    case 'discard': {
      const extent = request.extents[position];
      return extent && { request: { kind: 'discard', ...extent }, next: position + 1 };
    }
    case 'writeZeroes':
      return zeroPiece(request.extents, position);
    case 'flush':
      return position === 0 ? { request: { kind: 'flush' }, next: 1 } : undefined;
    default:
      return undefined;
  }
}

function transferPiece(
  { kind, offset, length }: Extract<BlockRequest, Extent>,
  position: number,
  source: Source,
  writeThrough: boolean,
): Piece | undefined {
  if (position >= length) {
    const flushes = kind === 'write' && writeThrough && position === length;
    return flushes ? { request: { kind: 'flush' }, next: length + 1 } : undefined;
  }
  const bytes = Math.min(PIECE_BYTES, length - position);
  const [at, next] = [offset + position, position + bytes];
  if (kind === 'read') return { request: { kind, offset: at, target: new Uint8Array(bytes) }, next };
  return { request: { kind, offset: at, source: source(position, bytes) }, next };
}

/** Positions count the bytes of all extents. */
function zeroPiece(extents: readonly Extent[], position: number): Piece | undefined {
  let start = 0;
  for (const { offset, length } of extents) {
    if (position < start + length) {
      const bytes = Math.min(PIECE_BYTES, start + length - position);
      const source = new Uint8Array(bytes);
      return { request: { kind: 'write', offset: offset + position - start, source }, next: position + bytes };
    }
    start += length;
  }
  return undefined;
}
