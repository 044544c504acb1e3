import { type GuestMemory, NotRam, PageAbsent } from './interfaces.ts';

/** Bytes of a page: the grain of the flags below. */
export const PAGE_BYTES = 4096;

/** The page has not been brought in: its bytes must not be touched. */
export const PAGE_ABSENT = 1;
/** Translated code was made from the page: it must hear of writes. */
export const PAGE_CODE = 2;
/** The page is unchanged since the last snapshot or fork: the first write must be told. */
export const PAGE_TRACKED = 4;
/** The page is unchanged since the display was last drawn: the first write must be told. */
export const PAGE_SCREEN = 8;
/** The page is not RAM: the bus answers. Pages past the end of the flags are devices too. */
export const PAGE_DEVICE = 16;
/** The page is ROM: it is read like RAM, and writes go to the bus. */
export const PAGE_READ_ONLY = 32;

/** A processor monitors a part of the page: the next write must be told. */
export const PAGE_MONITORED = 64;
/** Flags that the first write takes away, and whose listeners it tells. */
export const PAGE_FIRST_WRITE = PAGE_TRACKED | PAGE_SCREEN | PAGE_MONITORED;

/** How the processor reaches a page that has RAM behind it: as RAM, for reading alone (the bus hears of writes), or not at all. */
export type PageAccess = 'ram' | 'readOnly' | 'device';

/** The flags that say so. */
export const PAGE_ACCESS_FLAGS = { ram: 0, readOnly: PAGE_READ_ONLY, device: PAGE_DEVICE } as const;

/** A stretch of RAM, page-aligned: guest-physical `gpa` lies at `hostOffset` from the start of RAM in host memory. */
export interface RamRegion {
  readonly gpa: number;
  readonly length: number;
  readonly hostOffset: number;
}

/** Where RAM below 4 GiB ends at the latest: above lie PCI memory, the APICs and the firmware's ROM. */
export const PCI_HOLE_GPA = 0xc0000000;
const FOUR_GIB = 0x100000000;
const VGA_GPA = 0xa0000;
const VGA_END_GPA = 0xc0000;

/**
 * The RAM map of a PC: the VGA window and the PCI hole are not RAM, and what the hole displaces continues at 4 GiB.
 * The host keeps a gap for the VGA window, so that below the hole the host offset equals the address.
 * @param sizeBytes page-aligned, at least 1 MiB
 */
export function pcRamRegions(sizeBytes: number): RamRegion[] {
  const low = Math.min(sizeBytes, PCI_HOLE_GPA);
  const regions = [
    { gpa: 0, length: VGA_GPA, hostOffset: 0 },
    { gpa: VGA_END_GPA, length: low - VGA_END_GPA, hostOffset: VGA_END_GPA },
  ];
  if (sizeBytes > low) regions.push({ gpa: FOUR_GIB, length: sizeBytes - low, hostOffset: low });
  return regions;
}

/** Who must hear of writes to memory. */
export interface MemoryHooks {
  /** Bytes of pages flagged CODE are about to change. The listener clears the flag where no code is left. */
  codeWrite(gpa: number, length: number): void;
  /** A page with flags of {@link PAGE_FIRST_WRITE} is about to change; the flags, already cleared, are in `flags`. */
  firstWrite(pageGpa: number, flags: number): void;
}

/** Where a {@link RamMemory} lies: in memory that does not grow. */
export interface MemoryHost {
  /** The memory that holds guest RAM. */
  readonly bytes: Uint8Array;
  /** One byte of PAGE_… flags for each guest-physical page below `endGpa`. */
  readonly pageFlags: Uint8Array;
  /** Offset in `bytes` of host offset 0. */
  readonly ramOffset: number;
}

/** Guest RAM in a host buffer. */
export class RamMemory implements GuestMemory {
  readonly endGpa: number;
  readonly regions: readonly RamRegion[];
  readonly #host: MemoryHost;
  readonly #hooks: MemoryHooks;

  /** @throws {RangeError} when a region is empty or not page-aligned */
  constructor(host: MemoryHost, regions: readonly RamRegion[], hooks: MemoryHooks) {
    for (const { gpa, length } of regions) {
      const aligned = gpa % PAGE_BYTES === 0 && length % PAGE_BYTES === 0;
      if (!aligned || length <= 0) throw new RangeError(`RAM at ${gpa}+${length} is not whole pages`);
    }
    this.#host = host;
    this.#hooks = hooks;
    this.regions = regions;
    this.endGpa = Math.max(...regions.map((region) => region.gpa + region.length));
  }

