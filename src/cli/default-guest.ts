import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DebianArchive, type DebianPackage, readPackagedFile } from '../host/node/debian-archive.ts';
import { cacheFolder, FileStore, writeFileAtOnce } from '../host/node/file-store.ts';
import { DEFAULT_COMMAND_LINE, packDefaultInitrd } from './default-guest-files.ts';
import { CliError, STATUS } from './errors.ts';
import type { Guest } from './guest.ts';
import { showProgressBar } from './progress-bar.ts';

/** Packages that stand for a current kernel, the smallest first: Debian's, then Ubuntu's. Each depends on the kernel. */
const KERNEL_METAPACKAGES = ['linux-image-cloud-amd64', 'linux-image-amd64', 'linux-image-virtual'];
const KERNEL_DEPENDENCY = /\blinux-image-[^\s,]*\d[^\s,]*/;
const BUSYBOX_PACKAGE = 'busybox-static';
const KERNEL_FILE = './boot/vmlinuz-*';
/** Below /usr since Debian 13. */
const BUSYBOX_FILE = '*/bin/busybox';

/** The parts of the default guest: checksums of files in the store. */
interface Parts {
  readonly kernel: string;
  readonly busybox: string;
}

/** A small Linux whose kernel and BusyBox come from this host's own package sources, fetched once and then kept.
 * @param append what is added to the kernel's command line
 * @throws {CliError} this host has no such source */
export async function loadDefaultGuest(append: string): Promise<Guest> {
  const folder = cacheFolder();
  const store = new FileStore(join(folder, 'files'));
  const list = join(folder, 'default-guest.json');
  const { kernel, busybox } = (await loadParts(store, list)) ?? (await fetchParts(store, list, folder));
  return {
    kernel,
    initrd: packDefaultInitrd(busybox),
    commandLine: `${DEFAULT_COMMAND_LINE} ${append}`.trim(),
  };
}

interface Files {
  readonly kernel: Uint8Array;
  readonly busybox: Uint8Array;
}

/** What an earlier start left, if it is whole. */
async function loadParts(store: FileStore, list: string): Promise<Files | undefined> {
  const text = await readFile(list, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parts: Parts = JSON.parse(text);
  const [kernel, busybox] = await Promise.all([store.get(parts.kernel), store.get(parts.busybox)]);
  return kernel && busybox && { kernel, busybox };
}

async function fetchParts(store: FileStore, list: string, folder: string): Promise<Files> {
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, 'fetch-'));
  try {
    const files = await fetchFiles(work);
    const parts: Parts = { kernel: await store.put(files.kernel), busybox: await store.put(files.busybox) };
    await writeFileAtOnce(list, `${JSON.stringify(parts)}\n`);
    return files;
  } catch (error) {
    const advice = 'give one with --kernel FILE --initrd FILE --append console=ttyS0';
    const message = `no default guest can be made of this host's packages (${(error as Error).message}); ${advice}`;
    throw new CliError(STATUS.missing, message, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Fetches by the host's package lists, or by fresh ones where those are absent or out of date. */
async function fetchFiles(work: string): Promise<Files> {
  const archive = new DebianArchive(work);
  tell("the default guest is made of this host's packages, once");
  return fetchFrom(archive).catch(async () => {
    tell('fetching package lists');
    await archive.refresh();
    return fetchFrom(archive);
  });
}

async function fetchFrom(archive: DebianArchive): Promise<Files> {
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
