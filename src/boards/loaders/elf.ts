import { ByteReader } from '../../base/bytes.ts';
import { BootImageInvalid } from './boot-image.ts';

/** Bytes at a physical address, followed by zeros up to `memoryBytes`. */
export interface Segment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
}

/** A program in memory. */
export interface ElfImage {
  /** physical address of the first instruction */
  readonly entry: number;
  readonly segments: readonly Segment[];
}

/** A segment with the address that its code takes it to be at. */
export interface LinkedSegment extends Segment {
  readonly virtual: bigint;
}

/** An executable ELF file. */
export interface ElfFile extends ElfImage {
  readonly is64: boolean;
  readonly segments: readonly LinkedSegment[];
}

const MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const TYPE_EXECUTABLE = 2;
const TYPE_SHARED = 3;
const MACHINES = [3, 62]; // Intel 80386, AMD x86-64
const PT_LOAD = 1;

/** Offsets of the fields that are used (System V ABI, chapters 4 and 5), by class. */
const LAYOUT_32 = {
  entry: 24,
  headers: 28,
  headerSize: 42,
  headerCount: 44,
  sections: 32,
  sectionSize: 46,
  sectionCount: 48,
  offset: 4,
  virtual: 8,
  physical: 12,
  fileBytes: 16,
  memoryBytes: 20,
};
const LAYOUT_64 = {
  entry: 24,
  headers: 32,
  headerSize: 54,
  headerCount: 56,
  sections: 40,
  sectionSize: 58,
  sectionCount: 60,
  offset: 8,
  virtual: 16,
  physical: 24,
  fileBytes: 32,
  memoryBytes: 40,
};

export function isElf(file: Uint8Array): boolean {
  return file.length >= 52 && new ByteReader(file).u32(0) === MAGIC;
}

/**
 * Bytes from the start of an ELF file to the end of its table of sections, which linkers put last.
 * @throws {OutOfData} it is truncated
 */
export function elfEnd(file: Uint8Array): number {
  const reader = new ByteReader(file);
  const is64 = reader.u8(4) === CLASS_64;
  const { sections, sectionSize, sectionCount } = is64 ? LAYOUT_64 : LAYOUT_32;
  const start = is64 ? Number(reader.u64(sections)) : reader.u32(sections);
  return start + reader.u16(sectionSize) * reader.u16(sectionCount);
}

/**
 * Reads the segments of an executable for a PC.
 * @throws {BootImageInvalid} it is for another machine  @throws {OutOfData} it is truncated
 */
export function parseElf(file: Uint8Array): ElfFile {
  const reader = new ByteReader(file);
  const is64 = reader.u8(4) === CLASS_64;
  const layout = is64 ? LAYOUT_64 : LAYOUT_32;
  const executable = [TYPE_EXECUTABLE, TYPE_SHARED].includes(reader.u16(16));
  if (!executable || reader.u8(5) !== LITTLE_ENDIAN || !MACHINES.includes(reader.u16(18))) {
    throw new BootImageInvalid('the ELF file is no executable for an x86 machine');
  }
  const word = (offset: number) => (is64 ? reader.u64(offset) : BigInt(reader.u32(offset)));
  const start = word(layout.entry);
  const [first, size, count] = [
    Number(word(layout.headers)),
    reader.u16(layout.headerSize),
    reader.u16(layout.headerCount),
  ];
  let entry = Number(start & 0xffffffffn);
  const segments: LinkedSegment[] = [];
  for (let at = first; at < first + size * count; at += size) {
    if (reader.u32(at) !== PT_LOAD) continue;
    const [virtual, memoryBytes] = [word(at + layout.virtual), word(at + layout.memoryBytes)];
    const [gpa, offset, fileBytes] = [layout.physical, layout.offset, layout.fileBytes].map((f) =>
      Number(word(at + f)),
    );
    const bytes = reader.slice(offset, fileBytes);
    segments.push({ gpa, virtual, bytes, memoryBytes: Math.max(fileBytes, Number(memoryBytes)) });
    if (start >= virtual && start < virtual + memoryBytes) entry = Number(start - virtual) + gpa;
  }
  if (segments.length === 0) throw new BootImageInvalid('the ELF file has nothing to load');
  return { is64, entry, segments };
}
