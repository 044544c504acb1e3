import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RereadFile } from '../host/node/boot-file.ts';
import { cacheFolder } from '../host/node/cache-folder.ts';
import { FileStore, withFetchFolder, writeFileAtOnce } from '../host/node/file-store.ts';
import { DEFAULT_COMMAND_LINE, packDefaultInitrd } from './default-guest-files.ts';
import type { GuestFiles } from './default-guest-packages.ts';
import { CliError, STATUS } from './errors.ts';
import type { KernelGuest } from './guest.ts';

/** The parts of the default guest: checksums of files in the store. */
interface Parts {
  readonly kernel: string;
  readonly busybox: string;
}

/** What the default guest is made of, and under which checksums it is kept. */
interface KeptFiles extends GuestFiles {
  readonly parts: Parts;
}

/** A small Linux whose kernel and BusyBox come from this host's own package sources, fetched once and then kept.
 * @param append what is added to the kernel's command line
 * @throws {CliError} this host has no such source */
export async function loadDefaultGuest(append: string): Promise<KernelGuest> {
  const folder = cacheFolder();
  const store = new FileStore(join(folder, 'files'));
  const list = join(folder, 'default-guest.json');
  const { kernel, busybox, parts } = (await loadParts(store, list)) ?? (await fetchParts(store, list));
  return {
    kernel: new RereadFile(kernel, () => readAgain(store, parts.kernel)),
    initrd: packDefaultInitrd(busybox),
    commandLine: `${DEFAULT_COMMAND_LINE} ${append}`.trim(),
  };
}

/** @throws {Error} the file is not there any more */
async function readAgain(store: FileStore, checksum: string): Promise<Uint8Array> {
  const bytes = await store.get(checksum);
  if (bytes === undefined) throw new Error("the default guest's kernel is no longer in the cache");
  return bytes;
}

/** What an earlier start left, if it is whole. */
async function loadParts(store: FileStore, list: string): Promise<KeptFiles | undefined> {
  const parts = await readParts(list).catch(() => undefined);
  if (parts === undefined) return undefined;
  const [kernel, busybox] = await Promise.all([store.get(parts.kernel), store.get(parts.busybox)]);
  return kernel && busybox && { kernel, busybox, parts };
}

async function readParts(list: string): Promise<Parts> {
  return JSON.parse(await readFile(list, 'utf8'));
}

async function fetchParts(store: FileStore, list: string): Promise<KeptFiles> {
  try {
    const { fetchGuestFiles } = await import('./default-guest-packages.ts');
    const files = await withFetchFolder(fetchGuestFiles);
    const parts: Parts = { kernel: await store.put(files.kernel), busybox: await store.put(files.busybox) };
    await writeFileAtOnce(list, `${JSON.stringify(parts)}\n`);
    return { ...files, parts };
  } catch (error) {
    const advice = 'give one with --kernel FILE --initrd FILE --append console=ttyS0';
    const message = `no default guest can be made of this host's packages (${(error as Error).message}); ${advice}`;
    throw new CliError(STATUS.missing, message, { cause: error });
  }
}
