import type { Disk } from '../../machine/disk-queue.ts';
import { type FloppyFormat, formatOf } from './formats.ts';

/** The saved state of a drive; the medium is not part of it. */
export interface FloppyDriveState {
  readonly cylinder: number;
  readonly changed: boolean;
  readonly lastSector: number;
}

/** Drive types as the CMOS memory names them. */
export const FLOPPY_TYPE = { kib1200: 2, kib1440: 4, kib2880: 5 } as const;

const MOST_CYLINDER = 85;
/** Sectors a track of the densest formats that drives of 1.44 MB read. */
const MOST_SECTORS_OF_1440K = 21;

/** A floppy drive: a head over a cylinder, and perhaps a disk. */
export class FloppyDrive {
  /**
   * 5.25 inches with 1.2 MB, or 3.5 inches with 1.44 or 2.88 MB: as little as reads the first medium, since a BIOS takes
   * a disk for one as large as its drive reads. One that starts empty reads all of 3.5 inches.
   */
  readonly type: number;
  #medium: Disk | undefined;
  #format: FloppyFormat | undefined;
  #cylinder = 0;
  #changed = true;
  #lastSector = 0;

  constructor(medium: Disk | undefined) {
    this.#put(medium);
    this.type = typeFor(this.#format);
  }

  get medium(): Disk | undefined {
    return this.#medium;
  }

  /** The format of the disk; undefined without one. */
  get format(): FloppyFormat | undefined {
    return this.#format;
  }

  get cylinder(): number {
    return this.#cylinder;
  }

  /** The change line: a disk has come or gone since the head last moved. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Puts a disk in, or takes it out. */
  insert(medium: Disk | undefined): void {
    this.#put(medium);
    this.#changed = true;
  }

  /** Moves the head; a step with a disk in the drive clears the change line. */
  seek(cylinder: number): void {
    const target = Math.max(0, Math.min(cylinder, MOST_CYLINDER));
    if (target !== this.#cylinder && this.#medium) this.#changed = false;
    this.#cylinder = target;
  }

  /** The number of the sector that passes under the head next. */
  nextSector(): number {
    this.#lastSector = (this.#lastSector % (this.#format?.sectors ?? 1)) + 1;
    return this.#lastSector;
  }

  save(): FloppyDriveState {
    return { cylinder: this.#cylinder, changed: this.#changed, lastSector: this.#lastSector };
  }

  restore({ cylinder, changed, lastSector }: FloppyDriveState): void {
    this.#cylinder = cylinder;
    this.#changed = changed;
    this.#lastSector = lastSector;
  }

  #put(medium: Disk | undefined): void {
    this.#medium = medium;
    this.#format = medium && formatOf(medium.sizeBytes);
  }
}

function typeFor(format: FloppyFormat | undefined): number {
  if (format?.inches === 5.25) return FLOPPY_TYPE.kib1200;
  return format === undefined || format.sectors > MOST_SECTORS_OF_1440K ? FLOPPY_TYPE.kib2880 : FLOPPY_TYPE.kib1440;
}
