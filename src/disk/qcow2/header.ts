import { BigEndianFields, BigEndianWriter } from '../big-endian.ts';
import { type BackingReference, type ImageFile, ImageInvalid } from '../interfaces.ts';

// QEMU, docs/interop/qcow2.txt.

export const MAGIC = 0x514649fb;
const V2_LENGTH = 72;
const V3_LENGTH = 104;
/** With the compression type and its padding. */
const LENGTH = 112;

const MAX_L1_BYTES = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
const MAX_SNAPSHOTS = 65536;
const MAX_BACKING_NAME = 1023;

export const INCOMPATIBLE = { dirty: 1, corrupt: 2, externalData: 4, compression: 8, extendedL2: 16 } as const;
export const COMPATIBLE = { lazyRefcounts: 1 } as const;
export const AUTOCLEAR = { bitmaps: 1 } as const;

const SUPPORTED = INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt | INCOMPATIBLE.compression;

export const EXTENSION = { end: 0, backingFormat: 0xe2792aca, featureNames: 0x6803f857, bitmaps: 0x23852875 } as const;

interface Extension {
  readonly magic: number;
  readonly data: Uint8Array;
}

/** Where the bitmaps of an image are. */
export interface BitmapDirectory {
  count: number;
  sizeBytes: number;
  offset: number;
}

/** The header of a qcow2 image; offsets and sizes in bytes. */
export interface Qcow2Header {
  readonly version: number;
  readonly clusterBits: number;
  sizeBytes: number;
  l1Entries: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  snapshotCount: number;
  snapshotsOffset: number;
  incompatible: number;
  compatible: number;
  autoclear: number;
  /** A refcount has 2^this bits. */
  readonly refcountOrder: number;
  readonly compression: 'zlib' | 'zstd';
  backing?: BackingReference;
  bitmaps?: BitmapDirectory;
  /** All but the backing format and the bitmaps. */
  readonly extensions: readonly Extension[];
}

/** Reads and checks the header of an image. @throws {ImageInvalid} */
export async function readHeader(file: ImageFile): Promise<Qcow2Header> {
  const start = new Uint8Array(Math.min(file.sizeBytes, 1 << 16));
  await file.read(0, start);
  const fields = new BigEndianFields(file.name, start);
  if (fields.u32(0) !== MAGIC) throw new ImageInvalid(file.name, 'it is no qcow2 image');
  const version = fields.u32(4);
  if (version !== 2 && version !== 3) throw new ImageInvalid(file.name, `qcow2 version ${version} is unknown`);
  const clusterBits = fields.u32(20);
  if (clusterBits < 9 || clusterBits > 21) {
    throw new ImageInvalid(file.name, `its cluster size is 2^${clusterBits}, expected from 2^9 to 2^21`);
  }
  const header = { ...readFixed(fields, version, clusterBits), ...readFeatures(file.name, fields, version) };
  readBacking(file.name, fields, header);
  checkPlaces(file, header);
  return header;
}

function readFixed(fields: BigEndianFields, version: number, clusterBits: number) {
  return {
    version,
    clusterBits,
    sizeBytes: fields.u64(24),
    l1Entries: fields.u32(36),
    l1Offset: fields.u64(40),
    refcountTableOffset: fields.u64(48),
    refcountTableClusters: fields.u32(56),
    snapshotCount: fields.u32(60),
    snapshotsOffset: fields.u64(64),
  };
}

/** What version 3 has and version 2 takes for granted. */
function readFeatures(name: string, fields: BigEndianFields, version: number) {
  if (fields.u32(32) !== 0) throw new ImageInvalid(name, 'it is encrypted, which this version does not support');
  const length = version === 2 ? V2_LENGTH : fields.u32(100);
  if (version === 3 && (length < V3_LENGTH || length % 8 !== 0)) {
    throw new ImageInvalid(name, `its header has the wrong length of ${length} bytes`);
  }
  const incompatible = version === 2 ? 0 : fields.u32(76);
  const refcountOrder = version === 2 ? 4 : fields.u32(96);
  if (refcountOrder > 6)
    throw new ImageInvalid(name, `its refcounts have 2^${refcountOrder} bits, expected at most 64`);
  const extensions = readExtensions(fields, length);
  const unsupported = (version === 2 ? 0 : fields.u32(72)) | (incompatible & ~SUPPORTED);
  if (unsupported !== 0) {
    throw new ImageInvalid(name, `it needs features that this version does not have: ${describe(incompatible)}`);
  }
  const compressionType = length > V3_LENGTH ? fields.u8(104) : 0;
  if (compressionType > 1) throw new ImageInvalid(name, `its compression type ${compressionType} is unknown`);
  return {
    incompatible,
    compatible: version === 2 ? 0 : fields.u32(84),
    autoclear: version === 2 ? 0 : fields.u32(92),
    refcountOrder,
    compression: compressionType === 1 ? ('zstd' as const) : ('zlib' as const),
    extensions,
  };
}

function describe(incompatible: number): string {
  const known = [
    [INCOMPATIBLE.externalData, 'external data file'],
    [INCOMPATIBLE.extendedL2, 'extended L2 entries'],
  ] as const;
  const names = known.filter(([bit]) => incompatible & bit).map(([, name]) => name);
  return names.join(', ') || `bits 0x${(incompatible & ~SUPPORTED).toString(16)}`;
}

