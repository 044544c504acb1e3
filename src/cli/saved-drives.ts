import { resolve } from 'node:path';
import { BackingImage } from '../disk/backing.ts';
import { DiskImage } from '../disk/disk-image.ts';
import type { ImageDriver } from '../disk/interfaces.ts';
import { openOverlayOn } from '../disk/overlay.ts';
import { nodeDiskHost } from '../host/node/disk-host.ts';
import type { PcDrive } from '../vm/index.ts';
import { type ChunkTable, TABLE_PAGE_BYTES } from '../vm/snapshot/chunk-table.ts';
import type { SnapshotFile } from '../vm/snapshot/reader.ts';
import { configurationIn, diskTable, type SavedDrive } from '../vm/snapshot/saved-machine.ts';
import { closeDrives, openNamedMedium } from './drives.ts';
import { CliError, STATUS } from './errors.ts';
import { mediaFolder } from './snapshots.ts';
import { formatSize, quote } from './values.ts';

/** A disk in a snapshot, which is only read. */
class SnapshotDisk implements ImageDriver {
  readonly format = 'raw';
  readonly readOnly = true;
  readonly clusterBytes = TABLE_PAGE_BYTES;
  readonly facts = {};
  readonly sizeBytes: number;
  readonly #pages: ChunkTable;

  constructor(sizeBytes: number, pages: ChunkTable) {
    this.sizeBytes = sizeBytes;
    this.#pages = pages;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const [inPage, at] = [(offset + done) % TABLE_PAGE_BYTES, offset + done];
      const page = await this.#pages.read(at - inPage);
      const part = page.subarray(inPage, inPage + target.length - done);
      target.set(part, done);
      done += part.length;
    }
  }

  async extent(_offset: number, length: number) {
    return { length, kind: 'data' as const };
  }

  write = refuse;
  writeZeros = refuse;
  discard = refuse;
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

async function refuse(): Promise<never> {
  throw new Error('a disk in a snapshot is only read');
}

/**
 * Opens the disks of a snapshot: those that could be written are in it, and what is written goes to temporary files;
 * others must be where they were.
 * @throws {CliError} one is not there, or is another one
 */
export async function openSavedDrives(snapshot: SnapshotFile): Promise<PcDrive[]> {
  const configuration = configurationIn(snapshot);
  const folder = mediaFolder(configuration);
  const drives: PcDrive[] = [];
  try {
    for (const [index, drive] of configuration.drives.entries()) {
      drives.push(drive.readOnly ? await openReference(drive, folder) : await openContained(snapshot, index, drive));
    }
    return drives;
  } catch (error) {
    await closeDrives(drives);
    throw error;
  }
}

async function openContained(snapshot: SnapshotFile, index: number, drive: SavedDrive): Promise<PcDrive> {
  const { kind, bus, name, sizeBytes } = drive;
  const below = new BackingImage(new SnapshotDisk(sizeBytes, await snapshot.table(diskTable(index))));
  const file = await nodeDiskHost.files.temporary();
  const image = await openOverlayOn(file, below, { name: 'snapshot', format: 'raw' }, nodeDiskHost);
  return { kind, bus, name, medium: new DiskImage(image), format: 'qcow2' };
}

async function openReference({ kind, bus, name, format, sizeBytes }: SavedDrive, folder: string): Promise<PcDrive> {
  const opened = await openNamedMedium(kind, resolve(folder, name), { readOnly: true, format });
  const found = opened.medium.sizeBytes;
  if (found === sizeBytes) return { ...opened, bus };
  await opened.medium.close();
  const message = `--snapshot: found ${quote(name)} with ${formatSize(found)}, expected the ${kind} of ${formatSize(sizeBytes)} that was there`;
  throw new CliError(STATUS.failed, message);
}
