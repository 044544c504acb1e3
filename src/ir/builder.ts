import {
  type Constant,
  call,
  constant,
  guestLoad,
  linkRead,
  load,
  operation,
  parameter,
  type ValKind,
} from './kinds.ts';
import { type Access, type FunctionRef, IN_SLOT, type IrFunction, type Label, type Stmt, Variable } from './nodes.ts';
import { type Op, opNamed } from './ops.ts';
import { bitsOf, byType, type Type } from './types.ts';
import { type Operand, Val } from './val.ts';

/** How guest memory is reached: left abstract for the evaluator, or expanded into a TLB look-up for the engines. */
export interface GuestAccess {
  load(b: Builder, type: Type, access: Access, forWrite: boolean, address: Val, segment: Val): Val;
  store(b: Builder, bytes: Access['bytes'], address: Val, segment: Val, value: Val): void;
  /** Finds the byte at a linear address in host memory. */
  host(b: Builder, address: Val, forWrite: boolean): HostPlace;
  /** As {@link host} for reading, but translates the address where that has not been done lately, and faults as a load would. */
  hostToRead(b: Builder, address: Val): HostPlace;
}

/** Where guest memory lies in host memory. */
export interface HostPlace {
  /** i32: whether the byte and the rest of its page may be read, or written, directly. */
  readonly hit: Val;
  /** i64: its host address, where `hit` is not zero. */
  readonly host: Val;
}

/** What a builder needs to know of its target. */
export interface BuilderTarget {
  /** Offset, in the state block, of the i32 that is not zero while a fault is pending. */
  readonly pendingOffset: number;
  readonly guest: GuestAccess;
}

/** Leaves guest accesses as they are: `guestLoad` values and `guestStore` statements. */
export const abstractGuest: GuestAccess = {
  load: (b, type, access, forWrite, address, segment) => b.pin(type, guestLoad(access, forWrite), [address, segment]),
  store: (b, bytes, address, segment, value) => b.add({ kind: 'guestStore', bytes, address, segment, value }),
  host: (b) => ({ hit: b.i32(0), host: b.i64(0) }),
  hostToRead: (b) => ({ hit: b.i32(0), host: b.i64(0) }),
};

const NO_VALUES: readonly Val[] = [];

