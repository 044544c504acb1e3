import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DebianArchive, readPackagedFile } from '../src/host/node/debian-archive.ts';
import { cacheFolder, writeFileAtOnce } from '../src/host/node/file-store.ts';
import type { Bits } from './workload.ts';

/** The newest kernel stands behind these packages. v86 has no PAE, so the 32-bit one is without. */
const METAPACKAGES = { 32: 'linux-image-686', 64: 'linux-image-cloud-amd64' } as const;
const ARCHITECTURES = { 32: 'i386', 64: 'amd64' } as const;
const KERNEL_DEPENDENCY = /\blinux-image-[^\s,]*\d[^\s,]*/;
const KERNEL_FILE = './boot/vmlinuz-*';

/** A kernel, and where it is from. */
export interface Kernel {
  readonly path: string;
  readonly version: string;
}

/** Fetches Debian's kernel of this width from this host's package sources, once; then it is kept.
 * @throws {Error} this host has no such source */
export async function fetchKernel(bits: Bits): Promise<Kernel> {
  const home = join(cacheFolder(), 'bench');
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(join(home, 'fetch-'));
  try {
    const archive = new DebianArchive(work, ARCHITECTURES[bits]);
    await archive.refresh().catch(() => {}); // without all of its lists, it may still know the kernel
    const wanted = await findKernel(archive, METAPACKAGES[bits]);
    const path = join(home, `${wanted.name}_${wanted.version}`);
    const [file = ''] = await archive.download([wanted], () => {});
    await writeFileAtOnce(path, await readPackagedFile(file, KERNEL_FILE));
    return { path, version: `${wanted.name} ${wanted.version}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function findKernel(archive: DebianArchive, metapackage: string) {
  const [meta] = await archive.find([metapackage]);
  const name = KERNEL_DEPENDENCY.exec(meta?.depends ?? '')?.[0];
  const [kernel] = name === undefined ? [] : await archive.find([name]);
  if (kernel === undefined) throw new Error(`the package lists have no ${metapackage}`);
  return kernel;
}
