import { webcrypto } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';

/** Has something fetched into a new folder of the cache, which goes afterwards. */
export async function withFetchFolder<Fetched>(fetch: (folder: string) => Promise<Fetched>): Promise<Fetched> {
  await mkdir(cacheFolder(), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(), 'fetch-'));
  try {
    return await fetch(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The SHA-256 of some bytes, in hexadecimal, computed beside this thread. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

/** Writes a file so that others see all of it or nothing, making its folder where needed. */
export async function writeFileAtOnce(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Files kept under the checksum of their content. */
export class FileStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Keeps a file. @returns its checksum, by which it is found again */
  async put(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const checksum = await sha256(bytes);
    await writeFileAtOnce(join(this.#folder, checksum), bytes);
    return checksum;
  }

  /** The file with this checksum, or undefined when it is absent or damaged. */
  async get(checksum: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = await readFile(join(this.#folder, checksum)).catch(() => undefined);
    return bytes !== undefined && (await sha256(bytes)) === checksum ? bytes : undefined;
  }
}
