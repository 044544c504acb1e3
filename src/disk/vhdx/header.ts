import { crc32c } from '../../base/checksums.ts';
import { type DiskHost, type ImageFile, ImageInvalid } from '../interfaces.ts';
import {
  BLOCK_LIMITS,
  CHECKSUM,
  HEADER,
  HEADER_BYTES,
  ITEM,
  MEBIBYTE,
  METADATA_SIGNATURE,
  METADATA_TABLE_BYTES,
  MOST_DISK_BYTES,
  PARAMETERS,
  PLACE,
  REGION,
  REGION_TABLE_BYTES,
  readGuid,
} from './layout.ts';

/** What the header in force says. */
export interface VhdxHeader {
  /** 0 or 1: which of the two it is. */
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sequence: bigint;
  readonly hasLog: boolean;
  readonly logOffset: number;
  readonly logBytes: number;
}

/** Where the table of blocks lies, and what the metadata say of the disk. */
export interface VhdxFacts {
  readonly batOffset: number;
  readonly batBytes: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly logicalSectorBytes: number;
}

const ENTRY_BYTES = 32;
const MOST_ENTRIES = 2047;
const MOST_LOG_BYTES = 256 * MEBIBYTE;

/** Whether a structure's checksum is right; it is taken with the checksum's own field zero. */
export function isIntact(bytes: Uint8Array, checksumAt = CHECKSUM): boolean {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const found = view.getUint32(checksumAt, true);
  view.setUint32(checksumAt, 0, true);
  return crc32c(copy) === found;
}

/** Puts the checksum into a structure. */
export function seal<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(CHECKSUM, 0, true);
  view.setUint32(CHECKSUM, crc32c(bytes), true);
  return bytes;
}

