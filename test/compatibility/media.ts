import { execFile } from 'node:child_process';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { cacheFolder } from '../../src/host/node/file-store.ts';
import { type Architecture, debianFile } from '../guests/debian.ts';

const execute = promisify(execFile);
const MOST_OUTPUT_BYTES = 64 << 20;

/** Where media are made: a folder for one run, which goes with it. */
export interface Workshop {
  readonly folder: string;
}

/** A file out of a Debian package, to be changed by nobody else. @returns its path */
export async function packaged(
  { folder }: Workshop,
  name: string,
  packageName: string,
  pattern: string,
  architecture: Architecture = 'amd64',
): Promise<string> {
  const bytes = await debianFile({ architecture, package: packageName, pattern });
  const path = join(folder, name);
  await writeFile(path, pattern.endsWith('.gz') && !name.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  return path;
}

/** SeaBIOS with its VGA BIOS beside it. @returns the path of the BIOS */
export async function seabios(workshop: Workshop): Promise<string> {
  await packaged(workshop, 'vgabios-stdvga.bin', 'seabios', './usr/share/seabios/vgabios-stdvga.bin');
  return packaged(workshop, 'bios-256k.bin', 'seabios', './usr/share/seabios/bios-256k.bin');
}

/** OVMF's code, and a copy of its variables. */
export async function ovmf(workshop: Workshop): Promise<{ code: string; variables: string }> {
  const file = (name: string) => packaged(workshop, name, 'ovmf', `./usr/share/OVMF/${name}`);
  return { code: await file('OVMF_CODE_4M.fd'), variables: await file('OVMF_VARS_4M.fd') };
}

/** A CD that starts GRUB, by BIOS. @param files by their path on the CD */
export async function grubCd(
  { folder }: Workshop,
  menu: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<string> {
  const root = join(folder, 'cd');
  await mkdir(join(root, 'boot', 'grub'), { recursive: true });
  await writeFile(join(root, 'boot', 'grub', 'grub.cfg'), menu);
  for (const [path, bytes] of Object.entries(files)) await writeFile(join(root, path), bytes);
  const image = join(folder, 'cd.iso');
  await run('grub-mkrescue', ['-d', '/usr/lib/grub/i386-pc', '-o', image, root]);
  return image;
}

/** Kernel and initial RAM disk of Debian's installer, as a CD that starts it as Debian's own do. */
export async function installerCd(
  workshop: Workshop,
  architecture: Architecture,
  kind: 'text' | 'gtk',
  parameters: string,
): Promise<string> {
  const folder = `./usr/lib/debian-installer/images/12/${architecture}/${kind}/debian-installer/${architecture}`;
  const file = (name: string) =>
    debianFile({
      architecture: 'amd64',
      package: `debian-installer-12-netboot-${architecture}`,
      pattern: `${folder}/${name}`,
    });
  const menu = `set timeout=1
menuentry "Install" {
  linux /linux ${parameters} --- quiet
  initrd /initrd.gz
}
`;
  return grubCd(workshop, menu, { linux: await file('linux'), 'initrd.gz': await file('initrd.gz') });
}

/** The kernel of GNU Mach. */
export async function gnumach(): Promise<Uint8Array> {
  const wanted = {
    architecture: 'i386',
    package: 'gnumach-image-1.8-486',
    pattern: './boot/gnumach-1.8-486.gz',
  } as const;
  return gunzipSync(await debianFile(wanted));
}

/** Runs a tool of this host. @throws {Error} it is not there or fails; the message has the end of what it said */
export async function run(program: string, args: readonly string[]): Promise<void> {
  await execute(program, args, { maxBuffer: MOST_OUTPUT_BYTES }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`${program}: ${(error.stderr ?? '').trim().split('\n').slice(-3).join(' ') || error.message}`);
  });
}

/** Something that takes long to make, kept for the next run. @param name of the file, to be changed with how it is made */
export async function kept(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), 'guests');
  const path = join(folder, name);
  if (await stat(path).catch(() => undefined)) return path;
  await mkdir(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  try {
    await make(unfinished);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  return path;
}
