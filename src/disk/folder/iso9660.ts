import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { RequestRefused } from '../interfaces.ts';
import { isoNames, jolietNames } from './iso-names.ts';
import { both16, both32, directoryRecord, type RecordFields, volumeDate } from './iso-record.ts';
import { bytesPiece, type DiskPiece, PieceImage } from './piece-image.ts';
import { ContinuationArea, type RecordRole, systemUse } from './rock-ridge.ts';
import type { FolderNode } from './tree.ts';

// ECMA-119 (ISO 9660), the Joliet specification of 1995, and Rock Ridge.

const SECTOR_BYTES = 2048;
const FIRST_DESCRIPTOR = 16;
const DESCRIPTORS = 3;
/** The most that one directory record describes, whole sectors. */
const MAX_EXTENT_BYTES = 0xffff_f800;
const MAX_RECORD_BYTES = 254;
const MAX_SECTORS = 2 ** 32;
const JOLIET_ESCAPES = '%/E';
const CURRENT = [0];
const PARENT = [1];

/** What the descriptors of a disc say. */
export interface IsoOptions {
  /** Up to 32 characters, 16 of which Joliet has. */
  readonly label: string;
  readonly createdMillis: number;
}

/** One of the two trees of directories on the disc. */
interface Hierarchy {
  readonly joliet: boolean;
  readonly directories: readonly Directory[];
  pathTableBytes: number;
  littlePathTable: number;
  bigPathTable: number;
}

interface Directory {
  readonly node: FolderNode;
  readonly parent: Directory | undefined;
  /** Its place in the path table, from 1 on. */
  readonly number: number;
  readonly identifier: ArrayLike<number>;
  readonly names: ReadonlyMap<FolderNode, ArrayLike<number>>;
  sector: number;
  sizeBytes: number;
}

/** A disc with a folder's content: ISO 9660 level 1 for the oldest systems, Joliet and Rock Ridge for all others. Files
 * are read when the disc is. @throws {RequestRefused} it is too large */
export function makeIso(root: FolderNode, options: IsoOptions): PieceImage {
  return new Disc(root, options).image();
}

class Disc {
  readonly #options: IsoOptions;
  readonly #primary: Hierarchy;
  readonly #joliet: Hierarchy;
  readonly #area = new ContinuationArea();
  readonly #files: readonly FolderNode[];
  readonly #fileSectors = new Map<FolderNode, number>();
  readonly #serials = new Map<FolderNode, number>();
  #sectors = FIRST_DESCRIPTOR + DESCRIPTORS;

  constructor(root: FolderNode, options: IsoOptions) {
    this.#options = options;
    this.#primary = makeHierarchy(root, false);
    this.#joliet = makeHierarchy(root, true);
    const nodes = this.#primary.directories.flatMap(({ node }) => node.children);
    this.#files = nodes.filter(({ kind }) => kind === 'file');
    for (const node of [root, ...nodes]) this.#serials.set(node, this.#serials.size + 1);
  }

