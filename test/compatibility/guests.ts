import { gunzipSync } from 'node:zlib';
import { debianDisk } from './debian-disk.ts';
import { freedosFloppy } from './freedos.ts';
import { gptDisk } from './gpt-disk.ts';
import {
  grubCd,
  installerCd,
  isolinuxCd,
  netbootFolder,
  ovmf,
  packaged,
  packagedBytes,
  type Workshop,
  xenCd,
} from './media.ts';
import type { Step } from './steps.ts';

/** What a guest is started by: our BIOS, SeaBIOS, or firmware that belongs to the guest. */
export type Firmware = 'builtin' | 'seabios' | 'own';

/** A row of the compatibility table. */
export interface Guest {
  /** A word for files and commands. */
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** Where it comes from: a Debian package, or in words. */
  readonly source: string;
  /** What it reaches, for the table. */
  readonly reaches: string;
  readonly firmware: readonly Firmware[];
  /** Whether it is among the few that every test run starts. */
  readonly quick?: true;
  /**
   * Makes its media. @returns options of `vitrine run`
   * @throws {Error} something it needs is not on this host or cannot be fetched
   */
  machine(workshop: Workshop): Promise<string[]>;
  readonly steps: readonly Step[];
}

const BOTH: readonly Firmware[] = ['builtin', 'seabios'];
const CARD = 'user,model=e1000';
/** Long boots: their time-outs are of guest time, however slow or busy the host is. */
const PATIENT = ['--clock', 'virtual', '--seed', '1'] as const;
/** What the installer's parts say: language, country, keyboard, then its own files and the network. */
const LANGUAGE = /(Select|Choose) a? ?language|Language:|Choose the language/;

/** From the installer's language menu by keys to where it has looked for network hardware. */
const TO_NETWORK: readonly Step[] = [
  { screen: LANGUAGE, seconds: 240 },
  { picture: true },
  { press: 'ret' },
  { screen: /[Ss]elect your location|Country, territory or area/, seconds: 60 },
  { press: 'ret' },
  { screen: /Configure the keyboard|Keymap to use/, seconds: 60 },
  { press: 'ret' },
  { screen: /Configure the network|Hostname:|Detecting network hardware|Network autoconfiguration/, seconds: 240 },
];

