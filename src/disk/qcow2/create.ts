import { type BackingReference, type DiskHost, type ImageFile, RequestRefused } from '../interfaces.ts';
import { COMPATIBLE, encodeHeader, INCOMPATIBLE, type Qcow2Header } from './header.ts';
import { openQcow2On } from './open.ts';
import { RefcountBlock } from './refcount-block.ts';

/** What a new qcow2 image is like; what is left out is as with QEMU. */
export interface Qcow2Options {
  readonly sizeBytes: number;
  readonly backing?: BackingReference;
  /** A power of two from 512 bytes to 2 MiB. */
  readonly clusterBytes?: number;
  /** 2 for `compat=0.10`, 3 for `compat=1.1`. */
  readonly version?: 2 | 3;
  /** 1, 2, 4, 8, 16, 32 or 64. */
  readonly refcountBits?: number;
  readonly compression?: 'zlib' | 'zstd';
  readonly lazyRefcounts?: boolean;
}

/** The header, the refcount table and one block of refcounts. */
const FIRST_CLUSTERS = 3;

/** Makes an empty file into a qcow2 image, and leaves it open.
 * @throws {RequestRefused} the options do not go together */
export async function createQcow2(file: ImageFile, options: Qcow2Options, host: DiskHost): Promise<void> {
  const header = makeHeader(options);
  const clusterBytes = 2 ** header.clusterBits;
  const table = new Uint8Array(clusterBytes);
  new DataView(table.buffer).setBigUint64(0, BigInt(2 * clusterBytes));
  const block = new RefcountBlock(new Uint8Array(clusterBytes), header.refcountOrder);
  for (let cluster = 0; cluster < FIRST_CLUSTERS; cluster++) block.set(cluster, 1);
  await file.truncate(0);
  await file.write(clusterBytes, table);
  await file.write(2 * clusterBytes, block.bytes);
  await file.write(0, encodeHeader(file.name, header));
  await finish(file, options, host);
}

/** Gives the image its size, while it is known to be empty, and only then what it lies on. */
async function finish(file: ImageFile, { sizeBytes, backing }: Qcow2Options, host: DiskHost): Promise<void> {
  const image = await openQcow2On(file, undefined, host);
  await image.resize(sizeBytes);
  if (backing !== undefined) await image.changeBacking(backing);
  await image.flush();
}

function makeHeader(options: Qcow2Options): Qcow2Header {
  const { clusterBytes = 65536, version = 3, refcountBits = 16, compression = 'zlib', lazyRefcounts = false } = options;
  const clusterBits = Math.log2(clusterBytes);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21) {
    throw new RequestRefused('Cluster size must be a power of two between 512 and 2048k');
  }
  const refcountOrder = Math.log2(refcountBits);
  if (!Number.isInteger(refcountOrder) || refcountOrder > 6) {
    throw new RequestRefused('Refcount width must be a power of two and may not exceed 64 bits');
  }
  if (version === 2 && (refcountBits !== 16 || compression !== 'zlib' || lazyRefcounts)) {
    throw new RequestRefused('Other refcount widths, zstd and lazy refcounts need compat=1.1');
  }
  return {
    version,
    clusterBits,
    sizeBytes: 0,
    l1Entries: 0,
    l1Offset: 0,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: 1,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatible: compression === 'zstd' ? INCOMPATIBLE.compression : 0,
    compatible: lazyRefcounts ? COMPATIBLE.lazyRefcounts : 0,
    autoclear: 0,
    refcountOrder,
    compression,
    extensions: [],
  };
}
