import type { BootImage } from './boot-image.ts';
import { elfEnd, isElf, parseElf, type Segment } from './elf.ts';

/** Where a kernel may be put, and how its header describes it. */
export interface KernelPlace {
  readonly is64: boolean;
  /** the physical address that it is linked for */
  readonly preferredAddress: number;
  /** bytes that it needs from there on */
  readonly initSize: number;
  /** a power of two */
  readonly alignment: number;
  /** the first physical address that is not free */
  readonly end: number;
  /** a number by which it is moved; absent: it stays where it is linked for */
  readonly random?: bigint;
}

/** A kernel with the addresses at which it is put into memory. */
export interface PlacedKernel extends Omit<BootImage, 'cpu'> {
  readonly gpa: number;
  /** physical address of the first instruction */
  readonly entry: number;
  /** whether it was moved by chance */
  readonly moved: boolean;
}

/** Sites whose addresses change with the kernel's: 32-bit sums, 32-bit differences, 64-bit sums, by their addresses' low halves. */
interface Relocations {
  readonly narrow: Uint32Array;
  readonly inverse: Uint32Array;
  readonly wide: Uint32Array;
}

/** Virtual addresses up to which a kernel may lie: KERNEL_IMAGE_SIZE of 64-bit and 32-bit Linux (arch/x86/include/asm/page_*_types.h). */
const IMAGE_END_64 = 1 << 30;
const IMAGE_END_32 = 512 << 20;
const NONE = new Uint32Array();

/**
 * Lays out what was unpacked from a bzImage: an ELF file with physical addresses and, behind it, the sites to be changed where
 * it is not at the addresses that it was linked for.
 * @returns undefined: it is laid out in a way that is not known, which is left to the kernel's own decompressor
 * @throws {OutOfData} it is truncated
 */
export function placeUnpacked(unpacked: Uint8Array, place: KernelPlace): PlacedKernel | undefined {
  if (!isElf(unpacked)) return undefined;
  const { is64, entry, segments } = parseElf(unpacked);
  const base = place.preferredAddress;
  if (is64 !== place.is64 || !segments.every((segment) => liesIn(segment, base, base + place.initSize)))
    return undefined;
  if (entry < base || entry >= base + place.initSize) return undefined;
  const length = Math.max(...segments.map(({ gpa, memoryBytes }) => gpa + memoryBytes)) - base;
  const at = (moved: number) => ({
    gpa: base + moved,
    zeros: [{ gpa: base + moved, length }],
    writes: segments.map(({ gpa, bytes }) => ({ gpa: gpa + moved, bytes })),
    entry: entry + moved,
  });
  const relocations = relocationsOf(unpacked, is64);
  const steps = relocations === undefined ? 0 : stepsOf(place);
  if (relocations === undefined || steps === 0) return { ...at(0), changes: [], moved: false };
  // Addresses in the kernel are those of its first segment, less a constant.
  const [{ gpa, virtual }] = segments;
  const start = Number(BigInt.asUintN(32, virtual)) - gpa + base;
  if (!areInside(relocations, start, length)) return undefined;
  const offset = steps * place.alignment;
  // A 64-bit kernel is moved among virtual addresses alone, a 32-bit one in memory: there both are a constant apart.
  const placed = at(is64 ? 0 : offset);
  const apply = (bytes: Uint8Array) => relocate(bytes, relocations, start, offset);
  return { ...placed, changes: [{ gpa: placed.gpa, length, apply }], moved: true };
}

function liesIn({ gpa, memoryBytes }: Segment, start: number, end: number): boolean {
  return gpa >= start && gpa + memoryBytes <= end;
}

/** By how many alignments the kernel is moved. */
function stepsOf({ is64, preferredAddress, initSize, alignment, end, random }: KernelPlace): number {
  if (random === undefined) return 0;
  const last = (is64 ? IMAGE_END_64 : Math.min(IMAGE_END_32, end)) - initSize;
  const places = Math.floor((last - preferredAddress) / alignment) + 1;
  return places > 1 ? Number(BigInt.asUintN(32, random)) % places : 0;
}

/**
 * The lists behind the ELF file, each after a zero: sites of 64 bits, of 32 bits to be changed inversely (kernels before 6.15),
 * and of 32 bits; of a 32-bit kernel the last alone (Linux arch/x86/tools/relocs.c).
 */
function relocationsOf(unpacked: Uint8Array, is64: boolean): Relocations | undefined {
  const rest = new Uint8Array(unpacked.subarray(elfEnd(unpacked))); // aligned, which a Buffer's slice would not be
  const words = new Uint32Array(rest.buffer, 0, Math.floor(rest.length / 4));
  if (words[0] !== 0) return undefined;
  const lists: Uint32Array[] = [];
  for (let at = 0; at < words.length; ) {
    const next = words.indexOf(0, at + 1);
    const end = next < 0 ? words.length : next;
    lists.push(words.subarray(at + 1, end));
    at = end;
  }
  const [first, second, third] = lists;
  if (!is64) return lists.length === 1 ? { narrow: first, inverse: NONE, wide: NONE } : undefined;
  if (lists.length === 2) return { wide: first, inverse: NONE, narrow: second };
  return lists.length === 3 ? { wide: first, inverse: second, narrow: third } : undefined;
}

/** Whether all sites lie in the kernel. @param start low half of the virtual address of its first byte  @param length in bytes */
function areInside({ narrow, inverse, wide }: Relocations, start: number, length: number): boolean {
  const lieInside = (sites: Uint32Array, size: number) =>
    sites.every((site) => site >= start && site - start + size <= length);
  return lieInside(narrow, 4) && lieInside(inverse, 4) && lieInside(wide, 8);
}

/** Changes all sites by an offset. @param bytes the kernel in memory  @param start as for {@link areInside} */
function relocate(bytes: Uint8Array, { narrow, inverse, wide }: Relocations, start: number, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const wideOffset = BigInt(offset);
  const add = (site: number, change: number) =>
    view.setUint32(site - start, view.getUint32(site - start, true) + change, true);
  for (const site of narrow) add(site, offset);
  for (const site of inverse) add(site, -offset);
  for (const site of wide) {
    const at = site - start;
    view.setBigUint64(at, view.getBigUint64(at, true) + wideOffset, true);
  }
}
