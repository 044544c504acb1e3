import type { DriveBay, PcDrive } from '../boards/drives.ts';
import type { Arguments, Fields } from './qmp-arguments.ts';
import type { QmpClient } from './qmp-client.ts';
import { QmpError } from './qmp-error.ts';

/** The drives of a machine, as commands change their media. */
export interface VmDrives {
  readonly bays: readonly DriveBay[];
  /** Has something done to the drives between slices of guest code. */
  between(action: () => void): Promise<void>;
}

/** How a medium is opened, beside its kind and name. */
export interface MediumOptions {
  /** default: as the file allows */
  readonly readOnly: boolean | undefined;
  /** default: told by the content of a disk, raw for a CD or floppy */
  readonly format: string | undefined;
}

/** Opens a medium that a command names. @throws {Error} it cannot be opened */
export type OpenMedium = (kind: PcDrive['kind'], name: string, options: MediumOptions) => Promise<PcDrive>;

/** What the block commands work on. */
export interface BlockTarget {
  readonly drives?: VmDrives;
  readonly openMedium?: OpenMedium;
}

const READ_ONLY_MODES = ['retain', 'read-only', 'read-write'] as const;
const NO_LIMITS = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 } as const;
const CACHE = { writeback: true, direct: false, 'no-flush': false } as const;

/** The QMP commands about drives and their media (QEMU's "QMP Reference Manual", block devices). */
export const BLOCK_COMMANDS = {
  'query-block': {
    run: (_session: QmpClient, { drives }: BlockTarget) => (drives?.bays ?? []).map(describeBay),
  },
  eject: {
    takes: ['device', 'id', 'force'],
    run: (session: QmpClient, target: BlockTarget, given: Arguments) => eject(session, target, given),
  },
  'blockdev-change-medium': {
    takes: ['device', 'id', 'filename', 'format', 'force', 'read-only-mode'],
    run: (session: QmpClient, target: BlockTarget, given: Arguments) => changeMedium(session, target, given),
  },
} as const;

async function eject(session: QmpClient, target: BlockTarget, given: Arguments): Promise<void> {
  const drives = drivesOf(target);
  const bay = removableBay(drives, given);
  const before = await takeOut(drives, bay, given);
  if (before) sendTrayMoved(session, bay, true);
  await before?.medium.close();
}

async function changeMedium(session: QmpClient, target: BlockTarget, given: Arguments): Promise<void> {
  const drives = drivesOf(target);
  const bay = removableBay(drives, given);
  const name = given.text('filename');
  const mode = given.has('read-only-mode') ? given.word('read-only-mode', READ_ONLY_MODES) : 'retain';
  const format = given.has('format') ? given.text('format') : undefined;
  if (!target.openMedium) throw new QmpError('GenericError', `Could not open '${name}'`);
  const readOnly = mode === 'retain' ? undefined : mode === 'read-only';
  const medium = await target.openMedium(bay.kind, name, { readOnly, format });
  try {
    const before = await takeOut(drives, bay, given);
    if (before) sendTrayMoved(session, bay, true);
    await drives.between(() => bay.removable.change(medium));
    sendTrayMoved(session, bay, false);
    await before?.medium.close();
  } catch (error) {
    if (bay.inserted !== medium) await medium.medium.close();
    throw error;
  }
}

/** Takes a medium out, unless the guest holds it, who is then asked for it. @returns what was inside */
async function takeOut(drives: VmDrives, { id, removable, inserted }: RemovableBay, given: Arguments) {
  if (removable.locked && !(given.has('force') && given.flag('force'))) {
    await drives.between(() => removable.requestEject());
    const wait = 'is locked and force was not specified, wait for tray to open and try again';
    throw new QmpError('GenericError', `Device '${id}' ${wait}`);
  }
  await drives.between(() => removable.change(undefined));
  return inserted;
}

type RemovableBay = DriveBay & { readonly removable: NonNullable<DriveBay['removable']> };

function drivesOf({ drives }: BlockTarget): VmDrives {
  return drives ?? { bays: [], between: async (action) => action() };
}

function removableBay({ bays }: VmDrives, given: Arguments): RemovableBay {
  const id = given.text(given.has('id') ? 'id' : 'device');
  const bay = bays.find((candidate) => candidate.id === id);
  if (!bay) throw new QmpError('DeviceNotFound', `Device '${id}' not found`);
  if (!isRemovable(bay)) throw new QmpError('GenericError', `Device '${id}' is not removable`);
  return bay;
}

function isRemovable(bay: DriveBay): bay is RemovableBay {
  return bay.removable !== undefined;
}

function sendTrayMoved(session: QmpClient, { id }: DriveBay, open: boolean): void {
  session.sendEvent('DEVICE_TRAY_MOVED', { device: id, id, 'tray-open': open });
}

function describeBay({ id, removable, inserted }: DriveBay): Fields {
  return {
    device: id,
    qdev: id,
    type: 'unknown',
    removable: removable !== undefined,
    locked: removable?.locked ?? false,
    ...(removable && { tray_open: removable.trayOpen }),
    ...(inserted && { 'io-status': 'ok', inserted: describeMedium(inserted) }),
  };
}

function describeMedium({ name, medium, format = 'raw' }: NonNullable<DriveBay['inserted']>): Fields {
  const image = { filename: name, format, 'virtual-size': medium.sizeBytes, 'dirty-flag': false };
  return {
    file: name,
    'node-name': name,
    drv: format,
    ro: medium.readOnly,
    encrypted: false,
    detect_zeroes: 'off',
    backing_file_depth: 0,
    write_threshold: 0,
    ...NO_LIMITS,
    image,
    cache: CACHE,
  };
}
