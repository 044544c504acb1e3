import { ByteWriter } from '../../base/bytes.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import type { MemoryWrite } from '../table-loader.ts';

export type { MemoryWrite };

/** The state in which a loaded kernel gets the boot processor. Interrupts are off; what is not said here is as after reset. */
export interface CpuStart {
  /** `protected32`: flat segments, no paging. `long64`: 64-bit code, paging on at `cr3`. */
  readonly mode: 'protected32' | 'long64';
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rax: bigint;
  readonly rbx: bigint;
  readonly rsi: bigint;
  /** physical address of the top page table; 0 without paging */
  readonly cr3: bigint;
  /** the descriptor table, among the memory writes; limit in bytes less one */
  readonly gdt: { readonly gpa: number; readonly limit: number };
  readonly codeSelector: number;
  /** for DS, ES, FS, GS and SS */
  readonly dataSelector: number;
}

/** Some of guest memory. */
export interface MemoryRange {
  readonly gpa: number;
  /** in bytes */
  readonly length: number;
}

/** What is changed where it lies in memory. */
export interface MemoryChange extends MemoryRange {
  apply(bytes: Uint8Array): void;
}

/** A kernel ready to run: what to clear, to write and to change in memory, in this order, and how to start. */
export interface BootImage {
  readonly zeros: readonly MemoryRange[];
  readonly writes: readonly MemoryWrite[];
  readonly changes: readonly MemoryChange[];
  readonly cpu: CpuStart;
}

/** Puts a kernel into memory. @throws {NotRam} something of it does not lie in RAM */
export function writeBootImage(memory: GuestMemory, image: BootImage): void {
  for (const { gpa, length } of image.zeros) memory.forWrite(gpa, length).fill(0);
  for (const { gpa, bytes } of image.writes) memory.forWrite(gpa, bytes.length).set(bytes);
  for (const { gpa, length, apply } of image.changes) apply(memory.forWrite(gpa, length));
}

/** A kernel or initrd that cannot be booted. The message is one line that says what was found and expected. */
export class BootImageInvalid extends Error {}

/** What a loader needs to know. */
export interface BootOptions {
  /** name of the kernel, for multiboot's command line and for messages */
  readonly name: string;
  readonly kernel: Uint8Array;
  /** what the kernel's own decompressor would unpack, when that is known: see `unpackLinux` */
  readonly unpacked?: Uint8Array;
  /** by which that is moved, as the decompressor would by a number of its own; absent: it is not */
  readonly random?: bigint;
  /** initial RAM disk, or the one multiboot module */
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  /** all RAM of the machine, at least 1 MiB */
  readonly ramBytes: number;
  /** guest-physical address of the ACPI root pointer */
  readonly rsdpGpa?: number;
  /** the entry to use where a kernel offers both; the 64-bit one is the default */
  readonly entry?: CpuStart['mode'];
}

/** Where direct boot puts what the kernel finds below 640 KiB. */
export const LOW_MEMORY = {
  gdt: 0x6000,
  stackTop: 0x9000,
  pageTables: 0xa000,
  bootParams: 0x10000,
  commandLine: 0x20000,
  multibootInfo: 0x90000,
} as const;

/** Selectors that the Linux boot protocol asks for; multiboot leaves them open. */
export const CODE_SELECTOR = 0x10;
export const DATA_SELECTOR = 0x18;

/** Flat descriptors: present, ring 0, accessed, 4 GiB (Intel SDM 3A 3.4.5). */
const CODE32 = 0x00cf9b000000ffffn;
const CODE64 = 0x00af9b000000ffffn;
const DATA = 0x00cf93000000ffffn;

/** The descriptor table for a mode. */
export function flatGdt(mode: CpuStart['mode']): { write: MemoryWrite; gdt: CpuStart['gdt'] } {
  const code = mode === 'long64' ? CODE64 : CODE32;
  const bytes = new ByteWriter().u64(0n).u64(0n).u64(code).u64(DATA).finish();
  return { write: { gpa: LOW_MEMORY.gdt, bytes }, gdt: { gpa: LOW_MEMORY.gdt, limit: bytes.length - 1 } };
}

const PAGE_BYTES = 0x1000;
const PAGE_PRESENT_WRITABLE = 0x3n;
const PAGE_LARGE = 0x80n;
const LARGE_PAGE_SHIFT = 21n;
const GIBIBYTES_MAPPED = 4;

/** Page tables that map the first 4 GiB to themselves in 2 MiB pages (Intel SDM 3A 4.5): top, one level 3, four level 2. */
export function identityPageTables(gpa: number): Uint8Array {
  const writer = new ByteWriter();
  const table = (index: number) => BigInt(gpa + index * PAGE_BYTES) | PAGE_PRESENT_WRITABLE;
  writer.u64(table(1)).align(PAGE_BYTES);
  for (let i = 0; i < GIBIBYTES_MAPPED; i++) writer.u64(table(2 + i));
  writer.align(PAGE_BYTES);
  for (let page = 0n; page < BigInt(GIBIBYTES_MAPPED * 512); page++) {
    writer.u64((page << LARGE_PAGE_SHIFT) | PAGE_LARGE | PAGE_PRESENT_WRITABLE);
  }
  return writer.finish();
}

/** Text as a NUL-terminated string. Characters beyond Latin-1 are encoded as UTF-8. */
export function cString(text: string): Uint8Array {
  return new ByteWriter().append(new TextEncoder().encode(text)).u8(0).finish();
}

/** A size for a message. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 0x100000)} MiB`;
}