/** Records one IR function: values through {@link Val}'s methods, everything that happens in order through its own. */
export class Builder {
  readonly target: BuilderTarget;
  /** The address of the vCPU's state block: parameter 0 of every function. */
  readonly cpu: Val;
  readonly params: readonly Val[];
  readonly result: Type | undefined;
  /** Constants that were asked for as numbers. */
  readonly #constants: Record<Type, Map<number, Val>> = {
    i32: new Map(),
    i64: new Map(),
    f32: new Map(),
    f64: new Map(),
    v128: new Map(),
  };
  readonly #callees = new Set<FunctionRef>();
  #nextId = 0;
  #positionCount = 0;
  #statements: Stmt[] = [];

  constructor(target: BuilderTarget, params: readonly Type[], result?: Type) {
    this.target = target;
    this.result = result;
    this.params = params.map((type, index) => new Val(this, this.#nextId++, type, parameter(index), []));
    this.cpu = this.params[0];
  }

  /** The recorded function. @param threaded it may continue in decoded code */
  finish(name: string, threaded = false): IrFunction {
    const { params, result } = this;
    const counts = { idCount: this.#nextId, positionCount: this.#positionCount };
    // Who calls a threaded function is told whether to go on: see `RegionExits`.
    return {
      name,
      params,
      result: threaded ? 'i32' : result,
      body: this.#statements,
      threaded,
      ...counts,
      callees: this.#callees,
    };
  }

  /** A constant of `type`; negative values are taken in two's complement. */
  const(type: Type, value: number | bigint): Val {
    if (typeof value === 'bigint') return this.#constant(type, bitsOf(type, value));
    const constants = byType(this.#constants, type);
    const known = constants.get(value);
    if (known !== undefined) return known;
    const made = this.#constant(type, bitsOf(type, BigInt(value)));
    constants.set(value, made);
    return made;
  }
  #constant(type: Type, value: bigint): Val {
    return new Val(this, this.#nextId++, type, constant(value), NO_VALUES);
  }
  /** A constant whose value may still change until the function is finished. */
  openConst(type: Type, what: Constant): Val {
    return new Val(this, this.#nextId++, type, what, NO_VALUES);
  }
  i32(value: number | bigint): Val {
    return this.const('i32', value);
  }
  i64(value: number | bigint): Val {
    return this.const('i64', value);
  }

  /** Records a pure operation by its WebAssembly name. Constant operands are folded. */
  op(name: string, ...args: Operand[]): Val {
    return this.opWithImmediate(name, 0n, ...args);
  }

  /** As {@link op}, for the operations that have an immediate. */
  opWithImmediate(name: string, imm: bigint, ...args: Operand[]): Val {
    return this.#operation(opNamed(name), imm, args);
  }

  operation(op: Op, ...args: Operand[]): Val {
    return this.#operation(op, 0n, args);
  }

  #operation(op: Op, imm: bigint, args: readonly Operand[]): Val {
    const { name, params, result } = op;
    if (args.length !== params.length) throw new Error(`${name} takes ${params.length} operands`);
    const values = args.map((arg, i) => this.coerce(params[i], arg, name));
    if (values.every(({ what }) => what.kind === 'const')) {
      return this.const(result, op.evaluate(values.map(constantOf), imm));
    }
    return this.pin(result, imm === 0n ? op.plain : operation(op, imm), values);
  }

  unary(op: Op, a: Val): Val {
    const value = this.coerce(op.params[0], a, op.name);
    if (value.what.kind === 'const') return this.const(op.result, op.evaluate([value.what.value], 0n));
    return this.pin(op.result, op.plain, [value]);
  }

  binary(op: Op, a: Val, b: Operand): Val {
    const other = this.coerce(op.params[1], b, op.name);
    if (a.what.kind === 'const' && other.what.kind === 'const') {
      return this.const(op.result, op.evaluate([a.what.value, other.what.value], 0n));
    }
    return this.pin(op.result, op.plain, [a, other]);
  }

  /** `arg` as a value of `type`. @throws when it is a value of another type */
  coerce(type: Type, arg: Operand, where = 'operand'): Val {
    if (!(arg instanceof Val)) return this.const(type, arg);
    if (arg.type !== type) throw new Error(`${where}: expected ${type}, got ${arg.type}`);
    return arg;
  }

  /** Appends a statement. */
  add(statement: Stmt): void {
    this.#positionCount++;
    this.#statements.push(statement);
  }

  /** Makes a value and fixes the point at which it is computed. */
  pin(type: Type, what: ValKind, args: readonly Val[]): Val {
    const value = new Val(this, this.#nextId++, type, what, args);
    if (what.kind === 'call' && what.callee !== IN_SLOT) this.#callees.add(what.callee);
    this.add(value);
    return value;
  }

  /** Loads from host memory (state block, decoded records, RAM through a checked address). */
  load(type: Type, bytes: Access['bytes'], address: Val, offset = 0, signed = false): Val {
    return this.pin(type, load(bytes, signed, offset), [address]);
  }

  /** Link `index` of decoded code, i32. Only in threaded functions. */
  link(index: Val): Val {
    return this.pin('i32', linkRead(), [index]);
  }

  /** Stores the low `bytes` of `value` to host memory. */
  store(bytes: Access['bytes'], address: Val, offset: number, value: Val): void {
    this.add({ kind: 'store', bytes, address, offset, value });
  }

  /** Loads from a guest linear address. `forWrite` checks write permission: the load of a read-modify-write.
   * @param segment i32: which segment (0–5) the address came through; decides between #SS and #GP */
  guestLoad(type: Type, bytes: Access['bytes'], address: Val, segment: Operand, forWrite = false): Val {
    const seg = this.coerce('i32', segment);
    return this.target.guest.load(this, type, { bytes, signed: false }, forWrite, address, seg);
  }

  /** Stores the low `bytes` of `value` to a guest linear address. */
  guestStore(bytes: Access['bytes'], address: Val, segment: Operand, value: Val): void {
    this.target.guest.store(this, bytes, address, this.coerce('i32', segment), value);
  }

  /** Finds the byte at a guest linear address in host memory, where the engine lets its page be reached directly. */
  guestHost(address: Val, forWrite: boolean): HostPlace {
    return this.target.guest.host(this, address, forWrite);
  }
  /** As {@link guestHost} for a byte that is read next: its page need not be known yet. What was found before stays found. */
  guestHostToRead(address: Val): HostPlace {
    return this.target.guest.hostToRead(this, address);
  }

  /** Makes a mutable variable, set to `initial`. */
  variable(type: Type, initial: Operand, name = 'v'): Variable {
    const variable = new Variable(this.#nextId++, type, name, false);
    this.set(variable, initial);
    return variable;
  }

  /** Makes a variable that lasts throughout the function, zero at first. @param tag see {@link Variable.tag} */
  lastingVariable(type: Type, name: string, tag?: number): Variable {
    return new Variable(this.#nextId++, type, name, true, tag);
  }

  set(variable: Variable, value: Operand): void {
    this.add({ kind: 'set', variable, value: this.coerce(variable.type, value) });
  }

  /** The variable's value at this point. */
  get(variable: Variable): Val {
    return this.pin(variable.type, variable.reading, NO_VALUES);
  }

  if(condition: Val, then: () => void, otherwise?: () => void): void {
    this.branch(condition, then, otherwise, false);
  }

  /** As {@link if}, for what rarely happens. */
  ifRarely(condition: Val, then: () => void, otherwise?: () => void): void {
    this.branch(condition, then, otherwise, true);
  }

  /** One of two values by control flow: only the taken side is computed. */
  choose(type: Type, condition: Val, then: () => Operand, otherwise: () => Operand): Val {
    const result = this.variable(type, 0, 'choice');
    this.if(
      condition,
      () => this.set(result, then()),
      () => this.set(result, otherwise()),
    );
    return this.get(result);
  }

  /** A label for a block or loop that is added as a statement. */
  newLabel(): Label {
    return { id: this.#nextId++ };
  }

  /** A block that `break` leaves. */
  block(body: (label: Label) => void): void {
    const label = this.newLabel();
    this.add({ kind: 'block', label, body: this.nested(() => body(label)) });
  }

  /** A loop: `continue` starts it again, reaching its end leaves it. */
  loop(body: (label: Label) => void): void {
    const label = this.newLabel();
    this.add({ kind: 'loop', label, body: this.nested(() => body(label)) });
    this.#positionCount++; // its end has one of its own
  }

  /** Breaks out of the `index`th of `targets`, or of the last where there is none. */
  switch(index: Val, targets: readonly Label[]): void {
    this.add({ kind: 'switch', index, targets });
  }

  break(label: Label): void {
    this.add({ kind: 'break', label });
  }
  continue(label: Label): void {
    this.add({ kind: 'continue', label });
  }

  /** Leaves the function; without a value, a function that has a result returns zero. */
  return(value?: Operand): void {
    if (this.result === undefined) this.add({ kind: 'return' });
    else this.add({ kind: 'return', value: this.coerce(this.result, value ?? 0) });
  }

  /** Calls a function with the state block and `args`; returns at once where the callee left a fault pending. */
  call(callee: FunctionRef, ...args: Operand[]): Val {
    const values = [this.cpu, ...args.map((arg, i) => this.coerce(callee.params[i + 1], arg, callee.name))];
    if (values.length !== callee.params.length)
      throw new Error(`${callee.name} takes ${callee.params.length - 1} arguments`);
    const result = this.pin(callee.result ?? 'i32', call(callee), values);
    if (callee.mayFault) this.ifRarely(this.load('i32', 4, this.cpu, this.target.pendingOffset), () => this.return());
    return result;
  }

  tailCall(callee: FunctionRef, ...args: Operand[]): void {
    const values = [this.cpu, ...args.map((arg, i) => this.coerce(callee.params[i + 1], arg, callee.name))];
    this.#callees.add(callee);
    this.add({ kind: 'tailCall', callee, args: values });
  }

  /** Continues in function `index` of decoded code, which takes (state block, i32). Only threaded functions can. */
  tailCallIndirect(index: Val, arg: Val): void {
    this.add({ kind: 'tailCallIndirect', index, args: [this.cpu, arg] });
  }
  /** As {@link tailCallIndirect}, in the threaded function in a slot of the function table. */
  tailCallSlot(slot: Val, arg: Val): void {
    this.add({ kind: 'tailCall', callee: IN_SLOT, args: [this.cpu, arg, slot] });
  }

  memoryCopy(target: Val, source: Val, length: Val): void {
    this.add({ kind: 'memoryCopy', target, source, length });
  }
  memoryFill(target: Val, value: Val, length: Val): void {
    this.add({ kind: 'memoryFill', target, value, length });
  }

  /** What {@link if} and {@link ifRarely} do. */
  protected branch(condition: Val, then: () => void, otherwise: (() => void) | undefined, cold: boolean): void {
    if (condition.what.kind === 'const') {
      if (condition.what.value !== 0n) then();
      else otherwise?.();
      return;
    }
    const consequent = this.nested(then);
    this.add({ kind: 'if', condition, consequent, otherwise: otherwise ? this.nested(otherwise) : [], cold });
  }

  /** The statements that `body` records, which are not added. */
  nested(body: () => void): Stmt[] {
    const outer = this.startNested();
    body();
    return this.endNested(outer);
  }

  /** Statements begin that are not added. @returns what {@link endNested} needs */
  protected startNested(): Stmt[] {
    const outer = this.#statements;
    this.#statements = [];
    return outer;
  }
  protected endNested(outer: Stmt[]): Stmt[] {
    const inner = this.#statements;
    this.#statements = outer;
    return inner;
  }
}

/** The value of a constant. */
function constantOf({ what }: Val): bigint {
  if (what.kind !== 'const') throw new Error('the value is no constant');
  return what.value;
}
