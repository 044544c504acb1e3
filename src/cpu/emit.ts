import type { Operation } from '../ir/kinds.ts';
import {
  type Block,
  blocksFrom,
  type FunctionRef,
  IN_SLOT,
  type IrFunction,
  type Label,
  type Stmt,
  type Variable,
} from '../ir/nodes.ts';
import { byType, type Type } from '../ir/types.ts';
import { Val } from '../ir/val.ts';
import { ByteSink } from '../wasm/bytes.ts';
import { CODE_TYPE, type FunctionBody, LINKS_TYPE, THREADED_TYPE, VALUE_TYPE_CODE } from '../wasm/module.ts';
import { LocalPlan, PLACE } from './local-plan.ts';

/** What code relies upon that is bound to one memory. */
export interface Bound {
  /** Where a constant vector is kept; undefined: nowhere. */
  vectorAddress(value: bigint): number | undefined;
  /** Address of the state block, where there is but one: code finds it there, whatever its parameter says. */
  readonly state?: number | undefined;
}

/** What the emitter asks of the module it emits into. */
export interface EmitContext {
  readonly memory64: boolean;
  /** Absent for code that may come into several memories. */
  readonly bound?: Bound | undefined;
  functionIndex(callee: FunctionRef): number;
}

const OPCODE = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  returnCallRef: 0x15,
  drop: 0x1a,
  localGet: 0x20,
  localSet: 0x21,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32WrapI64: 0xa7,
  i64ExtendI32U: 0xad,
  void: 0x40,
  arrayGet: [0xfb, 11],
} as const;

const VECTOR_CONST = [0xfd, 0x0c];

/** Load instructions by type, then bytes (as an index), unsigned and signed. */
const LOADS: Readonly<Record<Type, readonly (readonly [unsigned: readonly number[], signed: readonly number[]])[]>> = {
  i32: loadTable({ 1: [[0x2d], [0x2c]], 2: [[0x2f], [0x2e]], 4: [[0x28], [0x28]] }),
  i64: loadTable({ 1: [[0x31], [0x30]], 2: [[0x33], [0x32]], 4: [[0x35], [0x34]], 8: [[0x29], [0x29]] }),
  f32: loadTable({ 4: [[0x2a], []] }),
  f64: loadTable({ 8: [[0x2b], []] }),
  v128: loadTable({ 4: [[0xfd, 0x5c], []], 8: [[0xfd, 0x5d], []], 16: [[0xfd, 0x00], []] }),
};

function loadTable(byBytes: Readonly<Record<number, readonly [number[], number[]]>>) {
  return Array.from({ length: 17 }, (_, bytes) => byBytes[bytes] ?? [[], []]);
}

/** Store instructions by type and bytes. */
const STORES: Readonly<Record<Type, Readonly<Record<number, readonly number[]>>>> = {
  i32: { 1: [0x3a], 2: [0x3b], 4: [0x36] },
  i64: { 1: [0x3c], 2: [0x3d], 4: [0x3e], 8: [0x37] },
  f32: { 4: [0x38] },
  f64: { 8: [0x39] },
  v128: { 16: [0xfd, 0x0b] },
};

/**
 * Emits a function whose guest accesses have been expanded. A threaded one has two parameters more: the functions of
 * decoded code, and its links.
 */
export function emitFunction(fn: IrFunction, context: EmitContext): FunctionBody {
  return new FunctionEmitter(fn, context).emit();
}

