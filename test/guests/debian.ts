import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../src/host/node/cache-folder.ts';
import { DebianArchive, readPackagedFile } from '../../src/host/node/debian-archive.ts';
import { FileStore, writeFileAtOnce } from '../../src/host/node/file-store.ts';

export type Architecture = 'amd64' | 'i386';

/** A file inside a package. A metapackage stands for the package it depends on that matches `dependency`. */
export interface PackagedFile {
  readonly architecture: Architecture;
  readonly package: string;
  readonly dependency?: RegExp;
  /** Its path in the package, beginning with `./`; `*` stands for anything. */
  readonly pattern: string;
}

const refreshed = new Map<Architecture, Promise<DebianArchive>>();

/** A file of a Debian package, from the cache or from the host's own package source.
 * @throws {Error} it cannot be had; a test then skips with this reason */
export async function debianFile(file: PackagedFile): Promise<Uint8Array> {
  const what = file.pattern.replaceAll(/[^\w]+/g, '-');
  return debianProduct(file, what, (path) => readPackagedFile(path, file.pattern));
}

/** Fetches the package itself. @returns where it lies until this process ends */
async function fetchPackage(file: Omit<PackagedFile, 'pattern'>, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const archive = await archiveOf(file.architecture, folder);
  const [named] = await archive.find([file.package]);
  if (named === undefined) throw new Error(`the package lists have no ${file.package}`);
  const name = file.dependency?.exec(named.depends)?.[0];
  const [wanted] = name === undefined ? [named] : await archive.find([name]);
  if (wanted === undefined) throw new Error(`the package lists have no ${name}`);
  const [path] = await archive.download([wanted], () => {});
  return path;
}

/** Something made of a package's content, from the cache or made now.
 * @param what names it, in letters a file name may have
 * @throws {Error} the package cannot be had */
export async function debianProduct(
  file: Omit<PackagedFile, 'pattern'>,
  what: string,
  make: (packageFile: string) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array> {
  const folder = join(cacheFolder(), 'test-files');
  const store = new FileStore(join(cacheFolder(), 'files'));
  const note = join(folder, `${file.architecture}-${file.package}-${what}`);
  const kept = await readFile(note, 'utf8').catch(() => undefined);
  const cached = kept && (await store.get(kept));
  if (cached) return cached;
  const bytes = await make(await fetchPackage(file, folder));
  await writeFileAtOnce(note, await store.put(bytes));
  return bytes;
}

/** Fetches whole packages from the host's own package source.
 * @returns the paths of their files, which are there until this process ends
 * @throws {Error} one cannot be had */
export async function debianPackages(architecture: Architecture, names: readonly string[]): Promise<string[]> {
  const folder = join(cacheFolder(), 'test-files');
  await mkdir(folder, { recursive: true });
  const archive = await archiveOf(architecture, folder);
  const found = await archive.find(names);
  const absent = names.filter((name) => !found.some((candidate) => candidate.name === name));
  if (absent.length > 0) throw new Error(`the package lists have no ${absent.join(', ')}`);
  return archive.download(found, () => {});
}

/** An archive with lists of its own: the host may have none of the other architecture. */
function archiveOf(architecture: Architecture, folder: string): Promise<DebianArchive> {
  let archive = refreshed.get(architecture);
  if (archive === undefined) {
    archive = makeArchive(architecture, folder);
    refreshed.set(architecture, archive);
  }
  return archive;
}

async function makeArchive(architecture: Architecture, folder: string): Promise<DebianArchive> {
  const work = await mkdtemp(join(folder, `apt-${architecture}-`));
  process.once('exit', () => rmSync(work, { recursive: true, force: true }));
  const archive = new DebianArchive(work, architecture);
  // Where one of several sources is being renewed, the others still serve.
  await archive.refresh().catch(() => {});
  return archive;
}

/** What a metapackage of a kernel depends on. */
export const KERNEL_PACKAGE = /\blinux-image-[^\s,]*\d[^\s,]*/;

/** The kernel that a metapackage such as `linux-image-amd64` stands for. */
export function debianKernel(architecture: Architecture, metapackage: string): Promise<Uint8Array> {
  const dependency = KERNEL_PACKAGE;
  return debianFile({ architecture, package: metapackage, dependency, pattern: './boot/vmlinuz-*' });
}

/** A static BusyBox. */
export function debianBusybox(architecture: Architecture): Promise<Uint8Array> {
  return debianFile({ architecture, package: 'busybox-static', pattern: '*/bin/busybox' });
}
