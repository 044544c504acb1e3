import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { finish, start } from '../../src/host/node/processes.ts';
import { type Architecture, debianPackages } from '../../test/guests/debian.ts';
import { makeSource, makeTable, makeText } from './data.ts';
import { PROGRAM_ROWS } from './rows.ts';

/** The programs, and what they are linked with. */
const PACKAGES = [
  ...['busybox-static', 'gzip', 'xz-utils', 'zstd', 'sqlite3', 'tcc', 'openssl', 'python3.11-minimal'],
  ...['libc6', 'libexpat1', 'libgcc-s1', 'liblzma5', 'liblz4-1', 'libpython3.11-minimal', 'libreadline8'],
  ...['libsqlite3-0', 'libssl3', 'libstdc++6', 'libtinfo6', 'libzstd1', 'zlib1g'],
];
const FOLDERS = ['bin', 'data', 'dev', 'etc', 'proc', 'rows', 'sys', 'tmp'];
const EXECUTABLE = 0o755;
const SNIPPETS = fileURLToPath(new URL('snippets.py', import.meta.url));

/** Makes a small Debian root with the programs, their data, and a script for each row.
 * @throws {Error} the packages cannot be had */
export async function makeProgramRoot(architecture: Architecture, folder: string): Promise<void> {
  for (const file of await debianPackages(architecture, PACKAGES)) {
    await finish(start('dpkg-deb', ['-x', file, folder]));
  }
  for (const name of FOLDERS) await mkdir(join(folder, name), { recursive: true });
  const put = (path: string, text: string, mode = 0o644) => writeFile(join(folder, path), text, { mode });
  await put('data/text', makeText());
  await put('data/source.c', makeSource());
  await put('data/table.sql', makeTable());
  await put('data/snippets.py', await readFile(SNIPPETS, 'utf8'));
  for (const { name, turns, command } of PROGRAM_ROWS)
    await put(`rows/${name}`, script(name, turns, command), EXECUTABLE);
}

/** Runs the row and prints its result as a row of the compiled workload does; its argument is the scale in thousandths. */
function script(name: string, turns: number, command: string): string {
  return `#!/bin/busybox sh
export PATH=/usr/bin:/bin PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 OPENSSL_CONF=/dev/null
TURNS=$((\${1:-1000} * ${turns} / 1000))
[ $TURNS -gt 0 ] || TURNS=1
sum=$({ ${command}; } 2>&1 | md5sum | cut -c1-16)
echo "BENCH ${name} 0 sum $sum"
`;
}

/** Runs a row on this host, with the folder as its root: in namespaces, so that no privilege is needed.
 * @returns what it printed, and how many seconds it took  @throws {Error} this host does not allow it */
export function runNatively(
  folder: string,
  row: string,
  scale: number,
): { readonly output: string; readonly seconds: number } {
  const inside = `mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" /rows/${row} ${thousandths(scale)}`;
  const from = performance.now();
  const { stdout, stderr, status } = spawnSync('unshare', ['--map-root-user', '--mount', 'sh', '-c', inside, folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${row} does not run on this host: ${stderr}`);
  return { output: stdout, seconds: (performance.now() - from) / 1000 };
}

/** The argument of the rows' scripts: shells know no fractions. */
export function thousandths(scale: number): number {
  return Math.max(1, Math.round(scale * 1000));
}
