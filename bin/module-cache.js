// Loads our modules from one file, where they stand as functions without types, and with what V8 has compiled of them: to
// load and compile some hundred modules anew would be half of a start. Plain JavaScript.
import {
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';
import { crc32 } from 'node:zlib';
import { moduleFunction } from './module-function.js';

/** Names of files end somewhere. */
const LONGEST_NAME = 200;
const LENGTH_BYTES = 4;
/** After this a start has compiled what starts of its kind do. */
const ENOUGH_MILLIS = 10_000;
/** What the texts of modules are kept in, those together of which each character is a byte; and what V8 compiled. */
const PARTS = ['latin1', 'utf16le', 'code'];
/** What all files may take: each place of the sources and each Node's V8 has one of its own, of 6 to 9 MB. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Modules that are kept in a file: the length of its header, the header as JSON, and the parts with what all modules have
 * there. A module counts as the kept one while its own file has the same size and time of change. With it stands how long
 * the starts lasted, by kind, that its code is from.
 */
class ModuleCache {
  #kind;
  #tag = v8.cachedDataVersionTag();
  #name;
  #file;
  /** By part: where it begins, its bytes and their checksum. */
  #parts = {};
  #texts = {};
  /** V8's code of all modules. Most are loaded in one go, after which it need not stay. */
  #code = new WeakRef({});
  /** By path. */
  #kept = new Map();
  #loaded = new Map();

  /** @param folder where to keep the file  @param root the folder of the sources  @param kind what kind of start this is */
  constructor(folder, root, kind) {
    this.#kind = kind;
    this.#name = join(folder, `${encodeURIComponent(root).slice(-LONGEST_NAME)}-${this.#tag.toString(16)}`);
    try {
      this.#open();
    } catch {
      // Absent or damaged: it is made anew.
    }
  }

  /** The function of the module in a file. @throws {SyntaxError} it is not one */
  load(path) {
    const { mtimeMs, size } = statSync(path);
    const kept = this.#kept.get(path);
    const isKept = kept?.mtimeMs === mtimeMs && kept.size === size;
    const text = isKept ? this.#textOf(kept) : functionIn(path);
    const script = new vm.Script(text, { filename: path, cachedData: isKept ? this.#codeOf(kept) : undefined });
    const starts = isKept && !script.cachedDataRejected ? kept.starts : {};
    this.#loaded.set(path, { path, mtimeMs, size, starts, text, script });
    return script.runInThisContext();
  }

  /** Keeps what has been loaded, where it is not kept. To be called at the process's end, when nobody waits for it any more. */
  save() {
    if (v8.cachedDataVersionTag() !== this.#tag) return; // code made under other flags would be rejected
    // What a start compiles depends on its kind; one that lasts much longer than those before has probably compiled more.
    const millis = Math.min(performance.now(), ENOUGH_MILLIS);
    const all = [...this.#loaded.values()];
    if (all.every(({ starts }) => 2 * (starts[this.#kind] ?? 0) >= millis)) return;
    for (const entry of all) entry.starts = { ...entry.starts, [this.#kind]: millis };
    const temporary = `${this.#name}.${process.pid}`;
    try {
      mkdirSync(dirname(this.#name), { recursive: true });
      writeFileSync(temporary, this.#content());
      renameSync(temporary, this.#name);
      removeOld(dirname(this.#name));
    } catch {
      discard(temporary); // what cannot be kept is made again
    }
  }

  #open() {
    this.#file = openSync(this.#name);
    markUsed(this.#file);
    const headerBytes = this.#read(0, LENGTH_BYTES).readUInt32LE();
    const { parts, modules } = JSON.parse(this.#read(LENGTH_BYTES, headerBytes).toString());
    let at = LENGTH_BYTES + headerBytes;
    for (const name of PARTS) {
      this.#parts[name] = { at, ...parts[name] };
      at += parts[name].length;
    }
    for (const name of ['latin1', 'utf16le']) this.#texts[name] = this.#readPart(name).toString(name);
    this.#code = new WeakRef(this.#readPart('code'));
    this.#kept = new Map(modules.map((kept) => [kept.path, kept]));
  }

  #textOf({ encoding, text: [at, length] }) {
    return this.#texts[encoding].slice(at, at + length);
  }

  #codeOf({ code: [at, length] }) {
    let all = this.#code.deref();
    if (all === undefined) {
      all = this.#readPart('code');
      this.#code = new WeakRef(all);
    }
    return all.subarray(at, at + length);
  }

  #content() {
    const others = [...this.#kept.values()].filter(({ path }) => !this.#loaded.has(path));
    const all = [
      ...others.map((kept) => ({ ...kept, text: this.#textOf(kept), code: this.#codeOf(kept) })),
      ...[...this.#loaded.values()].map(({ script, ...entry }) => ({ ...entry, code: script.createCachedData() })),
    ];
    const texts = { latin1: '', utf16le: '' };
    let codeBytes = 0;
    const modules = all.map(({ path, mtimeMs, size, starts, text, code }) => {
      const encoding = isAscii(text) ? 'latin1' : 'utf16le';
      const entry = { path, mtimeMs, size, starts, encoding, text: [texts[encoding].length, text.length] };
      texts[encoding] += text;
      codeBytes += code.length;
      return { ...entry, code: [codeBytes - code.length, code.length] };
    });
    const code = Buffer.concat(all.map((entry) => entry.code));
    const contents = {
      latin1: Buffer.from(texts.latin1, 'latin1'),
      utf16le: Buffer.from(texts.utf16le, 'utf16le'),
      code,
    };
    return packed(modules, contents);
  }

  /** @throws {Error} it is damaged */
  #readPart(name) {
    const { at, length, checksum } = this.#parts[name];
    const bytes = this.#read(at, length);
    if (crc32(bytes) !== checksum) throw new Error('the file is damaged');
    return bytes;
  }

  /** @throws {Error} the file is cut off, or cannot be read */
  #read(at, length) {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#file, bytes, 0, length, at) < length) throw new Error('the file is cut off');
    return bytes;
  }
}

function packed(modules, contents) {
  const parts = {};
  for (const name of PARTS) parts[name] = { length: contents[name].length, checksum: crc32(contents[name]) };
  const text = Buffer.from(JSON.stringify({ parts, modules }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, ...PARTS.map((name) => contents[name])]);
}

/** Such text takes half the memory of other, and V8 reads it faster. */
function isAscii(text) {
  return Buffer.byteLength(text) === text.length;
}

/** @throws {SyntaxError} */
function functionIn(path) {
  const source = readFileSync(path, 'utf8');
  try {
    return moduleFunction(path.endsWith('.ts') ? withoutTypes(source) : source);
  } catch (error) {
    throw new SyntaxError(`${path}: ${error.message}`, { cause: error });
  }
}

/** Node runs TypeScript without a word, but warns who has it take the types away that this is new. */
function withoutTypes(source) {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return module.stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Those files go that have not been used for longest. */
function removeOld(folder) {
  const files = readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const state = statSync(path, { throwIfNoEntry: false }); // another process may have removed it
    return state === undefined ? [] : [{ path, bytes: state.size, usedMillis: state.mtimeMs }];
  });
  let bytes = 0;
  for (const file of files.sort((a, b) => b.usedMillis - a.usedMillis)) {
    bytes += file.bytes;
    if (bytes > MOST_BYTES) discard(file.path);
  }
}

function markUsed(file) {
  try {
    const now = new Date();
    futimesSync(file, now, now);
  } catch {
    // The file is not ours: it serves all the same.
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

/** @throws {Error} */
function inCircle(path) {
  throw new Error(`${path} imports a module that imports it`);
}

/** What a module finds in `import.meta`. */
class ModuleMeta {
  #path;

  constructor(path) {
    this.#path = path;
  }

  get url() {
    return pathToFileURL(this.#path).href;
  }

  resolve(name) {
    return isOurs(name) ? new URL(name, this.url).href : import.meta.resolve(name);
  }
}

function isOurs(name) {
  return name.startsWith('.');
}

/**
 * Runs one of our modules, and those that it imports, from the cache, which is brought up to date when the process ends.
 * @param entry its URL  @param sources URL of the folder of the sources, with a slash at its end
 * @param folder where caches are kept  @param kind the kind of start, by which much the same is compiled
 * @returns its exports
 */
export function runFromCache(entry, sources, folder, kind) {
  const cache = new ModuleCache(folder, fileURLToPath(sources), kind);
  const require = createRequire(entry);
  const modules = new Map();
  const load = (path) => {
    if (modules.has(path)) return modules.get(path) ?? inCircle(path);
    modules.set(path, undefined);
    const ours = (name) => load(join(path, '..', name));
    const exports = cache.load(path)(
      (name) => (isOurs(name) ? ours(name) : require(name)),
      (imported) => imported.default ?? imported,
      async (name) => (isOurs(name) ? ours(name) : import(name)),
      new ModuleMeta(path),
    );
    modules.set(path, exports);
    return exports;
  };
  process.on('exit', () => cache.save());
  return load(fileURLToPath(entry));
}
