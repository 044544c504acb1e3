import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { type ImageFile, ImageInvalid } from '../interfaces.ts';

// VMware, Virtual Disk Format 5.0: "Hosted Sparse Extent Header" and "Stream-Optimized Compressed Sparse Extents".

export const SECTOR_BYTES = 512;
const MAGIC = 0x564d444b;
const FLAG = { newLines: 1, redundantTable: 2, zeroGrains: 4, compressed: 1 << 16, markers: 1 << 17 } as const;
const NEW_LINES = [0x0a, 0x20, 0x0d, 0x0a];
export const AT_END = 0xffff_ffff_ffff_ffffn;
export const ENTRIES_PER_TABLE = 512;
const MAX_GRAIN_SECTORS = 1 << 14;
const MAX_TABLES = 1 << 22;

/** The kind of a marker in a stream-optimized extent. */
export const MARKER = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** The header of a sparse extent. */
export interface SparseHeader {
  readonly version: number;
  readonly sizeBytes: number;
  readonly grainBytes: number;
  readonly descriptorOffset: number;
  readonly descriptorBytes: number;
  readonly directoryOffset: number;
  readonly redundantOffset: number | undefined;
  readonly overheadBytes: number;
  readonly compressed: boolean;
  /** A table's entry of 1 says that the grain is zeros. */
  readonly zeroGrains: boolean;
}

/** Whether a file that begins with these bytes is a sparse extent. */
export function isSparseExtent(start: Uint8Array): boolean {
  return start.length >= SECTOR_BYTES && new DataView(start.buffer, start.byteOffset).getUint32(0) === swap(MAGIC);
}

function swap(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** Reads the header of a sparse extent; a stream-optimized one tells where its directory is in a footer.
 * @throws {ImageInvalid} */
export async function readSparseHeader(file: ImageFile): Promise<SparseHeader> {
  const first = await readAt(file, 0);
  if (first.u64(56) !== AT_END) return decode(file, first);
  const footer = await readAt(file, file.sizeBytes - 2 * SECTOR_BYTES);
  if (footer.u64(56) === AT_END) throw new ImageInvalid(file.name, 'its footer is damaged');
  return decode(file, footer);
}

async function readAt(file: ImageFile, offset: number): Promise<ByteReader> {
  const bytes = new Uint8Array(SECTOR_BYTES);
  if (offset >= 0) await file.read(offset, bytes);
  const header = new ByteReader(bytes);
  if (header.u32(0) !== MAGIC) throw new ImageInvalid(file.name, 'it is no VMDK image, or it is cut off');
  return header;
}

function decode(file: ImageFile, fields: ByteReader): SparseHeader {
  const bytes = (offset: number) => sectors(file, fields.u64(offset));
  const flags = fields.u32(8);
  const header = {
    version: fields.u32(4),
    sizeBytes: bytes(12),
    grainBytes: bytes(20),
    descriptorOffset: bytes(28),
    descriptorBytes: bytes(36),
    redundantOffset: flags & FLAG.redundantTable ? bytes(48) : undefined,
    directoryOffset: bytes(56),
    overheadBytes: bytes(64),
    compressed: (flags & FLAG.compressed) !== 0,
    zeroGrains: (flags & FLAG.zeroGrains) !== 0,
  };
  check(file, header, fields);
  return header;
}

function check(file: ImageFile, header: SparseHeader, fields: ByteReader): void {
  const { grainBytes, sizeBytes, version } = header;
  if (version < 1 || version > 3) throw new ImageInvalid(file.name, `its VMDK version ${version} is unknown`);
  const grainSectors = grainBytes / SECTOR_BYTES;
  if (!Number.isInteger(Math.log2(grainSectors)) || grainSectors > MAX_GRAIN_SECTORS) {
    throw new ImageInvalid(file.name, `its grains have the wrong size of ${grainBytes} bytes`);
  }
  if (fields.u32(44) !== ENTRIES_PER_TABLE) throw new ImageInvalid(file.name, 'its grain tables have an unknown size');
  if (fields.u16(77) > 1) throw new ImageInvalid(file.name, 'its compression is unknown');
  const tables = Math.ceil(sizeBytes / (grainBytes * ENTRIES_PER_TABLE));
  const inside = header.directoryOffset + tables * 4 <= file.sizeBytes;
  if (tables > MAX_TABLES || !inside) throw new ImageInvalid(file.name, 'its grain directory lies outside the file');
}

function sectors(file: ImageFile, count: bigint): number {
  const bytes = Number(count) * SECTOR_BYTES;
  if (!Number.isSafeInteger(bytes)) throw new ImageInvalid(file.name, `a field has the absurd value ${count}`);
  return bytes;
}

/** The bytes of a header. @param directory the sector of the grain directory, or {@link AT_END} */
export function encodeSparseHeader(header: SparseHeader, directory: bigint): Uint8Array {
  const count = (bytes: number) => BigInt(bytes / SECTOR_BYTES);
  const redundant = header.redundantOffset === undefined ? 0 : FLAG.redundantTable;
  const flags = FLAG.newLines | redundant | (header.compressed ? FLAG.compressed | FLAG.markers : 0);
  return new ByteWriter()
    .u32(MAGIC)
    .u32(header.version)
    .u32(flags)
    .u64(count(header.sizeBytes))
    .u64(count(header.grainBytes))
    .u64(count(header.descriptorOffset))
    .u64(count(header.descriptorBytes))
    .u32(ENTRIES_PER_TABLE)
    .u64(count(header.redundantOffset ?? 0))
    .u64(directory)
    .u64(count(header.overheadBytes))
    .u8(0)
    .append(NEW_LINES)
    .u16(header.compressed ? 1 : 0)
    .align(SECTOR_BYTES)
    .finish();
}