const GRUB_RESCUE: readonly Step[] = [
  { screen: /highlighted entry will be executed/, seconds: 90 },
  { picture: true },
  { press: 'c' },
  { screen: /grub>/, seconds: 60 },
  { type: 'ls\n' },
  { screen: /grub> ls\s+\(/, seconds: 60 },
];

/** Every system that is tried. */
export const GUESTS: readonly Guest[] = [
  {
    name: 'grub-cd',
    title: 'GRUB 2.06 rescue CD',
    source: 'grub-rescue-pc',
    reaches: 'menu, command line',
    firmware: BOTH,
    machine: async (workshop) => {
      const image = await packaged(
        workshop,
        'grub.iso',
        'grub-rescue-pc',
        './usr/lib/grub-rescue/grub-rescue-cdrom.iso',
      );
      return ['--cdrom', image, '--memory', '64M'];
    },
    steps: GRUB_RESCUE,
  },
  {
    name: 'grub-floppy',
    title: 'GRUB 2.06 rescue floppy',
    source: 'grub-rescue-pc',
    reaches: 'menu, command line',
    firmware: BOTH,
    quick: true,
    machine: async (workshop) => {
      const path = './usr/lib/grub-rescue/grub-rescue-floppy.img';
      const image = await packaged(workshop, 'grub.img', 'grub-rescue-pc', path);
      return ['--floppy', image, '--boot', 'floppy', '--memory', '64M'];
    },
    steps: GRUB_RESCUE,
  },
  {
    name: 'ipxe',
    title: 'iPXE CD',
    source: 'ipxe',
    reaches: 'shell that lists the network card',
    firmware: BOTH,
    quick: true,
    machine: async (workshop) => {
      const image = await packaged(workshop, 'ipxe.iso', 'ipxe', './usr/lib/ipxe/ipxe.iso');
      return ['--cdrom', image, '--net', CARD, '--memory', '64M'];
    },
    steps: [
      { screen: /Ctrl-B/, seconds: 60 },
      { press: 'ctrl-b' },
      { screen: /iPXE>/ },
      { type: 'ifstat\n' },
      { screen: /net0: [0-9a-f:]{17} using 82540em/ },
    ],
  },
  {
    name: 'netboot',
    title: 'Debian 12 text installer, amd64, by iPXE and HTTP',
    source: 'ipxe-qemu, debian-installer-12-netboot-amd64',
    reaches: 'language menu',
    firmware: BOTH,
    machine: async (workshop) => {
      const net = `user,tftp=${await netbootFolder(workshop)},bootfile=install.ipxe`;
      return ['--boot', 'net', '--net', net, '--memory', '1G'];
    },
    steps: [{ screen: LANGUAGE, seconds: 240 }],
  },
  ...(['x64', 'ia32'] as const).map(
    (word): Guest => ({
      name: `memtest-${word}`,
      title: `Memtest86+ 6.10, ${word === 'x64' ? 64 : 32} bit`,
      source: 'memtest86+',
      reaches: 'one pass over 64 MB without an error',
      firmware: word === 'x64' ? BOTH : ['builtin'],
      machine: async (workshop) => {
        const path = `./usr/lib/memtest86+/memtest86+${word}.iso`;
        const image = await packaged(workshop, 'memtest.iso', 'memtest86+', path);
        return ['--cdrom', image, '--memory', '64M', '--net', 'none', ...PATIENT];
      },
      steps: [
        { screen: /Memtest86\+ v6/, seconds: 60 },
        { screen: /Pass: +[1-9]|Errors: +[1-9]/, seconds: 900 },
        { screen: /Errors: +0/ },
      ],
    }),
  ),
  {
    name: 'freedos',
    title: 'FreeDOS 1.44 MB floppy',
    source: 'public repository codercowboy/freedosbootdisks',
    reaches: '`A:\\>`, `dir`, a file written and read',
    firmware: BOTH,
    machine: async (workshop) => ['--floppy', await freedosFloppy(workshop), '--boot', 'floppy', '--memory', '32M'],
    steps: [
      { screen: /[AC]:\\>/, seconds: 90 },
      { type: 'dir a:\n' },
      { screen: /bytes free/ },
      { picture: true },
      { type: 'echo kept on a disk> a:\\note.txt\n' },
      { type: 'cls\n' },
      { type: 'type a:\\note.txt\n' },
      { screen: /\nkept on a disk/ },
    ],
  },
  {
    name: 'hdt',
    title: 'ISOLINUX with vesamenu, HDT 0.5.2',
    source: 'isolinux, syslinux-common; CD made by xorriso',
    reaches: 'graphical menu, list of PCI devices, DMI table',
    firmware: BOTH,
    machine: async (workshop) => ['--cdrom', await isolinuxCd(workshop), '--memory', '128M', '--net', CARD],
    steps: [
      { colors: 100 },
      { picture: true },
      { press: 'ret' },
      { screen: /hdt>/ },
      { type: 'show pci\n' },
      { screen: /NB Devices +: [1-9]/ },
      { type: 'show dmi\n' },
      { screen: /DMI Table version 2\.\d found/ },
    ],
  },
  {
    name: 'invaders',
    title: 'GRUB Invaders 1.0',
    source: 'grub-invaders',
    reaches: 'invaders come, the ship shoots',
    firmware: BOTH,
    machine: async (workshop) => {
      const game = await packagedBytes('grub-invaders', './boot/invaders.exec');
      const menu = 'set timeout=0\nmenuentry "Invaders" {\n  multiboot /invaders\n}\n';
      return ['--cdrom', await grubCd(workshop, menu, { invaders: game }), '--memory', '64M', '--net', 'none'];
    },
    steps: [{ screen: /-\*-/ }, { press: 'left' }, { press: 'spc' }, { changes: true }, { screen: /-\*-/ }],
  },
  {
    name: 'u-boot',
    title: 'U-Boot 2023.01, 64 bit',
    source: 'u-boot-qemu',
    reaches: 'prompt, an address by DHCP through the E1000',
    firmware: ['own'],
    machine: async (workshop) => {
      const rom = await packaged(workshop, 'u-boot.rom', 'u-boot-qemu', './usr/lib/u-boot/qemu-x86_64/u-boot.rom');
      return ['--firmware', rom, '--memory', '256M', '--net', CARD];
    },
    steps: [
      { serial: /bound to address 10\.0\.2\.15[\s\S]*=> / },
      { send: '\nversion\n' },
      { serial: /=> version\s+U-Boot 2023/ },
    ],
  },
  {
    name: 'gnumach',
    title: 'GNU Mach 1.8',
    source: 'gnumach-image-1.8-486 (i386)',
    reaches: 'probes devices; stops for want of a bootstrap program',
    firmware: BOTH,
    machine: async (workshop) => {
      const kernel = gunzipSync(await packagedBytes('gnumach-image-1.8-486', './boot/gnumach-1.8-486.gz', 'i386'));
      const menu = 'set timeout=0\nmenuentry "GNU Mach" {\n  multiboot /gnumach gnumach\n}\n';
      return ['--cdrom', await grubCd(workshop, menu, { gnumach: kernel }), '--memory', '128M', '--net', 'none'];
    },
    steps: [{ screen: /No bootstrap code loaded/, seconds: 120 }],
  },
  {
    name: 'xen',
    title: 'Xen 4.17 with Debian as its first domain',
    source: 'xen-hypervisor-4.17-amd64, linux-image-amd64',
    reaches: 'shell of the first domain, which knows that it runs under Xen',
    firmware: ['builtin'],
    machine: async (workshop) => ['--cdrom', await xenCd(workshop), '--memory', '768M', '--net', 'none'],
    steps: [
      { serial: /Freed \d+kB init memory/, seconds: 240 },
      { serial: /\/ # |~ # /, seconds: 300 },
      { send: 'cat /sys/hypervisor/type\n' },
      { serial: /\nxen\r/ },
    ],
  },
  ...(['amd64', 'i386'] as const).map(
    (architecture): Guest => ({
      name: `installer-${architecture}`,
      title: `Debian 12 installer, text, ${architecture}`,
      source: `debian-installer-12-netboot-${architecture}`,
      reaches: 'language menu, by keys to the detection of network hardware',
      firmware: BOTH,
      machine: async (workshop) => {
        const image = await installerCd(workshop, architecture, 'text', 'vga=788');
        return ['--cdrom', image, '--memory', '1G', '--net', CARD, ...PATIENT];
      },
      steps: TO_NETWORK,
    }),
  ),
  {
    name: 'installer-gtk',
    title: 'Debian 12 installer, graphical, amd64',
    source: 'debian-installer-12-netboot-amd64',
    reaches: 'list of languages; the mouse moves its pointer',
    firmware: BOTH,
    machine: async (workshop) => {
      const image = await installerCd(workshop, 'amd64', 'gtk', 'vga=788');
      return ['--cdrom', image, '--memory', '1G', '--net', CARD];
    },
    steps: [{ colors: 200, seconds: 600 }, { ground: 80, seconds: 200 }, { picture: true }, { moves: [20, 10] }],
  },
  {
    name: 'debian-disk',
    title: 'Debian 12 on a disk, amd64',
    source: '`vitrine image build debian`: GRUB in the MBR, ext4, systemd',
    reaches: '`login:`, `systemctl is-system-running` says `running`, reboot, power-off',
    firmware: BOTH,
    machine: async () => [
      '--disk',
      `${await debianDisk('amd64')},overlay`,
      '--memory',
      '512M',
      '--net',
      CARD,
      ...PATIENT,
    ],
    steps: [
      { screen: /login:/, seconds: 400 },
      { picture: true },
      { type: 'root\n' },
      { screen: /root@.*#/, seconds: 60 },
      { type: 'clear; systemctl is-system-running --wait\n' },
      { screen: /^running/m, seconds: 120 },
      { type: 'reboot\n' },
      { screen: /GRUB/, seconds: 120 },
      { screen: /login:/, seconds: 400 },
      { type: 'root\n' },
      { screen: /root@.*#/, seconds: 60 },
      { type: 'poweroff\n' },
      { ends: /status 0/, seconds: 120 },
    ],
  },
  {
    name: 'ovmf-shell',
    title: 'OVMF (UEFI)',
    source: 'ovmf',
    reaches: 'UEFI shell 2.2',
    firmware: ['own'],
    machine: async (workshop) => {
      const { code, variables } = await ovmf(workshop);
      return ['--firmware', code, '--firmware-vars', variables, '--memory', '256M', '--net', 'none'];
    },
    steps: [
      { serial: /Shell> /, seconds: 120 },
      { send: 'ver\r' },
      { serial: /Shell> [\s\S]*UEFI Interactive Shell v2\.2[\s\S]*Shell> / },
      { type: 'memmap\n' },
      { serial: /Total Memory:/ },
    ],
  },
  {
    name: 'ovmf-http',
    title: 'OVMF, HTTP boot',
    source: 'ovmf, ipxe',
    reaches: 'iPXE, started from a URL before a disk (`--boot net,disk`)',
    firmware: ['own'],
    machine: async (workshop) => {
      const { code, variables } = await ovmf(workshop);
      const net = `user,model=virtio,tftp=${await netbootFolder(workshop)},bootfile=http://10.0.2.4/snponly.efi`;
      const firmware = ['--firmware', code, '--firmware-vars', variables, '--boot', 'net,disk'];
      return [...firmware, '--disk', `${await gptDisk(workshop)},format=raw`, '--memory', '256M', '--net', net];
    },
    steps: [
      { serial: /Start HTTP Boot over IPv4/, seconds: 300 },
      { serial: /iPXE initialising devices\.\.\.ok/, seconds: 60 },
      { press: 'ctrl-b' },
      { serial: /iPXE>/, seconds: 60 },
    ],
  },
  {
    name: 'ovmf-debian',
    title: 'OVMF, GRUB and Linux from a GPT disk',
    source: 'ovmf, grub-efi-amd64-bin, linux-image-amd64',
    reaches: 'shell of an initial RAM disk',
    firmware: ['own'],
    machine: async (workshop) => {
      const { code, variables } = await ovmf(workshop);
      const firmware = ['--firmware', code, '--firmware-vars', variables];
      return [...firmware, '--disk', `${await gptDisk(workshop)},format=raw`, '--memory', '512M', '--net', 'none'];
    },
    steps: [
      { serial: /~ # |\/ # /, seconds: 300 },
      { send: 'ls -d /sys/firmware/efi\n' },
      { serial: /\n\/sys\/firmware\/efi/ },
    ],
  },
];
