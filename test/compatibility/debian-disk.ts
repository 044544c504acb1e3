import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kept, run } from './media.ts';

const PACKAGES = ['systemd-sysv', 'udev', 'dbus', 'linux-image-amd64', 'e2fsprogs', 'kmod', 'zstd'];
const GRUB = '/usr/lib/grub/i386-pc';
const MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'echo', 'configfile'];
const SECTOR_BYTES = 512;
/** Bytes of GRUB's boot sector in front of the disk's signature and partition table. */
const BOOT_CODE_BYTES = 440;
const PARTITION_START_BYTES = 1 << 20;
const FILE_SYSTEM_MIB = 1400;
const DISK_MIB = 1402;
const FILE_SYSTEM_ID = '5a1c8f0e-1f5d-4f52-9c1c-2b8a5d0d7c11';
const MENU = `set timeout=2
echo "GRUB"
menuentry "Debian" {
  linux /vmlinuz root=UUID=${FILE_SYSTEM_ID} ro console=ttyS0 console=tty0
  initrd /initrd.img
}
`;

/** Debian 12 as a disk image: GRUB in the MBR, one ext4 partition, systemd. Its root has no password. @throws {Error} a tool is missing */
export function debianDisk(): Promise<string> {
  return kept('debian-12-amd64-1.img', makeDisk);
}

async function makeDisk(disk: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-disk-'));
  try {
    await run('truncate', ['-s', `${DISK_MIB}M`, disk]);
    await writeFile(join(folder, 'grub.cfg'), MENU);
    await writeFile(join(folder, 'fstab'), `UUID=${FILE_SYSTEM_ID} / ext4 defaults 0 1\n`);
    await run('mmdebstrap', [
      '--variant=minbase',
      `--include=${PACKAGES}`,
      ...hooks(folder, disk),
      'bookworm',
      '/dev/null',
    ]);
    await run('sh', [
      '-c',
      `echo 'start=${PARTITION_START_BYTES / SECTOR_BYTES}, type=83, bootable' | sfdisk -q ${disk}`,
    ]);
    await installGrub(folder, disk);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What is done to the root folder, and how a file system is made of it: with the rights of the one who may. */
function hooks(folder: string, disk: string): string[] {
  const makeFileSystem = `mke2fs -q -t ext4 -U ${FILE_SYSTEM_ID} -E offset=${PARTITION_START_BYTES} -d "$1" ${disk} ${FILE_SYSTEM_MIB}M`;
  const commands = [
    'chroot "$1" passwd -d root',
    'echo vitrine > "$1/etc/hostname"',
    'mkdir -p "$1/boot/grub"',
    `cp ${folder}/grub.cfg "$1/boot/grub/grub.cfg"`,
    `cp ${folder}/fstab "$1/etc/fstab"`,
    makeFileSystem,
  ];
  return ['--format=null', ...commands.map((command) => `--customize-hook=${command}`)];
}

/** Puts GRUB where it looks for itself: its boot sector into the first sector, the rest behind it. */
async function installGrub(folder: string, disk: string): Promise<void> {
  const core = join(folder, 'core.img');
  const prefix = '(hd0,msdos1)/boot/grub';
  await run('grub-mkimage', ['-d', GRUB, '-O', 'i386-pc', '-p', prefix, '-o', core, ...MODULES]);
  const [boot, rest] = [await readFile(join(GRUB, 'boot.img')), await readFile(core)];
  const file = await open(disk, 'r+');
  try {
    await file.write(boot, 0, BOOT_CODE_BYTES, 0);
    await file.write(rest, 0, rest.length, SECTOR_BYTES);
  } finally {
    await file.close();
  }
}
