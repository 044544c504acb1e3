import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hash64 } from '../../base/hash64.ts';
import type { HandlerStore } from '../../vm/config.ts';
import { cacheFolder } from './cache-folder.ts';

/** The folders of our files that decide what handlers do. */
const MAKERS = ['base', 'wasm', 'ir', 'isa', 'cpu'];
/** Files that are kept: those go that have not been used for longest, of other versions of the program and kinds of memory. */
const MOST_FILES = 8;

/** Handlers in files of the user's cache. A file serves the program whose own files have the same sizes and times of change. */
export class HandlerFiles implements HandlerStore {
  readonly #folder: string;
  #stamp: string | undefined;

  constructor(folder: string = join(cacheFolder(), 'handlers')) {
    this.#folder = folder;
  }

  load(kind: string): Uint8Array | undefined {
    try {
      const path = this.#path(kind);
      const library = readFileSync(path);
      markUsed(path);
      return library;
    } catch {
      return undefined; // there is none
    }
  }

  /** What cannot be kept is made again. */
  save(kind: string, library: Uint8Array): void {
    const temporary = `${this.#path(kind)}.${process.pid}`;
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(temporary, library);
      renameSync(temporary, this.#path(kind));
      this.#removeOld();
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  #path(kind: string): string {
    this.#stamp ??= stampOf(fileURLToPath(new URL('../../', import.meta.url)));
    return join(this.#folder, `${this.#stamp}-${kind}`);
  }

  #removeOld(): void {
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name));
    const age = new Map(files.map((file) => [file, statSync(file).mtimeMs]));
    files.sort((a, b) => (age.get(b) ?? 0) - (age.get(a) ?? 0));
    for (const file of files.slice(MOST_FILES)) rmSync(file, { force: true });
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

/** What changes when a file changes that decides what handlers do. */
function stampOf(root: string): string {
  const states = MAKERS.flatMap((folder) => statesBelow(root, folder)).sort();
  return new Hash64().addText(states.join('\n')).value.toString(16);
}

/** Path, time of change and size of each file in a folder and those in it. */
function statesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return statesBelow(root, path);
    const { mtimeMs, size } = statSync(join(root, path));
    return `${path} ${mtimeMs} ${size}`;
  });
}
