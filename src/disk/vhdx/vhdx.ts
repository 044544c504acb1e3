import { ByteWriter } from '../../base/bytes.ts';
import type { OpenContext } from '../formats.ts';
import { type DiskHost, type ImageFile, ImageInvalid, RequestRefused } from '../interfaces.ts';
import { type BlockPlace, type BlockTable, MappedImage } from '../mapped-image.ts';
import { readFacts, readHeader, renewHeaders, seal, type VhdxFacts } from './header.ts';
import {
  BLOCK,
  BLOCK_LIMITS,
  BLOCK_STATE_MASK,
  chunkRatio,
  FILE_SIGNATURE,
  guidBytes,
  HEADER_BYTES,
  ITEM,
  ITEM_FLAGS,
  MEBIBYTE,
  METADATA_SIGNATURE,
  METADATA_TABLE_BYTES,
  MOST_DISK_BYTES,
  PARAMETERS,
  PLACE,
  REGION,
  REGION_TABLE_BYTES,
} from './layout.ts';
import { readLog, replay } from './log.ts';

/** Where a new image has its parts. */
const NEW = { log: MEBIBYTE, metadata: 2 * MEBIBYTE, bat: 3 * MEBIBYTE } as const;
const LOGICAL_SECTOR_BYTES = 512;
const PHYSICAL_SECTOR_BYTES = 4096;
/** Sizes of blocks by the size of the disk that they are the right ones for, as QEMU chooses them. */
const BLOCK_SIZES: readonly (readonly [diskBytes: number, blockBytes: number])[] = [
  [2 ** 30, 8 * MEBIBYTE],
  [100 * 2 ** 30, 16 * MEBIBYTE],
  [32 * 2 ** 40, 32 * MEBIBYTE],
  [MOST_DISK_BYTES, 64 * MEBIBYTE],
];

/** Whether a file that begins with these bytes is a VHDX image. */
export function isVhdx(start: Uint8Array): boolean {
  return [...FILE_SIGNATURE].every((character, i) => start[i] === character.charCodeAt(0));
}

/** Opens a VHDX image; what its log says is done first. @throws {ImageInvalid} */
export async function openVhdx(file: ImageFile, { host }: OpenContext): Promise<MappedImage> {
  const start = new Uint8Array(FILE_SIGNATURE.length);
  await file.read(0, start);
  if (!isVhdx(start)) throw new ImageInvalid(file.name, 'it is no VHDX image');
  const header = await readHeader(file);
  await replay(file, await readLog(file, header));
  const facts = await readFacts(file);
  const table = await VhdxTable.read(file, facts);
  if (!file.readOnly) await renewHeaders(file, header, host);
  return new MappedImage(file, table);
}

/** The table of blocks (section 2.5). Its entries change in place: each lies inside one sector, which no crash tears. */
class VhdxTable implements BlockTable {
  readonly format = 'vhdx';
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly facts;
  readonly #file: ImageFile;
  readonly #batOffset: number;
  readonly #ratio: number;
  readonly #entries: DataView;
  readonly #changed = new Set<number>();

  private constructor(file: ImageFile, facts: VhdxFacts, bytes: Uint8Array<ArrayBuffer>) {
    this.#file = file;
    this.sizeBytes = facts.sizeBytes;
    this.blockBytes = facts.blockBytes;
    this.facts = { clusterBytes: facts.blockBytes };
    this.#batOffset = facts.batOffset;
    this.#ratio = chunkRatio(facts.logicalSectorBytes, facts.blockBytes);
    this.#entries = new DataView(bytes.buffer);
  }

  static async read(file: ImageFile, facts: VhdxFacts): Promise<VhdxTable> {
    const length = entriesOf(facts.sizeBytes, facts.blockBytes, facts.logicalSectorBytes) * 8;
    if (length > facts.batBytes) throw new ImageInvalid(file.name, 'its table of blocks is too short');
    const bytes = new Uint8Array(length);
    await file.read(facts.batOffset, bytes);
    return new VhdxTable(file, facts, bytes);
  }

