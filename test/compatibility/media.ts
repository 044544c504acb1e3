import { execFile } from 'node:child_process';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { cacheFolder } from '../../src/host/node/cache-folder.ts';
import { type Architecture, debianBusybox, debianFile, debianKernel } from '../guests/debian.ts';
import { packInitramfs } from '../guests/initramfs.ts';

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
  const bytes = await packagedBytes(packageName, pattern, architecture);
  const path = join(folder, name);
  await writeFile(path, pattern.endsWith('.gz') && !name.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  return path;
}

/** What a file out of a Debian package holds. */
export function packagedBytes(
  packageName: string,
  pattern: string,
  architecture: Architecture = 'amd64',
): Promise<Uint8Array> {
  return debianFile({ architecture, package: packageName, pattern });
}

/** SeaBIOS with its VGA BIOSes beside it, one for each card. @returns the path of the BIOS */
export async function seabios(workshop: Workshop): Promise<string> {
  for (const card of ['stdvga', 'virtio'])
    await packaged(workshop, `vgabios-${card}.bin`, 'seabios', `./usr/share/seabios/vgabios-${card}.bin`);
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

const ISOLINUX_MENU = `UI vesamenu.c32
MENU TITLE Vitrine
LABEL hdt
  MENU LABEL Hardware Detection Tool
  COM32 hdt.c32
  APPEND nomenu
`;
const ISOLINUX_MODULES = ['vesamenu', 'hdt', 'ldlinux', 'libcom32', 'libutil', 'libgpl', 'libmenu'];

/** A CD that starts ISOLINUX, whose graphical menu starts HDT. */
export async function isolinuxCd({ folder }: Workshop): Promise<string> {
  const root = join(folder, 'isolinux');
  await mkdir(root);
  await writeFile(join(root, 'isolinux.cfg'), ISOLINUX_MENU);
  await packaged({ folder: root }, 'isolinux.bin', 'isolinux', './usr/lib/ISOLINUX/isolinux.bin');
  for (const name of ISOLINUX_MODULES.map((module) => `${module}.c32`))
    await packaged({ folder: root }, name, 'syslinux-common', `./usr/lib/syslinux/modules/bios/${name}`);
  const image = join(folder, 'isolinux.iso');
  const loader = ['-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'];
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-o', image, ...loader, root]);
  return image;
}

const XEN_MENU = `set timeout=0
menuentry "Xen" {
  multiboot2 /xen dom0_mem=384M console=com1,vga
  module2 /linux console=hvc0
  module2 /initrd
}
`;

/** A CD that starts the hypervisor Xen, whose first domain is Debian's kernel with an initial RAM disk. */
export async function xenCd(workshop: Workshop): Promise<string> {
  return grubCd(workshop, XEN_MENU, {
    xen: gunzipSync(await packagedBytes('xen-hypervisor-4.17-amd64', './boot/xen-4.17-amd64.gz')),
    linux: await debianKernel('amd64', 'linux-image-amd64'),
    initrd: packInitramfs(await debianBusybox('amd64')),
  });
}

/** Kernel and initial RAM disk of Debian's installer, as a CD that starts it as Debian's own do. */
export async function installerCd(
  workshop: Workshop,
  architecture: Architecture,
  kind: 'text' | 'gtk',
  parameters: string,
): Promise<string> {
  const { kernel, initrd } = await installerFiles(architecture, kind);
  const menu = `set timeout=1
menuentry "Install" {
  linux /linux ${parameters} --- quiet
  initrd /initrd.gz
}
`;
  return grubCd(workshop, menu, { linux: kernel, 'initrd.gz': initrd });
}

/** Kernel and initial RAM disk of Debian's installer. */
export async function installerFiles(
  architecture: Architecture,
  kind: 'text' | 'gtk',
): Promise<{ kernel: Uint8Array; initrd: Uint8Array }> {
  const folder = `./usr/lib/debian-installer/images/12/${architecture}/${kind}/debian-installer/${architecture}`;
  const file = (name: string) => packagedBytes(`debian-installer-12-netboot-${architecture}`, `${folder}/${name}`);
  return { kernel: await file('linux'), initrd: await file('initrd.gz') };
}

const NETBOOT_SCRIPT = `#!ipxe
kernel http://\${next-server}/linux vga=normal fb=false --- quiet
initrd http://\${next-server}/initrd.gz
boot
`;

/** A folder for machines that boot from the network: Debian's installer, a script of iPXE that starts it, and iPXE for UEFI. */
export async function netbootFolder(workshop: Workshop): Promise<string> {
  const folder = join(workshop.folder, 'netboot');
  await mkdir(folder);
  const { kernel, initrd } = await installerFiles('amd64', 'text');
  await writeFile(join(folder, 'linux'), kernel);
  await writeFile(join(folder, 'initrd.gz'), initrd);
  await writeFile(join(folder, 'install.ipxe'), NETBOOT_SCRIPT);
  await packaged({ folder }, 'snponly.efi', 'ipxe', './usr/lib/ipxe/snponly.efi');
  return folder;
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