function text(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

async function readBytes(file: ImageFile, offset: number, length: number) {
  const bytes = new Uint8Array(length);
  await file.read(offset, bytes);
  return bytes;
}

/** Finds the newer of the two headers that is intact (section 2.2.2.1). @throws {ImageInvalid} neither is */
export async function readHeader(file: ImageFile): Promise<VhdxHeader> {
  const found: VhdxHeader[] = [];
  for (const [index, offset] of PLACE.headers.entries()) {
    const bytes = await readBytes(file, offset, HEADER_BYTES);
    if (text(bytes, 0, 4) !== 'head' || !isIntact(bytes)) continue;
    const view = new DataView(bytes.buffer);
    found.push({
      index,
      bytes,
      sequence: view.getBigUint64(HEADER.sequence, true),
      hasLog: bytes.subarray(HEADER.log, HEADER.log + 16).some((byte) => byte !== 0),
      logOffset: Number(view.getBigUint64(HEADER.logOffset, true)),
      logBytes: view.getUint32(HEADER.logLength, true),
    });
  }
  const header = found.sort((a, b) => (a.sequence < b.sequence ? 1 : -1))[0];
  if (!header) throw new ImageInvalid(file.name, 'both of its VHDX headers are damaged');
  const { logOffset, logBytes } = header;
  const whole = logOffset % MEBIBYTE === 0 && logBytes % MEBIBYTE === 0 && logOffset >= MEBIBYTE;
  if (!whole || logBytes > MOST_LOG_BYTES || new DataView(header.bytes.buffer).getUint16(HEADER.version, true) !== 1)
    throw new ImageInvalid(file.name, 'its VHDX header has absurd values');
  return header;
}

/** Says in both headers that the image is being written by someone new, with an empty log (section 2.2.2.1). */
export async function renewHeaders(file: ImageFile, { index, bytes, sequence }: VhdxHeader, host: DiskHost) {
  const renewed = bytes.slice();
  host.randomBytes(renewed.subarray(HEADER.fileWrite, HEADER.log));
  renewed.fill(0, HEADER.log, HEADER.log + 16);
  for (const [step, place] of [1 - index, index].entries()) {
    new DataView(renewed.buffer).setBigUint64(HEADER.sequence, sequence + BigInt(step + 1), true);
    await file.write(PLACE.headers[place], seal(renewed));
    await file.flush();
  }
}

/** Reads regions and metadata. @throws {ImageInvalid} */
export async function readFacts(file: ImageFile): Promise<VhdxFacts> {
  const regions = await readRegions(file);
  const [bat, metadata] = [regions.get(REGION.bat), regions.get(REGION.metadata)];
  if (!bat || !metadata) throw new ImageInvalid(file.name, 'it has no table of blocks or no metadata');
  const items = await readItems(file, metadata.offset, metadata.length);
  const [blockBytes, flags] = items(ITEM.fileParameters, 8);
  const [low, high] = items(ITEM.diskSize, 8);
  const [logicalSectorBytes] = items(ITEM.logicalSector, 4);
  const sizeBytes = high * 2 ** 32 + low;
  if (flags & PARAMETERS.hasParent)
    throw new ImageInvalid(file.name, 'it is a difference to another VHDX image, which this version does not support');
  const isPower = Number.isInteger(Math.log2(blockBytes));
  const blockFits = isPower && blockBytes >= BLOCK_LIMITS.least && blockBytes <= BLOCK_LIMITS.most;
  const sectorFits = logicalSectorBytes === 512 || logicalSectorBytes === 4096;
  if (!blockFits || !sectorFits || sizeBytes > MOST_DISK_BYTES || sizeBytes % 512 !== 0)
    throw new ImageInvalid(file.name, 'its sectors, blocks or size are unknown');
  return { batOffset: bat.offset, batBytes: bat.length, sizeBytes, blockBytes, logicalSectorBytes };
}

interface Region {
  readonly offset: number;
  readonly length: number;
}

async function readRegions(file: ImageFile): Promise<Map<string, Region>> {
  for (const offset of PLACE.regions) {
    const table = await readBytes(file, offset, REGION_TABLE_BYTES);
    if (text(table, 0, 4) === 'regi' && isIntact(table)) return parseRegions(file, table);
  }
  throw new ImageInvalid(file.name, 'both of its tables of regions are damaged');
}

function parseRegions(file: ImageFile, table: Uint8Array<ArrayBuffer>): Map<string, Region> {
  const view = new DataView(table.buffer);
  const regions = new Map<string, Region>();
  for (let n = 0; n < Math.min(view.getUint32(8, true), MOST_ENTRIES); n++) {
    const at = 16 + n * ENTRY_BYTES;
    const [guid, offset] = [readGuid(table, at), Number(view.getBigUint64(at + 16, true))];
    const [length, required] = [view.getUint32(at + 24, true), view.getUint32(at + 28, true)];
    const known = guid === REGION.bat || guid === REGION.metadata;
    if (required & 1 && !known) throw new ImageInvalid(file.name, `its region ${guid} is unknown`);
    if (known && (offset % MEBIBYTE !== 0 || offset < MEBIBYTE || offset + length > file.sizeBytes))
      throw new ImageInvalid(file.name, 'one of its regions lies outside the file');
    regions.set(guid, { offset, length });
  }
  return regions;
}

/** @returns a way to get an item as 32-bit numbers */
async function readItems(file: ImageFile, offset: number, length: number) {
  const region = await readBytes(file, offset, Math.min(length, 2 * MEBIBYTE));
  const view = new DataView(region.buffer);
  if (region.length < METADATA_TABLE_BYTES || text(region, 0, 8) !== METADATA_SIGNATURE)
    throw new ImageInvalid(file.name, 'its metadata are damaged');
  return (guid: string, bytes: number): number[] => {
    for (let n = 0; n < Math.min(view.getUint16(10, true), MOST_ENTRIES); n++) {
      const at = ENTRY_BYTES * (n + 1);
      if (readGuid(region, at) !== guid) continue;
      const place = view.getUint32(at + 16, true);
      if (place < METADATA_TABLE_BYTES || place + bytes > region.length) break;
      return Array.from({ length: bytes / 4 }, (_, word) => view.getUint32(place + word * 4, true));
    }
    throw new ImageInvalid(file.name, `its metadata lack the item ${guid}`);
  };
}
