import type { BuilderTarget } from '../ir/builder.ts';
import { type IrHelper, isHelper } from '../ir/define.ts';
import type { FunctionRef, IrFunction } from '../ir/nodes.ts';
import { type MemoryImport, ModuleWriter } from '../wasm/module.ts';
import { type Bound, type EmitContext, emitFunction } from './emit.ts';

/** A function to be placed in the function table. */
export interface TableFunction {
  /** Where it stands: one, or as many as it has members (`handler-loop.ts`). */
  readonly slots: readonly number[];
  readonly fn: IrFunction;
}

/** A function that wasm calls or exports. Values are numbers for i32 and BigInts for i64. */
export type NativeFunction = (...args: never[]) => unknown;

/** Functions that guest code asks of its host, by the name under which IR declares them. */
export type HostFunctions = Readonly<Record<string, NativeFunction>>;

/** Compiles recorded functions in batches, with the helpers they call, and joins them through imports and the table. */
export class Linker {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly #memoryImport: MemoryImport;
  readonly #helperTarget: BuilderTarget;
  readonly #host: HostFunctions;
  readonly #helpers = new Map<string, NativeFunction>();

  constructor(
    memory: WebAssembly.Memory,
    memoryImport: MemoryImport,
    table: WebAssembly.Table,
    host: HostFunctions,
    helperTarget: BuilderTarget,
  ) {
    this.memory = memory;
    this.table = table;
    this.#memoryImport = memoryImport;
    this.#host = host;
    this.#helperTarget = helperTarget;
  }

  get memory64(): boolean {
    return this.#memoryImport.memory64;
  }

  /**
   * Compiles `functions` into their slots, and `helpers`, all in one module.
   * @param bound where it may rely upon this memory, and will be in no other
   * @returns the module's bytes, 0 where there is nothing new
   */
  compile(functions: readonly TableFunction[], helpers: readonly IrHelper[] = [], bound?: Bound): number {
    const fresh = this.record(functions, helpers, this.#helpers);
    if (functions.length + fresh.size === 0) return 0;
    const made = new ModuleInMaking(functions, fresh, { memory64: this.memory64, bound });
    for (const _ of made.write()); // all of it at once
    const bytes = made.finish(this.#memoryImport);
    this.#instantiate(new WebAssembly.Module(bytes), made.imports);
    return bytes.length;
  }

  /**
   * Takes over a module made earlier by {@link ModuleInMaking}: its functions come into their slots, its helpers are compiled.
   * @throws {Error} it is none, or imports what is not there
   */
  adopt(wasm: Uint8Array): void {
    const module = new WebAssembly.Module(wasm);
    const imports = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function');
    this.#instantiate(module, imports);
  }

  /** Compiles what functions call and is not compiled yet, so that a module of these functions alone can be dropped. */
  prepare(functions: readonly TableFunction[]): void {
    const helpers = new Set<IrHelper>();
    for (const { fn } of functions) {
      for (const callee of fn.callees) if (isHelper(callee) && !this.#helpers.has(callee.name)) helpers.add(callee);
    }
    if (helpers.size > 0) this.compile([], [...helpers]);
  }

  /** Names of the helpers that are compiled. */
  get helperNames(): Iterable<string> {
    return this.#helpers.keys();
  }

  /** A helper as a function that can be called from TypeScript; compiled when it is new. */
  helper(helper: IrHelper): NativeFunction {
    if (!this.#helpers.has(helper.name)) this.compile([], [helper]);
    const found = this.#helpers.get(helper.name);
    if (found === undefined) throw new Error(`helper ${helper.name} was not exported`);
    return found;
  }

  /** Records every helper that is needed and that `known` does not have. */
  record(
    functions: readonly TableFunction[],
    helpers: readonly IrHelper[],
    known: { has(name: string): boolean },
  ): Map<string, IrFunction> {
    const fresh = new Map<string, IrFunction>();
    const need = (ref: FunctionRef) => {
      if (!isHelper(ref) || known.has(ref.name) || fresh.has(ref.name)) return;
      const fn = ref.record(this.#helperTarget);
      fresh.set(ref.name, fn);
      fn.callees.forEach(need);
    };
    for (const { fn } of functions) fn.callees.forEach(need);
    helpers.forEach(need);
    return fresh;
  }

  #instantiate(module: WebAssembly.Module, imports: readonly { readonly name: string }[]): void {
    const environment: Record<string, unknown> = { memory: this.memory, table: this.table };
    for (const { name } of imports) environment[name] = this.#helpers.get(name) ?? this.#host[name] ?? missing(name);
    const instance = new WebAssembly.Instance(module, { e: environment } as WebAssembly.Imports);
    for (const [name, helper] of Object.entries(instance.exports)) this.#helpers.set(name, helper as NativeFunction);
  }
}

/** A module of recorded functions for the table and of helpers, which it exports. */
export class ModuleInMaking {
  /** What its functions call and it does not have. */
  readonly imports: readonly FunctionRef[];
  readonly #functions: readonly TableFunction[];
  readonly #helpers: ReadonlyMap<string, IrFunction>;
  readonly #writer = new ModuleWriter();
  readonly #context: EmitContext;

  constructor(
    functions: readonly TableFunction[],
    helpers: ReadonlyMap<string, IrFunction>,
    context: Omit<EmitContext, 'functionIndex'>,
  ) {
    this.#functions = functions;
    this.#helpers = helpers;
    this.imports = importsOf([...functions.map(({ fn }) => fn), ...helpers.values()], helpers);
    const index = new Map<string, number>();
    for (const callee of this.imports) {
      index.set(callee.name, this.#writer.importFunction(callee.name, signature(this.#writer, callee)));
    }
    let next = functions.length;
    for (const name of helpers.keys()) index.set(name, this.#writer.functionIndex(next++));
    this.#context = { ...context, functionIndex: (callee) => index.get(callee.name) ?? missing(callee.name) };
  }

  /** Writes all functions, one at each step. */
  *write(): Generator<void> {
    for (const { slots, fn } of this.#functions) {
      const index = this.#add(fn);
      for (const slot of slots) this.#writer.placeInTable(slot, index);
      yield;
    }
    for (const [name, fn] of this.#helpers) yield this.#writer.export(name, this.#add(fn));
  }

  /** The module's bytes, once all of it is written. */
  finish(memory: MemoryImport): Uint8Array<ArrayBuffer> {
    return this.#writer.finish(memory);
  }

  #add(fn: IrFunction): number {
    const params = fn.params.map((param) => param.type);
    const type = signature(this.#writer, { ...fn, params });
    return this.#writer.addFunction(fn.name, type, emitFunction(fn, this.#context));
  }
}

/** What the functions call that is not among `own`. */
function importsOf(all: readonly IrFunction[], own: ReadonlyMap<string, IrFunction>): FunctionRef[] {
  const imports = new Map<string, FunctionRef>();
  for (const fn of all) {
    for (const callee of fn.callees) if (!own.has(callee.name)) imports.set(callee.name, callee);
  }
  return [...imports.values()];
}

function missing(name: string): never {
  throw new Error(`no function ${name} to link with`);
}

function signature(writer: ModuleWriter, fn: Pick<FunctionRef, 'params' | 'result' | 'threaded'>): number {
  const params = fn.threaded ? [...fn.params, 'code' as const, 'links' as const] : fn.params;
  return writer.type(params, fn.result === undefined ? [] : [fn.result]);
}
