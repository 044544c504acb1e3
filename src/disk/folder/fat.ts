import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { RequestRefused } from '../interfaces.ts';
import { encodeEntry, encodeLabel } from './fat-directory.ts';
import { fatNames } from './fat-names.ts';
import { bytesPiece, type DiskPiece, PieceImage } from './piece-image.ts';
import type { FolderNode } from './tree.ts';

// Microsoft, FAT32 File System Specification 1.03 (2000).

const SECTOR_BYTES = 512;
const ENTRY_BYTES = 32;
const MAX_FILE_BYTES = 0xffff_ffff;
/** Fewer clusters than this make FAT12 or FAT16; the kind is told by nothing else. */
const FAT16_FROM = 4085;
const FAT32_FROM = 65525;
const MAX_CLUSTERS = 0x0fff_fff5;
const MAX_SECTORS_PER_CLUSTER = 128;
/** Where the partition of a disk begins: a whole cylinder of 63 sectors. */
const PARTITION_START = 63;
const PARTITION_TYPE = { 12: 0x01, 16: 0x06, 32: 0x0c } as const;
const END_OF_CHAIN = { 12: 0xfff, 16: 0xffff, 32: 0x0fff_ffff } as const;
const DISK_GEOMETRY = { sectors: 63, heads: 255, media: 0xf8 } as const;
/** Boot sector and its copy, and the sector with the free clusters. */
const FAT32_RESERVED = 32;
const BACKUP_SECTOR = 6;

/** Floppies by their size in KiB: tracks have these sectors, the root folder these entries, clusters these sectors. */
const FLOPPIES: Readonly<Record<number, { sectors: number; root: number; perCluster: number; media: number }>> = {
  360: { sectors: 9, root: 112, perCluster: 2, media: 0xfd },
  720: { sectors: 9, root: 112, perCluster: 2, media: 0xf9 },
  1200: { sectors: 15, root: 224, perCluster: 1, media: 0xf9 },
  1440: { sectors: 18, root: 224, perCluster: 1, media: 0xf0 },
  2880: { sectors: 36, root: 240, perCluster: 2, media: 0xf0 },
};

/** What a FAT image made from a folder is like. */
export interface FatOptions {
  /** Of the whole image. Those of floppies make floppies, others disks. */
  readonly sizeBytes: number;
  /** Up to 11 characters. */
  readonly label: string;
  readonly createdMillis: number;
  /** A disk gets a partition table unless this is false. */
  readonly partitioned?: boolean;
}

type Kind = 12 | 16 | 32;

/** Where everything is, in sectors of the volume. */
interface Layout {
  readonly kind: Kind;
  readonly start: number;
  readonly total: number;
  readonly reserved: number;
  readonly fatSectors: number;
  readonly rootEntries: number;
  readonly perCluster: number;
  readonly clusters: number;
  readonly geometry: { readonly sectors: number; readonly heads: number; readonly media: number };
}

/** A floppy or disk with a folder's content in FAT12, FAT16 or FAT32, with long names. Symbolic links are left out. Files
 * are read when the disk is. @throws {RequestRefused} the folder does not fit */
export function makeFat(root: FolderNode, options: FatOptions): PieceImage {
  return new Volume(root, options).image();
}

/** A size at which a folder fits into a disk, with half as much again to write to. */
export function fittingFatSize(root: FolderNode): number {
  const used = (node: FolderNode): number =>
    node.sizeBytes + 65536 + node.children.reduce((sum, child) => sum + used(child), 0);
  const bytes = Math.max(16 << 20, used(root) * 1.5);
  return Math.ceil(bytes / (1 << 20)) * (1 << 20);
}

class Volume {
  readonly #options: FatOptions;
  readonly #layout: Layout;
  readonly #root: FolderNode;
  readonly #chains: [first: number, count: number][] = [];
  readonly #pieces: DiskPiece[] = [];
  #nextCluster = 2;

  constructor(root: FolderNode, options: FatOptions) {
    this.#root = root;
    this.#options = options;
    this.#layout = layOut(options);
  }

