import { ByteWriter } from '../base/bytes.ts';
import type { FlashStore } from '../devices/cfi-flash/cfi-flash.ts';
import { FW_CFG_KEY } from '../devices/fw-cfg/items.ts';
import { cmosMemorySize, configureFirmware } from './configuration.ts';
import type { DriveBay } from './drives.ts';
import { networkPath } from './firmware-paths.ts';
import type { PcBoard } from './pc.ts';
import { PC_CARD_SLOTS } from './pc-map.ts';
import type { SystemTables } from './system-tables.ts';

/** Kinds of media to boot from, in the words of the command line. */
export type BootMedium = 'floppy' | 'disk' | 'cd' | 'net';

/** A machine that starts from its firmware. */
export interface FirmwareBoot {
  /** The ROM's content, ending at 4 GiB, or the machine's own BIOS. */
  readonly rom: Uint8Array | 'builtin';
  /** The flash chip below the ROM, in which UEFI firmware keeps its variables. */
  readonly variables?: FlashStore;
  /** What to boot from, best first. */
  readonly bootOrder?: readonly BootMedium[];
  /** Milliseconds, below 65,536, that the firmware waits for the key of its boot menu; without it there is no menu. */
  readonly bootMenuMillis?: number;
  /** Whether the firmware's screen is COM1, for a machine that nobody looks at. */
  readonly serialConsole?: boolean;
  /** Further files for the firmware by their names in fw_cfg, as option ROMs. */
  readonly files?: readonly (readonly [name: string, bytes: Uint8Array])[];
}

/** Whether a machine starts from its own BIOS. */
export function startsFromBuiltin(boot: object): boot is FirmwareBoot & { readonly rom: 'builtin' } {
  return 'rom' in boot && boot.rom === 'builtin';
}

/** What a PC without orders boots from. */
export const DEFAULT_BOOT_ORDER: readonly BootMedium[] = ['disk', 'floppy', 'cd', 'net'];
/** Codes of media in CMOS memory, where firmware finds the order (the convention of Bochs, taken over by QEMU). */
const MEDIUM_CODE: Readonly<Record<BootMedium, number>> = { floppy: 1, disk: 2, cd: 3, net: 4 };
const CMOS_BOOT_FIRST = 0x3d;
const CMOS_BOOT_THIRD = 0x38;

/**
 * Tells firmware what it needs to know; everything else it does itself. The board must have been reset.
 * @throws {RangeError} there are too many files
 */
export function prepareFirmware(board: PcBoard, tables: SystemTables, ramBytes: number, boot: FirmwareBoot): void {
  configureFirmware(board.configuration, ramBytes, board.cpuCount, tables);
  for (const [index, value] of cmosMemorySize(ramBytes)) board.setCmos(index, value);
  const [first = 0, second = 0, third = 0] = (boot.bootOrder ?? DEFAULT_BOOT_ORDER).map(
    (medium) => MEDIUM_CODE[medium],
  );
  board.setCmos(CMOS_BOOT_FIRST, first | (second << 4));
  board.setCmos(CMOS_BOOT_THIRD, third << 4);
  if (boot.bootOrder) board.configuration.addFile('bootorder', bootOrderFile(boot.bootOrder, board.drives));
  addBootMenu(board, boot.bootMenuMillis);
  board.configuration.addItem(FW_CFG_KEY.noGraphic, new ByteWriter().u16(boot.serialConsole ? 1 : 0).finish());
  for (const [name, bytes] of boot.files ?? []) board.configuration.addFile(name, bytes);
}

/**
 * The content of the file `bootorder`: paths of what to boot from, best first, a line each, and a NUL behind them.
 * SeaBIOS and OVMF obey it; OVMF boots nothing that is not named but its shell.
 */
export function bootOrderFile(order: readonly BootMedium[], bays: readonly DriveBay[]): Uint8Array {
  const paths = order.flatMap((medium) => pathsOf(medium, bays));
  return new ByteWriter().text(`${paths.join('\n')}\0`).finish();
}

/** Slots for network cards are named whether there is a card or not. */
function pathsOf(medium: BootMedium, bays: readonly DriveBay[]): string[] {
  if (medium === 'net') return PC_CARD_SLOTS.network.map(networkPath);
  const kind = medium === 'cd' ? 'cdrom' : medium;
  return bays.filter((bay) => bay.kind === kind).map(({ firmwarePath }) => firmwarePath);
}

function addBootMenu({ configuration }: PcBoard, millis: number | undefined): void {
  configuration.addItem(FW_CFG_KEY.bootMenu, new ByteWriter().u16(millis === undefined ? 0 : 1).finish());
  if (millis !== undefined) configuration.addFile('etc/boot-menu-wait', new ByteWriter().u16(millis).finish());
}

/** The option ROMs among the files for the firmware, by the names that SeaBIOS gives them. */
export function optionRoms({ files = [] }: FirmwareBoot): Uint8Array[] {
  return files.filter(([name]) => name.startsWith('genroms/')).map(([, bytes]) => bytes);
}
