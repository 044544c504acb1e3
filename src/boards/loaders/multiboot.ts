import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { lowRamEnd, memoryMap } from '../memory-map.ts';
import { PC_MEMORY } from '../pc-map.ts';
import {
  type BootImage,
  BootImageInvalid,
  type BootOptions,
  CODE_SELECTOR,
  cString,
  DATA_SELECTOR,
  flatGdt,
  LOW_MEMORY,
  type MemoryWrite,
  mebibytes,
} from './boot-image.ts';
import { type ElfImage, isElf, parseElf, type Segment } from './elf.ts';

/** The Multiboot Specification 0.6.96, section 3.1: the header of a kernel. */
const HEADER_MAGIC = 0x1badb002;
const HEADER_WITHIN = 8192;
const FLAGS_UNDERSTOOD = 0x0007;
const FLAGS_REQUIRED = 0xffff;
const FLAG_ADDRESSES = 0x10000;

/** Section 3.3: the boot information. */
const BOOT_MAGIC = 0x2badb002;
const INFO_BYTES = 116;
const INFO_MEMORY = 1 << 0;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;
const INFO_END_GPA = PC_MEMORY.ebda;
const LOADER_NAME = 'vitrine';
const MODULE_BYTES = 16;
const PAGE_BYTES = 0x1000;

interface MultibootHeader {
  readonly offset: number;
  readonly flags: number;
}

/** Whether a file carries a multiboot header. */
export function isMultiboot(kernel: Uint8Array): boolean {
  return findHeader(kernel) !== undefined;
}

/**
 * Loads a multiboot kernel, from ELF or from the addresses in its header; an ELF64 file is entered in 32-bit mode too.
 * The initrd becomes its one module.
 * @throws {BootImageInvalid} the kernel is damaged, asks for what is not there, or something does not fit
 */
export function loadMultiboot(options: BootOptions): BootImage {
  const header = findHeader(options.kernel);
  if (!header) throw new BootImageInvalid('the kernel has no multiboot header');
  const unknown = header.flags & FLAGS_REQUIRED & ~FLAGS_UNDERSTOOD;
  if (unknown) throw new BootImageInvalid(`the multiboot kernel requires unknown features 0x${unknown.toString(16)}`);
  const image = header.flags & FLAG_ADDRESSES ? fromAddresses(options.kernel, header) : fromElf(options.kernel);
  const end = checkPlaces(image.segments, lowRamEnd(options.ramBytes));
  const module = options.initrd && placeModule(options.initrd, end, lowRamEnd(options.ramBytes));
  const { write: gdtWrite, gdt } = flatGdt('protected32');
  const info = { gpa: LOW_MEMORY.multibootInfo, bytes: bootInformation(options, module) };
  if (info.gpa + info.bytes.length > INFO_END_GPA)
    throw new BootImageInvalid('the command line is too long for multiboot');
  return {
    zeros: image.segments.map(({ gpa, bytes, memoryBytes }) => ({
      gpa: gpa + bytes.length,
      length: memoryBytes - bytes.length,
    })),
    writes: [...image.segments, ...(module ? [module] : []), info, gdtWrite],
    changes: [],
    cpu: {
      mode: 'protected32',
      rip: BigInt(image.entry),
      rsp: BigInt(LOW_MEMORY.stackTop),
      rax: BigInt(BOOT_MAGIC),
      rbx: BigInt(LOW_MEMORY.multibootInfo),
      rsi: 0n,
      cr3: 0n,
      gdt,
      codeSelector: CODE_SELECTOR,
      dataSelector: DATA_SELECTOR,
    },
  };
}

function findHeader(kernel: Uint8Array): MultibootHeader | undefined {
  const reader = new ByteReader(kernel);
  const last = Math.min(HEADER_WITHIN, kernel.length) - 12;
  for (let offset = 0; offset <= last; offset += 4) {
    if (reader.u32(offset) !== HEADER_MAGIC) continue;
    const flags = reader.u32(offset + 4);
    if ((HEADER_MAGIC + flags + reader.u32(offset + 8)) >>> 0 === 0) return { offset, flags };
  }
  return undefined;
}

