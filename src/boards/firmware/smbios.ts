import { ByteWriter, withChecksum } from '../../base/bytes.ts';

/** What the structures tell. */
export interface SmbiosFacts {
  readonly ramBytes: number;
  readonly cpuCount: number;
  /** The system's UUID, 16 bytes in the order of its text. */
  readonly uuid: Uint8Array;
}

/** Structure types (DMTF DSP0134, SMBIOS 2.8). */
const TYPE = {
  bios: 0,
  system: 1,
  chassis: 3,
  processor: 4,
  memoryArray: 16,
  memory: 17,
  mapped: 19,
  boot: 32,
  end: 127,
} as const;
const VENDOR = 'Vitrine';
const KIB = 1024;
const MIB = KIB * KIB;
const FOUR_GIB = 4 * KIB * MIB;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 8;
/** Above 32 GiB less 1 MiB the size of a memory device is told elsewhere. */
const LARGEST_MEGABYTES = 0x7fff;

/** Collects structures, with handles that count from 0. */
class Structures {
  readonly writer = new ByteWriter();
  count = 0;
  longest = 0;

  /** Appends a structure. @param body what follows its handle  @returns the handle */
  add(type: number, body: Uint8Array, strings: readonly string[] = []): number {
    const handle = this.count++;
    const start = this.writer.length;
    this.writer
      .u8(type)
      .u8(body.length + 4)
      .u16(handle)
      .append(body);
    for (const text of strings) this.writer.text(text).u8(0);
    this.writer.u8(0);
    if (strings.length === 0) this.writer.u8(0);
    this.longest = Math.max(this.longest, this.writer.length - start);
    return handle;
  }
}

function build({ ramBytes, cpuCount, uuid }: SmbiosFacts): Structures {
  const s = new Structures();
  const bios = new ByteWriter()
    .append([1, 2])
    .u16(0xf000)
    .append([3, 0])
    .u64(0x08n)
    .append([0x01, 0x0c, 0, 0, 0xff, 0xff]);
  s.add(TYPE.bios, bios.finish(), [VENDOR, '1.0', '01/01/2026']);
  const system = new ByteWriter().append([1, 2, 3, 0]).append(littleEndian(uuid)).append([6, 0, 0]);
  s.add(TYPE.system, system.finish(), [VENDOR, 'Standard PC', '1.0']);
  s.add(TYPE.chassis, new ByteWriter().append([1, 1, 0, 0, 0, 3, 3, 3, 2]).u32(0).append([0, 0, 0, 0, 0]).finish(), [
    VENDOR,
  ]);
  s.add(TYPE.processor, processor(cpuCount), ['CPU 0', VENDOR]);
  const kilobytes = ramBytes / KIB;
  const array = new ByteWriter().append([1, 3, 6]).u32(Math.min(kilobytes, 0x80000000)).u16(0xfffe).u16(1);
  const arrayHandle = s.add(TYPE.memoryArray, array.finish());
  s.add(TYPE.memory, memoryDevice(ramBytes, arrayHandle), ['DIMM 0', VENDOR]);
  const end = Math.min(ramBytes, FOUR_GIB) / KIB;
  s.add(
    TYPE.mapped,
    new ByteWriter()
      .u32(0)
      .u32(end - 1)
      .u16(arrayHandle)
      .u8(1)
      .finish(),
  );
  s.add(TYPE.boot, new Uint8Array(7));
  s.add(TYPE.end, new Uint8Array());
  return s;
}

/** The first three fields of a UUID are little-endian here (DSP0134, 7.2.1). */
function littleEndian(uuid: Uint8Array): number[] {
  return [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((at) => uuid[at]);
}

/** One package, whose cores have a thread each. */
function processor(cores: number): Uint8Array {
  const body = new ByteWriter().append([1, 3, 1, 2]).zeros(8).append([0, 0]).u16(0).u16(2000).u16(2000);
  body.append([0x41, 1]).u16(0xffff).u16(0xffff).u16(0xffff).append([0, 0, 0, cores, cores, cores]).u16(0x04);
  return body.finish();
}

function memoryDevice(ramBytes: number, arrayHandle: number): Uint8Array {
  const megabytes = Math.min(ramBytes / MIB, LARGEST_MEGABYTES);
  const body = new ByteWriter().u16(arrayHandle).u16(0xfffe).u16(64).u16(64).u16(megabytes).append([9, 0, 1, 0, 7]);
  return body.u16(2).u16(0).append([2, 0, 0, 0, 0]).u32(0).u16(0).finish();
}

/** Builds the SMBIOS structures: BIOS, system, processors and memory. */
export function buildSmbios(facts: SmbiosFacts): Uint8Array {
  return build(facts).writer.finish();
}

/** The entry point that leads to structures. @param gpa where these lie */
export function smbiosEntry(structures: Uint8Array, gpa: number): Uint8Array {
  const { count, longest } = describe(structures);
  const bytes = new ByteWriter().text('_SM_').append([0, 31, VERSION_MAJOR, VERSION_MINOR]).u16(longest).u8(0).zeros(5);
  bytes
    .text('_DMI_')
    .u8(0)
    .u16(structures.length)
    .u32(gpa)
    .u16(count)
    .u8((VERSION_MAJOR << 4) | VERSION_MINOR);
  const entry = bytes.finish();
  withChecksum(entry.subarray(16), 5);
  return withChecksum(entry, 4);
}

/** Counts structures and the bytes of the longest. */
function describe(bytes: Uint8Array): { count: number; longest: number } {
  let [count, longest, at] = [0, 0, 0];
  while (at < bytes.length) {
    let end = at + bytes[at + 1];
    while (bytes[end] !== 0 || bytes[end + 1] !== 0) end++;
    longest = Math.max(longest, end + 2 - at);
    at = end + 2;
    count++;
  }
  return { count, longest };
}
