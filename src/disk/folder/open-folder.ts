import { BackingImage } from '../backing.ts';
import { DiskImage } from '../disk-image.ts';
import type { DiskHost } from '../interfaces.ts';
import { openOverlayOn } from '../overlay.ts';
import { fittingFatSize, makeFat } from './fat.ts';
import { makeIso } from './iso9660.ts';
import type { FolderNode } from './tree.ts';

const FLOPPY_BYTES = 1440 << 10;

/** Opens a folder as a medium: an ISO 9660 disc, or a FAT floppy or disk whose changes are gone when it is closed.
 * @param label the volume's name  @throws {RequestRefused} the folder does not fit */
export async function openFolder(
  kind: 'cdrom' | 'floppy' | 'disk',
  root: FolderNode,
  label: string,
  host: DiskHost,
): Promise<DiskImage> {
  const createdMillis = host.nowMillis();
  if (kind === 'cdrom') return new DiskImage(makeIso(root, { label, createdMillis }));
  const sizeBytes = kind === 'floppy' ? FLOPPY_BYTES : fittingFatSize(root);
  const below = makeFat(root, { sizeBytes, label, createdMillis });
  const file = await host.files.temporary();
  return new DiskImage(await openOverlayOn(file, new BackingImage(below), { name: label }, host));
}
