import { unpackLinux } from '../../src/boards/loaders/unpack.ts';
import { type Architecture, debianBusybox, debianKernel } from '../guests/debian.ts';
import { packInitramfs } from '../guests/initramfs.ts';
import type { LockStepGuest } from './lock-step.ts';

/** Work for a shell without end: processes, pipes, arithmetic, compression. */
const SCRIPT =
  'while true; do ls -lR /proc/1 /bin | gzip | md5sum; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; done';

/** Debian's Linux, which boots and then keeps a shell busy. @throws {Error} its packages cannot be had */
export async function bootingLinux(architecture: Architecture): Promise<LockStepGuest> {
  const metapackage = architecture === 'amd64' ? 'linux-image-cloud-amd64' : 'linux-image-686';
  const [kernel, busybox] = await Promise.all([debianKernel(architecture, metapackage), debianBusybox(architecture)]);
  const initrd = packInitramfs(busybox, SCRIPT);
  const unpacked = await unpackLinux(kernel);
  return { boot: { kernel, unpacked, initrd, commandLine: 'earlyprintk=ttyS0 console=ttyS0' }, memoryBytes: 128 << 20 };
}