  get isDirty(): boolean {
    return this.#changed.size > 0;
  }

  async find(block: number): Promise<BlockPlace> {
    const entry = this.#entries.getBigUint64(this.#placeOf(block), true);
    const state = Number(entry & BLOCK_STATE_MASK);
    if (state === BLOCK.partlyPresent)
      throw new ImageInvalid(this.#file.name, `its block ${block} is partly in another image`);
    if (state === BLOCK.notPresent) return 'absent';
    if (state !== BLOCK.present) return 'zero';
    const offset = Number(entry >> 20n) * MEBIBYTE;
    if (offset < MEBIBYTE || offset >= this.#file.sizeBytes)
      throw new ImageInvalid(this.#file.name, `its block ${block} lies outside the file`);
    return offset;
  }

  async allocate(): Promise<number> {
    const offset = Math.ceil(this.#file.sizeBytes / MEBIBYTE) * MEBIBYTE;
    await this.#file.truncate(offset + this.blockBytes);
    return offset;
  }

  async put(block: number, offset: number): Promise<void> {
    const place = this.#placeOf(block);
    this.#entries.setBigUint64(place, (BigInt(offset / MEBIBYTE) << 20n) | BigInt(BLOCK.present), true);
    this.#changed.add(place);
  }

  async writeChanges(): Promise<void> {
    const places = [...this.#changed];
    this.#changed.clear();
    for (const place of places) {
      const entry = new Uint8Array(this.#entries.buffer as ArrayBuffer, place, 8).slice();
      await this.#file.write(this.#batOffset + place, entry);
    }
  }

  /** Offset of a block's entry: those of bitmaps lie between. */
  #placeOf(block: number): number {
    return (block + Math.floor(block / this.#ratio)) * 8;
  }
}

/** Entries of the table of a disk without parent. */
function entriesOf(sizeBytes: number, blockBytes: number, logicalSectorBytes: number): number {
  const blocks = Math.ceil(sizeBytes / blockBytes);
  return blocks + Math.floor(Math.max(0, blocks - 1) / chunkRatio(logicalSectorBytes, blockBytes));
}

/** What a new image is like. */
export interface VhdxOptions {
  readonly sizeBytes: number;
  /** 0: as fits the disk. */
  readonly blockBytes?: number;
  /** All blocks have their place from the start. */
  readonly fixed?: boolean;
}

/** Makes an empty file into a VHDX image. @throws {RequestRefused} size or blocks are beyond the format */
export async function createVhdx(file: ImageFile, options: VhdxOptions, host: DiskHost): Promise<void> {
  const { fixed = false } = options;
  const sizeBytes = Math.ceil(options.sizeBytes / LOGICAL_SECTOR_BYTES) * LOGICAL_SECTOR_BYTES;
  if (sizeBytes > MOST_DISK_BYTES) throw new RequestRefused('the disk is too large for VHDX');
  const blockBytes = options.blockBytes || (BLOCK_SIZES.find(([most]) => sizeBytes <= most)?.[1] ?? 0);
  if (!Number.isInteger(Math.log2(blockBytes)) || blockBytes < BLOCK_LIMITS.least || blockBytes > BLOCK_LIMITS.most)
    throw new RequestRefused(`block_size: found ${blockBytes}, expected a power of two from 1M to 256M`);
  const entries = entriesOf(sizeBytes, blockBytes, LOGICAL_SECTOR_BYTES);
  const batBytes = Math.max(1, Math.ceil((entries * 8) / MEBIBYTE)) * MEBIBYTE;
  const dataOffset = NEW.bat + batBytes;
  await file.truncate(0);
  await file.write(0, identifier());
  for (const [index, offset] of PLACE.headers.entries()) await file.write(offset, newHeader(index, host));
  for (const offset of PLACE.regions) await file.write(offset, regionTable(batBytes));
  await file.write(NEW.metadata, metadata(sizeBytes, blockBytes, fixed, host));
  await file.truncate(dataOffset);
  if (fixed) await placeBlocks(file, { sizeBytes, blockBytes, dataOffset });
}

/** Writes a table in which every block has its place. */
async function placeBlocks(file: ImageFile, disk: { sizeBytes: number; blockBytes: number; dataOffset: number }) {
  const { sizeBytes, blockBytes, dataOffset } = disk;
  const ratio = chunkRatio(LOGICAL_SECTOR_BYTES, blockBytes);
  const blocks = Math.ceil(sizeBytes / blockBytes);
  const table = new DataView(new ArrayBuffer(entriesOf(sizeBytes, blockBytes, LOGICAL_SECTOR_BYTES) * 8));
  for (let block = 0; block < blocks; block++) {
    const offset = BigInt((dataOffset + block * blockBytes) / MEBIBYTE);
    table.setBigUint64((block + Math.floor(block / ratio)) * 8, (offset << 20n) | BigInt(BLOCK.present), true);
  }
  await file.write(NEW.bat, new Uint8Array(table.buffer));
  await file.truncate(dataOffset + blocks * blockBytes);
}

function identifier(): Uint8Array {
  const creator = [...'Vitrine'].flatMap((character) => [character.charCodeAt(0), 0]);
  return new ByteWriter().text(FILE_SIGNATURE).append(creator).finish();
}

function newHeader(index: number, host: DiskHost): Uint8Array {
  const identifiers = new Uint8Array(32);
  host.randomBytes(identifiers);
  const fields = new ByteWriter().text('head').u32(0).u64(BigInt(index)).append(identifiers).zeros(16);
  fields
    .u16(0)
    .u16(1)
    .u32(MEBIBYTE)
    .u64(BigInt(NEW.log))
    .zeros(HEADER_BYTES - 80);
  return seal(fields.finish());
}

function regionTable(batBytes: number): Uint8Array {
  const fields = new ByteWriter().text('regi').u32(0).u32(2).u32(0);
  fields.append(guidBytes(REGION.bat)).u64(BigInt(NEW.bat)).u32(batBytes).u32(1);
  fields.append(guidBytes(REGION.metadata)).u64(BigInt(NEW.metadata)).u32(MEBIBYTE).u32(1);
  return seal(fields.zeros(REGION_TABLE_BYTES - 16 - 64).finish());
}

function metadata(sizeBytes: number, blockBytes: number, fixed: boolean, host: DiskHost): Uint8Array {
  const identity = new Uint8Array(16);
  host.randomBytes(identity);
  const { virtualDisk, required } = ITEM_FLAGS;
  const parameters = fixed ? PARAMETERS.leaveBlocksAllocated : 0;
  const items: readonly (readonly [guid: string, flags: number, data: Uint8Array])[] = [
    [ITEM.fileParameters, required, new ByteWriter().u32(blockBytes).u32(parameters).finish()],
    [ITEM.diskSize, required | virtualDisk, new ByteWriter().u64(BigInt(sizeBytes)).finish()],
    [ITEM.identifier, required | virtualDisk, identity],
    [ITEM.logicalSector, required | virtualDisk, new ByteWriter().u32(LOGICAL_SECTOR_BYTES).finish()],
    [ITEM.physicalSector, required | virtualDisk, new ByteWriter().u32(PHYSICAL_SECTOR_BYTES).finish()],
  ];
  const table = new ByteWriter().text(METADATA_SIGNATURE).u16(0).u16(items.length).zeros(20);
  const data = new ByteWriter();
  let offset = METADATA_TABLE_BYTES;
  for (const [guid, flags, bytes] of items) {
    table.append(guidBytes(guid)).u32(offset).u32(bytes.length).u32(flags).u32(0);
    data.append(bytes);
    offset += bytes.length;
  }
  table.zeros(METADATA_TABLE_BYTES - 32 * (items.length + 1));
  return new ByteWriter().append(table.finish()).append(data.finish()).finish();
}
