import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CpioEntry, FILE_TYPE } from '../../src/base/cpio.ts';
import { finish, start } from '../../src/host/node/processes.ts';
import { type Architecture, debianPackages } from '../guests/debian.ts';
import { makeSuiteScript } from './suite-script.ts';

/** Python with its tests, what its modules are linked with, and BusyBox for everything else. */
const PACKAGES = [
  'busybox-static',
  'libbz2-1.0',
  'libc6',
  'libcrypt1',
  'libexpat1',
  'libffi8',
  'libgcc-s1',
  'liblzma5',
  'libpython3.11-minimal',
  'libpython3.11-stdlib',
  'libpython3.11-testsuite',
  'libssl3',
  'libuuid1',
  'python3.11',
  'python3.11-minimal',
  'zlib1g',
];
const FOLDERS = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp'];
/** Documentation, which would only take memory of the guest. */
const LEFT_OUT = new Set(['usr/share']);
const PERMISSIONS = 0o755;

/**
 * Makes a small Debian root with Python and the suite's script in a folder.
 * @throws {Error} the packages cannot be had
 */
export async function makeRoot(architecture: Architecture, folder: string): Promise<void> {
  for (const file of await debianPackages(architecture, PACKAGES))
    await finish(start('dpkg-deb', ['-x', file, folder]));
  for (const name of FOLDERS) await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, 'etc/passwd'), 'root::0:0:root:/root:/bin/sh\n');
  await writeFile(join(folder, 'suite'), makeSuiteScript(), { mode: PERMISSIONS });
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
