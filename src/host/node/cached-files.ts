import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A few files that can be made again, by name, in a folder of their own: those go that have not been used for longest. */
export class CachedFiles {
  readonly #folder: string;
  readonly #most: number;

  /** @param most how many are kept */
  constructor(folder: string, most: number) {
    this.#folder = folder;
    this.#most = most;
  }

  load(name: string): Uint8Array | undefined {
    try {
      const path = join(this.#folder, name);
      const bytes = readFileSync(path);
      markUsed(path);
      return bytes;
    } catch {
      return undefined; // there is none
    }
  }

  /** What cannot be kept is made again. Other processes find all of a file or none. */
  save(name: string, bytes: Uint8Array): void {
    const path = join(this.#folder, name);
    const temporary = `${path}.${process.pid}`;
    if (!this.#hasFolder()) return;
    try {
      writeFileSync(temporary, bytes);
      renameSync(temporary, path);
      this.#removeOld();
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  #hasFolder(): boolean {
    try {
      mkdirSync(this.#folder, { recursive: true });
      return true;
    } catch {
      return false;
    }
  }

  #removeOld(): void {
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name));
    const age = new Map(files.map((file) => [file, statSync(file).mtimeMs]));
    files.sort((a, b) => (age.get(b) ?? 0) - (age.get(a) ?? 0));
    for (const file of files.slice(this.#most)) rmSync(file, { force: true });
  }
}

function markUsed(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // The file is not ours: it serves all the same.
  }
}
