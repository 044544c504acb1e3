import { BDA, EBDA, EBDA_GPA } from './bda.ts';
import type { Caller } from './caller.ts';

const FIRST_SEGMENT = 0xc000;
const END_SEGMENT = 0xe000;
const STEP = 0x80;
const SIGNATURE = 0xaa55;
const UNIT_BYTES = 512;
const ENTRY = 3;
const PNP_POINTER = 0x1a;
const PNP_SIGNATURE = 0x506e5024; // "$PnP"
const PNP_BOOTSTRAP = 0x1a;

/**
 * Looks for the next option ROM (PCI Firmware Specification 3.0, section 5.2). Without carry there is one, and its
 * entry's far address lies at 40:67.
 */
export function optionRom(c: Caller): void {
  const state = EBDA_GPA + EBDA.optionRom;
  for (let segment = c.load(state, 2) || FIRST_SEGMENT; segment < END_SEGMENT; ) {
    const length = romBytes(c, segment);
    if (length === 0) {
      segment += STEP;
      continue;
    }
    c.store(state, 2, segment + Math.ceil(length / 16 / STEP) * STEP);
    c.store(BDA.resumeVector, 4, ((segment << 16) | ENTRY) >>> 0);
    c.carryNow = false;
    return;
  }
  c.carryNow = true;
}

/** Bytes of the ROM at a segment; 0 where there is none, or its sum is not zero. */
function romBytes(c: Caller, segment: number): number {
  const at = segment * 16;
  if (c.load(at, 2) !== SIGNATURE) return 0;
  const length = c.load(at + 2, 1) * UNIT_BYTES;
  const sum = c.loadBytes(at, length).reduce((total, byte) => (total + byte) & 0xff, 0);
  return sum === 0 ? length : 0;
}

/** Puts ROMs where the BIOS will find them, as far as there is room. @param roms with their headers */
export function placeOptionRoms(c: Caller, roms: readonly Uint8Array[]): void {
  let segment = FIRST_SEGMENT;
  for (const rom of roms) {
    const end = segment + Math.ceil(rom.length / 16 / STEP) * STEP;
    if (end > END_SEGMENT) return;
    c.storeBytes(segment * 16, rom);
    segment = end;
  }
}

/**
 * The bootstrap entry of the first ROM that can boot from a network (Plug and Play BIOS Specification 1.0A, section 3.2),
 * as a far pointer. Their sums were right before they were started: iPXE's, which has more than 64 KiB, changes itself and gets its
 * new sum wrong.
 */
export function bootstrapEntry(c: Caller): number | undefined {
  for (let segment = FIRST_SEGMENT; segment < END_SEGMENT; segment += STEP) {
    if (c.load(segment * 16, 2) !== SIGNATURE) continue;
    const header = segment * 16 + c.load(segment * 16 + PNP_POINTER, 2);
    if (c.load(header, 4) !== PNP_SIGNATURE) continue;
    const entry = c.load(header + PNP_BOOTSTRAP, 2);
    if (entry !== 0) return ((segment << 16) | entry) >>> 0;
  }
  return undefined;
}
