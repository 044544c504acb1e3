import { link, open, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ImageInUse } from '../../disk/interfaces.ts';

/** How often a lock that vanishes while it is looked at is tried again. */
const ATTEMPTS = 10;

/**
 * The right to write a file, kept as a file beside it that names the process. One that a dead process left is taken
 * over. Node has no way to the kernel's own file locks, which QEMU uses: the two do not see each other's.
 */
export class ImageLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Takes the lock of a file. @param path the file, free of symbolic links  @throws {ImageInUse} a live process has it */
  static async acquire(path: string): Promise<ImageLock> {
    const lock = `${path}.lock`;
    const owner = await describeProcess(process.pid);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await createWhole(lock, owner)) return new ImageLock(lock);
      const holder = await readLock(lock);
      if (holder === undefined) continue;
      if (!(await isStale(holder))) throw new ImageInUse(path, describeHolder(holder, lock));
      await removeStale(lock, holder);
    }
    throw new ImageInUse(path, `others, who take ${lock} again and again`);
  }

  /** Makes sure that no live process has the lock. @throws {ImageInUse} */
  static async expectFree(path: string): Promise<void> {
    const lock = `${path}.lock`;
    const holder = await readLock(lock);
    if (holder !== undefined && !(await isStale(holder))) throw new ImageInUse(path, describeHolder(holder, lock));
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

function describeHolder(holder: string, lock: string): string {
  const [pid = '', , , ...host] = holder.trim().split(' ');
  return pid === '' ? `the holder of ${lock}` : `process ${pid} on ${host.join(' ')} (${lock})`;
}

/** Makes the lock file with its content in one step. @returns whether it was not there before */
async function createWhole(lock: string, content: string): Promise<boolean> {
  const temporary = `${lock}.${process.pid}.${crypto.randomUUID()}`;
  await writeFile(temporary, content, { flag: 'wx' });
  try {
    await link(temporary, lock);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    return await createInSteps(lock, content);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** As {@link createWhole}, where the file system has no hard links. */
async function createInSteps(lock: string, content: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(content).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readLock(lock: string): Promise<string | undefined> {
  try {
    return await readFile(lock, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes a lock that still has this content; one that someone took meanwhile is put back. */
async function removeStale(lock: string, content: string): Promise<void> {
  const aside = `${lock}.${process.pid}.${crypto.randomUUID()}`;
  try {
    await rename(lock, aside);
  } catch {
    return;
  }
  if ((await readLock(aside)) !== content) await link(aside, lock).catch(() => {});
  await rm(aside, { force: true });
}

/** Whether the process that the lock names is gone for certain. */
async function isStale(holder: string): Promise<boolean> {
  const [pid = '', boot, space, ...host] = holder.trim().split(' ');
  if (host.join(' ') !== hostname() || !/^\d+:/.test(pid)) return false;
  const own = await describeProcess(process.pid);
  const [, ownBoot, ownSpace] = own.trim().split(' ');
  if (boot !== ownBoot) return true;
  return space === ownSpace && (await describeProcess(Number.parseInt(pid, 10))) !== holder;
}

/** A process, told apart from all others: number and start, boot of the host, space of process numbers, host. Words that
 * a system other than Linux does not tell are `-`. */
async function describeProcess(pid: number): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '-');
  const space = await readlink('/proc/self/ns/pid').catch(() => '-');
  return `${pid}:${await startOf(pid)} ${boot.trim()} ${space} ${hostname()}\n`;
}

/** When a process started, in the kernel's ticks; `gone` when there is no such process. */
async function startOf(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' ? 'gone' : (fields[19] ?? 'gone');
  }
  try {
    process.kill(pid, 0);
    return '-';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : '-';
  }
}