class FunctionEmitter {
  readonly #fn: IrFunction;
  readonly #context: EmitContext;
  /** Parameters, with the functions of decoded code and its links. */
  readonly #paramCount: number;
  readonly #code = new ByteSink();
  readonly #plan: LocalPlan;
  /** Locals of values and variables by their numbers, 0: none. Parameter 0 is no local. */
  readonly #localOf: Int32Array;
  readonly #locals: Type[] = [];
  /** Locals whose values nothing needs any more. */
  readonly #freeLocals: Record<Type, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  /** Where the instructions `if` lie whose arm is rarely taken. */
  readonly #rareIfs: number[] = [];
  /** How many of them are open. */
  #rare = 0;
  /** Locals with the constant vectors that are loaded at the start. */
  readonly #vectors = new Map<bigint, number>();
  readonly #free = (id: number) => {
    const local = this.#localOf[id];
    if (local === 0) return;
    this.#localOf[id] = 0;
    this.#freeLocalsOf(this.#locals[local - this.#paramCount]).push(local);
  };
  #position: number;
  /** Open structured instructions, outermost first; labels for those that can be branched to. */
  readonly #open: (Label | undefined)[] = [];

  constructor(fn: IrFunction, context: EmitContext) {
    this.#fn = fn;
    this.#paramCount = fn.params.length + (fn.threaded ? 2 : 0);
    this.#context = context;
    this.#plan = new LocalPlan(fn);
    this.#localOf = new Int32Array(fn.idCount);
    this.#position = this.#plan.firstPosition;
  }

  emit(): FunctionBody {
    this.#list(this.#fn.body);
    if (this.#fn.result !== undefined) this.#zero(this.#fn.result);
    this.#code.byte(OPCODE.end);
    const head = new ByteSink();
    head.unsigned(this.#locals.length);
    for (const type of this.#locals) head.append([1, VALUE_TYPE_CODE[type]]);
    for (const [value, local] of this.#vectors) this.#loadVector(head, value, local);
    const localsLength = head.length;
    head.append(this.#code.bytes);
    return { code: head.bytes, rareIfs: this.#rareIfs.map((at) => localsLength + at) };
  }

  #list(statements: readonly Stmt[], from = 0): void {
    for (let i = from; i < statements.length; i++) {
      const statement = statements[i];
      const position = this.#position++;
      if (statement instanceof Val) this.#let(statement);
      else this.#statement(statement);
      this.#release(position);
    }
  }

  /** Frees the locals of what is not needed behind a statement. */
  #release(position: number): void {
    this.#plan.forEachDying(position, this.#free);
  }

  #statement(s: Exclude<Stmt, Val>): void {
    switch (s.kind) {
      case 'set':
        this.#value(s.value);
        this.#setLocal(this.#variable(s.variable));
        return;
      case 'store': {
        const offset = this.#base(s.address, s.offset);
        this.#value(s.value);
        this.#code.append(byType(STORES, s.value.type)[s.bytes]);
        this.#code.byte(0);
        this.#code.unsigned(offset);
        return;
      }
      case 'if':
        this.#if(s);
        return;
      case 'return':
        if (s.value !== undefined) this.#value(s.value);
        else if (this.#fn.result !== undefined) this.#zero(this.#fn.result);
        this.#code.byte(OPCODE.return);
        return;
      default:
        this.#rareStatement(s);
    }
  }

  #rareStatement(s: Exclude<Stmt, Val>): void {
    switch (s.kind) {
      case 'block':
        this.#blocks(blocksFrom(s));
        return;
      case 'loop':
        this.#loop(s.label, s.body);
        return;
      case 'break':
        this.#branch(s.label, 0);
        return;
      case 'continue':
        this.#branch(s.label, 1);
        return;
      case 'switch':
        this.#switch(s);
        return;
      case 'tailCall':
        this.#call(s.callee, s.args, OPCODE.returnCall, OPCODE.returnCallIndirect);
        return;
      case 'tailCallIndirect':
        this.#arguments(s.args, true);
        this.#decodedCode();
        this.#value(s.index);
        this.#code.append([...OPCODE.arrayGet, CODE_TYPE, OPCODE.returnCallRef, THREADED_TYPE]);
        return;
      case 'memoryCopy':
        this.#bulk([s.target, s.source], s.length, [0xfc, 10, 0, 0]);
        return;
      case 'memoryFill':
        this.#address(s.target);
        this.#value(s.value);
        this.#address(s.length);
        this.#code.append([0xfc, 11, 0]);
        return;
      default:
        throw new Error(`${s.kind} must be expanded before ${this.#fn.name} is emitted`);
    }
  }

  /** The functions of decoded code, and its links: the parameters behind the recorded ones. */
  #decodedCode(): void {
    if (!this.#fn.threaded) throw new Error(`${this.#fn.name} is not threaded`);
    this.#getLocal(this.#fn.params.length);
  }
  #links(): void {
    this.#getLocal(this.#fn.params.length + 1);
  }

  #bulk(addresses: readonly Val[], length: Val, code: readonly number[]): void {
    for (const address of addresses) this.#address(address);
    this.#address(length);
    this.#code.append(code);
  }

  /** Computes a value at its place: where it has effects or is needed more than once. Others are computed where used. */
  #let(value: Val): void {
    if (this.#plan.place(value) !== PLACE.local) return;
    this.#compute(value);
    if (value.what.kind === 'call' && value.what.callee.result === undefined) return;
    if (!this.#plan.isUsed(value)) this.#code.byte(OPCODE.drop);
    else this.#setLocal(this.#local(value.id, value.type));
  }

  #value(value: Val): void {
    const { what } = value;
    if (what.kind === 'const') this.#constant(value.type, what.value);
    else if (what.kind === 'param') this.#parameter(value.type, what.index);
    else {
      const local = this.#localOf[value.id];
      if (local !== 0) this.#getLocal(local);
      else if (what.kind === 'op') this.#compute(value);
      else if (what.kind === 'variable' && this.#plan.place(value) === PLACE.alias) this.#compute(value);
      else throw new Error(`value ${value.id} of ${this.#fn.name} is used before it is computed`);
    }
  }

  #parameter(type: Type, index: number): void {
    const state = this.#context.bound?.state;
    if (index === 0 && state !== undefined) this.#constant(type, BigInt(state));
    else this.#getLocal(index);
  }

  #compute(value: Val): void {
    const { what } = value;
    switch (what.kind) {
      case 'op':
        this.#operation(what, value.args);
        return;
      case 'load': {
        const offset = this.#base(value.args[0], what.offset);
        this.#code.append(byType(LOADS, value.type)[what.bytes][what.signed ? 1 : 0]);
        this.#code.byte(0);
        this.#code.unsigned(offset);
        return;
      }
      case 'link':
        this.#links();
        this.#value(value.args[0]);
        this.#code.append([...OPCODE.arrayGet, LINKS_TYPE]);
        return;
      case 'variable':
        this.#getLocal(this.#variable(what.variable));
        return;
      case 'call':
        this.#call(what.callee, value.args, OPCODE.call, OPCODE.callIndirect);
        return;
      default:
        throw new Error(`${what.kind} must be expanded before ${this.#fn.name} is emitted`);
    }
  }

  /** @param code how a function is called by its index  @param inSlot how one is by its slot in the function table */
  #call(callee: FunctionRef, args: readonly Val[], code: number, inSlot: number): void {
    const slot = callee === IN_SLOT ? args[args.length - 1] : undefined;
    this.#arguments(slot === undefined ? args : args.slice(0, -1), callee.threaded);
    if (slot === undefined) {
      this.#code.byte(code);
      this.#code.unsigned(this.#context.functionIndex(callee));
    } else {
      this.#value(slot);
      this.#code.append([inSlot, THREADED_TYPE, 0]);
    }
  }

  #arguments(args: readonly Val[], threaded: boolean): void {
    for (const arg of args) this.#value(arg);
    if (!threaded) return;
    this.#decodedCode();
    this.#links();
  }

  #operation({ op, imm }: Operation, args: readonly Val[]): void {
    this.#value(args[0]);
    if (op.isSum && isZero(args[1])) return;
    for (let i = 1; i < args.length; i++) this.#value(args[i]);
    this.#code.append(op.code);
    for (let i = 0; i < (op.immediateBytes ?? 0); i++) this.#code.byte(Number((imm >> BigInt(8 * i)) & 0xffn));
  }

  /** The address from which an access has its offset, 0 where all of it is known. @returns that offset */
  #base(address: Val, offset: number): number {
    const state = this.#context.bound?.state;
    if (state === undefined || address.what.kind !== 'param' || address.what.index !== 0) {
      this.#address(address);
      return offset;
    }
    this.#zero(this.#context.memory64 ? 'i64' : 'i32');
    return state + offset;
  }

  /** A host address as the memory's index type. */
  #address(value: Val): void {
    this.#value(value);
    if (this.#context.memory64 && value.type === 'i32') this.#code.byte(OPCODE.i64ExtendI32U);
    if (!this.#context.memory64 && value.type === 'i64') this.#code.byte(OPCODE.i32WrapI64);
  }

  #constant(type: Type, value: bigint): void {
    if (type === 'i32') {
      this.#code.byte(OPCODE.i32Const);
      this.#code.signed32(Number(value) | 0);
    } else if (type === 'i64') {
      this.#code.byte(OPCODE.i64Const);
      if (value <= 0x7fff_ffffn) this.#code.signed32(Number(value));
      else this.#code.signed64(BigInt.asIntN(64, value));
    } else if (type === 'v128') {
      this.#vector(value);
    } else {
      this.#code.append(type === 'f32' ? [OPCODE.f32Const] : [OPCODE.f64Const]);
      this.#littleEndian(value, type === 'f32' ? 4 : 8);
    }
  }

  /**
   * A constant vector is several instructions of the host, a load is one: code that runs long has what it often needs
   * loaded at its start.
   */
  #vector(value: bigint): void {
    const kept = this.#vectors.get(value);
    if (kept !== undefined) {
      this.#getLocal(kept);
    } else if (value === 0n || this.#rare > 0 || this.#context.bound?.vectorAddress(value) === undefined) {
      this.#code.append(VECTOR_CONST);
      this.#littleEndian(value, 16);
    } else {
      const local = this.#paramCount + this.#locals.length;
      this.#locals.push('v128');
      this.#vectors.set(value, local);
      this.#getLocal(local);
    }
  }

  #loadVector(head: ByteSink, value: bigint, local: number): void {
    head.append([this.#context.memory64 ? OPCODE.i64Const : OPCODE.i32Const, 0, ...LOADS.v128[16][0], 0]);
    head.unsigned(this.#context.bound?.vectorAddress(value) ?? 0);
    head.byte(OPCODE.localSet);
    head.unsigned(local);
  }

  #littleEndian(value: bigint, bytes: number): void {
    for (let i = 0; i < bytes; i++) this.#code.byte(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #zero(type: Type): void {
    this.#constant(type, 0n);
  }

  #if(s: Extract<Stmt, { kind: 'if' }>): void {
    this.#value(s.condition);
    if (s.cold) this.#rareIfs.push(this.#code.length);
    this.#code.byte(OPCODE.if);
    this.#code.byte(OPCODE.void);
    this.#open.push(undefined);
    if (s.cold) this.#rare++;
    this.#list(s.consequent);
    if (s.cold) this.#rare--;
    if (s.otherwise.length > 0) {
      this.#code.byte(OPCODE.else);
      this.#list(s.otherwise);
    }
    this.#close();
  }

  /** Blocks that each begin with the next one. */
  #blocks(blocks: readonly Block[]): void {
    const outer = this.#position - 1;
    for (const { label } of blocks) this.#begin(OPCODE.block, label);
    this.#position += blocks.length - 1;
    for (let i = blocks.length - 1; i >= 0; i--) {
      this.#list(blocks[i].body, i === blocks.length - 1 ? 0 : 1);
      this.#close();
      if (i > 0) this.#release(outer + i);
    }
  }

  /** A loop inside a block, so that `break` finds the block and `continue` the loop. */
  #loop(label: Label, body: readonly Stmt[]): void {
    this.#begin(OPCODE.block, label);
    this.#begin(OPCODE.loop, undefined);
    this.#list(body);
    this.#close();
    this.#release(this.#position++);
    this.#close();
  }

  #begin(opcode: number, label: Label | undefined): void {
    this.#code.byte(opcode);
    this.#code.byte(OPCODE.void);
    this.#open.push(label);
  }

  #close(): void {
    this.#open.pop();
    this.#code.byte(OPCODE.end);
  }

  /** Branches to a label's block, or with `inner` 1 to the loop right inside it. */
  #branch(label: Label, inner: number): void {
    this.#code.byte(OPCODE.br);
    this.#code.unsigned(this.#depth(label) - inner);
  }

  /** How many open instructions lie inside a label's. */
  #depth(label: Label): number {
    const at = this.#open.lastIndexOf(label);
    if (at < 0) throw new Error(`branch out of ${this.#fn.name} to a label that is not open`);
    return this.#open.length - 1 - at;
  }

  #switch({ index, targets }: Extract<Stmt, { kind: 'switch' }>): void {
    this.#value(index);
    this.#code.byte(OPCODE.brTable);
    this.#code.unsigned(targets.length - 1);
    for (const target of targets) this.#code.unsigned(this.#depth(target));
  }

  #variable({ id, type, lasting }: Variable): number {
    return lasting && this.#localOf[id] === 0 ? this.#newLocal(id, type) : this.#local(id, type);
  }

  #local(id: number, type: Type): number {
    const local = this.#localOf[id];
    if (local !== 0) return local;
    const free = this.#freeLocalsOf(type).pop();
    if (free === undefined) return this.#newLocal(id, type);
    this.#localOf[id] = free;
    return free;
  }

  #freeLocalsOf(type: Type): number[] {
    return byType(this.#freeLocals, type);
  }

  #newLocal(id: number, type: Type): number {
    const local = this.#paramCount + this.#locals.length;
    this.#locals.push(type);
    this.#localOf[id] = local;
    return local;
  }

  #setLocal(local: number): void {
    this.#code.byte(OPCODE.localSet);
    this.#code.unsigned(local);
  }

  #getLocal(local: number): void {
    this.#code.byte(OPCODE.localGet);
    this.#code.unsigned(local);
  }
}

function isZero({ what }: Val): boolean {
  return what.kind === 'const' && what.value === 0n;
}
