import type { OpenMode, SharedFile, SharedFolder, SharedPath } from '../../../machine/shared-folder.ts';
import { Refused } from './errors.ts';

/** Handles that a client may have, and how many of them open: so much of the host it can take up. */
const MOST_FIDS = 1 << 17;
const MOST_OPEN = 4096;
/** What Linux allows (include/uapi/linux/limits.h). */
const MOST_NAME_BYTES = 255;
const MOST_PATH_BYTES = 4096;

/** A client's handle of a file. */
export interface Fid {
  path: SharedPath;
  /** How it was opened, when it was as a file. */
  mode?: OpenMode;
  /** The open file; absent where it could not be opened again after a restore. */
  file?: SharedFile;
  /** The names in a folder that was opened, as they were when reading it began. */
  names?: readonly string[];
  isOpenFolder: boolean;
}

/** A handle as it is saved. */
export interface SavedFid {
  readonly id: number;
  readonly path: SharedPath;
  readonly mode?: OpenMode;
  readonly names?: readonly string[];
  readonly isOpenFolder: boolean;
}

/** A client's handles. */
export class Fids {
  readonly #fids = new Map<number, Fid>();
  readonly #folder: SharedFolder;
  #open = 0;

  constructor(folder: SharedFolder) {
    this.#folder = folder;
  }

  /** @throws {Refused} there is no such handle */
  get(id: number): Fid {
    const fid = this.#fids.get(id);
    if (!fid) throw new Refused('EBADF');
    return fid;
  }

  /** @throws {Refused} the number is in use, or there are too many */
  add(id: number, path: SharedPath): void {
    if (this.#fids.has(id)) throw new Refused('EBADF');
    if (this.#fids.size >= MOST_FIDS) throw new Refused('ENFILE');
    this.#fids.set(id, { path, isOpenFolder: false });
  }

  /** Lets a handle stand for an open file. @throws {Refused} there are too many */
  open(fid: Fid, mode: OpenMode, open: () => SharedFile): void {
    if (this.#open >= MOST_OPEN) throw new Refused('EMFILE');
    fid.file = open();
    fid.mode = mode;
    this.#open++;
  }

  remove(id: number): void {
    const { file } = this.get(id);
    this.#fids.delete(id);
    if (!file) return;
    this.#open--;
    file.close();
  }

  clear(): void {
    for (const id of [...this.#fids.keys()]) this.remove(id);
  }

  /** What was at `from` and below is at `to` now. */
  moved(from: SharedPath, to: SharedPath): void {
    for (const fid of this.#fids.values()) {
      const isBelow = fid.path.length >= from.length && from.every((name, index) => name === fid.path[index]);
      if (isBelow) fid.path = [...to, ...fid.path.slice(from.length)];
    }
  }

  save(): SavedFid[] {
    return [...this.#fids].map(([id, { path, mode, names, isOpenFolder }]) => ({
      id,
      path: [...path],
      isOpenFolder,
      ...(mode && { mode }),
      ...(names && { names }),
    }));
  }

  /** Opens files again that were open; where that fails, their use does. */
  restore(saved: readonly SavedFid[]): void {
    this.clear();
    for (const { id, path, mode, names, isOpenFolder } of saved) {
      const fid: Fid = { path, mode, names, isOpenFolder };
      try {
        if (mode) this.open(fid, mode, () => this.#folder.open(path, { ...mode, truncate: false }));
      } catch {
        // The file is gone: whoever uses the handle is told.
      }
      this.#fids.set(id, fid);
    }
  }
}

/** Adds a name to a path. @throws {Refused} it is no name, or too long */
export function childOf(path: SharedPath, name: string): SharedPath {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw new Refused('EINVAL');
  const child = [...path, name];
  const length = child.reduce((sum, part) => sum + part.length + 1, 0);
  if (name.length > MOST_NAME_BYTES || length > MOST_PATH_BYTES) throw new Refused('ENAMETOOLONG');
  return child;
}
