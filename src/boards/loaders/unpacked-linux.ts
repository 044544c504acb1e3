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

/** A kernel as its own decompressor would leave it in memory. */
export interface PlacedKernel {
  readonly gpa: number;
  readonly bytes: Uint8Array;
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
  const bytes = flatten(segments, base);
  const relocations = relocationsOf(unpacked, place.is64);
  const steps = relocations === undefined ? 0 : stepsOf(place);
  if (relocations === undefined || steps === 0) return { gpa: base, bytes, entry, moved: false };
  const offset = steps * place.alignment;
  // Addresses in the kernel are those of its first segment, less a constant.
  const [{ gpa, virtual }] = segments;
  if (!relocate(bytes, relocations, Number(BigInt.asUintN(32, virtual)) - gpa + base, offset)) return undefined;
  // A 64-bit kernel is moved among virtual addresses alone, a 32-bit one in memory: there both are a constant apart.
  const moved = place.is64 ? 0 : offset;
  return { gpa: base + moved, bytes, entry: entry + moved, moved: true };
}

function liesIn({ gpa, memoryBytes }: Segment, start: number, end: number): boolean {
  return gpa >= start && gpa + memoryBytes <= end;
}

/** All segments in one, from their lowest address on, zeros between and behind them. */
function flatten(segments: readonly Segment[], base: number): Uint8Array {
  const end = Math.max(...segments.map(({ gpa, memoryBytes }) => gpa + memoryBytes));
  const flat = new Uint8Array(end - base);
  for (const { gpa, bytes } of segments) flat.set(bytes, gpa - base);
  return flat;
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
  const rest = unpacked.slice(elfEnd(unpacked));
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

/**
 * Changes all sites by an offset.
 * @param start low half of the virtual address of the first byte
 * @returns false: some lie outside, and nothing was changed
 */
function relocate(bytes: Uint8Array, { narrow, inverse, wide }: Relocations, start: number, offset: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const wideOffset = BigInt(offset);
  const areInside = (sites: Uint32Array, size: number) =>
    sites.every((site) => site >= start && site - start + size <= bytes.length);
  if (!areInside(narrow, 4) || !areInside(inverse, 4) || !areInside(wide, 8)) return false;
  const add = (site: number, change: number) =>
    view.setUint32(site - start, view.getUint32(site - start, true) + change, true);
  for (const site of narrow) add(site, offset);
  for (const site of inverse) add(site, -offset);
  for (const site of wide) {
    const at = site - start;
    view.setBigUint64(at, view.getBigUint64(at, true) + wideOffset, true);
  }
  return true;
}
