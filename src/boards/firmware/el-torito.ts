import { ByteReader } from '../../base/bytes.ts';

/** What a bootable CD wants to be started ("El Torito" Bootable CD-ROM Format Specification 1.0). */
export interface ElToritoEntry {
  /** First block of the image, of 2048 bytes. */
  readonly lba: number;
  readonly loadSegment: number;
  /** What is loaded without emulation, in blocks of 512 bytes. */
  readonly blocks: number;
  /** The disk that the image stands for; absent without emulation. */
  readonly geometry?: EmulatedGeometry;
}

/** A floppy or a disk that an image stands for. */
export interface EmulatedGeometry {
  readonly isDisk: boolean;
  readonly sectors: number;
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

const BLOCK_BYTES = 2048;
const BOOT_SYSTEM = 'EL TORITO SPECIFICATION';
const BOOT_SYSTEM_OFFSET = 7;
const CATALOG_OFFSET = 0x47;
const INITIAL_ENTRY = 0x20;
const BOOTABLE = 0x88;
const DEFAULT_SEGMENT = 0x07c0;
const MEDIA_MASK = 0x0f;
const DISK_HEADS = 255;
const DISK_TRACK = 63;

const FLOPPY = { isDisk: false, cylinders: 80, heads: 2 } as const;
/** By media type. */
const GEOMETRIES: Readonly<Record<number, EmulatedGeometry>> = {
  1: { ...FLOPPY, sectorsPerTrack: 15, sectors: 2400 },
  2: { ...FLOPPY, sectorsPerTrack: 18, sectors: 2880 },
  3: { ...FLOPPY, sectorsPerTrack: 36, sectors: 5760 },
  4: { isDisk: true, cylinders: 1024, heads: DISK_HEADS, sectorsPerTrack: DISK_TRACK, sectors: 0 },
};

/** The block where the boot catalog lies. @param block block 17 of the CD  @returns nothing where this is no boot record */
export function bootRecordCatalog(block: Uint8Array): number | undefined {
  const text = new TextDecoder('latin1').decode(block.subarray(0, BOOT_SYSTEM_OFFSET + BOOT_SYSTEM.length));
  if (!text.slice(1).startsWith('CD001') || !text.endsWith(BOOT_SYSTEM)) return undefined;
  return new ByteReader(block).u32(CATALOG_OFFSET);
}

/** The initial entry of a boot catalog. @param catalog its first block  @returns nothing where it is not valid or not bootable */
export function readEntry(catalog: Uint8Array): ElToritoEntry | undefined {
  const reader = new ByteReader(catalog);
  const isValid = reader.u8(0) === 1 && reader.u16(0x1e) === 0xaa55;
  if (!isValid || catalog.length < BLOCK_BYTES || reader.u8(INITIAL_ENTRY) !== BOOTABLE) return undefined;
  return {
    lba: reader.u32(INITIAL_ENTRY + 8),
    loadSegment: reader.u16(INITIAL_ENTRY + 2) || DEFAULT_SEGMENT,
    blocks: reader.u16(INITIAL_ENTRY + 6),
    geometry: GEOMETRIES[reader.u8(INITIAL_ENTRY + 1) & MEDIA_MASK],
  };
}