  forRead(gpa: number, length: number): Uint8Array {
    const view = this.#view(gpa, length);
    this.#flagsOf(gpa, length);
    return view;
  }

  forWrite(gpa: number, length: number): Uint8Array {
    const view = this.#view(gpa, length);
    const flags = this.#flagsOf(gpa, length);
    if (flags & PAGE_FIRST_WRITE) this.#tellFirstWrites(gpa, length);
    if (flags & PAGE_CODE) this.#hooks.codeWrite(gpa, length);
    return view;
  }

  requirePresent(gpa: number, length: number): void {
    if (!this.#region(gpa, length)) throw new NotRam(gpa, length);
    this.#flagsOf(gpa, length);
  }

  /** Whether there is RAM at `gpa`. */
  isRam(gpa: number): boolean {
    return this.#region(gpa, 1) !== undefined;
  }

  /** Says that the page at `gpa` has not been brought in. It must not have been translated to since the TLBs were flushed.
   * @throws {NotRam} */
  makeAbsent(gpa: number): void {
    if (gpa % PAGE_BYTES !== 0 || !this.isRam(gpa)) throw new NotRam(gpa, PAGE_BYTES);
    this.#host.pageFlags[pageOf(gpa)] |= PAGE_ABSENT;
  }

  isAbsent(gpa: number): boolean {
    return (this.#host.pageFlags[pageOf(gpa)] & PAGE_ABSENT) !== 0;
  }

  /** Addresses of all absent pages. */
  absentPages(): number[] {
    const flags = this.#host.pageFlags;
    const found: number[] = [];
    for (let page = 0; page < flags.length; page++) if (flags[page] & PAGE_ABSENT) found.push(page * PAGE_BYTES);
    return found;
  }

  /** Gives an absent page its content. @param content undefined: as it lies there */
  bringIn(gpa: number, content: Uint8Array | undefined): void {
    if (content) this.#view(gpa, PAGE_BYTES).set(content);
    this.#host.pageFlags[pageOf(gpa)] &= ~PAGE_ABSENT;
  }

  /** Flags all RAM that is there as TRACKED, or none. Whoever flags it makes translations to it take the slow path for writes. */
  track(tracked: boolean): void {
    const flags = this.#host.pageFlags;
    for (const { gpa, length } of this.regions) {
      for (let page = pageOf(gpa); page < pageOf(gpa + length); page++) {
        flags[page] &= ~PAGE_TRACKED;
        if (tracked && !(flags[page] & PAGE_ABSENT)) flags[page] |= PAGE_TRACKED;
      }
    }
  }

  /** A view of the page at `gpa`, whose first write is of no interest any more. */
  untrack(gpa: number): Uint8Array {
    this.#host.pageFlags[pageOf(gpa)] &= ~PAGE_TRACKED;
    return this.#view(gpa, PAGE_BYTES);
  }

  #view(gpa: number, length: number): Uint8Array {
    const region = this.#region(gpa, length);
    if (!region) throw new NotRam(gpa, length);
    const start = this.#host.ramOffset + region.hostOffset + (gpa - region.gpa);
    return this.#host.bytes.subarray(start, start + length);
  }

  #region(gpa: number, length: number): RamRegion | undefined {
    if (!(length >= 0)) return undefined;
    for (const region of this.regions) {
      if (gpa >= region.gpa && gpa + length <= region.gpa + region.length) return region;
    }
    return undefined;
  }

  /** All flags set in any page of the range. @throws {PageAbsent} */
  #flagsOf(gpa: number, length: number): number {
    const flags = this.#host.pageFlags;
    let all = 0;
    for (let page = pageOf(gpa); page * PAGE_BYTES < gpa + length; page++) {
      if (flags[page] & PAGE_ABSENT) throw new PageAbsent(page * PAGE_BYTES);
      all |= flags[page];
    }
    return all;
  }

  #tellFirstWrites(gpa: number, length: number): void {
    for (let page = pageOf(gpa); page * PAGE_BYTES < gpa + length; page++) {
      const flags = this.#host.pageFlags;
      const told = flags[page] & PAGE_FIRST_WRITE;
      if (!told) continue;
      flags[page] &= ~told;
      this.#hooks.firstWrite(page * PAGE_BYTES, told);
    }
  }
}

function pageOf(gpa: number): number {
  return Math.floor(gpa / PAGE_BYTES);
}
