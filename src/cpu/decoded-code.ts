import { ByteSink } from '../wasm/bytes.ts';
import {
  CODE_REFERENCE,
  CODE_TYPE,
  COMMON_TYPES,
  MODULE_HEADER,
  SECTION,
  TABLE_IMPORT,
  THREADED_TYPE,
  VALUE_TYPE_CODE,
  writeSection,
} from '../wasm/module.ts';
import { BLOCK, RECORD, RECORD_BYTES } from './records.ts';

/** The array's functions, compiled. */
interface ArrayFunctions extends WebAssembly.Exports {
  /** Makes a new array of `length` functions, and moves the first `kept` over. */
  readonly resize: (length: number, kept: number) => void;
  /** Lets function `index` be the one in slot `slot` of the function table. */
  readonly put: (index: number, slot: number) => void;
  readonly array: () => unknown;
}

/** A function of the module below: `type` is empty for that of threaded functions. */
interface ArrayFunction {
  readonly name: string;
  readonly type: readonly number[];
  readonly locals: readonly number[];
  readonly body: readonly number[];
}

const FIRST_LENGTH = 16;

/** What those who make and drop code do with its functions. */
export type CodeFunctions = Pick<DecodedCode, 'reserve' | 'clear' | 'setHandler' | 'setEntry'>;

/**
 * The functions that decoded code consists of, one for each record and each header of a block. Handlers hand them on from
 * one to the next, which is faster than going through the function table: see docs/decisions.
 */
export class DecodedCode {
  readonly #view: DataView;
  readonly #functions: ArrayFunctions;
  #length = 0;
  #array: unknown;

  /** @param view the whole memory  @param table the function table */
  constructor(view: DataView, table: WebAssembly.Table) {
    this.#view = view;
    const module = new WebAssembly.Module(arrayModule());
    this.#functions = new WebAssembly.Instance(module, { e: { table } }).exports as ArrayFunctions;
    this.clear();
  }

  /** What threaded functions are handed; another one when there are more records. */
  get array(): unknown {
    return this.#array;
  }

  /** Makes room for records below `end`. */
  reserve(end: number): void {
    const needed = end / RECORD_BYTES;
    if (needed > this.#length) this.#resize(2 * needed, this.#length);
  }

  /** Forgets all functions, so that nothing keeps them. */
  clear(): void {
    this.#resize(FIRST_LENGTH, 0);
  }

  /** Lets the function in slot `slot` run the record at `record`. */
  setHandler(record: number, slot: number): void {
    this.#view.setUint32(record + RECORD.handler, slot, true);
    this.#functions.put(record / RECORD_BYTES, slot);
  }

  /** Lets the function in slot `slot` run the block whose header is at `block`. */
  setEntry(block: number, slot: number): void {
    this.#view.setUint32(block + BLOCK.entry, slot, true);
    this.#functions.put(block / RECORD_BYTES, slot);
  }

  #resize(length: number, kept: number): void {
    this.#functions.resize(length, kept);
    this.#length = length;
    this.#array = this.#functions.array();
  }
}

const OP = {
  unreachable: 0x00,
  end: 0x0b,
  localGet: 0x20,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableGet: 0x25,
  i32Const: 0x41,
  refFunc: 0xd2,
  refAsNonNull: 0xd4,
  arrayNew: [0xfb, 6, CODE_TYPE],
  arraySet: [0xfb, 14, CODE_TYPE],
  arrayCopy: [0xfb, 17, CODE_TYPE, CODE_TYPE],
  refCast: [0xfb, 22],
} as const;

const I32 = VALUE_TYPE_CODE.i32;
const CODE_OR_NULL = [0x63, CODE_TYPE];

/** Function 0 stands where nothing was put, and traps. The array is global 0. */
const FUNCTIONS: readonly ArrayFunction[] = [
  { name: 'trap', type: [], locals: [0], body: [OP.unreachable] },
  {
    name: 'resize',
    type: [0x60, 2, I32, I32, 0],
    locals: [1, 1, ...CODE_OR_NULL],
    body: [
      ...[OP.refFunc, 0, OP.localGet, 0, ...OP.arrayNew, OP.localTee, 2],
      ...[OP.i32Const, 0, OP.globalGet, 0, OP.i32Const, 0, OP.localGet, 1, ...OP.arrayCopy],
      ...[OP.localGet, 2, OP.refAsNonNull, OP.globalSet, 0],
    ],
  },
  {
    name: 'put',
    type: [0x60, 2, I32, I32, 0],
    locals: [0],
    body: [
      ...[OP.globalGet, 0, OP.localGet, 0],
      ...[OP.localGet, 1, OP.tableGet, 0, ...OP.refCast, THREADED_TYPE, ...OP.arraySet],
    ],
  },
  { name: 'array', type: [0x60, 0, 1, ...CODE_REFERENCE], locals: [0], body: [OP.globalGet, 0] },
];

/** The module that holds the array, which WebAssembly alone can write. */
function arrayModule(): Uint8Array<ArrayBuffer> {
  const out = new ByteSink();
  out.append(MODULE_HEADER);
  const types = FUNCTIONS.map(({ type }) => type).filter((type) => type.length > 0);
  writeSection(out, SECTION.type, [COMMON_TYPES, ...types], (s, type) => s.append(type));
  writeSection(out, SECTION.import, [TABLE_IMPORT], (s, bytes) => s.append(bytes));
  writeSection(out, SECTION.function, FUNCTIONS, (s, f) =>
    s.byte(f.type.length === 0 ? THREADED_TYPE : CODE_TYPE + 1 + types.indexOf(f.type)),
  );
  const empty = [OP.refFunc, 0, OP.i32Const, 0, ...OP.arrayNew, OP.end];
  writeSection(out, SECTION.global, [empty], (s, code) => s.append([...CODE_REFERENCE, 1, ...code]));
  writeSection(out, SECTION.export, FUNCTIONS, (s, f, i) => {
    s.name(f.name);
    s.byte(0, i);
  });
  writeSection(out, SECTION.code, FUNCTIONS, (s, { locals, body }) => {
    s.unsigned(locals.length + body.length + 1);
    s.append([...locals, ...body, OP.end]);
  });
  return new Uint8Array(out.bytes);
}
