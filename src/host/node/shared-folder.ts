import * as fs from 'node:fs';
import type {
  FileChanges,
  FileFacts,
  FolderSpace,
  OpenMode,
  SharedFile,
  SharedFolder,
  SharedPath,
} from '../../machine/shared-folder.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants;
/** Linux: a descriptor that names a file and does not open it (open(2)). */
const O_PATH = 0x200000;
/** Where Linux shows descriptors as files: below one of a folder lie the files of that very folder, whatever its path is now. */
const DESCRIPTORS = '/proc/self/fd/';
const PERMISSIONS = 0o777;
/** What the host must be able to do with what the guest makes, or the guest could not go on using it. */
const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
const DEVICE_SHIFT = 48n;
const NANOS_PER_SECOND = 1e9;

/** A place on the host that is used for one call. */
interface Place {
  readonly path: Buffer;
  close(): void;
}

/**
 * A folder of this host for guests. On Linux every name is looked up in a folder that is open, so that nothing the guest
 * or anyone else renames meanwhile leads outside; elsewhere, each folder on the way is looked at first.
 */
export class NodeSharedFolder implements SharedFolder {
  readonly #root: string;
  readonly #rootDevice: bigint;
  readonly #descriptors = process.platform === 'linux' && fs.existsSync(DESCRIPTORS);

