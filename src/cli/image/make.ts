import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { copyDisk } from '../../disk/copy.ts';
import { size } from '../../disk/create.ts';
import { fittingFatSize, makeFat } from '../../disk/folder/fat.ts';
import { makeIso } from '../../disk/folder/iso9660.ts';
import type { PieceImage } from '../../disk/folder/piece-image.ts';
import { makeSeed } from '../../disk/folder/seed.ts';
import { RawImage } from '../../disk/raw.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { readFolderTree } from '../../host/node/folder-tree.ts';
import { CliError, STATUS } from '../errors.ts';
import { withProgress } from './output.ts';
import { readSshKeys } from './ssh-keys.ts';

/** What `pack` is told besides folder and file. */
export interface PackOptions {
  /** `iso` or `fat`. */
  readonly format?: string;
  readonly label?: string;
  readonly size?: string;
  readonly progress?: boolean;
}

/** `vitrine image pack`: a disc or a FAT disk with a folder's content. */
export async function pack(folder: string, file: string, options: PackOptions): Promise<number> {
  const tree = await readFolderTree(folder);
  const createdMillis = nodeDiskHost.nowMillis();
  const label = options.label ?? basename(resolve(folder)).toUpperCase();
  if (options.format === 'fat') {
    const sizeBytes = options.size === undefined ? fittingFatSize(tree) : size(options.size);
    await write(makeFat(tree, { sizeBytes, label, createdMillis }), file, options.progress);
  } else {
    if (options.size !== undefined)
      throw new CliError(STATUS.failed, 'a disc has the size of its content: leave out --size');
    await write(makeIso(tree, { label, createdMillis }), file, options.progress);
  }
  return 0;
}

async function write(image: PieceImage, name: string, progress: boolean | undefined): Promise<void> {
  const file = await nodeDiskHost.files.create(name);
  await file.truncate(0);
  await file.truncate(image.sizeBytes);
  const target = new RawImage(file);
  try {
    await withProgress('packing', progress, (tell) => copyDisk(image, target, { targetIsZero: true, progress: tell }));
  } finally {
    await target.close();
  }
}

/** What `seed` is told besides the file. */
export interface SeedCommandOptions {
  readonly userData?: string;
  readonly networkConfig?: string;
  readonly sshKey?: readonly string[];
  readonly hostname?: string;
  readonly instanceId?: string;
}

/** `vitrine image seed`: a disc for cloud-init's NoCloud data source. */
export async function seed(file: string, options: SeedCommandOptions): Promise<number> {
  const text = async (path: string | undefined) => (path === undefined ? undefined : readFile(path, 'utf8'));
  const createdMillis = nodeDiskHost.nowMillis();
  const image = makeSeed({
    userData: await text(options.userData),
    networkConfig: await text(options.networkConfig),
    sshKeys: await readSshKeys(options.sshKey),
    hostName: options.hostname,
    instanceId: options.instanceId ?? `vitrine-${createdMillis}`,
    createdMillis,
  });
  await write(image, file, false);
  return 0;
}
