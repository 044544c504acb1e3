import { ByteWriter, withChecksum } from '../base/bytes.ts';
import type { BiosArea } from './bios-area.ts';
import { IOAPIC_TIMER_PIN, PC_IRQ, PC_MEMORY, PIC_CASCADE_INPUT } from './pc-map.ts';

/** Entries of the MP configuration table (MultiProcessor Specification 1.4, section 4.3). */
const ENTRY = { processor: 0, bus: 1, ioApic: 2, ioInterrupt: 3, localInterrupt: 4 } as const;
const APIC_VERSION = 0x14;
const CPU_ENABLED = 1;
const CPU_BOOTSTRAP = 2;
const SIGNATURE = 0x0600;
const FEATURES = 0x0201; // FPU, APIC
const INTERRUPT = { vectored: 0, nmi: 1, extInt: 3 } as const;
const ISA_IRQS = 16;
const ISA_BUS = 0;
const ALL_APICS = 0xff;
const HEADER_BYTES = 44;

/**
 * Puts the floating pointer structure (section 4.1) into the BIOS segment, and what it points to below. Who looks for it goes through the
 * segment from its start; Linux maps all that is left of it anew for each 16 bytes, so that it has to come early.
 */
export function placeMpTable(segment: BiosArea, low: BiosArea, cpuCount: number): void {
  const pointer = new ByteWriter().text('_MP_').u32(low.put(buildMpTable(cpuCount)));
  segment.put(withChecksum(pointer.append([1, 4, 0, 0, 0, 0, 0, 0]).finish(), 10));
}

/** Builds the MP configuration table: processors, an ISA bus, the I/O APIC and its interrupts. */
function buildMpTable(cpuCount: number): Uint8Array {
  const ioApicId = cpuCount & 0x0f;
  const entries: Uint8Array[] = [];
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    const flags = CPU_ENABLED | (cpu === 0 ? CPU_BOOTSTRAP : 0);
    const entry = new ByteWriter().append([ENTRY.processor, cpu, APIC_VERSION, flags]);
    entries.push(entry.u32(SIGNATURE).u32(FEATURES).zeros(8).finish());
  }
  entries.push(new ByteWriter().append([ENTRY.bus, ISA_BUS]).text('ISA   ').finish());
  entries.push(new ByteWriter().append([ENTRY.ioApic, ioApicId, 0x11, 1]).u32(PC_MEMORY.ioApic).finish());
  for (let irq = 0; irq < ISA_IRQS; irq++) {
    if (irq === PIC_CASCADE_INPUT) continue;
    const pin = irq === PC_IRQ.timer ? IOAPIC_TIMER_PIN : irq;
    entries.push(interrupt(ENTRY.ioInterrupt, INTERRUPT.vectored, irq, ioApicId, pin));
  }
  entries.push(interrupt(ENTRY.localInterrupt, INTERRUPT.extInt, 0, ALL_APICS, 0));
  entries.push(interrupt(ENTRY.localInterrupt, INTERRUPT.nmi, 0, ALL_APICS, 1));
  return header(entries);
}

function interrupt(entry: number, type: number, irq: number, apic: number, pin: number): Uint8Array {
  return new ByteWriter().append([entry, type]).u16(0).append([ISA_BUS, irq, apic, pin]).finish();
}

function header(entries: readonly Uint8Array[]): Uint8Array {
  const length = HEADER_BYTES + entries.reduce((sum, entry) => sum + entry.length, 0);
  const table = new ByteWriter().text('PCMP').u16(length).append([4, 0]).text('VITRINE ').text('PC          ');
  table.u32(0).u16(0).u16(entries.length).u32(PC_MEMORY.localApic).u16(0).append([0, 0]);
  for (const entry of entries) table.append(entry);
  return withChecksum(table.finish(), 7);
}
