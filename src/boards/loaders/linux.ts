import { ByteReader } from '../../base/bytes.ts';
import { lowRamEnd, memoryMap } from '../memory-map.ts';
import { PC_MEMORY } from '../pc-map.ts';
import {
  type BootImage,
  BootImageInvalid,
  type BootOptions,
  CODE_SELECTOR,
  type CpuStart,
  cString,
  DATA_SELECTOR,
  flatGdt,
  identityPageTables,
  LOW_MEMORY,
  type MemoryWrite,
  mebibytes,
} from './boot-image.ts';
import { type PlacedKernel, placeUnpacked } from './unpacked-linux.ts';

/** Offsets in the setup header and in boot_params, which contains it (Linux Documentation/arch/x86/boot.rst, zero-page.rst). */
const FIELD = {
  screenMode: 0x006,
  screenColumns: 0x007,
  screenMemory: 0x00a,
  screenLines: 0x00e,
  screenIsVga: 0x00f,
  screenPoints: 0x010,
  extMemK: 0x002,
  rsdpAddress: 0x070,
  altMemK: 0x1e0,
  e820Count: 0x1e8,
  setupSectors: 0x1f1,
  paragraphs: 0x1f4,
  videoMode: 0x1fa,
  bootFlag: 0x1fe,
  headerEnd: 0x201,
  magic: 0x202,
  version: 0x206,
  loaderType: 0x210,
  loadFlags: 0x211,
  code32Start: 0x214,
  initrdAddress: 0x218,
  initrdSize: 0x21c,
  commandLine: 0x228,
  initrdAddressMax: 0x22c,
  kernelAlignment: 0x230,
  relocatable: 0x234,
  extendedLoadFlags: 0x236,
  commandLineSize: 0x238,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
  preferredAddress: 0x258,
  initSize: 0x260,
  e820Table: 0x2d0,
} as const;

/** What `screen_info` says of a VGA in text mode 3: 80×25 characters of 16 lines, 256 KiB of memory. */
const TEXT_SCREEN = [
  [FIELD.screenMode, 3],
  [FIELD.screenColumns, 80],
  [FIELD.screenMemory, 3],
  [FIELD.screenLines, 25],
  [FIELD.screenIsVga, 1],
  [FIELD.screenPoints, 16],
] as const;

const BOOT_FLAG = 0xaa55;
const MAGIC = 0x53726448; // "HdrS"
const BOOT_PARAMS_BYTES = 4096;
const SECTOR_BYTES = 512;
const PARAGRAPH_BYTES = 16;
const DEFAULT_SETUP_SECTORS = 4;
const LOADED_HIGH = 0x01;
/** The decompressor tells the kernel by this that it was moved by chance. */
const KASLR_FLAG = 0x02;
const XLF_KERNEL_64 = 0x01;
const LOADER_UNDEFINED = 0xff;
const VIDEO_NORMAL = 0xffff;
const ENTRY_64_OFFSET = 0x200;
const PAGE_BYTES = 0x1000;

/** Protocol versions and what they brought. */
const VERSION_OLDEST = 0x202;
const VERSION_INITRD_MAX = 0x203;
const VERSION_RELOCATABLE = 0x205;
const VERSION_COMMAND_LINE_SIZE = 0x206;
const VERSION_PREFERRED_ADDRESS = 0x20a;
const VERSION_EXTENDED_FLAGS = 0x20c;

const DEFAULT_INITRD_MAX = 0x37ffffff;
const DEFAULT_COMMAND_LINE_SIZE = 255;
/** Kernels that do not say so decompress within this multiple of their size. */
const GUESSED_GROWTH = 8;

/** What the setup header says, with the defaults of its protocol version. */
interface SetupHeader {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly code32Start: number;
  readonly initrdMax: number;
  readonly alignment: number;
  readonly relocatable: boolean;
  readonly kernel64: boolean;
  readonly commandLineMax: number;
  readonly preferredAddress: number;
  /** bytes that the kernel needs from its load address on until it reads the memory map */
  readonly initSize: number;
}

/** Whether a file carries the Linux setup header. */
export function isLinux(kernel: Uint8Array): boolean {
  if (kernel.length < FIELD.version) return false;
  const reader = new ByteReader(kernel);
  return reader.u16(FIELD.bootFlag) === BOOT_FLAG && reader.u32(FIELD.magic) === MAGIC;
}

/** What a bzImage's decompressor unpacks. */
export interface Payload {
  /** a compressed file and, but for gzip, four bytes with the size of what it holds */
  readonly bytes: Uint8Array;
  /** more than this would not fit */
  readonly mostBytes: number;
}

/**
 * Where a bzImage of Linux 3.8 or later holds its payload; undefined: it is older, or has none.
 * @throws {BootImageInvalid} the kernel is damaged or too old  @throws {OutOfData} it is truncated
 */
export function payloadOf(kernel: Uint8Array): Payload | undefined {
  const { version, payload, initSize } = parseHeader(kernel);
  if (version < VERSION_EXTENDED_FLAGS) return undefined;
  const reader = new ByteReader(kernel);
  const [offset, length] = [reader.u32(FIELD.payloadOffset), reader.u32(FIELD.payloadLength)];
  if (length === 0 || offset + length > payload.length) return undefined;
  return { bytes: payload.subarray(offset, offset + length), mostBytes: initSize };
}

