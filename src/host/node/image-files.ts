import { readSync, readvSync, writeSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { FileOptions, ImageFile, ImageStore } from '../../disk/interfaces.ts';
import { FilePace } from './file-pace.ts';
import { ImageLock } from './image-lock.ts';

/** Image files in the host's file system. */
export class NodeImageStore implements ImageStore {
  async open(name: string, { readOnly = false, shared = false }: FileOptions): Promise<ImageFile> {
    const path = await realpath(name);
    if (!readOnly) return this.#openLocked(name, path, 'r+');
    if (!shared) await ImageLock.expectFree(path);
    return NodeImageFile.of(name, await open(path, 'r'), true);
  }

  async create(name: string): Promise<ImageFile> {
    const path = await realpath(name).catch(async () => join(await realpath(dirname(name)), basename(name)));
    return this.#openLocked(name, path, 'w+');
  }

  async temporary(): Promise<ImageFile> {
    const folder = await mkdtemp(join(tmpdir(), 'vitrine-disk-'));
    const handle = await open(join(folder, 'overlay'), 'wx+');
    await rm(folder, { recursive: true });
    return NodeImageFile.of('temporary file', handle, false);
  }

  resolve(image: string, reference: string): string {
    const path = reference.replace(/^file:/, '');
    return isAbsolute(path) ? path : join(dirname(image), path);
  }

  absolute(name: string): string {
    return resolve(name);
  }

  /** Takes the lock before the file is touched: opening with `w+` empties it. */
  async #openLocked(name: string, path: string, flags: string): Promise<ImageFile> {
    const lock = await ImageLock.acquire(path);
    try {
      return await NodeImageFile.of(name, await open(path, flags), false, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }
}

class NodeImageFile implements ImageFile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #handle: FileHandle;
  readonly #lock: ImageLock | undefined;
  readonly #pace = new FilePace();
  #sizeBytes: number;

  private constructor(name: string, handle: FileHandle, readOnly: boolean, sizeBytes: number, lock?: ImageLock) {
    this.name = name;
    this.#handle = handle;
    this.readOnly = readOnly;
    this.#sizeBytes = sizeBytes;
    this.#lock = lock;
  }

  static async of(name: string, handle: FileHandle, readOnly: boolean, lock?: ImageLock): Promise<NodeImageFile> {
    return new NodeImageFile(name, handle, readOnly, await sizeOf(handle), lock);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    const { length } = target;
    return this.#pace.access(
      length,
      () => this.#readAtOnce(offset, target),
      () => this.#readBeside(offset, target),
    );
  }

  readNow(offset: number, targets: readonly Uint8Array[]): boolean {
    const length = targets.reduce((sum, target) => sum + target.length, 0);
    let bytesRead = 0;
    const readAll = () => {
      bytesRead = readvSync(this.#handle.fd, targets, offset);
    };
    try {
      return this.#pace.now(length, readAll) && bytesRead === length;
    } catch {
      return false;
    }
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    await this.#pace.access(
      source.length,
      () => this.#writeAtOnce(offset, source),
      () => this.#writeBeside(offset, source),
    );
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + source.length);
  }

  #readAtOnce(offset: number, target: Uint8Array): void {
    let done = 0;
    while (done < target.length) {
      const bytesRead = readSync(this.#handle.fd, target, done, target.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    target.fill(0, done);
  }

  #writeAtOnce(offset: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      done += writeSync(this.#handle.fd, source, done, source.length - done, offset + done);
    }
  }

  async #readBeside(offset: number, target: Uint8Array): Promise<void> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    target.fill(0, done);
  }

  async #writeBeside(offset: number, source: Uint8Array): Promise<void> {
    for (let done = 0; done < source.length; ) {
      done += (await this.#handle.write(source, done, source.length - done, offset + done)).bytesWritten;
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  async flush(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close().finally(() => this.#lock?.release());
  }
}

/** The length of a file, or of a whole block device, whose own entry has none. */
async function sizeOf(handle: FileHandle): Promise<number> {
  const found = await handle.stat();
  if (found.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
  if (!found.isBlockDevice()) return found.size;
  const [major, minor] = [Math.floor(found.rdev / 256) & 0xfff, found.rdev & 0xff];
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
}

/** Bytes that the host's file system has given to a file. */
export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
