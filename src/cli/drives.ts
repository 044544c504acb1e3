import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { nodeDiskHost } from '../host/node/disk-host.ts';
import type { OpenMedium, PcDrive } from '../vm/index.ts';
import type { DiskOption } from './drive-options.ts';
import { UsageError } from './errors.ts';
import { whyUnreadable } from './files.ts';
import { openFolderMedium } from './folder-media.ts';
import type { FileOption, RunOptions } from './run-options.ts';

/** Opens every medium that the options name.
 * @throws {CliError} one of them cannot be opened; none is open then */
export async function openDrives({ disks, cdrom, floppies }: RunOptions): Promise<PcDrive[]> {
  const drives: PcDrive[] = [];
  try {
    for (const disk of disks) drives.push(await openDiskOption(disk));
    if (cdrom) drives.push(await openMedium('cdrom', cdrom, true, cdrom.bus));
    for (const floppy of floppies) drives.push(await openMedium('floppy', floppy, await isReadOnly(floppy.path)));
    await checkPlaces(drives);
    return drives;
  } catch (error) {
    await closeDrives(drives);
    throw error;
  }
}

/** Opens a medium that a command names. CDs are only read, others where their files can be written. */
export const openNamedMedium: OpenMedium = async (kind, name, { readOnly, format }) => {
  const wanted = { format: format ?? (kind === 'disk' ? undefined : 'raw'), readOnly: readOnly ?? true };
  if (kind !== 'cdrom') wanted.readOnly = readOnly ?? (await isReadOnly(name));
  const medium = await open({ option: 'medium', path: name }, wanted);
  return { kind, bus: 'ide', name, medium, format: medium.driver.format };
};

/** Makes everything written durable and gives up the files. */
export async function closeDrives(drives: readonly PcDrive[]): Promise<void> {
  await Promise.all(drives.map(({ medium }) => medium.close()));
}

async function openDiskOption({ option, path, format, bus, readOnly, overlay }: DiskOption): Promise<PcDrive> {
  const wanted = overlay === undefined ? false : overlay === 'temporary' ? true : overlay.path;
  const folder = await openFolderMedium('disk', path);
  const medium = folder ?? (await open({ option, path }, { format, readOnly, overlay: wanted }));
  return { kind: 'disk', bus, name: path, medium, format: medium.driver.format };
}

async function openMedium(
  kind: 'cdrom' | 'floppy',
  file: FileOption,
  readOnly: boolean,
  bus: PcDrive['bus'] = 'ide',
): Promise<PcDrive> {
  const folder = await openFolderMedium(kind, file.path);
  return { kind, bus, name: file.path, medium: folder ?? (await open(file, { format: 'raw', readOnly })) };
}

/** What of `openDisk`'s options is used here. */
interface Wanted {
  readonly format?: string;
  readonly readOnly: boolean;
  readonly overlay?: boolean | string;
}

async function open({ option, path }: FileOption, wanted: Wanted) {
  const { openDisk } = await import('../vm/index.ts');
  try {
    return await openDisk(path, wanted, nodeDiskHost);
  } catch (error) {
    throw whyUnreadable({ option, path }, error);
  }
}

async function isReadOnly(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => false,
    () => true,
  );
}

async function checkPlaces(drives: readonly PcDrive[]): Promise<void> {
  const { MOST_CARDS, MOST_IDE_DISKS } = await import('../vm/config.ts');
  for (const [bus, most] of [
    ['ide', MOST_IDE_DISKS],
    ['ahci', MOST_CARDS.ahciDisks],
    ['virtio', MOST_CARDS.virtioDisks],
    ['scsi', MOST_CARDS.scsiDrives],
    ['nvme', MOST_CARDS.nvmeDisks],
  ] as const) {
    const isHere = ({ kind, bus: other }: PcDrive) =>
      other === bus && (kind === 'disk' || (kind === 'cdrom' && bus === 'scsi'));
    const count = drives.filter(isHere).length;
    if (count > most) throw new UsageError('--disk', `${count} with bus=${bus}`, `at most ${most}`);
  }
}
