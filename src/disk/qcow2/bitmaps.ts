import { BigEndianFields } from '../big-endian.ts';
import { type ImageFile, ImageInvalid } from '../interfaces.ts';
import type { Qcow2Header } from './header.ts';
import { EntryTable } from './l2-table.ts';
import type { Metadata } from './metadata.ts';

const FLAG = { inUse: 1, auto: 2 } as const;
const FLAGS_OFFSET = 12;
const FIXED_BYTES = 24;
const MAX_BITMAPS = 65535;
const MAX_DIRECTORY_BYTES = 64 << 20;
const MAX_TABLE_ENTRIES = 4 << 20;
const ALL_ONES = 1;

/** A bitmap of what changed since a backup, as the image's directory describes it. */
export interface BitmapEntry {
  /** The place of this description in the file. */
  readonly directoryOffset: number;
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly flags: number;
  /** A bit stands for 2^this bytes. */
  readonly granularityBits: number;
  readonly name: string;
}

/** Reads the directory of bitmaps. @throws {ImageInvalid} */
export async function readBitmapDirectory(file: ImageFile, header: Qcow2Header): Promise<BitmapEntry[]> {
  const place = header.bitmaps;
  if (place === undefined) return [];
  if (
    place.count > MAX_BITMAPS ||
    place.sizeBytes > MAX_DIRECTORY_BYTES ||
    place.offset + place.sizeBytes > file.sizeBytes
  ) {
    throw new ImageInvalid(file.name, 'its directory of bitmaps lies outside the file');
  }
  const bytes = new Uint8Array(place.sizeBytes);
  await file.read(place.offset, bytes);
  const fields = new BigEndianFields(file.name, bytes);
  const entries: BitmapEntry[] = [];
  for (let at = 0; entries.length < place.count; ) {
    const [nameBytes, extraBytes] = [fields.u16(at + 18), fields.u32(at + 20)];
    entries.push({
      directoryOffset: place.offset + at,
      tableOffset: fields.u64(at),
      tableEntries: fields.u32(at + 8),
      flags: fields.u32(at + FLAGS_OFFSET),
      granularityBits: fields.u8(at + 17),
      name: fields.text(at + FIXED_BYTES + extraBytes, nameBytes),
    });
    at += Math.ceil((FIXED_BYTES + extraBytes + nameBytes) / 8) * 8;
  }
  return entries;
}

/** The flags of a bitmap under QEMU's names. */
export function bitmapFlags({ flags }: BitmapEntry): string[] {
  return [...(flags & FLAG.inUse ? ['in-use'] : []), ...(flags & FLAG.auto ? ['auto'] : [])];
}

/** Reads the table of one bitmap. @throws {ImageInvalid} */
export async function readBitmapTable(file: ImageFile, { tableOffset, tableEntries, name }: BitmapEntry) {
  if (tableEntries > MAX_TABLE_ENTRIES || tableOffset + tableEntries * 8 > file.sizeBytes) {
    throw new ImageInvalid(file.name, `the table of bitmap ${name} lies outside the file`);
  }
  const bytes = new Uint8Array(tableEntries * 8);
  await file.read(tableOffset, bytes);
  return new EntryTable(bytes);
}

/** Bits set since the image was opened, by the entry of the table that they belong to. */
interface Recorded {
  readonly entry: BitmapEntry;
  readonly parts: Map<number, Uint8Array>;
}

/**
 * Keeps those bitmaps that record changes. From the first change on they are marked as in use in the file, so that a
 * crash shows that they are out of date; closing the image writes what was recorded and takes the mark away.
 */
export class Bitmaps {
  readonly #metadata: Metadata;
  readonly #clusterBytes: number;
  readonly #recorded: readonly Recorded[];
  #marking: Promise<void> | undefined;
  #valid = true;

  constructor(metadata: Metadata, entries: readonly BitmapEntry[]) {
    this.#metadata = metadata;
    this.#clusterBytes = 2 ** metadata.header.clusterBits;
    this.#recorded = entries
      .filter(({ flags }) => (flags & (FLAG.auto | FLAG.inUse)) === FLAG.auto)
      .map((entry) => ({ entry, parts: new Map() }));
  }

  /** Records that a range is about to change. */
  async changing(offset: number, length: number): Promise<void> {
    if (this.#recorded.length === 0 || length === 0) return;
    this.#marking ??= this.#writeFlags(FLAG.auto | FLAG.inUse);
    await this.#marking;
    for (const bitmap of this.#recorded) this.#record(bitmap, offset, length);
  }

  /** Leaves the bitmaps marked as in use for good: what they describe is another disk now. */
  async invalidate(): Promise<void> {
    this.#marking ??= this.#writeFlags(FLAG.auto | FLAG.inUse);
    await this.#marking;
    this.#valid = false;
  }

  /** Writes what was recorded; no change may follow. */
  async store(): Promise<void> {
    if (this.#marking === undefined || !this.#valid) return;
    for (const bitmap of this.#recorded) await this.#storeOne(bitmap);
    await this.#metadata.flush();
    await this.#writeFlags(FLAG.auto);
  }

  async #writeFlags(flags: number): Promise<void> {
    const { file } = this.#metadata;
    for (const { entry } of this.#recorded) {
      const field = new Uint8Array(4);
      new DataView(field.buffer).setUint32(0, flags | (entry.flags & ~(FLAG.auto | FLAG.inUse)));
      await file.write(entry.directoryOffset + FLAGS_OFFSET, field);
    }
    await file.flush();
  }

  #record({ entry, parts }: Recorded, offset: number, length: number): void {
    const granule = 2 ** entry.granularityBits;
    const bitsPerPart = this.#clusterBytes * 8;
    const last = Math.floor((offset + length - 1) / granule);
    for (let bit = Math.floor(offset / granule); bit <= last; bit++) {
      const index = Math.floor(bit / bitsPerPart);
      const part = parts.get(index) ?? new Uint8Array(this.#clusterBytes);
      parts.set(index, part);
      const at = bit % bitsPerPart;
      part[at >>> 3] |= 1 << (at & 7);
    }
  }

  /** New clusters are written before the table refers to them. */
  async #storeOne({ entry, parts }: Recorded): Promise<void> {
    const { file } = this.#metadata;
    const table = await readBitmapTable(file, entry);
    for (const [index, part] of parts) {
      const { offset } = table.place(index);
      const allOnes = offset === 0 && table.view.getUint32(index * 8 + 4) === ALL_ONES;
      if (!allOnes) await this.#storePart(table, index, offset, part);
    }
    await this.#metadata.flush();
    if (table.isDirty) {
      const { start, bytes } = table.takeDirty();
      await file.write(entry.tableOffset + start, bytes);
    }
  }

  async #storePart(table: EntryTable, index: number, offset: number, part: Uint8Array): Promise<void> {
    const { file } = this.#metadata;
    if (offset === 0) {
      const made = await this.#metadata.allocate(1);
      table.setPlace(index, made.offset, false);
      return file.write(made.offset, part);
    }
    const before = new Uint8Array(this.#clusterBytes);
    await file.read(offset, before);
    for (let i = 0; i < part.length; i++) before[i] |= part[i] ?? 0;
    return file.write(offset, before);
  }
}
