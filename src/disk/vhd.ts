import { type BackingImage, openBacking } from './backing.ts';
import { BigEndianFields, BigEndianWriter } from './big-endian.ts';
import type { OpenContext } from './formats.ts';
import {
  type BackingReference,
  type DiskHost,
  type ImageDriver,
  type ImageFile,
  ImageInvalid,
  RequestRefused,
} from './interfaces.ts';
import { type BlockPlace, type BlockTable, EntryTable32, MappedImage } from './mapped-image.ts';
import { PlacedImage } from './placed-image.ts';
import { VhdDifference } from './vhd-difference.ts';

// Microsoft, Virtual Hard Disk Image Format Specification, version 1.0.

const FOOTER_BYTES = 512;
const COOKIE = 'conectix';
const DYNAMIC_COOKIE = 'cxsparse';
const TYPE = { fixed: 2, dynamic: 3, differencing: 4 } as const;
const FIELD = { checksum: 64, headerChecksum: 36 } as const;
const DYNAMIC_HEADER_BYTES = 1024;
const BLOCK_BYTES = 2 << 20;
const MAX_BYTES = 2040 * 2 ** 30;
const MAX_ENTRIES = 1 << 24;
const UNUSED = 0xffff_ffff;
/** Seconds from 1970 to 2000. */
const EPOCH = 946_684_800;
/** Programs that take the size from the geometry otherwise take it from its own field for images of this creator. */
const CREATOR = 'win ';
/** Creators whose images have the size of their geometry. */
const SIZED_BY_GEOMETRY = ['vpc ', 'vs  ', 'qemu'];

interface Footer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: number;
  readonly sizeBytes: number;
  readonly headerOffset: number;
}

/** Whether a file that begins with these bytes is a VHD image whose size is not fixed. */
export function isVhd(start: Uint8Array): boolean {
  return start.length >= FOOTER_BYTES && new TextDecoder().decode(start.subarray(0, 8)) === COOKIE;
}

/** Opens a VHD image: fixed, dynamic, or a difference to another one, which is only read. @throws {ImageInvalid} */
export async function openVhd(file: ImageFile, context: OpenContext): Promise<ImageDriver> {
  const footer = await findFooter(file);
  if (footer.type === TYPE.fixed) {
    if (footer.sizeBytes > file.sizeBytes - FOOTER_BYTES) throw new ImageInvalid(file.name, 'it is cut off');
    return new PlacedImage('vpc', [{ file, start: 0, sizeBytes: footer.sizeBytes }], {});
  }
  const { fields, tableOffset, entries, blockBytes } = await readDynamicHeader(file, footer);
  const map = await EntryTable32.read(file, tableOffset, entries, false);
  const table = new VhdTable(file, footer, map, blockBytes);
  if (footer.type === TYPE.dynamic) return new MappedImage(file, table);
  const backing: BackingImage | undefined = await openBacking(file.name, await readParent(file, fields), context);
  return new VhdDifference(file, table, backing);
}

/** The footer at the end, or its copy at the beginning where that is lost. */
async function findFooter(file: ImageFile): Promise<Footer> {
  if (file.sizeBytes < FOOTER_BYTES) throw new ImageInvalid(file.name, 'it is no VHD image');
  for (const offset of [0, file.sizeBytes - FOOTER_BYTES]) {
    const bytes = new Uint8Array(FOOTER_BYTES);
    await file.read(offset, bytes);
    if (isVhd(bytes) && isChecked(bytes, FIELD.checksum)) return readFooter(file, bytes);
  }
  throw new ImageInvalid(file.name, 'it is no VHD image, or its footer is damaged');
}

function readFooter(file: ImageFile, bytes: Uint8Array<ArrayBuffer>): Footer {
  const fields = new BigEndianFields(file.name, bytes);
  const type = fields.u32(60);
  if (![TYPE.fixed, TYPE.dynamic, TYPE.differencing].some((known) => known === type)) {
    throw new ImageInvalid(file.name, `its VHD type ${type} is unknown`);
  }
  const geometry = fields.u16(56) * fields.u8(58) * fields.u8(59) * 512;
  const byGeometry = SIZED_BY_GEOMETRY.includes(fields.text(28, 4)) && geometry > 0 && geometry < 127 * 2 ** 30;
  return {
    bytes,
    type,
    sizeBytes: byGeometry ? geometry : fields.u64(48),
    headerOffset: type === TYPE.fixed ? 0 : fields.u64(16),
  };
}

