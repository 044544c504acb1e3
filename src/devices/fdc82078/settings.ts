import type { CommandName } from './commands.ts';
import type { FloppyDrive } from './floppy-drive.ts';
import type { FdcSettings } from './state.ts';
import { ST0, ST3 } from './status.ts';

const VERSION = 0x90;
const PART_ID = 0x41;
const LOCK = 0x80;
const LOCKED = 0x10;
const FIFO_DISABLED = 0x20;
const DRIVE_SELECT = 0x03;
const DRIVES = 4;

/** What a reset sets anew unless LOCK holds it. */
export const RESET_SETTINGS = { configuration: FIFO_DISABLED, precompensationTrack: 0, perpendicular: 0 } as const;

export const POWER_ON: FdcSettings = {
  specify: [0, 0],
  ...RESET_SETTINGS,
  locked: false,
  lastCount: 0,
};

/**
 * Executes a command that sets or tells registers.
 * @param bytes the command with its parameters
 * @returns the settings from now on, and the bytes of the result
 */
export function configure(
  name: CommandName,
  bytes: readonly number[],
  settings: FdcSettings,
  drives: readonly FloppyDrive[],
): { readonly settings: FdcSettings; readonly result: readonly number[] } {
  switch (name) {
    case 'specify':
      return { settings: { ...settings, specify: [bytes[1], bytes[2]] }, result: [] };
    case 'configure':
      return { settings: { ...settings, configuration: bytes[2], precompensationTrack: bytes[3] }, result: [] };
    case 'perpendicular':
      return { settings: { ...settings, perpendicular: bytes[1] & 0x7f }, result: [] };
    case 'lock': {
      const locked = (bytes[0] & LOCK) !== 0;
      return { settings: { ...settings, locked }, result: [locked ? LOCKED : 0] };
    }
    case 'senseDrive':
      return { settings, result: [status3(bytes[1], drives)] };
    case 'version':
      return { settings, result: [VERSION] };
    case 'partId':
      return { settings, result: [PART_ID] };
    case 'dumpRegisters':
      return { settings, result: registersOf(settings, drives) };
    default:
      return { settings, result: [ST0.invalid] };
  }
}

function registersOf(settings: FdcSettings, drives: readonly FloppyDrive[]): number[] {
  const { specify, lastCount, locked, perpendicular, configuration, precompensationTrack } = settings;
  const cylinders = Array.from({ length: DRIVES }, (_, n) => drives[n]?.cylinder ?? 0);
  const lock = (locked ? LOCK : 0) | perpendicular;
  return [...cylinders, ...specify, lastCount, lock, configuration, precompensationTrack];
}

function status3(select: number, drives: readonly FloppyDrive[]): number {
  const drive = drives[select & DRIVE_SELECT];
  const base = ST3.ready | ST3.twoSides | (select & (ST3.head | DRIVE_SELECT));
  if (!drive) return base;
  return base | (drive.medium?.readOnly ? ST3.writeProtected : 0) | (drive.cylinder === 0 ? ST3.track0 : 0);
}