  image(): PieceImage {
    const { kind, start, reserved, fatSectors, rootEntries } = this.#layout;
    const rootFirst = kind === 32 ? this.#allocate(this.#directoryBytes(this.#root, true)) : 0;
    const root = this.#directory(this.#root, rootFirst, undefined);
    if (kind === 32) this.#put(rootFirst, root);
    else {
      if (root.length > rootEntries * ENTRY_BYTES)
        throw new RequestRefused('the folder has too many entries for this size');
      this.#addPiece(reserved + 2 * fatSectors, root);
    }
    const boot = this.#bootSector(rootFirst);
    this.#addPiece(0, boot);
    if (kind === 32) {
      this.#addPiece(1, this.#informationSector());
      this.#addPiece(BACKUP_SECTOR, boot);
      this.#addPiece(BACKUP_SECTOR + 1, this.#informationSector());
    }
    const table = this.#table();
    for (const copy of [0, 1]) this.#addPiece(reserved + copy * fatSectors, table);
    if (start > 0) this.#pieces.push(bytesPiece(0, this.#partitionTable()));
    return new PieceImage(this.#options.sizeBytes, this.#pieces);
  }

  /** Takes clusters one after the other. @returns the first, or 0 for none */
  #allocate(bytes: number): number {
    const count = Math.ceil(bytes / (this.#layout.perCluster * SECTOR_BYTES));
    if (count === 0) return 0;
    const first = this.#nextCluster;
    this.#nextCluster += count;
    if (this.#nextCluster > this.#layout.clusters + 2) {
      throw new RequestRefused(`the folder does not fit into ${this.#options.sizeBytes} bytes`);
    }
    this.#chains.push([first, count]);
    return first;
  }

  /** How long a folder is, which depends on names alone. */
  #directoryBytes(node: FolderNode, isRoot: boolean): number {
    const names = fatNames(storable(node));
    const entries = [...names.values()].reduce((sum, { long }) => sum + 1 + Math.ceil((long?.length ?? 0) / 13), 0);
    return Math.max(1, entries + (isRoot ? 1 : 2)) * ENTRY_BYTES;
  }

  /** The bytes of a folder, for whose content places are taken. @param parent the first cluster of the folder above;
   * undefined for the root */
  #directory(node: FolderNode, own: number, parent: number | undefined): Uint8Array {
    const { modifiedMillis } = node;
    const parts: Uint8Array[] = [];
    const above = { isFolder: true, isReadOnly: false, modifiedMillis, sizeBytes: 0 };
    if (parent === undefined) parts.push(encodeLabel(this.#options.label, this.#options.createdMillis));
    else {
      parts.push(encodeEntry({ ...above, name: { short: '.          ', long: undefined }, firstCluster: own }));
      parts.push(encodeEntry({ ...above, name: { short: '..         ', long: undefined }, firstCluster: parent }));
    }
    for (const [child, name] of fatNames(storable(node))) {
      const isFolder = child.kind === 'folder';
      const firstCluster = isFolder ? this.#addFolder(child, parent === undefined ? 0 : own) : this.#addFile(child);
      const sizeBytes = isFolder ? 0 : child.sizeBytes;
      const isReadOnly = !isFolder && (child.mode & 0o222) === 0;
      parts.push(
        encodeEntry({ name, isFolder, isReadOnly, modifiedMillis: child.modifiedMillis, firstCluster, sizeBytes }),
      );
    }
    return concatenate(parts);
  }

  #addFolder(node: FolderNode, parent: number): number {
    const first = this.#allocate(this.#directoryBytes(node, false));
    this.#put(first, this.#directory(node, first, parent));
    return first;
  }

  #addFile(node: FolderNode): number {
    if (node.sizeBytes > MAX_FILE_BYTES)
      throw new RequestRefused(`${node.name} is too large for FAT, which ends at 4 GiB`);
    const first = this.#allocate(node.sizeBytes);
    const offset = this.#clusterOffset(first);
    this.#pieces.push({ offset, length: node.sizeBytes, read: (within, target) => node.read(within, target) });
    return first;
  }