async function readDynamicHeader(file: ImageFile, { headerOffset, sizeBytes }: Footer) {
  const bytes = new Uint8Array(DYNAMIC_HEADER_BYTES);
  await file.read(headerOffset, bytes);
  const fields = new BigEndianFields(file.name, bytes);
  if (fields.text(0, 8) !== DYNAMIC_COOKIE || !isChecked(bytes, FIELD.headerChecksum)) {
    throw new ImageInvalid(file.name, 'the header of its dynamic disk is damaged');
  }
  const [tableOffset, entries, blockBytes] = [fields.u64(16), fields.u32(28), fields.u32(32)];
  const usual = blockBytes >= 4096 && blockBytes <= 256 << 20 && Number.isInteger(Math.log2(blockBytes));
  if (
    !usual ||
    entries > MAX_ENTRIES ||
    sizeBytes > entries * blockBytes ||
    tableOffset + entries * 4 > file.sizeBytes
  ) {
    throw new ImageInvalid(file.name, 'its table of blocks lies outside the file');
  }
  return { fields, tableOffset, entries, blockBytes };
}

/** The name of the parent by a locator relative to the image, or else the plain name. */
async function readParent(file: ImageFile, fields: BigEndianFields): Promise<BackingReference | undefined> {
  for (let locator = 576; locator < 768; locator += 24) {
    const platform = fields.text(locator, 4);
    const length = fields.u32(locator + 8);
    if (platform !== 'W2ru' || length === 0 || length > 4096) continue;
    const name = new Uint8Array(length);
    await file.read(fields.u64(locator + 16), name);
    return { name: new TextDecoder('utf-16le').decode(name).replaceAll('\\', '/').replace(/\0+$/, ''), format: 'vpc' };
  }
  const name = new TextDecoder('utf-16be').decode(fields.bytes(64, 512)).replace(/\0.*$/, '');
  return name === '' ? undefined : { name: name.replaceAll('\\', '/'), format: 'vpc' };
}

/** The table of a dynamic disk. Each block begins with a bitmap of its sectors. */
export class VhdTable implements BlockTable {
  readonly format = 'vpc';
  readonly blockBytes: number;
  readonly blockHeader: Uint8Array;
  readonly sizeBytes: number;
  readonly facts;
  readonly #file: ImageFile;
  readonly #footer: Footer;
  readonly #map: EntryTable32;
  /** Where the footer is, and the next block goes. */
  #end: number;

  constructor(file: ImageFile, footer: Footer, map: EntryTable32, blockBytes: number) {
    this.#file = file;
    this.#footer = footer;
    this.#map = map;
    this.blockBytes = blockBytes;
    this.blockHeader = new Uint8Array(Math.ceil(blockBytes / 512 / 8 / 512) * 512).fill(0xff);
    this.sizeBytes = footer.sizeBytes;
    this.facts = { clusterBytes: blockBytes };
    this.#end = this.#findEnd();
  }

  get isDirty(): boolean {
    return this.#map.isDirty;
  }

