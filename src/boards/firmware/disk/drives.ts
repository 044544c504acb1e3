import { EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';

/** What kind of drive a BIOS number stands for. */
export const DRIVE = { none: 0, floppy: 1, disk: 2, cd: 3, emulated: 4, ahci: 5, virtio: 6 } as const;

/** What is known of a drive. It lies in the extended BIOS data area, a record each. */
export interface Drive {
  /** Number for INT 13h: 00h and up for floppies, 80h for disks, E0h for CDs. */
  readonly number: number;
  /** One of {@link DRIVE}. */
  readonly kind: number;
  /** Of an ATA drive: channel × 2 + position on the cable. Of a floppy: its number. Of a disk on AHCI: its port. */
  readonly unit: number;
  /** The PCI function of the controller, slot × 8 + function, of a disk on AHCI or virtio. */
  readonly place: number;
  readonly sectorBytes: number;
  readonly sectors: number;
  /** Geometry that INT 13h tells. */
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  readonly hasLba48: boolean;
  /** First 512-byte block of an image on a CD that stands for a floppy or a disk. */
  readonly imageStart: number;
}

const RECORD_BYTES = 32;
const MOST_DRIVES = 10;
const TABLE = EBDA_GPA + EBDA.drives;
/** Number of the first CD drive. */
export const FIRST_CD = 0xe0;
export const FIRST_DISK = 0x80;
const LARGEST_CYLINDERS = 1024;
const TRACK_SECTORS = 63;

function read(c: Caller, index: number): Drive {
  const at = TABLE + index * RECORD_BYTES;
  return {
    number: c.load(at, 1),
    kind: c.load(at + 1, 1),
    unit: c.load(at + 2, 1),
    hasLba48: c.load(at + 3, 1) !== 0,
    sectorBytes: c.load(at + 4, 2),
    place: c.load(at + 6, 1),
    sectors: c.load(at + 8, 4) + c.load(at + 12, 4) * 2 ** 32,
    cylinders: c.load(at + 16, 2),
    heads: c.load(at + 18, 2),
    sectorsPerTrack: c.load(at + 20, 1),
    imageStart: c.load(at + 24, 4),
  };
}

/** All drives, in the order in which they were found; an emulated one comes first. */
export function allDrives(c: Caller): Drive[] {
  const drives = Array.from({ length: MOST_DRIVES }, (_, index) => read(c, index));
  return drives
    .filter(({ kind }) => kind !== DRIVE.none)
    .sort((a, b) => Number(b.kind === DRIVE.emulated) - Number(a.kind === DRIVE.emulated));
}

/** The drive that INT 13h calls `number`. An emulated one stands before the others of its class. */
export function driveOf(c: Caller, number: number): Drive | undefined {
  const drives = allDrives(c);
  const emulated = drives.find(({ kind }) => kind === DRIVE.emulated);
  if (emulated && emulated.number >> 7 === number >> 7 && number < FIRST_CD) {
    if (number === emulated.number) return emulated;
    return drives.find((drive) => drive.kind !== DRIVE.emulated && drive.number === number - 1);
  }
  return drives.find((drive) => drive.number === number);
}

/** How many drives of a class there are. @param first 00h, 80h or E0h */
export function countDrives(c: Caller, first: number): number {
  const last = first === FIRST_CD ? 0xff : first === FIRST_DISK ? FIRST_CD - 1 : FIRST_DISK - 1;
  return allDrives(c).filter(({ number }) => number >= first && number <= last).length;
}

/** Remembers a drive. @returns false where there is no room for it */
export function addDrive(c: Caller, drive: Drive): boolean {
  for (let index = 0; index < MOST_DRIVES; index++) {
    if (read(c, index).kind !== DRIVE.none) continue;
    write(c, index, drive);
    return true;
  }
  return false;
}

/** Forgets the emulated drive. @returns what it was */
export function removeEmulated(c: Caller): Drive | undefined {
  for (let index = 0; index < MOST_DRIVES; index++) {
    const drive = read(c, index);
    if (drive.kind !== DRIVE.emulated) continue;
    c.store(TABLE + index * RECORD_BYTES + 1, 1, DRIVE.none);
    return drive;
  }
  return undefined;
}

function write(c: Caller, index: number, drive: Drive): void {
  const at = TABLE + index * RECORD_BYTES;
  c.store(at, 1, drive.number);
  c.store(at + 1, 1, drive.kind);
  c.store(at + 2, 1, drive.unit);
  c.store(at + 3, 1, Number(drive.hasLba48));
  c.store(at + 4, 2, drive.sectorBytes);
  c.store(at + 6, 1, drive.place);
  c.store(at + 8, 4, drive.sectors % 2 ** 32);
  c.store(at + 12, 4, Math.floor(drive.sectors / 2 ** 32));
  c.store(at + 16, 2, drive.cylinders);
  c.store(at + 18, 2, drive.heads);
  c.store(at + 20, 1, drive.sectorsPerTrack);
  c.store(at + 24, 4, drive.imageStart);
}

/** The geometry under which INT 13h reaches most of a disk (Phoenix Enhanced Disk Drive Specification 3.0, "LBA-assisted translation"). */
export function translatedGeometry(sectors: number): Pick<Drive, 'cylinders' | 'heads' | 'sectorsPerTrack'> {
  const tracks = Math.floor(sectors / TRACK_SECTORS);
  const heads = [16, 32, 64, 128].find((count) => tracks / count <= LARGEST_CYLINDERS) ?? 255;
  const cylinders = Math.max(1, Math.min(LARGEST_CYLINDERS, Math.floor(tracks / heads)));
  return { cylinders, heads, sectorsPerTrack: TRACK_SECTORS };
}
