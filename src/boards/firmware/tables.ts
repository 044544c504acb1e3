import { ByteWriter, withChecksum } from '../../base/bytes.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import { BiosArea } from '../bios-area.ts';
import { placeMpTable } from '../mp-table.ts';
import { PC_MEMORY } from '../pc-map.ts';
import type { SystemTables } from '../system-tables.ts';
import { applyLoader, type TableFile } from '../table-loader.ts';
import type { Caller } from './caller.ts';
import { routingTable } from './pci-bios.ts';
import { ROM_LAYOUT } from './rom-layout.ts';
import { smbiosEntry } from './smbios.ts';

/** What the tables describe. */
export interface TableFacts {
  readonly memory: GuestMemory;
  readonly tables: SystemTables;
  readonly cpuCount: number;
  /** Offset of the BIOS32 service directory's entry. */
  readonly bios32: number;
  /** Offset of the Plug and Play entry. */
  readonly pnp: number;
}

const SEGMENT_GPA = PC_MEMORY.biosSegment;

/** Puts the tables by which systems find out about the machine into the BIOS area, which must still be writable. */
export function placeTables(c: Caller, facts: TableFacts): void {
  const { memory, cpuCount } = facts;
  const { acpi, smbios } = facts.tables;
  const low = new BiosArea(memory, PC_MEMORY.bios, SEGMENT_GPA);
  const segment = new BiosArea(memory, SEGMENT_GPA + ROM_LAYOUT.tables, SEGMENT_GPA + ROM_LAYOUT.tablesEnd);
  memory.forWrite(PC_MEMORY.bios, SEGMENT_GPA - PC_MEMORY.bios).fill(0);
  placeMpTable(segment, low, cpuCount);
  const place = ({ bytes, alignment, inBiosSegment }: TableFile) =>
    (inBiosSegment ? segment : low).place(bytes.length, alignment);
  for (const { gpa, bytes } of applyLoader(acpi, place).values()) memory.forWrite(gpa, bytes.length).set(bytes);
  segment.put(smbiosEntry(smbios, low.put(smbios)));
  segment.put(bios32Directory(SEGMENT_GPA + facts.bios32));
  segment.put(routingHeader(routingTable(c)));
  segment.put(plugAndPlay(facts.pnp));
}

/** Standard BIOS 32-bit Service Directory Proposal 0.4. */
function bios32Directory(entry: number): Uint8Array {
  return withChecksum(new ByteWriter().text('_32_').u32(entry).append([0, 1, 0, 0, 0, 0, 0, 0]).finish(), 10);
}

/** Installation check structure (Plug and Play BIOS Specification 1.0A, section 4.4): one entry for both modes, no events. */
function plugAndPlay(entry: number): Uint8Array {
  const [realSegment, base] = [SEGMENT_GPA >> 4, SEGMENT_GPA];
  const writer = new ByteWriter().text('$PnP').append([0x10, 0x21]).u16(0).u8(0).u32(0);
  writer.u16(entry).u16(realSegment).u16(entry).u32(base).u32(0).u16(realSegment).u32(base);
  return withChecksum(writer.finish(), 8);
}

/** PCI IRQ Routing Table Specification 1.0. */
function routingHeader(entries: Uint8Array): Uint8Array {
  const header = new ByteWriter()
    .text('$PIR')
    .u16(0x0100)
    .u16(32 + entries.length)
    .append([0, 8])
    .u16(0);
  header.u32(0x122e8086).u32(0).zeros(11).u8(0);
  return withChecksum(header.append(entries).finish(), 31);
}
