import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hash64 } from '../../base/hash64.ts';
import type { HandlerStore } from '../../vm/config.ts';
import { cacheFolder } from './cache-folder.ts';
import { CachedFiles } from './cached-files.ts';

/** The folders of our files that decide what handlers do. */
const MAKERS = ['base', 'wasm', 'ir', 'isa', 'cpu'];
/** Files that are kept, of other versions of the program and kinds of memory too. */
const MOST_FILES = 8;

/** Handlers in files of the user's cache. A file serves the program whose own files have the same sizes and times of change. */
export class HandlerFiles implements HandlerStore {
  readonly #files: CachedFiles;
  #stamp: string | undefined;

  constructor(folder: string = join(cacheFolder(), 'handlers')) {
    this.#files = new CachedFiles(folder, MOST_FILES);
  }

  load(kind: string): Uint8Array | undefined {
    return this.#files.load(this.#nameOf(kind));
  }

  save(kind: string, library: Uint8Array): void {
    this.#files.save(this.#nameOf(kind), library);
  }

  #nameOf(kind: string): string {
    this.#stamp ??= stampOf(fileURLToPath(new URL('../../', import.meta.url)));
    return `${this.#stamp}-${kind}`;
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
