import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../host/node/cache-folder.ts';
import { DebianArchive, readPackagedFile } from '../host/node/debian-archive.ts';
import { FileStore, withFetchFolder, writeFileAtOnce } from '../host/node/file-store.ts';
import type { NicModel } from '../vm/index.ts';
import { CliError, STATUS } from './errors.ts';

/** Where distributions have the ROMs of iPXE for the cards of virtual machines. */
const FOLDERS = ['/usr/lib/ipxe/qemu', '/usr/share/ipxe/qemu', '/usr/share/qemu'];
const PACKAGE = 'ipxe-qemu';
const FILES: Readonly<Record<NicModel, string>> = {
  virtio: 'pxe-virtio.rom',
  e1000: 'pxe-e1000.rom',
  rtl8139: 'pxe-rtl8139.rom',
  ne2k: 'pxe-ne2k_pci.rom',
};

/** The boot ROM of a network card, which is iPXE: this host's, or one of its package source, fetched once and then kept.
 * @param folders where this host has them  @throws {CliError} there is none */
export async function loadNetworkRom(model: NicModel, folders: readonly string[] = FOLDERS): Promise<Uint8Array> {
  const file = FILES[model];
  for (const folder of folders) {
    const rom = await readFile(join(folder, file)).catch(() => undefined);
    if (rom) return rom;
  }
  const store = new FileStore(join(cacheFolder(), 'files'));
  const note = join(cacheFolder(), `${PACKAGE}-${file}`);
  const kept = await readFile(note, 'utf8').catch(() => undefined);
  const rom = kept && (await store.get(kept));
  if (rom) return rom;
  try {
    const fetched = await withFetchFolder((folder) => fetchRom(folder, file));
    await writeFileAtOnce(note, await store.put(fetched));
    return fetched;
  } catch (error) {
    const why = `this host has no ${file}, and its package source no ${PACKAGE} (${(error as Error).message})`;
    throw new CliError(STATUS.missing, `--boot net: ${why}; give one with --option-rom FILE`, { cause: error });
  }
}

/** Takes a ROM out of the package by the host's package lists, or by fresh ones. @throws {Error} it cannot be had */
async function fetchRom(folder: string, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const archive = new DebianArchive(folder);
  const rom = await romFrom(archive, file).catch(() => undefined);
  if (rom) return rom;
  await archive.refresh();
  return romFrom(archive, file);
}

async function romFrom(archive: DebianArchive, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const found = await archive.find([PACKAGE]);
  if (found.length === 0) throw new Error(`the package lists have no ${PACKAGE}`);
  const [path] = await archive.download(found, () => {});
  return readPackagedFile(path, `./usr/lib/ipxe/qemu/${file}`);
}
