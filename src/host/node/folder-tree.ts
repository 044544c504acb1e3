import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FolderNode } from '../../disk/folder/tree.ts';

/** Reads what is in a folder, to make an image of it. Symbolic links stay links; what is no file, folder or link is left
 * out. Files are opened when they are read. */
export async function readFolderTree(path: string): Promise<FolderNode> {
  return { ...(await readNode(path, '')), kind: 'folder', children: await readChildren(path) };
}

async function readChildren(path: string): Promise<FolderNode[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const wanted = entries.filter((entry) => entry.isFile() || entry.isDirectory() || entry.isSymbolicLink());
  const names = wanted.map(({ name }) => name).sort();
  const nodes: FolderNode[] = [];
  for (const name of names) nodes.push(await readNode(join(path, name), name));
  return nodes;
}

async function readNode(path: string, name: string): Promise<FolderNode> {
  const found = await lstat(path);
  const kind = found.isDirectory() ? 'folder' : found.isSymbolicLink() ? 'link' : 'file';
  return {
    name,
    kind,
    mode: found.mode & 0o7777,
    modifiedMillis: found.mtimeMs,
    sizeBytes: kind === 'file' ? found.size : 0,
    children: kind === 'folder' && name !== '' ? await readChildren(path) : [],
    target: kind === 'link' ? await readlink(path) : undefined,
    read: (offset, target) => readFilePart(path, offset, target),
  };
}

async function readFilePart(path: string, offset: number, target: Uint8Array): Promise<void> {
  const file = await open(path, 'r');
  try {
    let done = 0;
    for (let got = -1; done < target.length && got !== 0; done += got) {
      got = (await file.read(target, done, target.length - done, offset + done)).bytesRead;
    }
    target.fill(0, done);
  } finally {
    await file.close();
  }
}
