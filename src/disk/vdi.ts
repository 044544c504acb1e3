import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { OpenContext } from './formats.ts';
import { type CheckReport, type DiskHost, type ImageFile, ImageInvalid, RequestRefused } from './interfaces.ts';
import { type BlockPlace, type BlockTable, EntryTable32, MappedImage } from './mapped-image.ts';

// VirtualBox's format: VirtualBox, src/VBox/Storage/VDICore.h; QEMU, block/vdi.c.

const SIGNATURE = 0xbeda107f;
const VERSION = 0x00010001;
const HEADER_BYTES = 512;
const BLOCK_BYTES = 1 << 20;
const FIELD = { allocated: 0x184 } as const;
const TYPE = { dynamic: 1, fixed: 2 } as const;
const UNALLOCATED = 0xffff_ffff;
const DISCARDED = 0xffff_fffe;
/** 64 TiB. */
const MAX_BLOCKS = 1 << 26;
const TEXT = '<<< Vitrine VM Virtual Disk Image >>>\n';

/** Whether a file that begins with these bytes is a VDI image. */
export function isVdi(start: Uint8Array): boolean {
  return start.length >= HEADER_BYTES && new ByteReader(start).u32(0x40) === SIGNATURE;
}

/** Opens a VDI image. @throws {ImageInvalid} */
export async function openVdi(file: ImageFile, _context: OpenContext): Promise<MappedImage> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(0, bytes);
  if (!isVdi(bytes) || file.sizeBytes < HEADER_BYTES) throw new ImageInvalid(file.name, 'it is no VDI image');
  const header = readHeader(file, new ByteReader(bytes));
  const entries = await EntryTable32.read(file, header.mapOffset, header.blocks, true);
  return new VdiImage(file, new VdiTable(file, header, entries));
}

interface VdiHeader {
  readonly sizeBytes: number;
  readonly mapOffset: number;
  readonly dataOffset: number;
  readonly blocks: number;
}

function readHeader(file: ImageFile, fields: ByteReader): VdiHeader {
  const version = fields.u32(0x44);
  if (version !== VERSION) throw new ImageInvalid(file.name, `its VDI version 0x${version.toString(16)} is unknown`);
  const sizeBytes = Number(fields.u64(0x170));
  const [mapOffset, dataOffset, blocks] = [fields.u32(0x154), fields.u32(0x158), fields.u32(0x180)];
  const simple = fields.u32(0x168) === 512 && fields.u32(0x178) === BLOCK_BYTES && fields.u32(0x17c) === 0;
  if (!simple) throw new ImageInvalid(file.name, 'its sectors or blocks have an unknown size');
  if (fields.slice(0x1a8, 32).some((byte) => byte !== 0)) {
    throw new ImageInvalid(file.name, 'it is a difference to another VDI image, which this version does not support');
  }
  const whole = mapOffset % 512 === 0 && dataOffset % 512 === 0 && mapOffset >= HEADER_BYTES;
  const inside = mapOffset + blocks * 4 <= Math.min(file.sizeBytes, dataOffset) && blocks <= MAX_BLOCKS;
  if (!(whole && inside) || sizeBytes > blocks * BLOCK_BYTES) {
    throw new ImageInvalid(file.name, 'its table of blocks lies outside the file');
  }
  return { sizeBytes, mapOffset, dataOffset, blocks };
}

class VdiImage extends MappedImage {
  readonly #table: VdiTable;

  constructor(file: ImageFile, table: VdiTable) {
    super(file, table);
    this.#table = table;
  }

  async check(): Promise<CheckReport> {
    return this.#table.check();
  }
}

class VdiTable implements BlockTable {
  readonly format = 'vdi';
  readonly blockBytes = BLOCK_BYTES;
  readonly facts = { clusterBytes: BLOCK_BYTES };
  readonly sizeBytes: number;
  readonly #file: ImageFile;
  readonly #header: VdiHeader;
  readonly #entries: EntryTable32;
  #used = 0;
  /** Blocks up to the highest in use. */
  #end = 0;