/**
 * Loads a bzImage by the 32-bit or 64-bit boot protocol.
 * @throws {BootImageInvalid} the kernel is damaged or too old, or something does not fit
 */
export function loadLinux(options: BootOptions): BootImage {
  const header = parseHeader(options.kernel);
  const mode = options.entry ?? (header.kernel64 ? 'long64' : 'protected32');
  if (mode === 'long64' && !header.kernel64) throw new BootImageInvalid('the kernel has no 64-bit entry point');
  const base = placeKernel(header, options.ramBytes);
  const commandLine = cString(options.commandLine);
  if (commandLine.length > header.commandLineMax + 1) {
    const found = commandLine.length - 1;
    throw new BootImageInvalid(`the command line has ${found} bytes, the kernel takes ${header.commandLineMax}`);
  }
  const initrd = options.initrd && placeInitrd(header, base, options.initrd, options.ramBytes);
  const { write: gdtWrite, gdt } = flatGdt(mode);
  const kernel = kernelAt(base, header, mode, initrd, options);
  const writes: MemoryWrite[] = [
    ...kernel.writes,
    { gpa: LOW_MEMORY.bootParams, bytes: bootParams(header, kernel, initrd, options) },
    { gpa: LOW_MEMORY.commandLine, bytes: commandLine },
    gdtWrite,
  ];
  if (initrd) writes.push(initrd);
  if (mode === 'long64') {
    writes.push({ gpa: LOW_MEMORY.pageTables, bytes: identityPageTables(LOW_MEMORY.pageTables) });
  }
  const { zeros, changes } = kernel;
  return { zeros, writes, changes, cpu: cpuStart(mode, kernel.entry, gdt) };
}

/** The kernel as its decompressor would leave it, where that is known and the kernel lies where it wants to; else as it is in its file. */
function kernelAt(
  base: number,
  header: SetupHeader,
  mode: CpuStart['mode'],
  initrd: MemoryWrite | undefined,
  { unpacked, random, commandLine, ramBytes }: BootOptions,
): PlacedKernel {
  const { payload, kernel64: is64, preferredAddress, initSize, alignment } = header;
  const entry = mode === 'long64' ? base + ENTRY_64_OFFSET : base;
  const packed = { gpa: base, zeros: [], writes: [{ gpa: base, bytes: payload }], changes: [], entry, moved: false };
  if (unpacked === undefined || base !== preferredAddress || is64 !== (mode === 'long64')) return packed;
  const end = initrd?.gpa ?? lowRamEnd(ramBytes);
  const chance = commandLine.split(' ').includes('nokaslr') ? undefined : random;
  return placeUnpacked(unpacked, { is64, preferredAddress, initSize, alignment, end, random: chance }) ?? packed;
}

function cpuStart(mode: CpuStart['mode'], entry: number, gdt: CpuStart['gdt']): CpuStart {
  const is64 = mode === 'long64';
  return {
    mode,
    rip: BigInt(entry),
    rsp: BigInt(LOW_MEMORY.stackTop),
    rax: 0n,
    rbx: 0n,
    rsi: BigInt(LOW_MEMORY.bootParams),
    cr3: is64 ? BigInt(LOW_MEMORY.pageTables) : 0n,
    gdt,
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
  };
}

function parseHeader(kernel: Uint8Array): SetupHeader {
  const reader = new ByteReader(kernel);
  const headerEnd = FIELD.magic + reader.u8(FIELD.headerEnd);
  const payloadOffset = ((reader.u8(FIELD.setupSectors) || DEFAULT_SETUP_SECTORS) + 1) * SECTOR_BYTES;
  const paragraphs = reader.u32(FIELD.paragraphs);
  // The last paragraph need not be a whole one: those of iPXE and Memtest86+ are not.
  const least = payloadOffset + (paragraphs - 1) * PARAGRAPH_BYTES + 1;
  if (kernel.length < least || kernel.length < headerEnd || paragraphs === 0) {
    const expected = Math.max(least, headerEnd);
    throw new BootImageInvalid(`the kernel is truncated: it has ${kernel.length} of ${expected} bytes`);
  }
  const version = reader.u16(FIELD.version);
  if (version < VERSION_OLDEST || !(reader.u8(FIELD.loadFlags) & LOADED_HIGH)) {
    const found = `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`;
    throw new BootImageInvalid(`the kernel is no bzImage of boot protocol 2.02 or later: its protocol is ${found}`);
  }
  const since = <T>(first: number, value: () => T, otherwise: T): T => {
    return version >= first && headerEnd >= FIELD_END[first] ? value() : otherwise;
  };
  const payload = kernel.subarray(payloadOffset);
  return {
    version,
    bytes: kernel.subarray(FIELD.setupSectors, headerEnd),
    payload,
    code32Start: reader.u32(FIELD.code32Start),
    initrdMax: since(VERSION_INITRD_MAX, () => reader.u32(FIELD.initrdAddressMax), DEFAULT_INITRD_MAX),
    alignment: since(VERSION_RELOCATABLE, () => reader.u32(FIELD.kernelAlignment), 0),
    relocatable: since(VERSION_RELOCATABLE, () => reader.u8(FIELD.relocatable) !== 0, false),
    kernel64: since(VERSION_EXTENDED_FLAGS, () => (reader.u16(FIELD.extendedLoadFlags) & XLF_KERNEL_64) !== 0, false),
    commandLineMax: since(
      VERSION_COMMAND_LINE_SIZE,
      () => reader.u32(FIELD.commandLineSize),
      DEFAULT_COMMAND_LINE_SIZE,
    ),
    preferredAddress: since(VERSION_PREFERRED_ADDRESS, () => Number(reader.u64(FIELD.preferredAddress)), 0),
    initSize: since(VERSION_PREFERRED_ADDRESS, () => reader.u32(FIELD.initSize), payload.length * GUESSED_GROWTH),
  };
}

