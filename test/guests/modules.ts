import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type CpioEntry, FILE_TYPE, packCpio } from '../../src/base/cpio.ts';
import { type Architecture, debianProduct, KERNEL_PACKAGE } from './debian.ts';

/** What a script of an initial file system says to load the modules that {@link debianModules} has packed. */
export const LOAD_MODULES = 'for module in /modules/*; do insmod $module; done';

const run = promisify(execFile);

/**
 * Modules of one of Debian's kernels with everything they need, as an archive to be put behind an initial file system:
 * files in /modules whose names sort in the order in which they can be loaded.
 * @param names as `lsmod` shows them; a name that the kernel has built in is left out
 * @throws {Error} the package cannot be had
 */
export function debianModules(
  architecture: Architecture,
  metapackage: string,
  names: readonly string[],
): Promise<Uint8Array> {
  const what = `modules-${createHash('sha256').update(names.join()).digest('hex').slice(0, 16)}`;
  const kernel = { architecture, package: metapackage, dependency: KERNEL_PACKAGE };
  return debianProduct(kernel, what, (packageFile) => packModules(packageFile, names));
}

async function packModules(packageFile: string, names: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-modules-'));
  try {
    const pick = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --wildcards "./*lib/modules/*.ko*"';
    await run('sh', ['-c', pick, 'sh', packageFile, folder]);
    const files = await readdir(folder, { recursive: true });
    const paths = new Map(files.filter((file) => /\.ko(\.xz)?$/.test(file)).map((file) => [nameOf(file), file]));
    const modules: Uint8Array[] = [];
    const add = async (name: string) => {
      const path = paths.get(name);
      if (path === undefined) return;
      paths.delete(name);
      const module = await readModule(join(folder, path));
      for (const needed of dependenciesOf(module)) await add(needed);
      modules.push(module);
    };
    for (const name of names) await add(name);
    return packCpio([{ path: 'modules', mode: FILE_TYPE.folder | 0o755 }, ...modules.map(entryOf)]).slice();
  } finally {
    await rm(folder, { recursive: true });
  }
}

function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko.*$/, '')
    .replaceAll('-', '_');
}

async function readModule(path: string): Promise<Uint8Array> {
  if (!path.endsWith('.xz')) return readFile(path);
  return (await run('xz', ['-dc', path], { encoding: 'buffer', maxBuffer: 1 << 30 })).stdout;
}

/** What the module's own information says it needs: `depends=a,b`. */
function dependenciesOf(module: Uint8Array): string[] {
  const list = /\0depends=([^\0]*)\0/.exec(Buffer.from(module).toString('latin1'))?.[1] ?? '';
  return list.split(',').map((name) => name.replaceAll('-', '_'));
}

function entryOf(data: Uint8Array, index: number): CpioEntry {
  return { path: `modules/${String(index).padStart(3, '0')}`, mode: FILE_TYPE.file | 0o644, data };
}
