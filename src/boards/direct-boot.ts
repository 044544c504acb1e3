import type { GuestMemory } from '../machine/interfaces.ts';
import { ACPI_RSDP_FILE } from './acpi.ts';
import { BiosArea } from './bios-area.ts';
import { cmosMemorySize, configureFirmware } from './configuration.ts';
import { BDA, EBDA_GPA, EBDA_SEGMENT } from './firmware/bda.ts';
import { smbiosEntry } from './firmware/smbios.ts';
import { setTextMode } from './firmware/text-mode.ts';
import type { BootOptions, CpuStart } from './loaders/boot-image.ts';
import { loadKernel, writeBootImage } from './loaders/index.ts';
import { placeMpTable } from './mp-table.ts';
import type { PcBoard } from './pc.ts';
import { PC_IRQ, PC_MEMORY, PC_PIRQ, PC_PORTS } from './pc-map.ts';
import { setUpPci } from './pci-setup.ts';
import type { SystemTables } from './system-tables.ts';
import { applyLoader, type MemoryWrite, type TableFile } from './table-loader.ts';

const FAST_A20 = 0x02;

/**
 * Does what firmware would do before a kernel runs (PCI, text mode, interrupt modes, ACPI, SMBIOS and MP tables, A20), then loads the kernel.
 * Kernels that ask fw_cfg or the CMOS memory find there what firmware would find.
 * The board and the processor must have been reset.
 * @returns how the processor is to start
 * @throws {BootImageInvalid} with one line that says what is wrong with kernel, initrd or command line
 */
export function directBoot(
  board: PcBoard,
  memory: GuestMemory,
  tables: SystemTables,
  options: Omit<BootOptions, 'rsdpGpa'>,
): CpuStart {
  const placed = placeTables(memory, tables, board.cpuCount);
  const image = loadKernel({ ...options, rsdpGpa: placed.get(ACPI_RSDP_FILE)?.gpa });
  configureFirmware(board.configuration, options.ramBytes, board.cpuCount, tables);
  for (const [index, value] of cmosMemorySize(options.ramBytes)) board.setCmos(index, value);
  setUpPci(board.pci);
  setTextMode({ ports: board.ports, memory: board.mmio });
  setLevelTriggered(board, [PC_IRQ.sci, ...PC_PIRQ]);
  board.ports.write(PC_PORTS.systemControl[0], 1, FAST_A20);
  describeLowMemory(memory);
  writeBootImage(memory, image);
  return image.cpu;
}

/** Says in the BIOS data area where usable memory below 640 KiB ends: Xen looks there for room. */
function describeLowMemory(memory: GuestMemory): void {
  const { buffer, byteOffset } = memory.forWrite(BDA.ebdaSegment, BDA.memoryK + 2 - BDA.ebdaSegment);
  const view = new DataView(buffer, byteOffset);
  view.setUint16(0, EBDA_SEGMENT, true);
  view.setUint16(BDA.memoryK - BDA.ebdaSegment, EBDA_GPA >> 10, true);
}

/** Puts the tables where a BIOS has them: what must be found in its segment there, the rest below. */
function placeTables(memory: GuestMemory, { acpi, smbios }: SystemTables, cpuCount: number): Map<string, MemoryWrite> {
  const low = new BiosArea(memory, PC_MEMORY.bios, PC_MEMORY.biosSegment);
  const segment = new BiosArea(memory, PC_MEMORY.biosSegment, PC_MEMORY.oneMebibyte);
  placeMpTable(segment, low, cpuCount);
  const placed = applyLoader(acpi, ({ bytes, alignment, inBiosSegment }: TableFile) =>
    (inBiosSegment ? segment : low).place(bytes.length, alignment),
  );
  for (const { gpa, bytes } of placed.values()) memory.forWrite(gpa, bytes.length).set(bytes);
  segment.put(smbiosEntry(smbios, low.put(smbios)));
  return placed;
}

/** Sets these ISA interrupts to be triggered by level, as those of PCI are. */
export function setLevelTriggered(board: PcBoard, irqs: readonly number[]): void {
  const mask = irqs.reduce((bits, irq) => bits | (1 << irq), 0);
  board.ports.write(PC_PORTS.elcr[0], 1, mask & 0xff);
  board.ports.write(PC_PORTS.elcr[0] + 1, 1, mask >> 8);
}
