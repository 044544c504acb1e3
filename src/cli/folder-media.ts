import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { DiskImage } from '../disk/disk-image.ts';
import { nodeDiskHost } from '../host/node/disk-host.ts';

/** A folder given in place of an image: a disc, or a FAT floppy or disk with its content, whose changes are not kept.
 * @returns undefined when the path is no folder */
export async function openFolderMedium(
  kind: 'cdrom' | 'floppy' | 'disk',
  path: string,
): Promise<DiskImage | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return undefined;
  const { openFolder } = await import('../disk/folder/open-folder.ts');
  const { readFolderTree } = await import('../host/node/folder-tree.ts');
  return openFolder(kind, await readFolderTree(path), basename(resolve(path)).toUpperCase(), nodeDiskHost);
}
