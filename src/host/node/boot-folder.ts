import { readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

const MOST_FILE_BYTES = 512 << 20;

/** The files of a folder for machines that boot from a network: nothing outside of it is handed out.
 * @param folder must be there  @returns what reads a file by its name; undefined where there is none that may be read */
export function bootFolder(folder: string): (name: string) => Promise<Uint8Array | undefined> {
  return async (name) => {
    try {
      const root = await realpath(folder);
      const path = await realpath(join(root, name.replaceAll('\\', '/')));
      const facts = await stat(path);
      const isInside = path.startsWith(root + sep) && facts.isFile() && facts.size <= MOST_FILE_BYTES;
      return isInside ? await readFile(path) : undefined;
    } catch {
      return undefined;
    }
  };
}