function fromElf(kernel: Uint8Array): ElfImage {
  if (!isElf(kernel)) throw new BootImageInvalid('the multiboot kernel is no ELF file and gives no load addresses');
  return parseElf(kernel);
}

/** Section 3.1.3: the address fields of the header. */
function fromAddresses(kernel: Uint8Array, { offset }: MultibootHeader): ElfImage {
  if (kernel.length < offset + 32) throw new BootImageInvalid('the multiboot kernel is truncated inside its header');
  const reader = new ByteReader(kernel);
  const [header, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((field) => reader.u32(offset + field));
  const from = offset - (header - load);
  const length = loadEnd === 0 ? kernel.length - from : loadEnd - load;
  if (from < 0 || length < 0 || from + length > kernel.length) {
    throw new BootImageInvalid(
      `the multiboot kernel is truncated: it has ${kernel.length} bytes and loads up to byte ${from + length}`,
    );
  }
  const memoryBytes = Math.max(length, bssEnd - load);
  return { entry, segments: [{ gpa: load, bytes: kernel.subarray(from, from + length), memoryBytes }] };
}

/** @returns the end of the highest segment */
function checkPlaces(segments: readonly Segment[], ramEnd: number): number {
  let end: number = PC_MEMORY.oneMebibyte;
  for (const { gpa, memoryBytes } of segments) {
    const segmentEnd = gpa + memoryBytes;
    const low = segmentEnd <= LOW_MEMORY.multibootInfo && gpa > LOW_MEMORY.gdt + PAGE_BYTES;
    if (!low && (gpa < PC_MEMORY.oneMebibyte || segmentEnd > ramEnd)) {
      const range = `0x${gpa.toString(16)} to 0x${segmentEnd.toString(16)}`;
      throw new BootImageInvalid(`the kernel loads at ${range}, where the machine has no free memory`);
    }
    end = Math.max(end, segmentEnd);
  }
  return end;
}

function placeModule(bytes: Uint8Array, after: number, ramEnd: number): MemoryWrite {
  const gpa = Math.ceil(after / PAGE_BYTES) * PAGE_BYTES;
  if (gpa + bytes.length <= ramEnd) return { gpa, bytes };
  const room = mebibytes(Math.max(0, ramEnd - gpa));
  throw new BootImageInvalid(
    `the module of ${mebibytes(bytes.length)} does not fit in the ${room} that the kernel leaves free`,
  );
}

/** The boot information with everything that it points to behind it. */
function bootInformation(options: BootOptions, module: MemoryWrite | undefined): Uint8Array {
  const rest = new ByteWriter();
  const place = (bytes: Uint8Array): number => {
    const gpa = LOW_MEMORY.multibootInfo + INFO_BYTES + rest.align(4).length;
    rest.append(bytes);
    return gpa;
  };
  const commandLine = place(cString(`${options.name} ${options.commandLine}`.trimEnd()));
  const loaderName = place(cString(LOADER_NAME));
  const modules = module ? place(moduleEntry(module, place(cString('initrd')))) : 0;
  const map = memoryMapEntries(options.ramBytes);
  const mapGpa = place(map);
  const flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
  const lowerK = PC_MEMORY.ebda / 1024;
  const upperK = (lowRamEnd(options.ramBytes) - PC_MEMORY.oneMebibyte) / 1024;
  const info = new ByteWriter().u32(flags).u32(lowerK).u32(upperK).u32(0).u32(commandLine);
  info
    .u32(module ? 1 : 0)
    .u32(modules)
    .zeros(16)
    .u32(map.length)
    .u32(mapGpa);
  info
    .zeros(12)
    .u32(loaderName)
    .zeros(INFO_BYTES - info.length);
  return info.append(rest.finish()).finish();
}

function moduleEntry({ gpa, bytes }: MemoryWrite, text: number): Uint8Array {
  return new ByteWriter()
    .u32(gpa)
    .u32(gpa + bytes.length)
    .u32(text)
    .align(MODULE_BYTES)
    .finish();
}

function memoryMapEntries(ramBytes: number): Uint8Array {
  const writer = new ByteWriter();
  for (const { base, length, type } of memoryMap(ramBytes)) {
    writer.u32(20).u64(BigInt(base)).u64(BigInt(length)).u32(type);
  }
  return writer.finish();
}