  #put(cluster: number, bytes: Uint8Array): void {
    this.#pieces.push(bytesPiece(this.#clusterOffset(cluster), bytes));
  }

  #addPiece(sector: number, bytes: Uint8Array): void {
    this.#pieces.push(bytesPiece((this.#layout.start + sector) * SECTOR_BYTES, bytes));
  }

  #clusterOffset(cluster: number): number {
    const { start, reserved, fatSectors, rootEntries, perCluster } = this.#layout;
    const data = reserved + 2 * fatSectors + Math.ceil((rootEntries * ENTRY_BYTES) / SECTOR_BYTES);
    return (start + data + (cluster - 2) * perCluster) * SECTOR_BYTES;
  }

  /** The file allocation table, up to the last cluster in use. */
  #table(): Uint8Array {
    const { kind, geometry } = this.#layout;
    const end = END_OF_CHAIN[kind];
    const entries = new Uint32Array(this.#nextCluster);
    entries[0] = (end & ~0xff) | geometry.media;
    entries[1] = end;
    for (const [first, count] of this.#chains) {
      for (let i = 0; i < count; i++) entries[first + i] = i + 1 < count ? first + i + 1 : end;
    }
    return packEntries(entries, kind);
  }

  #bootSector(rootFirst: number): Uint8Array {
    const { kind, start, total, reserved, fatSectors, rootEntries, perCluster, geometry } = this.#layout;
    const writer = new ByteWriter().append(kind === 32 ? [0xeb, 0x58, 0x90] : [0xeb, 0x3c, 0x90]).text('MSDOS5.0');
    writer.u16(SECTOR_BYTES).u8(perCluster).u16(reserved).u8(2).u16(rootEntries);
    const small = total < 65536 && kind !== 32;
    writer
      .u16(small ? total : 0)
      .u8(geometry.media)
      .u16(kind === 32 ? 0 : fatSectors);
    writer
      .u16(geometry.sectors)
      .u16(geometry.heads)
      .u32(start)
      .u32(small ? 0 : total);
    if (kind === 32) writer.u32(fatSectors).u32(0).u32(rootFirst).u16(1).u16(BACKUP_SECTOR).zeros(12);
    const drive = geometry.media === DISK_GEOMETRY.media ? 0x80 : 0;
    const serial = Math.floor(this.#options.createdMillis / 1000) % 2 ** 32;
    writer.u8(drive).u8(0).u8(0x29).u32(serial).text(this.#options.label.toUpperCase(), 11, 0x20);
    writer.text(`FAT${kind}`, 8, 0x20);
    writer.append([0xcd, 0x18]);
    return writer
      .zeros(SECTOR_BYTES - 2 - writer.length)
      .u16(0xaa55)
      .finish();
  }

  /** FSInfo of FAT32: free clusters and where to look for the next. */
  #informationSector(): Uint8Array {
    const free = this.#layout.clusters + 2 - this.#nextCluster;
    const writer = new ByteWriter().u32(0x41615252).zeros(480).u32(0x61417272).u32(free).u32(this.#nextCluster);
    return writer.zeros(12).u32(0xaa550000).finish();
  }

  #partitionTable(): Uint8Array {
    const { start, total, kind } = this.#layout;
    const writer = new ByteWriter()
      .zeros(440)
      .u32(Math.floor(this.#options.createdMillis / 1000) % 2 ** 32)
      .u16(0);
    writer
      .u8(0x80)
      .append(cylinderHeadSector(start))
      .u8(PARTITION_TYPE[kind])
      .append(cylinderHeadSector(start + total - 1));
    return writer.u32(start).u32(total).zeros(48).u16(0xaa55).finish();
  }
}

function storable(node: FolderNode): FolderNode[] {
  return node.children.filter(({ kind }) => kind !== 'link');
}

function packEntries(entries: Uint32Array, kind: Kind): Uint8Array {
  if (kind === 32) return new Uint8Array(entries.buffer);
  if (kind === 16) return new Uint8Array(Uint16Array.from(entries).buffer);
  const bytes = new Uint8Array(Math.ceil((entries.length * 3) / 2) + 1);
  entries.forEach((entry, i) => {
    const at = (i * 3) >> 1;
    const shifted = i % 2 === 0 ? entry : entry << 4;
    bytes[at] |= shifted & 0xff;
    bytes[at + 1] |= shifted >> 8;
  });
  return bytes;
}

/** The address of a sector in the old form, or the highest one where it has none. */
function cylinderHeadSector(sector: number): number[] {
  const { sectors, heads } = DISK_GEOMETRY;
  const cylinder = Math.floor(sector / (sectors * heads));
  if (cylinder > 1023) return [0xfe, 0xff, 0xff];
  return [Math.floor(sector / sectors) % heads, ((cylinder >> 2) & 0xc0) | (1 + (sector % sectors)), cylinder & 0xff];
}

function layOut({ sizeBytes, partitioned = true }: FatOptions): Layout {
  if (sizeBytes % SECTOR_BYTES !== 0) throw new RequestRefused('the size is no whole number of sectors');
  const floppy = FLOPPIES[sizeBytes / 1024];
  if (floppy !== undefined) {
    const { sectors, root: rootEntries, perCluster, media } = floppy;
    return fit(12, 0, sizeBytes / SECTOR_BYTES, rootEntries, perCluster, { sectors, heads: 2, media });
  }
  const start = partitioned ? PARTITION_START : 0;
  const total = sizeBytes / SECTOR_BYTES - start;
  for (let perCluster = 1; perCluster <= MAX_SECTORS_PER_CLUSTER; perCluster *= 2) {
    const clusters = total / perCluster;
    const wide = clusters > FAT32_FROM;
    if (wide && perCluster < 8) continue;
    if (!wide && perCluster < 4 && clusters >= FAT16_FROM) continue;
    const layout = fit(
      wide ? 32 : clusters > FAT16_FROM ? 16 : 12,
      start,
      total,
      wide ? 0 : 512,
      perCluster,
      DISK_GEOMETRY,
    );
    if (kindOf(layout.clusters) === layout.kind && layout.clusters > 0) return layout;
  }
  throw new RequestRefused(`a disk of ${sizeBytes} bytes cannot have FAT`);
}

function kindOf(clusters: number): Kind | undefined {
  if (clusters > MAX_CLUSTERS) return undefined;
  if (clusters < FAT16_FROM) return 12;
  return clusters < FAT32_FROM ? 16 : 32;
}

/** Finds how long the tables are, and with that how many clusters are left. */
function fit(
  kind: Kind,
  start: number,
  total: number,
  rootEntries: number,
  perCluster: number,
  geometry: Layout['geometry'],
): Layout {
  const reserved = kind === 32 ? FAT32_RESERVED : 1;
  const rootSectors = (rootEntries * ENTRY_BYTES) / SECTOR_BYTES;
  const most = Math.floor((total - reserved - rootSectors) / perCluster);
  const fatSectors = Math.ceil((((most + 2) * kind) / 8 + 1) / SECTOR_BYTES);
  const clusters = Math.floor((total - reserved - rootSectors - 2 * fatSectors) / perCluster);
  return { kind, start, total, reserved, fatSectors, rootEntries, perCluster, clusters, geometry };
}
