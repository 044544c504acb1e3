import { DebianArchive, type DebianPackage, readPackagedFile } from '../host/node/debian-archive.ts';
import { showProgressBar } from './progress-bar.ts';

/** Packages that stand for a current kernel, the smallest first: Debian's, then Ubuntu's. Each depends on the kernel. */
const KERNEL_METAPACKAGES = ['linux-image-cloud-amd64', 'linux-image-amd64', 'linux-image-virtual'];
const KERNEL_DEPENDENCY = /\blinux-image-[^\s,]*\d[^\s,]*/;
const BUSYBOX_PACKAGE = 'busybox-static';
const KERNEL_FILE = './boot/vmlinuz-*';
/** Below /usr since Debian 13. */
const BUSYBOX_FILE = '*/bin/busybox';

/** What the default guest is made of. */
export interface GuestFiles {
  readonly kernel: Uint8Array<ArrayBuffer>;
  readonly busybox: Uint8Array<ArrayBuffer>;
}

/** Fetches what the default guest is made of by the host's package lists, or by fresh ones where those are absent, out
 * of date, or for another architecture than a PC's.
 * @param work an empty folder to work in
 * @throws {Error} the packages cannot be had */
export async function fetchGuestFiles(work: string): Promise<GuestFiles> {
  const archive = new DebianArchive(work);
  tell("the default guest is made of this host's packages, once");
  const files = process.arch === 'x64' ? await fetchFrom(archive).catch(() => undefined) : undefined;
  if (files !== undefined) return files;
  tell('fetching package lists');
  await archive.refresh();
  return fetchFrom(archive);
}

async function fetchFrom(archive: DebianArchive): Promise<GuestFiles> {
  const packages = await findPackages(archive);
  const bar = await showProgressBar(packages.map(({ name }) => name).join(', '));
  const [kernel = '', busybox = ''] = await archive.download(packages, bar.update).finally(bar.close);
  return {
    kernel: await readPackagedFile(kernel, KERNEL_FILE),
    busybox: await readPackagedFile(busybox, BUSYBOX_FILE),
  };
}

/** The kernel and BusyBox, in this order. */
async function findPackages(archive: DebianArchive): Promise<DebianPackage[]> {
  const found = await archive.find([...KERNEL_METAPACKAGES, BUSYBOX_PACKAGE]);
  const kernelName = KERNEL_METAPACKAGES.flatMap((name) => found.filter((candidate) => candidate.name === name))
    .map(({ depends }) => KERNEL_DEPENDENCY.exec(depends)?.[0])
    .find((name) => name !== undefined);
  const busybox = found.find(({ name }) => name === BUSYBOX_PACKAGE);
  if (kernelName === undefined) throw new Error('the package lists have no Linux kernel for amd64');
  if (busybox === undefined) throw new Error(`the package lists have no ${BUSYBOX_PACKAGE}`);
  const [kernel] = await archive.find([kernelName]);
  if (kernel === undefined) throw new Error(`the package lists have no ${kernelName}`);
  return [kernel, busybox];
}

function tell(message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`vitrine: ${message}\n`);
}
