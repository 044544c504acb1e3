import type { BuilderTarget } from './builder.ts';
import { isHelper } from './define.ts';
import type { FunctionRef, IrFunction, Label, Stmt, Variable } from './nodes.ts';
import { bitsOf } from './types.ts';
import type { Val } from './val.ts';

/** What the evaluator acts upon. Values are bit patterns. */
export interface EvaluatorWorld {
  /** Host memory: the state block and whatever else recorded functions address. */
  readonly memory: DataView;
  guestLoad(address: bigint, bytes: number, forWrite: boolean, segment: number): bigint;
  guestStore(address: bigint, bytes: number, value: bigint, segment: number): void;
  /** Calls a function that is not recorded in IR. */
  hostCall(callee: FunctionRef, args: readonly bigint[]): bigint;
  /** Continues in a function of decoded code; the evaluator returns afterwards. */
  tailCallIndirect(index: number, args: readonly bigint[]): void;
}

type Flow = 'next' | 'return' | { readonly leave: Label } | { readonly again: Label };

interface Frame {
  readonly values: Map<number, bigint>;
  readonly variables: Map<number, bigint>;
  readonly args: readonly bigint[];
  result: bigint;
}

/** Executes IR with BigInt arithmetic: slow, and simple enough to be believed. */
export class Evaluator {
  readonly #world: EvaluatorWorld;
  readonly #target: BuilderTarget;
  readonly #recorded = new Map<string, IrFunction>();

  /** @param target what helpers are recorded for when they are first called */
  constructor(world: EvaluatorWorld, target: BuilderTarget) {
    this.#world = world;
    this.#target = target;
  }

  /** Runs `fn` and gives its result, 0 where it has none. */
  run(fn: IrFunction, args: readonly bigint[]): bigint {
    const frame: Frame = { values: new Map(), variables: new Map(), args, result: 0n };
    this.#list(frame, fn.body);
    return frame.result;
  }

  /** Calls a recorded helper or a function of the host. */
  call(callee: FunctionRef, args: readonly bigint[]): bigint {
    if (!isHelper(callee)) return this.#world.hostCall(callee, args);
    let fn = this.#recorded.get(callee.name);
    if (fn === undefined) {
      fn = callee.record(this.#target);
      this.#recorded.set(callee.name, fn);
    }
    return this.run(fn, args);
  }

  #list(frame: Frame, statements: readonly Stmt[]): Flow {
    for (const statement of statements) {
      const flow = this.#statement(frame, statement);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  #statement(frame: Frame, s: Stmt): Flow {
    const value = (v: Val) => this.#value(frame, v);
    switch (s.kind) {
      case 'let':
        frame.values.set(s.id, this.#compute(frame, s));
        return 'next';
      case 'set':
        setVariable(frame, s.variable, value(s.value));
        return 'next';
      case 'store':
        storeBytes(this.#world.memory, Number(value(s.address)) + s.offset, s.bytes, value(s.value));
        return 'next';
      case 'guestStore':
        this.#world.guestStore(value(s.address), s.bytes, low(value(s.value), s.bytes), Number(value(s.segment)));
        return 'next';
      case 'if':
        return this.#list(frame, value(s.condition) !== 0n ? s.consequent : s.otherwise);
      case 'return':
        if (s.value !== undefined) frame.result = value(s.value);
        return 'return';
      case 'break':
        return { leave: s.label };
      case 'continue':
        return { again: s.label };
      default:
        return this.#rareStatement(frame, s);
    }
  }

  #rareStatement(frame: Frame, s: Stmt): Flow {
    const value = (v: Val) => this.#value(frame, v);
    switch (s.kind) {
      case 'block':
      case 'loop':
        return this.#labelled(frame, s.label, s.body);
      case 'switch':
        return { leave: s.targets[Math.min(Number(value(s.index)), s.targets.length - 1)] };
      case 'tailCall':
        frame.result = this.call(s.callee, s.args.map(value));
        return 'return';
      case 'tailCallIndirect':
        this.#world.tailCallIndirect(Number(value(s.index)), s.args.map(value));
        return 'return';
      case 'memoryCopy':
        bytesOf(this.#world.memory).copyWithin(
          Number(value(s.target)),
          Number(value(s.source)),
          Number(value(s.source) + value(s.length)),
        );
        return 'next';
      case 'memoryFill':
        bytesOf(this.#world.memory).fill(
          Number(value(s.value) & 0xffn),
          Number(value(s.target)),
          Number(value(s.target) + value(s.length)),
        );
        return 'next';
      default:
        throw new Error(`the evaluator does not know ${s.kind}`);
    }
  }

  #labelled(frame: Frame, label: Label, body: readonly Stmt[]): Flow {
    for (;;) {
      const flow = this.#list(frame, body);
      if (typeof flow === 'string') return flow;
      if ('leave' in flow) return flow.leave === label ? 'next' : flow;
      if (flow.again !== label) return flow;
    }
  }

  /** The value of a node that was computed before, or that needs no computing. */
  #value(frame: Frame, v: Val): bigint {
    if (v.what.kind === 'const') return v.what.value;
    if (v.what.kind === 'param') return bitsOf(v.type, frame.args[v.what.index]);
    const known = frame.values.get(v.id);
    if (known === undefined) throw new Error(`value ${v.id} is used before it is computed`);
    return known;
  }

  #compute(frame: Frame, v: Val): bigint {
    const args = v.args.map((arg) => this.#value(frame, arg));
    const { what } = v;
    switch (what.kind) {
      case 'op':
        return bitsOf(v.type, what.op.evaluate(args, what.imm));
      case 'load':
        return extend(v, loadBytes(this.#world.memory, Number(args[0]) + what.offset, what.bytes), what);
      case 'guestLoad':
        return extend(v, this.#world.guestLoad(args[0], what.bytes, what.forWrite, Number(args[1])), what);
      case 'variable':
        return frame.variables.get(what.variable.id) ?? 0n;
      case 'call':
        return bitsOf(v.type, this.call(what.callee, args));
      case 'link':
        throw new Error('the evaluator knows no links between blocks');
      default:
        return this.#value(frame, v);
    }
  }
}

function setVariable(frame: Frame, variable: Variable, value: bigint): void {
  frame.variables.set(variable.id, value);
}

function low(value: bigint, bytes: number): bigint {
  return BigInt.asUintN(bytes * 8, value);
}

function extend(v: Val, value: bigint, access: { readonly bytes: number; readonly signed: boolean }): bigint {
  return bitsOf(v.type, access.signed ? BigInt.asIntN(access.bytes * 8, value) : value);
}

function bytesOf(memory: DataView): Uint8Array {
  return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
}

/** The `bytes` at `address`, little-endian. */
function loadBytes(memory: DataView, address: number, bytes: number): bigint {
  if (bytes === 16) return memory.getBigUint64(address, true) | (memory.getBigUint64(address + 8, true) << 64n);
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(memory.getUint8(address + i));
  return value;
}

/** Stores the low `bytes` of `value` at `address`, little-endian. */
function storeBytes(memory: DataView, address: number, bytes: number, value: bigint): void {
  for (let i = 0; i < bytes; i++) memory.setUint8(address + i, Number((value >> BigInt(8 * i)) & 0xffn));
}