  /** @throws {Error} there is no such folder */
  constructor(path: string) {
    this.#root = fs.realpathSync(path);
    const facts = fs.statSync(this.#root, { bigint: true });
    if (!facts.isDirectory()) throw failure('ENOTDIR', path);
    this.#rootDevice = facts.dev;
  }

  facts(path: SharedPath): FileFacts {
    return this.#at(path, (place) => this.#factsOf(fs.lstatSync(place, { bigint: true })));
  }

  list(path: SharedPath): string[] {
    return this.#itself(path, (place) => fs.readdirSync(place, 'latin1'));
  }

  readLink(path: SharedPath): string {
    return this.#at(path, (place) => fs.readlinkSync(place, 'latin1'));
  }

  open(path: SharedPath, mode: OpenMode): SharedFile {
    return this.#itself(path, (place) => {
      if (!fs.statSync(place).isFile()) throw failure('ENXIO', 'not a regular file');
      return this.#file(fs.openSync(place, flagsOf(mode)));
    });
  }

  create(path: SharedPath, mode: OpenMode, permissions: number): SharedFile {
    const flags = flagsOf(mode) | O_CREAT | O_EXCL | O_NOFOLLOW;
    return this.#at(path, (place) => this.#file(fs.openSync(place, flags, (permissions & PERMISSIONS) | OWNER_FILE)));
  }

  makeFolder(path: SharedPath, permissions: number): void {
    this.#at(path, (place) => fs.mkdirSync(place, (permissions & PERMISSIONS) | OWNER_FOLDER));
  }

  makeSymbolicLink(path: SharedPath, target: string): void {
    this.#at(path, (place) => fs.symlinkSync(Buffer.from(target, 'latin1'), place));
  }

  link(from: SharedPath, to: SharedPath): void {
    this.#at(from, (source) => this.#at(to, (target) => fs.linkSync(source, target)));
  }

  rename(from: SharedPath, to: SharedPath): void {
    this.#at(from, (source) => this.#at(to, (target) => fs.renameSync(source, target)));
  }

  removeFile(path: SharedPath): void {
    this.#at(path, (place) => fs.unlinkSync(place));
  }

  removeFolder(path: SharedPath): void {
    this.#at(path, (place) => fs.rmdirSync(place));
  }

  change(path: SharedPath, changes: FileChanges): void {
    const { mode, sizeBytes } = changes;
    if (mode !== undefined || sizeBytes !== undefined) this.#itself(path, (place) => changeFile(place, changes));
    if (changes.accessedNanos === undefined && changes.modifiedNanos === undefined) return;
    this.#at(path, (place) => {
      const before = fs.lstatSync(place, { bigint: true });
      const { accessedNanos = before.atimeNs, modifiedNanos = before.mtimeNs } = changes;
      fs.lutimesSync(place, secondsOf(accessedNanos), secondsOf(modifiedNanos));
    });
  }

  space(): FolderSpace {
    const { bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(this.#root);
    return {
      blockBytes: bsize,
      blocks,
      freeBlocks: bfree,
      availableBlocks: bavail,
      files,
      freeFiles: ffree,
    };
  }

  /** Calls `use` with a path whose last name is the path's, and whose folders hold no symbolic link. */
  #at<T>(path: SharedPath, use: (place: Buffer) => T): T {
    const name = path.at(-1);
    if (name === undefined) return use(Buffer.from(this.#root));
    const folder = this.#folder(path.slice(0, -1));
    try {
      return use(below(folder.path, name));
    } finally {
      folder.close();
    }
  }

  /** As {@link #at}, with a path that leads to what is there now and is no symbolic link. */
  #itself<T>(path: SharedPath, use: (place: Buffer) => T): T {
    return this.#at(path, (place) => {
      if (!this.#descriptors || path.length === 0) {
        requireNoLink(fs.lstatSync(place));
        return use(place);
      }
      const descriptor = fs.openSync(place, O_PATH | O_NOFOLLOW);
      try {
        requireNoLink(fs.fstatSync(descriptor));
        return use(Buffer.from(`${DESCRIPTORS}${descriptor}`));
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  #folder(path: SharedPath): Place {
    return this.#descriptors ? this.#openFolder(path) : this.#checkedFolder(path);
  }

  #openFolder(path: SharedPath): Place {
    let descriptor = fs.openSync(this.#root, O_PATH | O_DIRECTORY);
    try {
      for (const name of path) {
        const place = below(Buffer.from(`${DESCRIPTORS}${descriptor}`), name);
        const next = fs.openSync(place, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        fs.closeSync(descriptor);
        descriptor = next;
      }
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
    return { path: Buffer.from(`${DESCRIPTORS}${descriptor}`), close: () => fs.closeSync(descriptor) };
  }

  #checkedFolder(path: SharedPath): Place {
    let place: Buffer = Buffer.from(this.#root);
    for (const name of path) {
      place = below(place, name);
      if (!fs.lstatSync(place).isDirectory()) throw failure('ENOTDIR', 'a name on the way is no folder');
    }
    return { path: place, close: () => {} };
  }

  #factsOf(stats: fs.BigIntStats): FileFacts {
    const other = stats.dev === this.#rootDevice ? 0n : stats.dev << DEVICE_SHIFT;
    return {
      kind: kindOf(stats),
      mode: Number(stats.mode),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      links: Number(stats.nlink),
      sizeBytes: Number(stats.size),
      blocks: Number(stats.blocks),
      identity: BigInt.asUintN(64, stats.ino ^ other),
      accessedNanos: stats.atimeNs,
      modifiedNanos: stats.mtimeNs,
      changedNanos: stats.ctimeNs,
    };
  }

  #file(descriptor: number): SharedFile {
    return {
      read: (offset, target) => fs.readSync(descriptor, target, 0, target.length, offset),
      write: (offset, source) => fs.writeSync(descriptor, source, 0, source.length, offset),
      facts: () => this.#factsOf(fs.fstatSync(descriptor, { bigint: true })),
      change: (changes) => changeOpenFile(descriptor, changes),
      sync: () => fs.fsyncSync(descriptor),
      close: () => fs.closeSync(descriptor),
    };
  }
}

function below(folder: Buffer, name: string): Buffer {
  return Buffer.concat([folder, Buffer.from(`/${name}`, 'latin1')]);
}

function requireNoLink(stats: fs.Stats): void {
  if (stats.isSymbolicLink()) throw failure('ELOOP', 'a symbolic link');
}

function changeFile(place: Buffer, { mode, sizeBytes }: FileChanges): void {
  const stats = fs.statSync(place);
  const owner = stats.isDirectory() ? OWNER_FOLDER : OWNER_FILE;
  if (mode !== undefined) fs.chmodSync(place, (mode & PERMISSIONS) | owner);
  if (sizeBytes === undefined) return;
  if (!stats.isFile()) throw failure('EINVAL', 'only a file has a length');
  fs.truncateSync(place, sizeBytes);
}

function changeOpenFile(descriptor: number, changes: FileChanges): void {
  const { mode, sizeBytes } = changes;
  if (mode !== undefined) fs.fchmodSync(descriptor, (mode & PERMISSIONS) | OWNER_FILE);
  if (sizeBytes !== undefined) fs.ftruncateSync(descriptor, sizeBytes);
  if (changes.accessedNanos === undefined && changes.modifiedNanos === undefined) return;
  const before = fs.fstatSync(descriptor, { bigint: true });
  const { accessedNanos = before.atimeNs, modifiedNanos = before.mtimeNs } = changes;
  fs.futimesSync(descriptor, secondsOf(accessedNanos), secondsOf(modifiedNanos));
}

function flagsOf({ read, write, truncate, append }: OpenMode): number {
  const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access | (truncate ? O_TRUNC : 0) | (append ? O_APPEND : 0);
}

function kindOf(stats: fs.BigIntStats): FileFacts['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

function secondsOf(nanos: bigint | 'now'): number {
  return nanos === 'now' ? Date.now() / 1000 : Number(nanos) / NANOS_PER_SECOND;
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
