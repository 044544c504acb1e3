import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../source-files.ts';
import type { Workshop } from './media.ts';

/** A copy of the FreeDOS floppy, which is in no package: `VITRINE_GUESTS` says where it lies. @throws {Error} it is not there */
export async function freedosFloppy({ folder }: Workshop): Promise<string> {
  const from = join(process.env.VITRINE_GUESTS ?? join(projectRoot, '../shared/guests'), 'freedos-1440.img');
  const path = join(folder, 'freedos.img');
  await copyFile(from, path).catch(() => {
    throw new Error('there is no freedos-1440.img in the folder that VITRINE_GUESTS names');
  });
  return path;
}
