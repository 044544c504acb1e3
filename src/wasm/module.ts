import { ByteSink } from './bytes.ts';

/** A WebAssembly value type's name. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** The byte that stands for a value type (core specification, section 5.3.1). */
export const VALUE_TYPE_CODE: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** As parameters beside the values: the functions that decoded code consists of, and the links between its blocks. */
export type ParameterType = ValueType | 'code' | 'links';

/** The first types of every module: `links`, the functions in decoded code, (i32, i32, code, links), and `code`. */
export const LINKS_TYPE = 0;
export const THREADED_TYPE = 1;
export const CODE_TYPE = 2;
const THREADED_KEY = 'i32,i32,code,links>i32';
/** References to the arrays, as types. */
export const CODE_REFERENCE: readonly number[] = [0x64, CODE_TYPE];
export const LINKS_REFERENCE: readonly number[] = [0x64, LINKS_TYPE];

const PARAMETER_CODE: Readonly<Record<ParameterType, readonly number[]>> = {
  i32: [VALUE_TYPE_CODE.i32],
  i64: [VALUE_TYPE_CODE.i64],
  f32: [VALUE_TYPE_CODE.f32],
  f64: [VALUE_TYPE_CODE.f64],
  v128: [VALUE_TYPE_CODE.v128],
  code: CODE_REFERENCE,
  links: LINKS_REFERENCE,
};

/**
 * These types, as entries of the section: an array of i32, and two that refer to each other and so are one group (core
 * specification, section 5.3.6).
 */
export const COMMON_TYPES: readonly (readonly number[])[] = [
  [0x5e, VALUE_TYPE_CODE.i32, 1],
  [
    ...[0x4e, 2],
    ...[
      0x60,
      4,
      VALUE_TYPE_CODE.i32,
      VALUE_TYPE_CODE.i32,
      ...CODE_REFERENCE,
      ...LINKS_REFERENCE,
      1,
      VALUE_TYPE_CODE.i32,
    ],
    ...[0x5e, 0x64, THREADED_TYPE, 1],
  ],
];

/** The memory that a module imports. */
export interface MemoryImport {
  readonly shared: boolean;
  /** 64-bit addresses (memory64). */
  readonly memory64: boolean;
  /** At least the maximum that the memory was made with, in pages of 64 KiB. */
  readonly maximumPages: number;
}

/** Numbers of sections (core specification, section 5.5.2). */
export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  global: 6,
  export: 7,
  element: 9,
  code: 10,
} as const;
/** What a module begins with: magic and version. */
export const MODULE_HEADER: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A function and its slot of the table. */
interface Element {
  readonly slot: number;
  readonly index: number;
}

/** What a function consists of. */
export interface FunctionBody {
  /** Locals and instructions with the final `end`. */
  readonly code: Uint8Array;
  /** Offsets in `code` of the instructions `if` whose condition is rarely true, ascending. */
  readonly rareIfs: readonly number[];
}

/** The section that tells an engine which branches are rarely taken (Branch Hinting, custom section). */
const BRANCH_HINTS = 'metadata.code.branch_hint';
const UNLIKELY = 0;

/** Builds a binary module of functions that import one memory, one function table and other functions, all from `e`. */
export class ModuleWriter {
  readonly #types = new Map<string, number>([[THREADED_KEY, THREADED_TYPE]]);
  readonly #typeBytes: ArrayLike<number>[] = [];
  readonly #imports: { name: string; type: number }[] = [];
  readonly #functions: { type: number; body: FunctionBody; name: string }[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  readonly #elements: Element[] = [];

  /** The index of a function type, added when it is new. */
  type(params: readonly ParameterType[], results: readonly ValueType[]): number {
    const key = `${params}>${results}`;
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    const sink = new ByteSink();
    sink.byte(0x60);
    for (const list of [params, results]) {
      sink.unsigned(list.length);
      for (const type of list) sink.append(PARAMETER_CODE[type]);
    }
    this.#typeBytes.push(sink.bytes);
    const index = CODE_TYPE + this.#typeBytes.length;
    this.#types.set(key, index);
    return index;
  }