  async find(block: number): Promise<BlockPlace> {
    const sector = this.#map.get(block);
    if (sector === UNUSED) return 'absent';
    const offset = sector * 512 + this.blockHeader.length;
    if (offset >= this.#file.sizeBytes)
      throw new ImageInvalid(this.#file.name, `its block ${block} lies outside the file`);
    return offset;
  }

  /** The footer moves behind the new block; should that be lost, its copy at the beginning is there. */
  async allocate(): Promise<number> {
    const start = this.#end;
    await this.#file.truncate(start);
    this.#end = start + this.blockHeader.length + this.blockBytes;
    await this.#file.write(this.#end, this.#footer.bytes);
    return start + this.blockHeader.length;
  }

  async put(block: number, offset: number): Promise<void> {
    this.#map.set(block, (offset - this.blockHeader.length) / 512);
  }

  writeChanges(): Promise<void> {
    return this.#map.write(this.#file);
  }

  /** Behind the last block: what a crash left there is in no table. */
  #findEnd(): number {
    let end = Math.max(FOOTER_BYTES, Math.floor((this.#file.sizeBytes - FOOTER_BYTES) / 512) * 512);
    for (let i = 0; i < this.#map.length; i++) {
      const sector = this.#map.get(i);
      if (sector !== UNUSED) end = Math.max(end, sector * 512 + this.blockHeader.length + this.blockBytes);
    }
    return end;
  }
}

/** Makes an empty file into a VHD image. @param fixed the file has the disk's size from the start
 * @throws {RequestRefused} the size is beyond the format */
export async function createVhd(file: ImageFile, options: { sizeBytes: number; fixed?: boolean }, host: DiskHost) {
  const { sizeBytes, fixed = false } = options;
  if (sizeBytes > MAX_BYTES) throw new RequestRefused('the disk is too large for VHD, which ends at 2040 GiB');
  const footer = makeFooter(sizeBytes, fixed, host);
  await file.truncate(0);
  if (fixed) return file.write(sizeBytes, footer);
  const entries = Math.ceil(sizeBytes / BLOCK_BYTES);
  const tableOffset = FOOTER_BYTES + DYNAMIC_HEADER_BYTES;
  const table = new Uint8Array(Math.max(512, Math.ceil((entries * 4) / 512) * 512)).fill(0xff);
  await file.write(tableOffset + table.length, footer);
  await file.write(tableOffset, table);
  await file.write(FOOTER_BYTES, makeDynamicHeader(tableOffset, entries));
  await file.write(0, footer);
}

function makeFooter(sizeBytes: number, fixed: boolean, host: DiskHost): Uint8Array {
  const identifier = new Uint8Array(16);
  host.randomBytes(identifier);
  const { cylinders, heads, sectors } = geometryOf(sizeBytes / 512);
  const writer = new BigEndianWriter().text(COOKIE).u32(2).u32(0x10000);
  if (fixed) writer.u32(UNUSED).u32(UNUSED);
  else writer.u64(FOOTER_BYTES);
  writer
    .u32(Math.floor(host.nowMillis() / 1000) - EPOCH)
    .text(CREATOR)
    .u32(0x10000)
    .text('Wi2k');
  writer.u64(sizeBytes).u64(sizeBytes).u16(cylinders).u8(heads).u8(sectors);
  writer
    .u32(fixed ? TYPE.fixed : TYPE.dynamic)
    .u32(0)
    .append(identifier)
    .zeros(FOOTER_BYTES - 84);
  return withChecksum(writer.finish(), FIELD.checksum);
}

function makeDynamicHeader(tableOffset: number, entries: number): Uint8Array {
  const writer = new BigEndianWriter().text(DYNAMIC_COOKIE).u32(UNUSED).u32(UNUSED).u64(tableOffset);
  writer
    .u32(0x10000)
    .u32(entries)
    .u32(BLOCK_BYTES)
    .zeros(DYNAMIC_HEADER_BYTES - 36);
  return withChecksum(writer.finish(), FIELD.headerChecksum);
}

/** The specification's appendix "CHS Calculation". */
function geometryOf(wanted: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(wanted, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(total / 17);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  for (const more of [31, 63]) {
    if (tracks < heads * 1024 && heads <= 16) break;
    sectors = more;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}

/** The ones' complement of the sum of all bytes but those of the checksum itself. */
function checksumOf(bytes: Uint8Array, field: number): number {
  const sum = bytes.reduce((total, byte, i) => total + (i >= field && i < field + 4 ? 0 : byte), 0);
  return ~sum >>> 0;
}

function isChecked(bytes: Uint8Array, field: number): boolean {
  return new DataView(bytes.buffer).getUint32(field) === checksumOf(bytes, field);
}

function withChecksum(bytes: Uint8Array, field: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(field, checksumOf(bytes, field));
  return bytes;
}
