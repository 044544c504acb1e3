import { concatenate } from '../../src/base/bytes.ts';
import type { CpioEntry } from '../../src/base/cpio.ts';
import { debianBusybox, debianKernel } from './debian.ts';
import { packInitramfs } from './initramfs.ts';
import { debianModules } from './modules.ts';

/** Debian's kernel with all drivers as modules. */
const KERNEL = 'linux-image-amd64';

/**
 * Debian's kernel, and an initial file system with a BusyBox, a script and modules for it.
 * @param names of the modules  @param script has them loaded by `LOAD_MODULES`  @param files further ones
 * @throws {Error} the packages cannot be had
 */
export async function moduleBoot(
  names: readonly string[],
  script: string,
  files: readonly CpioEntry[] = [],
): Promise<{ kernel: Uint8Array; initrd: Uint8Array }> {
  const [kernel, busybox, modules] = await Promise.all([
    debianKernel('amd64', KERNEL),
    debianBusybox('amd64'),
    debianModules('amd64', KERNEL, names),
  ]);
  return { kernel, initrd: concatenate([packInitramfs(busybox, script, files), modules]) };
}