  /** Imports a function; all imports come before the first {@link addFunction}. @returns its index */
  importFunction(name: string, type: number): number {
    if (this.#functions.length > 0) throw new Error('imports must precede functions');
    this.#imports.push({ name, type });
    return this.#imports.length - 1;
  }

  /** The index that the `n`th added function will have; valid once all imports are made. */
  functionIndex(n: number): number {
    return this.#imports.length + n;
  }

  /** Adds a function. @returns its index */
  addFunction(name: string, type: number, body: FunctionBody): number {
    this.#functions.push({ type, body, name });
    return this.functionIndex(this.#functions.length - 1);
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }

  /** Puts function `index` into slot `slot` of the imported table when the module is instantiated. */
  placeInTable(slot: number, index: number): void {
    this.#elements.push({ slot, index });
  }

  finish(memory: MemoryImport): Uint8Array<ArrayBuffer> {
    const out = new ByteSink();
    out.append(MODULE_HEADER);
    writeSection(out, SECTION.type, [...COMMON_TYPES, ...this.#typeBytes], (s, bytes) => s.append(bytes));
    this.#importSection(out, memory);
    writeSection(out, SECTION.function, this.#functions, (s, f) => s.unsigned(f.type));
    writeSection(out, SECTION.export, this.#exports, (s, e) => {
      s.name(e.name);
      s.byte(0x00);
      s.unsigned(e.index);
    });
    writeSection(out, SECTION.element, runsOf(this.#elements), (s, run) => {
      s.append([0x00, 0x41]);
      s.signed32(run[0]?.slot ?? 0);
      s.byte(0x0b);
      s.unsigned(run.length);
      for (const { index } of run) s.unsigned(index);
    });
    this.#branchHints(out);
    writeSection(out, SECTION.code, this.#functions, (s, { body }) => {
      s.unsigned(body.code.length);
      s.append(body.code);
    });
    this.#nameSection(out);
    return new Uint8Array(out.bytes);
  }

  #importSection(out: ByteSink, memory: MemoryImport): void {
    const entries: ((s: ByteSink) => void)[] = [
      (s) => {
        s.name('e');
        s.name('memory');
        s.append([0x02, 0x01 | (memory.shared ? 0x02 : 0) | (memory.memory64 ? 0x04 : 0)]);
        s.unsigned(1);
        s.unsigned(memory.maximumPages);
      },
      (s) => s.append(TABLE_IMPORT),
      ...this.#imports.map(({ name, type }) => (s: ByteSink) => {
        s.name('e');
        s.name(name);
        s.byte(0x00);
        s.unsigned(type);
      }),
    ];
    writeSection(out, SECTION.import, entries, (s, write) => write(s));
  }

  /** Which branches are rarely taken: engines lay out code and keep registers for the others. */
  #branchHints(out: ByteSink): void {
    const hinted = this.#functions.flatMap(({ body: { rareIfs } }, i) =>
      rareIfs.length === 0 ? [] : [{ index: this.functionIndex(i), rareIfs }],
    );
    if (hinted.length === 0) return;
    writeCustomSection(out, BRANCH_HINTS, (s) => {
      s.unsigned(hinted.length);
      for (const { index, rareIfs } of hinted) {
        s.unsigned(index);
        s.unsigned(rareIfs.length);
        for (const offset of rareIfs) {
          s.unsigned(offset);
          s.append([1, UNLIKELY]);
        }
      }
    });
  }

  /** Function names, for profiles and stack traces (core specification, appendix A.4). */
  #nameSection(out: ByteSink): void {
    const names = new ByteSink();
    names.unsigned(this.#functions.length);
    this.#functions.forEach((f, i) => {
      names.unsigned(this.functionIndex(i));
      names.name(f.name);
    });
    writeCustomSection(out, 'name', (s) => {
      s.byte(0x01);
      s.unsigned(names.bytes.length);
      s.append(names.bytes);
    });
  }
}

/** Elements in slots that follow each other, together. */
function runsOf(elements: readonly Element[]): Element[][] {
  const runs: Element[][] = [];
  for (const element of [...elements].sort((a, b) => a.slot - b.slot)) {
    const run = runs.at(-1);
    if (run?.at(-1)?.slot === element.slot - 1) run.push(element);
    else runs.push([element]);
  }
  return runs;
}

function writeCustomSection(out: ByteSink, name: string, write: (s: ByteSink) => void): void {
  const body = new ByteSink();
  body.name(name);
  write(body);
  out.byte(SECTION.custom);
  out.unsigned(body.bytes.length);
  out.append(body.bytes);
}

/** Writes a section that is a list of items. */
export function writeSection<T>(
  out: ByteSink,
  id: number,
  items: readonly T[],
  write: (s: ByteSink, item: T, index: number) => void,
): void {
  if (items.length === 0) return;
  const body = new ByteSink();
  body.unsigned(items.length);
  items.forEach((item, i) => {
    write(body, item, i);
  });
  out.byte(id);
  out.unsigned(body.bytes.length);
  out.append(body.bytes);
}

/** The import of the function table, `e.table`. */
export const TABLE_IMPORT: ArrayLike<number> = tableImport();

function tableImport(): Uint8Array {
  const sink = new ByteSink();
  sink.name('e');
  sink.name('table');
  sink.append([0x01, 0x70, 0x00, 0x00]);
  return sink.bytes;
}