function readExtensions(fields: BigEndianFields, start: number): Extension[] {
  const extensions: Extension[] = [];
  const nameOffset = fields.u64(8);
  const end = nameOffset === 0 ? fields.view.byteLength : Math.min(nameOffset, fields.view.byteLength);
  for (let at = start; at + 8 <= end; ) {
    const magic = fields.u32(at);
    if (magic === EXTENSION.end) break;
    const length = fields.u32(at + 4);
    extensions.push({ magic, data: fields.bytes(at + 8, length) });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return extensions;
}

/** Moves the backing file and the bitmaps from the extensions into the fields they belong to. */
function readBacking(
  name: string,
  fields: BigEndianFields,
  header: Qcow2Header & { extensions: readonly Extension[] },
) {
  const take = (magic: number) => header.extensions.find((extension) => extension.magic === magic)?.data;
  const [offset, length] = [fields.u64(8), fields.u32(16)];
  if (offset !== 0) {
    if (length > MAX_BACKING_NAME || offset + length > 2 ** header.clusterBits) {
      throw new ImageInvalid(name, 'the name of its backing file lies outside the header');
    }
    const format = take(EXTENSION.backingFormat);
    header.backing = {
      name: fields.text(offset, length),
      format: format && new TextDecoder().decode(format),
    };
  }
  const bitmaps = take(EXTENSION.bitmaps);
  if (bitmaps !== undefined) {
    const data = new BigEndianFields(name, bitmaps);
    header.bitmaps = { count: data.u32(0), sizeBytes: data.u64(8), offset: data.u64(16) };
  }
  const own: readonly number[] = [EXTENSION.backingFormat, EXTENSION.bitmaps];
  header.extensions = header.extensions.filter(({ magic }) => !own.includes(magic));
}

function checkPlaces(file: ImageFile, header: Qcow2Header): void {
  const clusterBytes = 2 ** header.clusterBits;
  const l2Covers = clusterBytes * (clusterBytes / 8);
  const tables: [what: string, offset: number, length: number, most: number][] = [
    ['L1 table', header.l1Offset, header.l1Entries * 8, MAX_L1_BYTES],
    [
      'refcount table',
      header.refcountTableOffset,
      header.refcountTableClusters * clusterBytes,
      MAX_REFCOUNT_TABLE_BYTES,
    ],
    ['snapshot table', header.snapshotsOffset, header.snapshotCount * 40, MAX_SNAPSHOTS * 1064],
  ];
  for (const [what, offset, length, most] of tables) {
    if (length > most) throw new ImageInvalid(file.name, `its ${what} is too large`);
    if (length > 0 && (offset % clusterBytes !== 0 || offset === 0 || offset + length > file.sizeBytes)) {
      throw new ImageInvalid(file.name, `its ${what} at ${offset} lies outside the file`);
    }
  }
  if (header.refcountTableClusters === 0) throw new ImageInvalid(file.name, 'it has no refcount table');
  if (header.l1Entries < Math.ceil(header.sizeBytes / l2Covers)) {
    throw new ImageInvalid(file.name, 'its L1 table is too small for the disk');
  }
}

/** The bytes of a header with its extensions and the backing file's name.
 * @throws {ImageInvalid} they do not fit into a cluster */
export function encodeHeader(name: string, header: Qcow2Header): Uint8Array<ArrayBuffer> {
  const extensions = encodeExtensions(header);
  const start = header.version === 2 ? V2_LENGTH : LENGTH;
  const backing = new TextEncoder().encode(header.backing?.name ?? '');
  const writer = new BigEndianWriter()
    .u32(MAGIC)
    .u32(header.version)
    .u64(backing.length === 0 ? 0 : start + extensions.length)
    .u32(backing.length)
    .u32(header.clusterBits)
    .u64(header.sizeBytes)
    .u32(0)
    .u32(header.l1Entries)
    .u64(header.l1Offset)
    .u64(header.refcountTableOffset)
    .u32(header.refcountTableClusters)
    .u32(header.snapshotCount)
    .u64(header.snapshotsOffset);
  if (header.version >= 3) {
    for (const bits of [header.incompatible, header.compatible, header.autoclear]) writer.u64(bits);
    writer.u32(header.refcountOrder).u32(LENGTH);
    writer.u8(header.compression === 'zstd' ? 1 : 0).zeros(7);
  }
  writer.append(extensions).append(backing);
  if (backing.length > MAX_BACKING_NAME || writer.length > 2 ** header.clusterBits) {
    throw new ImageInvalid(name, 'the name of the backing file is too long for the header');
  }
  return writer.finish();
}

function encodeExtensions({ backing, bitmaps, extensions }: Qcow2Header): Uint8Array {
  const writer = new BigEndianWriter();
  const put = (magic: number, data: Uint8Array) => writer.u32(magic).u32(data.length).append(data).align(8);
  if (backing?.format !== undefined) put(EXTENSION.backingFormat, new TextEncoder().encode(backing.format));
  for (const { magic, data } of extensions) put(magic, data);
  if (bitmaps !== undefined) {
    const { count, sizeBytes, offset } = bitmaps;
    put(EXTENSION.bitmaps, new BigEndianWriter().u32(count).u32(0).u64(sizeBytes).u64(offset).finish());
  }
  return writer.u32(EXTENSION.end).u32(0).finish();
}
