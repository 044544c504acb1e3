import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { OpenContext } from './formats.ts';
import {
  type CheckReport,
  type DiskHost,
  type ImageFile,
  ImageInvalid,
  type Repair,
  RequestRefused,
} from './interfaces.ts';
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
  /** How many blocks have a place, as other programs have it: the next new one comes after so many places. */
  readonly allocated: number;
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
  return { sizeBytes, mapOffset, dataOffset, blocks, allocated: fields.u32(FIELD.allocated) };
}

class VdiImage extends MappedImage {
  readonly #table: VdiTable;

  constructor(file: ImageFile, table: VdiTable) {
    super(file, table);
    this.#table = table;
  }

  async check(repair: Repair): Promise<CheckReport> {
    await this.flush();
    return this.#table.check(repair !== 'none' && !this.readOnly);
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
  /** Which block each place holds; a place without a block was taken right before a crash. */
  readonly #blocks: (number | undefined)[] = [];
  /** What the header in the file says of how many blocks have a place. */
  #allocated: number;

  constructor(file: ImageFile, header: VdiHeader, entries: EntryTable32) {
    this.#file = file;
    this.#header = header;
    this.#entries = entries;
    this.sizeBytes = header.sizeBytes;
    this.#allocated = header.allocated;
    for (let i = 0; i < entries.length; i++) {
      const place = entries.get(i);
      if (place < DISCARDED && this.#isInside(place)) this.#blocks[place] = i;
    }
  }

  get isDirty(): boolean {
    return this.#entries.isDirty;
  }

  async find(block: number): Promise<BlockPlace> {
    const entry = this.#entries.get(block);
    if (entry >= DISCARDED) return entry === DISCARDED ? 'zero' : 'absent';
    if (!this.#isInside(entry)) throw new ImageInvalid(this.#file.name, `its block ${block} lies outside the file`);
    return this.#offsetOf(entry);
  }

  /** The header counts the place before the table has it: a program that puts new blocks behind as many places as the header
   * counts, as QEMU and VirtualBox do, writes over none after a crash. */
  async allocate(): Promise<number> {
    const place = this.#blocks.length;
    this.#blocks.length++;
    await this.#file.truncate(this.#offsetOf(place));
    await this.#file.truncate(this.#offsetOf(place + 1));
    await this.#count(place + 1);
    return this.#offsetOf(place);
  }

  async put(block: number, offset: number): Promise<void> {
    const place = (offset - this.#header.dataOffset) / BLOCK_BYTES;
    this.#entries.set(block, place);
    this.#blocks[place] = block;
  }

  writeChanges(): Promise<void> {
    return this.#entries.write(this.#file);
  }

  async #count(places: number): Promise<void> {
    this.#allocated = places;
    await this.#file.write(FIELD.allocated, new ByteWriter().u32(places).finish());
  }

  #offsetOf(place: number): number {
    return this.#header.dataOffset + place * BLOCK_BYTES;
  }

  #isInside(place: number): boolean {
    return this.#offsetOf(place) < this.#file.sizeBytes;
  }

  /** Has the places without a block taken by the blocks of the last ones. */
  async #closeUp(): Promise<void> {
    const bytes = new Uint8Array(BLOCK_BYTES);
    for (let place = 0; place < this.#blocks.length; place++) {
      while (this.#blocks.length > place && this.#blocks.at(-1) === undefined) this.#blocks.pop();
      const block = this.#blocks[place] === undefined ? this.#blocks.pop() : undefined;
      if (block === undefined) continue;
      await this.#file.read(this.#offsetOf(this.#blocks.length), bytes);
      await this.#file.write(this.#offsetOf(place), bytes);
      await this.put(block, this.#offsetOf(place));
    }
    await this.#file.flush();
    await this.#entries.write(this.#file);
    await this.#file.flush();
    await this.#count(this.#blocks.length);
    await this.#file.truncate(this.#offsetOf(this.#blocks.length));
  }

  /** Looks for blocks that are used twice or lie outside the file, and for places without a block.
   * @param repairs whether the latter are to be taken by others */
  async check(repairs: boolean): Promise<CheckReport> {
    const { messages, corruptions, used } = this.#findDefects();
    const leaks = Math.abs(this.#allocated - used);
    const fixes = repairs && corruptions === 0 && leaks > 0;
    if (fixes) await this.#closeUp();
    return {
      corruptions,
      leaks: fixes ? 0 : leaks,
      checkErrors: 0,
      corruptionsFixed: 0,
      leaksFixed: fixes ? leaks : 0,
      messages,
      imageEndOffset: this.#offsetOf(this.#blocks.length),
      totalClusters: this.#header.blocks,
      allocatedClusters: used,
      fragmentedClusters: 0,
      compressedClusters: 0,
    };
  }

  #findDefects() {
    const seen = new Set<number>();
    const messages: string[] = [];
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries.get(i);
      if (entry >= DISCARDED) continue;
      const outside = !this.#isInside(entry);
      if (seen.has(entry) || outside)
        messages.push(`ERROR: block index ${i} ${outside ? 'too large' : 'also used'}, is ${entry}`);
      seen.add(entry);
    }
    const corruptions = messages.length;
    const used = seen.size;
    if (this.#allocated !== used)
      messages.push(`ERROR: allocated blocks mismatch, is ${this.#allocated}, should be ${used}`);
    return { messages, corruptions, used };
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
