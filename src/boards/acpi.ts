import { ByteWriter } from '../base/bytes.ts';
import { HPET_ID } from '../devices/hpet/hpet.ts';
import { buildDsdt } from './dsdt.ts';
import { IOAPIC_TIMER_PIN, PC_IRQ, PC_MEMORY, PC_PORTS } from './pc-map.ts';
import type { LoaderCommand, TableSet } from './table-loader.ts';

/** fw_cfg names of the blobs, by which firmware finds them. */
export const ACPI_TABLES_FILE = 'etc/acpi/tables';
export const ACPI_RSDP_FILE = 'etc/acpi/rsdp';

const HEADER_BYTES = 36;
const CHECKSUM_OFFSET = 9;
const OEM_ID = 'VITRIN';
const OEM_TABLE_ID = 'VITRINPC';
const CREATOR_ID = 'VTRN';
const FACS_BYTES = 64;

/** FADT boot flags and fixed feature flags (ACPI 6.5 tables 5.9 and 5.10). */
const LEGACY_DEVICES = 1 << 0;
const HAS_8042 = 1 << 1;
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const NO_SLEEP_BUTTON = 1 << 5;
const NO_FIXED_RTC_WAKE = 1 << 6;
const RESET_REG_SUPPORTED = 1 << 10;
const NO_C2 = 0x65;
const NO_C3 = 0x3e9;
const PROFILE_DESKTOP = 1;
const RESET_VALUE = 6;
/** Two for status, two for enabling. */
const GENERAL_EVENT_BYTES = 4;
/** CMOS index of the century, as every PC firmware has it. */
const CENTURY_INDEX = 0x32;

/** MADT flags and entry types (ACPI 6.5 section 5.2.12). */
const PCAT_COMPAT = 1;
const MADT = { localApic: 0, ioApic: 1, override: 2, localApicNmi: 4 } as const;
const CPU_ENABLED = 1;
const LEVEL_ACTIVE_HIGH = 0x0d;
const ALL_CPUS = 0xff;

const SPACE_MEMORY = 0;
const SPACE_IO = 1;
const ACCESS_BYTE = 1;
const ACCESS_WORD = 2;
const ACCESS_DWORD = 3;

/** What the tables depend on. */
export interface AcpiOptions {
  /** processors, 1 to 255, with local APIC identities from 0 */
  readonly cpuCount: number;
  /** whether there is a parallel port; default false */
  readonly parallel?: boolean;
}

/** Builds the ACPI tables (ACPI 6.5 chapter 5) with the commands that link them, once, for every way to boot. */
export function buildAcpi({ cpuCount, parallel }: AcpiOptions): TableSet {
  const tables = new TableBlob();
  const facs = tables.addRaw(facsBytes());
  const dsdt = tables.add('DSDT', 2, buildDsdt(cpuCount, parallel));
  const fadt = tables.add('FACP', 3, fadtBody(facs, dsdt), FADT_POINTERS);
  const madt = tables.add('APIC', 3, madtBody(cpuCount));
  const hpet = tables.add('HPET', 1, hpetBody());
  const listed = [fadt, madt, hpet];
  const rsdt = tables.add('RSDT', 1, pointerList(listed, 4), pointerFields(listed.length, 4));
  const xsdt = tables.add('XSDT', 1, pointerList(listed, 8), pointerFields(listed.length, 8));
  return {
    files: [
      { name: ACPI_TABLES_FILE, bytes: tables.finish(), alignment: FACS_BYTES, inBiosSegment: false },
      { name: ACPI_RSDP_FILE, bytes: rsdpBytes(rsdt, xsdt), alignment: 16, inBiosSegment: true },
    ],
    commands: [...tables.commands, ...RSDP_COMMANDS],
  };
}

/** A field of a table's body that holds the address of another: its offset in the body and its size. */
type PointerField = readonly [offset: number, size: number];

/** One blob of tables, with the commands that link them. Offsets in the blob stand for addresses until it is placed. */
class TableBlob {
  readonly commands: LoaderCommand[] = [];
  readonly #writer = new ByteWriter();

  /** Appends a table without the common header. @returns its offset */
  addRaw(bytes: Uint8Array): number {
    const offset = this.#writer.align(FACS_BYTES).length;
    this.#writer.append(bytes);
    return offset;
  }