/** Where the header must reach to have the fields of a version. */
const FIELD_END: Readonly<Record<number, number>> = {
  [VERSION_INITRD_MAX]: FIELD.initrdAddressMax + 4,
  [VERSION_RELOCATABLE]: FIELD.relocatable + 1,
  [VERSION_COMMAND_LINE_SIZE]: FIELD.commandLineSize + 4,
  [VERSION_PREFERRED_ADDRESS]: FIELD.initSize + 4,
  [VERSION_EXTENDED_FLAGS]: FIELD.extendedLoadFlags + 2,
};

/** The load address: the preferred one of a relocatable kernel, where it fits; else the address the header asks for. */
function placeKernel(header: SetupHeader, ramBytes: number): number {
  const end = lowRamEnd(ramBytes);
  const needed = Math.max(header.initSize, header.payload.length);
  const wanted = header.relocatable ? [header.preferredAddress, header.code32Start] : [header.code32Start];
  const base = wanted.find((address) => address >= PC_MEMORY.oneMebibyte && address + needed <= end);
  if (base !== undefined) return base;
  if (wanted.every((address) => address < PC_MEMORY.oneMebibyte)) {
    throw new BootImageInvalid(
      'the kernel can only be started in real mode, by a boot loader: it has no 32-bit entry point',
    );
  }
  const least = mebibytes(Math.max(PC_MEMORY.oneMebibyte, ...wanted.slice(-1)) + needed);
  throw new BootImageInvalid(`the kernel needs ${least} of memory, the machine has ${mebibytes(ramBytes)}`);
}

/** The initrd goes as high as RAM and kernel allow, out of the way of the kernel's decompression. */
function placeInitrd(header: SetupHeader, base: number, bytes: Uint8Array, ramBytes: number): MemoryWrite {
  const end = Math.min(lowRamEnd(ramBytes), header.initrdMax + 1);
  const gpa = Math.floor((end - bytes.length) / PAGE_BYTES) * PAGE_BYTES;
  const kernelEnd = base + Math.max(header.initSize, header.payload.length);
  if (gpa >= kernelEnd) return { gpa, bytes };
  const room = Math.max(0, end - kernelEnd);
  throw new BootImageInvalid(
    `the initrd of ${mebibytes(bytes.length)} does not fit in the ${mebibytes(room)} that the kernel leaves free`,
  );
}

function bootParams(
  header: SetupHeader,
  { gpa, moved }: PlacedKernel,
  initrd: MemoryWrite | undefined,
  options: BootOptions,
): Uint8Array {
  const bytes = new Uint8Array(BOOT_PARAMS_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(header.bytes, FIELD.setupSectors);
  for (const [offset, value] of TEXT_SCREEN) view.setUint8(offset, value);
  view.setUint16(FIELD.videoMode, VIDEO_NORMAL, true);
  view.setUint8(FIELD.loaderType, LOADER_UNDEFINED);
  if (moved) view.setUint8(FIELD.loadFlags, view.getUint8(FIELD.loadFlags) | KASLR_FLAG);
  view.setUint32(FIELD.code32Start, gpa, true);
  view.setUint32(FIELD.initrdAddress, initrd?.gpa ?? 0, true);
  view.setUint32(FIELD.initrdSize, initrd?.bytes.length ?? 0, true);
  view.setUint32(FIELD.commandLine, LOW_MEMORY.commandLine, true);
  view.setBigUint64(FIELD.rsdpAddress, BigInt(options.rsdpGpa ?? 0), true);
  const extendedK = (lowRamEnd(options.ramBytes) - PC_MEMORY.oneMebibyte) / 1024;
  view.setUint16(FIELD.extMemK, Math.min(extendedK, 0xfc00), true);
  view.setUint32(FIELD.altMemK, extendedK, true);
  const map = memoryMap(options.ramBytes);
  view.setUint8(FIELD.e820Count, map.length);
  map.forEach(({ base: start, length, type }, i) => {
    const entry = FIELD.e820Table + i * 20;
    view.setBigUint64(entry, BigInt(start), true);
    view.setBigUint64(entry + 8, BigInt(length), true);
    view.setUint32(entry + 16, type, true);
  });
  return bytes;
}
