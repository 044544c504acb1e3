import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianBusybox, debianKernel } from '../guests/debian.ts';
import { packInitramfs } from '../guests/initramfs.ts';
import { run, type Workshop } from './media.ts';

const MENU = `set timeout=0
insmod all_video
menuentry "Linux" {
  linux /linux console=tty0 console=ttyS0
  initrd /initrd
}
`;
/** The image that is loaded where a disk names no other (UEFI Specification 2.10, section 3.5). */
const DEFAULT_LOADER = 'EFI/BOOT/BOOTX64.EFI';
const PARTITION_START_BYTES = 1 << 20;
const PARTITION_MIB = 96;
const DISK_MIB = 100;

/** A disk with a GPT whose EFI system partition holds GRUB, Debian's kernel and an initial RAM disk. */
export async function gptDisk({ folder }: Workshop): Promise<string> {
  const disk = join(folder, 'gpt.img');
  const loader = join(folder, 'grub.efi');
  const config = join(folder, 'grub.cfg');
  await writeFile(config, MENU);
  const embedded = join(folder, 'embedded.cfg');
  await writeFile(embedded, 'search --file --set=root /linux\nconfigfile /grub.cfg\n');
  const modules = ['fat', 'part_gpt', 'normal', 'linux', 'search', 'search_fs_file', 'configfile', 'all_video', 'echo'];
  const from = ['-d', '/usr/lib/grub/x86_64-efi', '-O', 'x86_64-efi', '-p', '/', '-c', embedded];
  await run('grub-mkimage', [...from, '-o', loader, ...modules]);
  const initrd = packInitramfs(await debianBusybox('amd64'));
  const files = {
    [DEFAULT_LOADER]: loader,
    linux: join(folder, 'linux'),
    initrd: join(folder, 'initrd'),
    'grub.cfg': config,
  };
  await writeFile(files.linux, await debianKernel('amd64', 'linux-image-amd64'));
  await writeFile(files.initrd, initrd);
  await run('truncate', ['-s', `${DISK_MIB}M`, disk]);
  const script = join(folder, 'sfdisk');
  await writeFile(script, `label: gpt\nstart=1MiB, size=${PARTITION_MIB}MiB, type=U\n`);
  await run('sh', ['-c', `sfdisk -q ${disk} < ${script}`]);
  const partition = `${disk}@@${PARTITION_START_BYTES}`;
  await run('mformat', ['-i', partition, '-F', '-T', String(PARTITION_MIB * 2048), '::']);
  await run('mmd', ['-i', partition, '::/EFI', '::/EFI/BOOT']);
  for (const [name, path] of Object.entries(files)) await run('mcopy', ['-i', partition, path, `::/${name}`]);
  return disk;
}
