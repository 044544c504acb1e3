import { type CpioEntry, FILE_TYPE, packCpio } from '../base/cpio.ts';

/** The kernel's command line: the first serial line is the console. */
export const DEFAULT_COMMAND_LINE = 'console=ttyS0';

const INIT = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
hostname vitrine
echo
echo "Welcome to Vitrine: Linux $(uname -r) on $(uname -m), with BusyBox."
echo "Type 'poweroff' to end the machine."
grep -q console=tty0 /proc/cmdline && echo 'tty1::respawn:-/bin/sh' >>/etc/inittab
exec init
`;

/** BusyBox's init: a shell with job control on the console, another on the screen where the kernel uses that, and an orderly poweroff and reboot. */
const INITTAB = `ttyS0::respawn:-/bin/sh
::ctrlaltdel:/bin/reboot
`;

const PROFILE = `export PATH=/bin HOME=/root PS1='vitrine:\\w# '
cd
`;

const FOLDERS = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp'];

/** The initial file system of the default guest, around a static BusyBox. */
export function packDefaultInitrd(busybox: Uint8Array): Uint8Array {
  return packCpio([
    ...FOLDERS.map((path) => ({ path, mode: FILE_TYPE.folder | 0o755 })),
    { path: 'dev/console', mode: FILE_TYPE.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    { path: 'bin/busybox', mode: FILE_TYPE.file | 0o755, data: busybox },
    textFile('init', 0o755, INIT),
    textFile('etc/inittab', 0o644, INITTAB),
    textFile('etc/profile', 0o644, PROFILE),
    textFile('etc/passwd', 0o644, 'root::0:0:root:/root:/bin/sh\n'),
    textFile('etc/group', 0o644, 'root:x:0:\n'),
  ]);
}

function textFile(path: string, permissions: number, text: string): CpioEntry {
  return { path, mode: FILE_TYPE.file | permissions, data: new TextEncoder().encode(text) };
}
