import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CpioEntry, FILE_TYPE, packCpio } from '../../src/base/cpio.ts';
import { finish, start } from '../../src/host/node/processes.ts';
import { type Architecture, debianPackages } from './debian.ts';

const FOLDERS = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp'];
/** Documentation, which would only take memory of the guest. */
const LEFT_OUT = new Set(['usr/share']);
const PERMISSIONS = 0o755;

/**
 * Unpacks packages into a folder as a small Debian root; nothing is configured.
 * @throws {Error} the packages cannot be had
 */
export async function makeDebianRoot(
  architecture: Architecture,
  packages: readonly string[],
  folder: string,
): Promise<void> {
  for (const file of await debianPackages(architecture, packages))
    await finish(start('dpkg-deb', ['-x', file, folder]));
  for (const name of FOLDERS) await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, 'etc/passwd'), 'root::0:0:root:/root:/bin/sh\n');
}

/** An initial file system of everything below a folder, with an init. */
export async function packRoot(root: string, init: string): Promise<Uint8Array> {
  return packCpio([
    { path: 'dev', mode: FILE_TYPE.folder | PERMISSIONS },
    { path: 'dev/console', mode: FILE_TYPE.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    { path: 'init', mode: FILE_TYPE.file | PERMISSIONS, data: new TextEncoder().encode(init) },
    ...(await entriesBelow(root)),
  ]);
}

/** Everything below a folder, for an initial file system. */
export async function entriesBelow(root: string, path = ''): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  const found = await readdir(join(root, path), { withFileTypes: true });
  for (const item of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = path === '' ? item.name : `${path}/${item.name}`;
    if (LEFT_OUT.has(inner)) continue;
    entries.push(...(await entriesOf(root, inner, item)));
  }
  return entries;
}

interface Item {
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

async function entriesOf(root: string, path: string, item: Item): Promise<CpioEntry[]> {
  if (item.isDirectory()) {
    return [{ path, mode: FILE_TYPE.folder | PERMISSIONS }, ...(await entriesBelow(root, path))];
  }
  if (item.isSymbolicLink()) {
    const target = new TextEncoder().encode(await readlink(join(root, path)));
    return [{ path, mode: FILE_TYPE.symbolicLink | 0o777, data: target }];
  }
  return [{ path, mode: FILE_TYPE.file | PERMISSIONS, data: await readFile(join(root, path)) }];
}
