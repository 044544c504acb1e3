import type { BuilderTarget } from '../ir/builder.ts';
import { type IrHelper, isHelper } from '../ir/define.ts';
import type { FunctionRef, IrFunction } from '../ir/nodes.ts';
import { type MemoryImport, ModuleWriter } from '../wasm/module.ts';
import { type EmitContext, emitFunction } from './emit.ts';

/** A function to be placed in the function table. */
export interface TableFunction {
  readonly slot: number;
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

  /** Compiles `functions` into their slots, and `helpers`, all in one module. @returns the module's bytes */
  compile(functions: readonly TableFunction[], helpers: readonly IrHelper[] = []): number {
    const fresh = this.#collect(functions, helpers);
    const writer = new ModuleWriter();
    const imports = this.#importsOf([...functions.map(({ fn }) => fn), ...fresh.values()], fresh);
    const index = new Map<string, number>();
    for (const callee of imports) {
      index.set(callee.name, writer.importFunction(callee.name, signature(writer, callee)));
    }
    let next = functions.length;
    for (const name of fresh.keys()) index.set(name, writer.functionIndex(next++));
    this.#write(writer, functions, fresh, index);
    return this.#instantiate(writer, imports, fresh);
  }

  /** Compiles what functions call and is not compiled yet, so that a module of these functions alone can be dropped. */
  prepare(functions: readonly TableFunction[]): void {
    const helpers = new Set<IrHelper>();
    for (const { fn } of functions) {
      for (const callee of fn.callees) if (isHelper(callee) && !this.#helpers.has(callee.name)) helpers.add(callee);
    }
    if (helpers.size > 0) this.compile([], [...helpers]);
  }

  /** A helper as a function that can be called from TypeScript; compiled when it is new. */
  helper(helper: IrHelper): NativeFunction {
    if (!this.#helpers.has(helper.name)) this.compile([], [helper]);
    const found = this.#helpers.get(helper.name);
    if (found === undefined) throw new Error(`helper ${helper.name} was not exported`);
    return found;
  }

  /** Records every helper that is needed and not compiled yet. */
  #collect(functions: readonly TableFunction[], helpers: readonly IrHelper[]): Map<string, IrFunction> {
    const fresh = new Map<string, IrFunction>();
    const need = (ref: FunctionRef) => {
      if (!isHelper(ref) || this.#helpers.has(ref.name) || fresh.has(ref.name)) return;
      const fn = ref.record(this.#helperTarget);
      fresh.set(ref.name, fn);
      fn.callees.forEach(need);
    };
    for (const { fn } of functions) fn.callees.forEach(need);
    helpers.forEach(need);
    return fresh;
  }

  /** What the functions call that is not among `fresh`. */
  #importsOf(all: readonly IrFunction[], fresh: ReadonlyMap<string, IrFunction>): FunctionRef[] {
    const imports = new Map<string, FunctionRef>();
    for (const fn of all) {
      for (const callee of fn.callees) if (!fresh.has(callee.name)) imports.set(callee.name, callee);
    }
    return [...imports.values()];
  }

  #write(
    writer: ModuleWriter,
    functions: readonly TableFunction[],
    fresh: ReadonlyMap<string, IrFunction>,
    index: ReadonlyMap<string, number>,
  ): void {
    const context: EmitContext = {
      memory64: this.#memoryImport.memory64,
      functionIndex: (callee) => index.get(callee.name) ?? missing(callee.name),
    };
    for (const { slot, fn } of functions) writer.placeInTable(slot, add(writer, fn, context));
    for (const [name, fn] of fresh) writer.export(name, add(writer, fn, context));
  }

  #instantiate(writer: ModuleWriter, imports: readonly FunctionRef[], fresh: ReadonlyMap<string, IrFunction>): number {
    const environment: Record<string, unknown> = { memory: this.memory, table: this.table };
    for (const { name } of imports) environment[name] = this.#helpers.get(name) ?? this.#host[name] ?? missing(name);
    const bytes = writer.finish(this.#memoryImport);
    const module = new WebAssembly.Module(bytes);
    const instance = new WebAssembly.Instance(module, { e: environment } as WebAssembly.Imports);
    for (const name of fresh.keys()) this.#helpers.set(name, instance.exports[name] as NativeFunction);
    return bytes.length;
  }
}

function missing(name: string): never {
  throw new Error(`no function ${name} to link with`);
}

function add(writer: ModuleWriter, fn: IrFunction, context: EmitContext): number {
  const params = fn.params.map((param) => param.type);
  return writer.addFunction(fn.name, signature(writer, { ...fn, params }), emitFunction(fn, context));
}

function signature(writer: ModuleWriter, fn: Pick<FunctionRef, 'params' | 'result' | 'threaded'>): number {
  const params = fn.threaded ? [...fn.params, 'code' as const, 'links' as const] : fn.params;
  return writer.type(params, fn.result === undefined ? [] : [fn.result]);
}
