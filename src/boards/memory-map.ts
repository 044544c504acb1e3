import { PC_MEMORY } from './pc-map.ts';

/** Types of memory in the map that firmware hands over (ACPI 6.5 section 15.2). */
export const E820_RAM = 1;
export const E820_RESERVED = 2;

/** A range of the memory map. */
export interface E820Entry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** The end of RAM below the PCI hole. @param ramBytes all RAM of the machine */
export function lowRamEnd(ramBytes: number): number {
  return Math.min(ramBytes, PC_MEMORY.pciHole);
}

/** The RAM of a PC as firmware is told of it, which makes the holes below 1 MiB itself. @param ramBytes at least 1 MiB */
export function ramRanges(ramBytes: number): { readonly base: number; readonly length: number }[] {
  const low = lowRamEnd(ramBytes);
  const ranges = [
    { base: 0, length: low },
    { base: PC_MEMORY.fourGibibytes, length: ramBytes - low },
  ];
  return ranges.filter(({ length }) => length > 0);
}

/**
 * The memory map of a PC: RAM without EBDA, BIOS area and PCI hole.
 * @param ramBytes at least 1 MiB  @param ebda where the extended BIOS data area begins
 */
export function memoryMap(ramBytes: number, ebda: number = PC_MEMORY.ebda): E820Entry[] {
  const low = lowRamEnd(ramBytes);
  const map: E820Entry[] = [
    { base: 0, length: ebda, type: E820_RAM },
    { base: ebda, length: PC_MEMORY.vga - ebda, type: E820_RESERVED },
    { base: PC_MEMORY.bios, length: PC_MEMORY.oneMebibyte - PC_MEMORY.bios, type: E820_RESERVED },
    { base: PC_MEMORY.oneMebibyte, length: low - PC_MEMORY.oneMebibyte, type: E820_RAM },
  ];
  if (ramBytes > low) map.push({ base: PC_MEMORY.fourGibibytes, length: ramBytes - low, type: E820_RAM });
  return map.filter(({ length }) => length > 0);
}