  constructor(file: ImageFile, header: VdiHeader, entries: EntryTable32) {
    this.#file = file;
    this.#header = header;
    this.#entries = entries;
    this.sizeBytes = header.sizeBytes;
    for (let i = 0; i < entries.length; i++) {
      if (entries.get(i) >= DISCARDED) continue;
      this.#used++;
      this.#end = Math.max(this.#end, entries.get(i) + 1);
    }
  }

  get isDirty(): boolean {
    return this.#entries.isDirty;
  }

  async find(block: number): Promise<BlockPlace> {
    const entry = this.#entries.get(block);
    if (entry >= DISCARDED) return entry === DISCARDED ? 'zero' : 'absent';
    const offset = this.#header.dataOffset + entry * BLOCK_BYTES;
    if (offset >= this.#file.sizeBytes)
      throw new ImageInvalid(this.#file.name, `its block ${block} lies outside the file`);
    return offset;
  }

  async allocate(): Promise<number> {
    const offset = this.#header.dataOffset + this.#end * BLOCK_BYTES;
    this.#end++;
    await this.#file.truncate(offset);
    await this.#file.truncate(offset + BLOCK_BYTES);
    return offset;
  }

  async put(block: number, offset: number): Promise<void> {
    this.#entries.set(block, (offset - this.#header.dataOffset) / BLOCK_BYTES);
    this.#used++;
  }

  async writeChanges(): Promise<void> {
    await this.#entries.write(this.#file);
    await this.#file.write(FIELD.allocated, new ByteWriter().u32(this.#used).finish());
  }

  /** Looks for blocks that are used twice or lie outside the file. */
  check(): CheckReport {
    const seen = new Set<number>();
    const messages: string[] = [];
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries.get(i);
      if (entry >= DISCARDED) continue;
      const outside = this.#header.dataOffset + entry * BLOCK_BYTES >= this.#file.sizeBytes;
      if (seen.has(entry) || outside)
        messages.push(`ERROR: block index ${i} ${outside ? 'too large' : 'also used'}, is ${entry}`);
      seen.add(entry);
    }
    return {
      corruptions: messages.length,
      leaks: 0,
      checkErrors: 0,
      corruptionsFixed: 0,
      leaksFixed: 0,
      messages,
      imageEndOffset: this.#header.dataOffset + this.#end * BLOCK_BYTES,
      totalClusters: this.#header.blocks,
      allocatedClusters: this.#used,
      fragmentedClusters: 0,
      compressedClusters: 0,
    };
  }
}

/** Makes an empty file into a VDI image. @param fixed all blocks have their place from the start
 * @throws {RequestRefused} the size is beyond the format */
export async function createVdi(file: ImageFile, options: { sizeBytes: number; fixed?: boolean }, host: DiskHost) {
  const { sizeBytes, fixed = false } = options;
  const blocks = Math.ceil(sizeBytes / BLOCK_BYTES);
  if (blocks > MAX_BLOCKS) throw new RequestRefused('the disk is too large for VDI');
  const dataOffset = HEADER_BYTES + Math.ceil((blocks * 4) / 512) * 512;
  const identifiers = new Uint8Array(32);
  host.randomBytes(identifiers);
  const header = new ByteWriter()
    .text(TEXT, 64)
    .u32(SIGNATURE)
    .u32(VERSION)
    .u32(0x180)
    .u32(fixed ? TYPE.fixed : TYPE.dynamic)
    .zeros(4 + 256)
    .u32(HEADER_BYTES)
    .u32(dataOffset)
    .zeros(12)
    .u32(512)
    .u32(0)
    .u64(BigInt(sizeBytes))
    .u32(BLOCK_BYTES)
    .u32(0)
    .u32(blocks)
    .u32(fixed ? blocks : 0)
    .append(identifiers)
    .zeros(88);
  const map = new Uint32Array((dataOffset - HEADER_BYTES) / 4);
  for (let i = 0; i < blocks; i++) map[i] = fixed ? i : UNALLOCATED;
  await file.truncate(0);
  await file.write(HEADER_BYTES, new Uint8Array(map.buffer));
  await file.truncate(dataOffset + (fixed ? blocks * BLOCK_BYTES : 0));
  await file.write(0, header.finish());
}
