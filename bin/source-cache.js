// Keeps our sources, stripped of their types, in one file: to read each of some hundred modules, and what Node has kept of
// it, would be a good part of a start. Plain JavaScript.
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Names of files end somewhere. */
const LONGEST_NAME = 200;

/** The sources below a folder. A source counts as the kept one while its file has the same size and time of change. */
export class SourceCache {
  #file;
  /** By path: time of change, size, and where the text begins and ends in `#text`. */
  #index = new Map();
  #text = '';
  /** By path: time of change and size of what was loaded and is not kept. */
  #missed = new Map();

  /** @param folder where to keep the file  @param root the folder of the sources */
  constructor(folder, root) {
    this.#file = join(folder, encodeURIComponent(root).slice(-LONGEST_NAME));
    try {
      const content = readFileSync(this.#file, 'utf8');
      const end = content.indexOf('\n');
      this.#index = new Map(JSON.parse(content.slice(0, end)));
      this.#text = content.slice(end + 1);
    } catch {
      // Absent or damaged: it is made anew.
    }
  }

  /** The stripped source of a file, or undefined where it is not kept. */
  get(path) {
    const { mtimeMs, size } = statSync(path);
    const kept = this.#index.get(path);
    if (kept !== undefined && kept[0] === mtimeMs && kept[1] === size) return this.#text.slice(kept[2], kept[3]);
    this.#missed.set(path, [mtimeMs, size]);
    return undefined;
  }

  /** Keeps what has been missed. To be called at the process's end, when nobody waits for it any more. */
  save() {
    if (this.#missed.size === 0) return;
    const temporary = `${this.#file}.${process.pid}`;
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      writeFileSync(temporary, this.#content());
      renameSync(temporary, this.#file);
    } catch {
      // What cannot be kept is loaded from its file again.
      discard(temporary);
    }
  }

  #content() {
    const others = [...this.#index].filter(([path]) => !this.#missed.has(path));
    const sources = [
      ...others.map(([path, kept]) => this.#kept(path, kept)),
      ...[...this.#missed].map(([path, state]) => ({ path, state, text: strippedSource(path) })),
    ];
    let end = 0;
    const index = sources.map(({ path, state, text }) => {
      const begin = end;
      end += text.length;
      return [path, [...state, begin, end]];
    });
    return `${JSON.stringify(index)}\n${sources.map(({ text }) => text).join('')}`;
  }

  #kept(path, [mtimeMs, size, begin, end]) {
    return { path, state: [mtimeMs, size], text: this.#text.slice(begin, end) };
  }
}

/** Removes a file that may be there in part, or in a folder that nothing can be written to. */
function discard(path) {
  try {
    rmSync(path, { force: true });
  } catch {
    // Nothing was written.
  }
}

function strippedSource(path) {
  const source = readFileSync(path, 'utf8');
  return path.endsWith('.ts') ? module.stripTypeScriptTypes(source) : source;
}

/**
 * Has imports of our own modules resolved by their URLs alone and loaded from the cache. They are relative, and name files
 * that are there; Node's own way looks at the file system several times for each.
 * @param sources URL of the folder of the sources, with a slash at its end  @param folder where caches are kept
 */
export function loadFromCache(sources, folder) {
  const cache = new SourceCache(folder, fileURLToPath(sources));
  module.registerHooks({
    resolve(specifier, context, next) {
      const ours = specifier.startsWith('.') && context.parentURL?.startsWith(sources);
      if (!ours) return next(specifier, context);
      const url = new URL(specifier, context.parentURL).href;
      return { url, format: url.endsWith('.ts') ? 'module-typescript' : 'module', shortCircuit: true };
    },
    load(url, context, next) {
      const source = url.startsWith(sources) ? cache.get(fileURLToPath(url)) : undefined;
      return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true };
    },
  });
  process.on('exit', () => cache.save());
}
