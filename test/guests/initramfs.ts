import { type CpioEntry, FILE_TYPE, packCpio } from '../../src/base/cpio.ts';

const FOLDERS = ['bin', 'dev', 'proc', 'sys', 'tmp'];

/** An initramfs around a static BusyBox whose init runs `script` and then a shell on the console. */
export function packInitramfs(busybox: Uint8Array, script = '', files: readonly CpioEntry[] = []): Uint8Array {
  const init = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
${script}
exec setsid cttyhack sh
`;
  return packCpio([
    ...FOLDERS.map((path) => ({ path, mode: FILE_TYPE.folder | 0o755 })),
    { path: 'dev/console', mode: FILE_TYPE.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    { path: 'bin/busybox', mode: FILE_TYPE.file | 0o755, data: busybox },
    { path: 'init', mode: FILE_TYPE.file | 0o755, data: new TextEncoder().encode(init) },
    ...files,
  ]);
}
