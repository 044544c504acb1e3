import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { OpenServedFile, ServedFile } from '../../net/served-files.ts';

/** The files of a folder for machines that boot from a network: nothing outside of it is handed out. */
export function bootFolder(folder: string): OpenServedFile {
  return async (name) => {
    try {
      const root = await realpath(folder);
      const path = await realpath(join(root, name.replaceAll('\\', '/')));
      const isInside = path.startsWith(root + sep) && (await stat(path)).isFile();
      return isInside ? bootFile(await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)) : undefined;
    } catch {
      return undefined;
    }
  };
}

async function bootFile(handle: FileHandle): Promise<ServedFile> {
  const close = () => void handle.close().catch(() => {});
  try {
    const { size: sizeBytes } = await handle.stat();
    return { sizeBytes, read: (at, length) => readAll(handle, at, length), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readAll(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new Error('the file has become shorter');
    done += bytesRead;
  }
  return bytes;
}
