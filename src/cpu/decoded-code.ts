import { ByteSink } from '../wasm/bytes.ts';
import {
  CODE_REFERENCE,
  CODE_TYPE,
  COMMON_TYPES,
  LINKS_REFERENCE,
  LINKS_TYPE,
  MODULE_HEADER,
  SECTION,
  TABLE_IMPORT,
  THREADED_TYPE,
  VALUE_TYPE_CODE,
  writeSection,
} from '../wasm/module.ts';
import type { NativeFunction } from './linker.ts';
import { BLOCK, LINKS_OF_RECORD, RECORD, RECORD_BYTES } from './records.ts';

/** What holds the arrays, compiled. */
interface ArrayFunctions extends WebAssembly.Exports {
  /** Makes new arrays for `length` records, and moves what belongs to the first `kept` over. */
  readonly resize: (length: number, kept: number) => void;
  /** Lets function `index` be the one in slot `slot` of the function table. */
  readonly put: (index: number, slot: number) => void;
  readonly setLink: (index: number, block: number) => void;
  readonly run: (cpu: number) => void;
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
export type CodeFunctions = Pick<DecodedCode, 'reserve' | 'clear' | 'setHandler' | 'setEntry' | 'setLink'>;

/**
 * The functions that decoded code consists of, one for each record and each header of a block, and the links from records
 * to blocks. Handlers hand both on from one to the next, which is faster than to look into tables and memory: see
 * docs/decisions.
 */
export class DecodedCode {
  readonly #view: DataView;
  readonly #functions: ArrayFunctions;
  readonly #mostLength: number;
  #length = 0;

  /**
   * @param view the whole memory  @param recordsEnd where records end in it at the latest  @param table the function table
   * @param dispatch continues at a processor's RIP: a threaded function of the state block's address
   */
  constructor(view: DataView, recordsEnd: number, table: WebAssembly.Table, dispatch: NativeFunction) {
    this.#view = view;
    this.#mostLength = recordsEnd / RECORD_BYTES;
    const module = new WebAssembly.Module(arrayModule());
    const imports = { e: { table, dispatch } } as unknown as WebAssembly.Imports;
    this.#functions = new WebAssembly.Instance(module, imports).exports as ArrayFunctions;
    this.clear();
  }

  /** Runs the processor whose state block is at `cpu` until something is pending. */
  run(cpu: number): void {
    this.#functions.run(cpu);
  }

