import { ByteWriter } from '../base/bytes.ts';
import { FW_CFG_KEY, type FwCfgItems } from '../devices/fw-cfg/items.ts';
import { smbiosEntry } from './firmware/smbios.ts';
import { E820_RAM, lowRamEnd, ramRanges } from './memory-map.ts';
import type { SystemTables } from './system-tables.ts';
import { encodeLoader } from './table-loader.ts';

const E820_FILE = 'etc/e820';
const LOADER_FILE = 'etc/table-loader';
/** SMBIOS for firmware that places it itself: the entry point's address and sums are its business (QEMU hw/smbios). */
const SMBIOS_FILES = { anchor: 'etc/smbios/smbios-anchor', tables: 'etc/smbios/smbios-tables' } as const;
const MEBIBYTE = 0x100000;

/** Tells firmware what the machine is made of: processors, memory and tables. */
export function configureFirmware(
  items: FwCfgItems,
  ramBytes: number,
  cpuCount: number,
  { acpi, smbios }: SystemTables,
): void {
  const cpus = new ByteWriter().u16(cpuCount).finish();
  items.addItem(FW_CFG_KEY.cpuCount, cpus);
  items.addItem(FW_CFG_KEY.maxCpus, cpus);
  items.addItem(FW_CFG_KEY.ramSize, new ByteWriter().u64(BigInt(ramBytes)).finish());
  const map = new ByteWriter();
  for (const { base, length } of ramRanges(ramBytes)) map.u64(BigInt(base)).u64(BigInt(length)).u32(E820_RAM);
  items.addFile(E820_FILE, map.finish());
  for (const { name, bytes } of acpi.files) items.addFile(name, bytes);
  items.addFile(LOADER_FILE, encodeLoader(acpi));
  items.addFile(SMBIOS_FILES.tables, smbios);
  items.addFile(SMBIOS_FILES.anchor, smbiosEntry(smbios, 0));
}

/** Bytes of CMOS memory that say how much RAM there is, as PC firmware reads them: index and value. */
export function cmosMemorySize(ramBytes: number): [index: number, value: number][] {
  const baseK = 640;
  const extendedK = Math.min((lowRamEnd(ramBytes) - MEBIBYTE) / 1024, 0xffff);
  const above16M = Math.max(0, Math.floor((lowRamEnd(ramBytes) - 16 * MEBIBYTE) / 0x10000));
  const above4G = Math.floor((ramBytes - lowRamEnd(ramBytes)) / 0x10000);
  const words: [first: number, value: number][] = [
    [0x15, baseK],
    [0x17, extendedK],
    [0x30, extendedK],
    [0x34, above16M],
    [0x5b, above4G & 0xffff],
  ];
  const bytes = words.flatMap(([index, value]): [number, number][] => [
    [index, value & 0xff],
    [index + 1, value >> 8],
  ]);
  return [...bytes, [0x5d, above4G >> 16]];
}