  image(): PieceImage {
    this.#place();
    const pieces: DiskPiece[] = [
      bytesPiece(FIRST_DESCRIPTOR * SECTOR_BYTES, this.#descriptor(1, this.#primary)),
      bytesPiece((FIRST_DESCRIPTOR + 1) * SECTOR_BYTES, this.#descriptor(2, this.#joliet)),
      bytesPiece((FIRST_DESCRIPTOR + 2) * SECTOR_BYTES, Uint8Array.of(255, ...asciiOf('CD001'), 1)),
    ];
    this.#area.clear();
    for (const hierarchy of [this.#primary, this.#joliet]) {
      pieces.push(bytesPiece(hierarchy.littlePathTable * SECTOR_BYTES, pathTable(hierarchy, true)));
      pieces.push(bytesPiece(hierarchy.bigPathTable * SECTOR_BYTES, pathTable(hierarchy, false)));
      for (const directory of hierarchy.directories) {
        pieces.push(bytesPiece(directory.sector * SECTOR_BYTES, this.#directoryBytes(directory, hierarchy)));
      }
    }
    pieces.push(bytesPiece(this.#area.firstSector * SECTOR_BYTES, this.#area.bytes));
    for (const node of this.#files) {
      const offset = (this.#fileSectors.get(node) ?? 0) * SECTOR_BYTES;
      pieces.push({ offset, length: node.sizeBytes, read: (within, target) => node.read(within, target) });
    }
    return new PieceImage(this.#sectors * SECTOR_BYTES, pieces);
  }

  /** Gives everything its place: path tables, directories, continuations, files. */
  #place(): void {
    for (const hierarchy of [this.#primary, this.#joliet]) {
      hierarchy.pathTableBytes = pathTable(hierarchy, true).length;
      hierarchy.littlePathTable = this.#take(hierarchy.pathTableBytes);
      hierarchy.bigPathTable = this.#take(hierarchy.pathTableBytes);
      for (const directory of hierarchy.directories) {
        directory.sizeBytes = this.#directoryBytes(directory, hierarchy).length;
        directory.sector = this.#take(directory.sizeBytes);
      }
    }
    this.#area.firstSector = this.#take(this.#area.bytes.length);
    for (const node of this.#files) this.#fileSectors.set(node, this.#take(node.sizeBytes));
    if (this.#sectors >= MAX_SECTORS) throw new RequestRefused('the folder is too large for a disc');
  }

  #take(bytes: number): number {
    const sector = this.#sectors;
    this.#sectors += Math.ceil(bytes / SECTOR_BYTES);
    return sector;
  }

  #directoryBytes(directory: Directory, { joliet, directories }: Hierarchy): Uint8Array {
    const { node, parent = directory } = directory;
    const role: RecordRole = directory.parent === undefined ? 'root' : 'current';
    const records = [
      this.#record(node, CURRENT, directory, role, joliet),
      this.#record(parent.node, PARENT, parent, 'parent', joliet),
    ];
    const sorted = [...directory.names].sort(([, a], [, b]) => compareBytes(a, b));
    const below = new Map(directories.filter((one) => one.parent === directory).map((one) => [one.node, one]));
    for (const [child, identifier] of sorted) {
      const folder = below.get(child);
      if (folder) records.push(this.#record(child, identifier, folder, 'child', joliet));
      else if (child.kind === 'file' || !joliet) records.push(...this.#fileRecords(child, identifier, joliet));
    }
    return packRecords(records);
  }

  #record(
    node: FolderNode,
    identifier: ArrayLike<number>,
    place: Directory,
    role: RecordRole,
    joliet: boolean,
  ): Uint8Array {
    const { sector, sizeBytes } = place;
    const fields = { identifier, sector, sizeBytes, modifiedMillis: node.modifiedMillis, isFolder: true };
    return this.#withSystemUse(fields, node, role, joliet);
  }

  /** One record, or several for a file of 4 GiB and more. */
  #fileRecords(node: FolderNode, identifier: ArrayLike<number>, joliet: boolean): Uint8Array[] {
    const records: Uint8Array[] = [];
    const first = this.#fileSectors.get(node) ?? 0;
    for (let at = 0; at === 0 || at < node.sizeBytes; at += MAX_EXTENT_BYTES) {
      const sizeBytes = node.kind === 'link' ? 0 : Math.min(MAX_EXTENT_BYTES, node.sizeBytes - at);
      const sector = first + at / SECTOR_BYTES;
      const continued = at + sizeBytes < node.sizeBytes && node.kind === 'file';
      const fields = { identifier, sector, sizeBytes, modifiedMillis: node.modifiedMillis, isFolder: false, continued };
      records.push(this.#withSystemUse(fields, node, 'child', joliet));
      if (!continued) break;
    }
    return records;
  }

  #withSystemUse(fields: RecordFields, node: FolderNode, role: RecordRole, joliet: boolean): Uint8Array {
    if (joliet) return directoryRecord(fields);
    const room = MAX_RECORD_BYTES - directoryRecord(fields).length;
    return directoryRecord({
      ...fields,
      systemUse: systemUse(node, role, this.#serials.get(node) ?? 0, room, this.#area),
    });
  }

  #descriptor(kind: number, hierarchy: Hierarchy): Uint8Array {
    const { joliet, directories } = hierarchy;
    const text = (value: string, length: number) => padded(value, length, joliet);
    const root = directories[0] as Directory;
    const { label, createdMillis } = this.#options;
    const writer = new ByteWriter().u8(kind).text('CD001').u8(1).u8(0);
    writer
      .append(text('', 32))
      .append(text(joliet ? label.slice(0, 16) : label, 32))
      .zeros(8);
    both32(writer, this.#sectors);
    writer.text(joliet ? JOLIET_ESCAPES : '', 32);
    for (const value of [1, 1, SECTOR_BYTES]) both16(writer, value);
    both32(writer, hierarchy.pathTableBytes);
    writer.u32(hierarchy.littlePathTable).u32(0).append(bigEndian32(hierarchy.bigPathTable)).u32(0);
    const { modifiedMillis } = root.node;
    const place = {
      identifier: CURRENT,
      sector: root.sector,
      sizeBytes: root.sizeBytes,
      modifiedMillis,
      isFolder: true,
    };
    writer.append(directoryRecord(place));
    for (const length of [128, 128, 128]) writer.append(text('', length));
    writer.append(text('VITRINE', 128));
    for (const length of [37, 37, 37]) writer.append(text('', length));
    const none = new Uint8Array(17).fill(0x30, 0, 16);
    writer.append(volumeDate(createdMillis)).append(volumeDate(createdMillis)).append(none).append(none).u8(1);
    return writer.zeros(SECTOR_BYTES - writer.length).finish();
  }
}

/** The directories of a tree in the order of the path table: by depth, then by parent, then by name. */
function makeHierarchy(root: FolderNode, joliet: boolean): Hierarchy {
  const directories: Directory[] = [makeDirectory(root, undefined, CURRENT, 1, joliet)];
  for (const directory of directories) {
    const folders = [...directory.names].filter(([{ kind }]) => kind === 'folder');
    for (const [node, identifier] of folders.sort(([, a], [, b]) => compareBytes(a, b))) {
      directories.push(makeDirectory(node, directory, identifier, directories.length + 1, joliet));
    }
  }
  return { joliet, directories, pathTableBytes: 0, littlePathTable: 0, bigPathTable: 0 };
}

function makeDirectory(
  node: FolderNode,
  parent: Directory | undefined,
  identifier: ArrayLike<number>,
  number: number,
  joliet: boolean,
): Directory {
  const names = joliet ? jolietNames(node.children) : isoNames(node.children);
  const encode = joliet ? ucs2Of : asciiOf;
  const encoded = new Map([...names].map(([child, name]) => [child, encode(name)]));
  return { node, parent, number, identifier, names: encoded, sector: 0, sizeBytes: SECTOR_BYTES };
}

function pathTable({ directories }: Hierarchy, littleEndian: boolean): Uint8Array {
  const writer = new ByteWriter();
  for (const { identifier, sector, parent } of directories) {
    writer.u8(identifier.length).u8(0);
    const number = parent?.number ?? 1;
    if (littleEndian) writer.u32(sector).u16(number);
    else
      writer
        .append(bigEndian32(sector))
        .u8(number >>> 8)
        .u8(number);
    writer.append(identifier).align(2);
  }
  return writer.finish();
}

/** Records one after the other, none across the end of a sector. */
function packRecords(records: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const record of records) {
    const left = SECTOR_BYTES - (at % SECTOR_BYTES);
    if (record.length > left) {
      parts.push(new Uint8Array(left));
      at += left;
    }
    parts.push(record);
    at += record.length;
  }
  parts.push(new Uint8Array((SECTOR_BYTES - (at % SECTOR_BYTES)) % SECTOR_BYTES));
  return concatenate(parts);
}

function compareBytes(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0);
  return a.length - b.length;
}

function asciiOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}

function ucs2Of(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length * 2 }, (_, i) => text.charCodeAt(i >> 1) >>> (i % 2 === 0 ? 8 : 0));
}

/** Text filled up with spaces. */
function padded(text: string, length: number, joliet: boolean): Uint8Array {
  if (!joliet) return asciiOf(text.slice(0, length).padEnd(length));
  const bytes = new Uint8Array(length);
  bytes.set(ucs2Of(text.slice(0, length >> 1).padEnd(length >> 1)));
  return bytes;
}

function bigEndian32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}