  /** Makes room for records below `end`. */
  reserve(end: number): void {
    const needed = end / RECORD_BYTES;
    if (needed > this.#length) this.#resize(Math.min(2 * needed, this.#mostLength), this.#length);
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

  /** Lets link `index` lead to the block whose header is at `block`, or with 0 nowhere. */
  setLink(index: number, block: number): void {
    this.#functions.setLink(index, block);
  }

  #resize(length: number, kept: number): void {
    this.#functions.resize(length, kept);
    this.#length = length;
  }
}

const OP = {
  unreachable: 0x00,
  end: 0x0b,
  localGet: 0x20,
  localSet: 0x21,
  globalGet: 0x23,
  globalSet: 0x24,
  loop: 0x03,
  void: 0x40,
  brIf: 0x0d,
  call: 0x10,
  tableGet: 0x25,
  i32Const: 0x41,
  refFunc: 0xd2,
  refAsNonNull: 0xd4,
  arrayNew: [0xfb, 6],
  arrayNewDefault: [0xfb, 7],
  arraySet: [0xfb, 14],
  arrayCopy: [0xfb, 17],
  refCast: [0xfb, 22],
  i32Mul: 0x6c,
} as const;

const I32 = VALUE_TYPE_CODE.i32;
const CODE_OR_NULL = [0x63, CODE_TYPE];
const LINKS_OR_NULL = [0x63, LINKS_TYPE];
/** The functions that the module imports, and that stands where nothing was put. */
const DISPATCH = 0;
const TRAP = 1;
const DISPATCH_TYPE = [0x60, 3, I32, ...CODE_REFERENCE, ...LINKS_REFERENCE, 1, I32];
/** The globals that hold the arrays. */
const CODE = 0;
const LINKS = 1;

/** Makes the array in `global` anew as the one that is in local `fresh`, with what the first `kept` records had. */
const replaceArray = (global: number, type: number, fresh: number, kept: readonly number[]): readonly number[] => [
  ...[OP.localGet, fresh, OP.i32Const, 0, OP.globalGet, global, OP.i32Const, 0, ...kept, ...OP.arrayCopy, type, type],
  ...[OP.localGet, fresh, OP.refAsNonNull, OP.globalSet, global],
];
const linksOf = (local: number) => [OP.localGet, local, OP.i32Const, LINKS_OF_RECORD, OP.i32Mul];

const FUNCTIONS: readonly ArrayFunction[] = [
  { name: 'trap', type: [], locals: [0], body: [OP.unreachable] },
  {
    name: 'resize',
    type: [0x60, 2, I32, I32, 0],
    locals: [2, 1, ...CODE_OR_NULL, 1, ...LINKS_OR_NULL],
    body: [
      ...[OP.refFunc, TRAP, OP.localGet, 0, ...OP.arrayNew, CODE_TYPE, OP.localSet, 2],
      ...[...linksOf(0), ...OP.arrayNewDefault, LINKS_TYPE, OP.localSet, 3],
      ...replaceArray(CODE, CODE_TYPE, 2, [OP.localGet, 1]),
      ...replaceArray(LINKS, LINKS_TYPE, 3, linksOf(1)),
    ],
  },
  {
    name: 'put',
    type: [0x60, 2, I32, I32, 0],
    locals: [0],
    body: [
      ...[OP.globalGet, CODE, OP.localGet, 0],
      ...[OP.localGet, 1, OP.tableGet, 0, ...OP.refCast, THREADED_TYPE, ...OP.arraySet, CODE_TYPE],
    ],
  },
  {
    name: 'setLink',
    type: [0x60, 2, I32, I32, 0],
    locals: [0],
    body: [OP.globalGet, LINKS, OP.localGet, 0, OP.localGet, 1, ...OP.arraySet, LINKS_TYPE],
  },
  {
    // V8 checks references that TypeScript hands to it: 80 ns a call, where this takes 15.
    name: 'run',
    type: [0x60, 1, I32, 0],
    locals: [0],
    body: [
      ...[OP.loop, OP.void, OP.localGet, 0, OP.globalGet, CODE, OP.globalGet, LINKS, OP.call, DISPATCH],
      ...[OP.brIf, 0, OP.end],
    ],
  },
];

/** The module that holds the arrays, which WebAssembly alone can write. */
function arrayModule(): Uint8Array<ArrayBuffer> {
  const out = new ByteSink();
  out.append(MODULE_HEADER);
  const types = [DISPATCH_TYPE, ...FUNCTIONS.map(({ type }) => type).filter((type) => type.length > 0)];
  writeSection(out, SECTION.type, [...COMMON_TYPES, ...types], (s, type) => s.append(type));
  const importDispatch = (s: ByteSink) => {
    s.name('e');
    s.name('dispatch');
    s.append([0, CODE_TYPE + 1 + types.indexOf(DISPATCH_TYPE)]);
  };
  const imports = [(s: ByteSink) => s.append(TABLE_IMPORT), importDispatch];
  writeSection(out, SECTION.import, imports, (s, write) => write(s));
  writeSection(out, SECTION.function, FUNCTIONS, (s, f) =>
    s.byte(f.type.length === 0 ? THREADED_TYPE : CODE_TYPE + 1 + types.indexOf(f.type)),
  );
  const globals = [
    [...CODE_REFERENCE, 1, OP.refFunc, TRAP, OP.i32Const, 0, ...OP.arrayNew, CODE_TYPE, OP.end],
    [...LINKS_REFERENCE, 1, OP.i32Const, 0, ...OP.arrayNewDefault, LINKS_TYPE, OP.end],
  ];
  writeSection(out, SECTION.global, globals, (s, global) => s.append(global));
  writeSection(out, SECTION.export, FUNCTIONS, (s, f, i) => {
    s.name(f.name);
    s.append([0, TRAP + i]);
  });
  writeSection(out, SECTION.code, FUNCTIONS, (s, { locals, body }) => {
    s.unsigned(locals.length + body.length + 1);
    s.append([...locals, ...body, OP.end]);
  });
  return new Uint8Array(out.bytes);
}
