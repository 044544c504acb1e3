import { randomUUID } from 'node:crypto';
import { shellQuote } from '../shell-words.ts';
import { AGENT_FILES } from './guest-agent.ts';

/** What a Debian system on a disk is made of. */
export interface DebianSystem {
  readonly architecture: 'amd64' | 'i386';
  /** Packages besides those that every such system has. */
  readonly packages: readonly string[];
  readonly hostName: string;
  /** Someone who may do everything by sudo; without, root logs in. */
  readonly user?: string;
  /** Public keys for whoever logs in. */
  readonly sshKeys: readonly string[];
  /** File system's identifier. */
  readonly fileSystemId: string;
}

/** Where the only partition begins: behind GRUB. */
export const PARTITION_START_BYTES = 1 << 20;

/** The folder of the system in which hooks leave the parts of GRUB that lie outside of the file system. */
export const GRUB_FOLDER = '/boot/grub';
export const GRUB_BOOT = 'boot.img';
export const GRUB_CORE = 'core.img';

const KERNELS = { amd64: 'linux-image-amd64', i386: 'linux-image-686-pae' } as const;
/** A system that runs, logs in on screen and serial line, and gets its network by DHCP. */
const PACKAGES = ['systemd-sysv', 'udev', 'dbus', 'kmod', 'zstd', 'e2fsprogs', 'login', 'iproute2', 'iputils-ping'];
const NETWORK_PACKAGES = ['systemd-resolved', 'ca-certificates'];
const GRUB_PACKAGES = ['grub-pc-bin', 'grub-common'];
const GRUB_MODULES = 'biosdisk part_msdos ext2 normal linux echo configfile serial terminal search_fs_uuid';

const NETWORK = `[Match]
Type=ether

[Network]
DHCP=yes
`;

/** The packages that the system begins with. */
export function packagesOf({ architecture, packages, user }: DebianSystem): string[] {
  const asked = user === undefined ? packages : ['sudo', ...packages];
  return [KERNELS[architecture], ...PACKAGES, ...NETWORK_PACKAGES, ...GRUB_PACKAGES, ...asked];
}

/** A new system. */
export function newFileSystemId(): string {
  return randomUUID();
}

/** Commands that set the system up, in its root folder `$1` and with the rights of the one who may. */
export function setUpCommands(system: DebianSystem): string[] {
  const { hostName, fileSystemId } = system;
  const folder = `"$1${GRUB_FOLDER}"`;
  return [
    put('/etc/hostname', `${hostName}\n`),
    put('/etc/hosts', `127.0.0.1 localhost ${hostName}\n::1 localhost ip6-localhost ${hostName}\n`),
    put('/etc/fstab', `UUID=${fileSystemId} / ext4 defaults,errors=remount-ro 0 1\n`),
    put('/etc/systemd/network/20-wired.network', NETWORK),
    'chroot "$1" systemctl enable systemd-networkd systemd-resolved',
    ...AGENT_FILES.flatMap(installCommands),
    ...loginCommands(system),
    `mkdir -p ${folder}`,
    put(`${GRUB_FOLDER}/grub.cfg`, menu(system)),
    `chroot "$1" grub-mkimage -O i386-pc -p '(hd0,msdos1)${GRUB_FOLDER}' -o ${GRUB_FOLDER}/${GRUB_CORE} ${GRUB_MODULES}`,
    `cp "$1/usr/lib/grub/i386-pc/${GRUB_BOOT}" ${folder}`,
  ];
}

/** GRUB's menu. The links to the newest kernel are kept by Debian's kernel packages. */
function menu({ fileSystemId }: DebianSystem): string {
  return `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry "Debian" {
  linux /vmlinuz root=UUID=${fileSystemId} ro console=tty0 console=ttyS0,115200
  initrd /initrd.img
}
`;
}

function loginCommands({ user, sshKeys }: DebianSystem): string[] {
  const name = user ?? 'root';
  const home = user === undefined ? '/root' : `/home/${user}`;
  const commands = [`chroot "$1" passwd -d ${name}`];
  if (user !== undefined) {
    commands.unshift(`chroot "$1" useradd -m -s /bin/bash -G sudo ${user}`);
    commands.push(put(`/etc/sudoers.d/${user}`, `${user} ALL=(ALL) NOPASSWD: ALL\n`));
  }
  if (sshKeys.length > 0) {
    commands.push(`chroot "$1" install -d -m 700 -o ${name} -g ${name} ${home}/.ssh`);
    commands.push(put(`${home}/.ssh/authorized_keys`, `${sshKeys.join('\n')}\n`));
    commands.push(`chroot "$1" chown ${name}:${name} ${home}/.ssh/authorized_keys`);
  }
  return commands;
}

function installCommands([path, text, isProgram]: (typeof AGENT_FILES)[number]): string[] {
  const folder = path.slice(0, path.lastIndexOf('/'));
  return [`mkdir -p "$1${folder}"`, put(path, text), ...(isProgram ? [`chmod 755 "$1${path}"`] : [])];
}

/** A command that writes a file; printf takes the text as it is. */
function put(path: string, text: string): string {
  return `printf %s ${shellQuote(text)} > "$1${path}"`;
}

/** A partition table with one bootable Linux partition, as it stands in a boot sector from byte 446 on. */
export function partitionTable(diskBytes: number): Uint8Array {
  const SECTOR_BYTES = 512;
  const LINUX = 0x83;
  const BOOTABLE = 0x80;
  /** Beyond what cylinders, heads and sectors can say. */
  const NO_CHS = [0xfe, 0xff, 0xff] as const;
  const table = new Uint8Array(66);
  const view = new DataView(table.buffer);
  const start = PARTITION_START_BYTES / SECTOR_BYTES;
  table.set([BOOTABLE, ...NO_CHS, LINUX, ...NO_CHS]);
  view.setUint32(8, start, true);
  view.setUint32(12, Math.floor(diskBytes / SECTOR_BYTES) - start, true);
  view.setUint16(64, 0xaa55, true);
  return table;
}
