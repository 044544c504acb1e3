import { helperTarget } from '../../src/cpu/interpreter-lift.ts';
import { Linker } from '../../src/cpu/linker.ts';
import { abstractGuest } from '../../src/ir/builder.ts';
import type { IrHelper } from '../../src/ir/define.ts';
import { Evaluator } from '../../src/ir/evaluate.ts';
import type { Type } from '../../src/ir/types.ts';
import type { Field } from '../../src/isa/layout.ts';
import { STATE } from '../../src/isa/registers.ts';

/** Something that runs recorded helpers on a state block of its own. Values are bit patterns. */
export interface HelperEngine {
  readonly name: string;
  readonly state: DataView;
  call(helper: IrHelper, ...args: bigint[]): bigint;
}

const PAGES = 16;
/** Where the state block lies in an engine's memory. */
const BASE = 4096;

/** Executes helpers as WebAssembly. */
export class WasmEngine implements HelperEngine {
  readonly name = 'wasm';
  readonly state: DataView;
  readonly #linker: Linker;
  readonly #callable = new Map<string, (...args: (number | bigint)[]) => number | bigint>();

  constructor() {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' });
    const memoryImport = { shared: false, memory64: false, maximumPages: PAGES };
    this.#linker = new Linker(memory, memoryImport, table, {}, helperTarget);
    this.state = new DataView(memory.buffer, BASE);
  }

  call(helper: IrHelper, ...args: bigint[]): bigint {
    let native = this.#callable.get(helper.name);
    if (native === undefined) {
      native = this.#linker.helper(helper) as (...args: (number | bigint)[]) => number | bigint;
      this.#callable.set(helper.name, native);
    }
    const result = native(BASE, ...args.map((arg, i) => nativeValue(helper.params[i + 1], arg)));
    const bits = helper.result === 'i64' ? 64 : 32;
    return BigInt.asUintN(bits, BigInt(result ?? 0));
  }
}

function nativeValue(type: Type, value: bigint): number | bigint {
  return type === 'i64' ? BigInt.asIntN(64, value) : Number(BigInt.asIntN(32, value));
}

/** Executes helpers with the evaluator. */
export class EvaluatorEngine implements HelperEngine {
  readonly name = 'evaluator';
  readonly state: DataView;
  readonly #evaluator: Evaluator;

  constructor() {
    const memory = new DataView(new ArrayBuffer(PAGES * 65536));
    const refuse = () => {
      throw new Error('helpers under test reach no guest memory');
    };
    this.#evaluator = new Evaluator(
      { memory, guestLoad: refuse, guestStore: refuse, hostCall: refuse, tailCallIndirect: refuse },
      { pendingOffset: STATE.pending.offset, guest: abstractGuest },
    );
    this.state = new DataView(memory.buffer, BASE);
  }

  call(helper: IrHelper, ...args: bigint[]): bigint {
    return this.#evaluator.call(helper, [BigInt(BASE), ...args]);
  }
}

/** The low 32 bits of a field. */
export function field32(engine: HelperEngine, field: Field): number {
  return engine.state.getUint32(field.offset, true);
}

export function setField32(engine: HelperEngine, field: Field, value: number): void {
  engine.state.setUint32(field.offset, value, true);
}