  /** Appends a table. @param pointers fields of the body that hold offsets in this blob  @returns its offset */
  add(signature: string, revision: number, body: Uint8Array, pointers: readonly PointerField[] = []): number {
    const length = HEADER_BYTES + body.length;
    const header = new ByteWriter().text(signature).u32(length).u8(revision).u8(0);
    header.text(OEM_ID).text(OEM_TABLE_ID).u32(1).text(CREATOR_ID).u32(1);
    const start = this.addRaw(header.append(body).finish());
    const file = ACPI_TABLES_FILE;
    for (const [offset, size] of pointers) {
      this.commands.push({ kind: 'pointer', file, offset: start + HEADER_BYTES + offset, size, target: file });
    }
    this.commands.push({ kind: 'checksum', file, offset: start + CHECKSUM_OFFSET, start, length });
    return start;
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

function facsBytes(): Uint8Array {
  const [hardwareSignature, wakingVector, globalLock, flags] = [0, 0, 0, 0];
  const writer = new ByteWriter().text('FACS').u32(FACS_BYTES);
  writer.u32(hardwareSignature).u32(wakingVector).u32(globalLock).u32(flags).u64(0n).u8(1);
  return writer.align(FACS_BYTES).finish();
}

/** Offsets in the FADT's body of FIRMWARE_CTRL, DSDT and X_DSDT. */
const FADT_POINTERS: readonly PointerField[] = [
  [0, 4],
  [4, 4],
  [104, 8],
];

/** The FADT of ACPI 2.0, 244 bytes with its header (ACPI 6.5 section 5.2.9). */
function fadtBody(facs: number, dsdt: number): Uint8Array {
  const [pm] = PC_PORTS.powerManagement;
  const [event, control, timer, general] = [pm, pm + 4, pm + 8, pm + 12];
  const body = new ByteWriter().u32(facs).u32(dsdt).u8(0).u8(PROFILE_DESKTOP).u16(PC_IRQ.sci);
  body.u32(0).zeros(4); // no SMI command: ACPI mode is always on
  for (const block of [event, 0, control, 0, 0, timer, general, 0]) body.u32(block);
  body.append([4, 2, 0, 4, GENERAL_EVENT_BYTES, 0, 0, 0]); // lengths of these blocks
  body.u16(NO_C2).u16(NO_C3).zeros(4).zeros(2);
  body.append([0, 0, CENTURY_INDEX]);
  body.u16(LEGACY_DEVICES | HAS_8042).u8(0);
  body.u32(WBINVD | PROC_C1 | NO_SLEEP_BUTTON | NO_FIXED_RTC_WAKE | RESET_REG_SUPPORTED);
  portAddress(body, PC_PORTS.resetControl[0], 8, ACCESS_BYTE).u8(RESET_VALUE).zeros(3);
  body.u64(0n).u64(BigInt(dsdt));
  portAddress(body, event, 32, ACCESS_WORD);
  noAddress(body);
  portAddress(body, control, 16, ACCESS_WORD);
  noAddress(body);
  noAddress(body);
  portAddress(body, timer, 32, ACCESS_DWORD);
  portAddress(body, general, 8 * GENERAL_EVENT_BYTES, ACCESS_BYTE);
  noAddress(body);
  return body.finish();
}

/** A generic address structure (ACPI 6.5 section 5.2.3.2). */
function portAddress(writer: ByteWriter, port: number, bits: number, access: number): ByteWriter {
  return writer.u8(SPACE_IO).u8(bits).u8(0).u8(access).u64(BigInt(port));
}

function noAddress(writer: ByteWriter): ByteWriter {
  return writer.zeros(12);
}

function madtBody(cpuCount: number): Uint8Array {
  const body = new ByteWriter().u32(PC_MEMORY.localApic).u32(PCAT_COMPAT);
  for (let cpu = 0; cpu < cpuCount; cpu++) body.append([MADT.localApic, 8, cpu, cpu]).u32(CPU_ENABLED);
  body
    .append([MADT.ioApic, 12, ioApicId(cpuCount), 0])
    .u32(PC_MEMORY.ioApic)
    .u32(0);
  for (const [source, pin, flags] of [
    [PC_IRQ.timer, IOAPIC_TIMER_PIN, 0],
    [PC_IRQ.sci, PC_IRQ.sci, LEVEL_ACTIVE_HIGH],
  ]) {
    body.append([MADT.override, 10, 0, source]).u32(pin).u16(flags);
  }
  return body.append([MADT.localApicNmi, 6, ALL_CPUS]).u16(0).u8(1).finish();
}

/** IA-PC HPET 1.0a section 3.2.4: one block, in memory, for periods of any length. */
function hpetBody(): Uint8Array {
  const [number, minimumTick, pageProtection] = [0, 0, 0];
  const body = new ByteWriter().u32(HPET_ID).u8(SPACE_MEMORY).zeros(3).u64(BigInt(PC_MEMORY.hpet));
  return body.u8(number).u16(minimumTick).u8(pageProtection).finish();
}

/** The I/O APIC's identity: the first after the processors', within the four bits that it has. */
function ioApicId(cpuCount: number): number {
  return cpuCount & 0x0f;
}

function pointerList(offsets: readonly number[], size: 4 | 8): Uint8Array {
  const writer = new ByteWriter();
  for (const offset of offsets) {
    if (size === 4) writer.u32(offset);
    else writer.u64(BigInt(offset));
  }
  return writer.finish();
}

function pointerFields(count: number, size: 4 | 8): PointerField[] {
  return Array.from({ length: count }, (_, i) => [i * size, size] as const);
}

/** The root pointer of ACPI 2.0 (ACPI 6.5 section 5.2.5.3). */
function rsdpBytes(rsdt: number, xsdt: number): Uint8Array {
  const writer = new ByteWriter().text('RSD PTR ').u8(0).text(OEM_ID).u8(2);
  return writer.u32(rsdt).u32(36).u64(BigInt(xsdt)).u8(0).zeros(3).finish();
}

const RSDP_COMMANDS: readonly LoaderCommand[] = [
  { kind: 'pointer', file: ACPI_RSDP_FILE, offset: 16, size: 4, target: ACPI_TABLES_FILE },
  { kind: 'pointer', file: ACPI_RSDP_FILE, offset: 24, size: 8, target: ACPI_TABLES_FILE },
  { kind: 'checksum', file: ACPI_RSDP_FILE, offset: 8, start: 0, length: 20 },
  { kind: 'checksum', file: ACPI_RSDP_FILE, offset: 32, start: 0, length: 36 },
];
