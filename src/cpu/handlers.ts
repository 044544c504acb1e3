import type { IrFunction } from '../ir/nodes.ts';
import type { Shape } from '../isa/lift.ts';
import { BASE_RIP, type Decoded, type MemOperand, type Operand } from '../isa/operands.ts';
import { GPR, SEG, VECTOR, VECTOR_OF, X87, ZERO } from '../isa/registers.ts';
import { SEMANTICS } from '../isa/semantics/index.ts';
import type { KeptHandler } from './handler-library.ts';
import type { LoopMember } from './handler-loop.ts';
import { type Addressing, type HandlerPlace, InterpreterLift, ownFunction } from './interpreter-lift.ts';
import type { Linker, TableFunction } from './linker.ts';
import { RECORD } from './records.ts';

/** The facts of a mode that decoded code depends on. */
export interface CodeMode {
  readonly bits: 16 | 32 | 64;
  readonly stackSize: 16 | 32 | 64;
  /** ES, SS and DS cover all of the address space from 0. Outside 64-bit mode. */
  readonly flatData: boolean;
  /** As `flatData`, for SS alone. */
  readonly flatStack: boolean;
  /** CS has base 0 and no limit, so that code may be linked within its page. */
  readonly flatCode: boolean;
}

/** A handler that a record can name. */
export interface Handler {
  readonly slot: number;
  /** It may leave the block, and so ends it. */
  readonly ends: boolean;
  readonly addressing: Addressing;
}

/** Handlers that stand for no instruction. */
export interface SpecialHandlers {
  readonly fallThrough: Handler;
  readonly stale: Handler;
  readonly stop: Handler;
  readonly undefined: Handler;
  readonly tooLong: Handler;
}

/** What a handler is recorded from. */
export interface HandlerSource {
  readonly name: string;
  /** The row, or minus the code size for a special handler. */
  readonly row: number;
  /** What tells the row's handlers apart; a special handler's place in {@link SPECIAL_BODIES}. */
  readonly key: number;
  readonly shape: Shape;
  readonly addressing: Addressing;
  readonly body: (lift: InterpreterLift) => void;
}

const SPECIAL_BODIES: Readonly<Record<keyof SpecialHandlers, HandlerSource['body']>> = {
  fallThrough: (lift) => lift.fallThrough(),
  stale: (lift) => lift.stale(),
  stop: (lift) => lift.stop(),
  undefined: (lift) => lift.raise(VECTOR_OF.UD),
  tooLong: (lift) => lift.raise(VECTOR_OF.GP),
};
const SPECIAL_NAMES = Object.keys(SPECIAL_BODIES) as (keyof SpecialHandlers)[];

/** Handlers kept at once. One takes some 12 KiB; systems need a few thousand, a hostile guest can make 100,000. */
const MOST_HANDLERS = 16384;

/** Makes interpreter handlers from the semantics, each when an instruction first needs it, compiled in batches. */
export class HandlerFactory {
  readonly #linker: Linker;
  readonly #most: number;
  /** By row, then by what tells a row's handlers apart. */
  readonly #handlers = new Map<number, Map<number, Handler>>();
  #waiting: TableFunction[] = [];
  /** Slot 0 stays empty: a record that was never written traps. */
  #nextSlot = 1;
  readonly #special = new Map<number, SpecialHandlers>();
  #made: LoopMember[] = [];

  constructor(linker: Linker, most = MOST_HANDLERS) {
    this.#linker = linker;
    this.#most = most;
  }

  /** Handlers that there are. */
  get count(): number {
    return this.#nextSlot - 1;
  }

  /** Whether it is time to {@link startOver}. */
  get isFull(): boolean {
    return this.count >= this.#most;
  }

  /** Forgets all handlers but the special ones. No record may name them any more. */
  startOver(): void {
    const special = [...this.#special.values()].flatMap((handlers) => Object.values(handlers));
    const first = Math.max(0, ...special.map(({ slot }) => slot)) + 1;
    for (let slot = first; slot < Math.min(this.#nextSlot, this.#linker.table.length); slot++) {
      this.#linker.table.set(slot, null);
    }
    this.#waiting = this.#waiting.filter(({ slots }) => slots[0] < first);
    this.#handlers.clear();
    this.#made = [];
    this.#nextSlot = first;
  }

  /** The handler for a decoded instruction in a mode. It may not be called before {@link flush}. */
  handlerFor(decoded: Decoded, mode: CodeMode): Handler {
    const shape = shapeOf(decoded, mode);
    const addressing = addressingOf(decoded);
    const key = keyOf(decoded, shape, addressing);
    const ofRow = this.#handlersOf(decoded.row.id);
    let handler = ofRow.get(key);
    if (handler === undefined) {
      const { row } = decoded;
      const body = SEMANTICS[row.semantics] ?? raiseUndefined;
      handler = this.#make({ name: nameOf(decoded, shape, addressing), row: row.id, key, shape, addressing, body });
      ofRow.set(key, handler);
    }
    return handler;
  }

  #handlersOf(row: number): Map<number, Handler> {
    let handlers = this.#handlers.get(row);
    if (handlers === undefined) {
      handlers = new Map();
      this.#handlers.set(row, handlers);
    }
    return handlers;
  }

  /** The special handlers for code of `bits`. */
  special(bits: 16 | 32 | 64): SpecialHandlers {
    let special = this.#special.get(bits);
    if (special === undefined) {
      special = this.#makeSpecial(bits);
      this.#special.set(bits, special);
    }
    return special;
  }

  /** Compiles what has been asked for since the last time. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#growTable(this.#nextSlot);
    this.#linker.compile(waiting);
  }

  /** Handlers that were made here and not taken over, in the order of their slots. */
  get made(): readonly LoopMember[] {
    return this.#made;
  }

  /** Compiles handlers made here in other functions: those that wait, and those that have been compiled already. */
  compileAnew(functions: readonly TableFunction[]): void {
    const slots = new Set(functions.flatMap((made) => made.slots));
    this.#waiting = this.#waiting.filter((alone) => !slots.has(alone.slots[0]));
    this.#growTable(this.#nextSlot);
    this.#linker.compile(functions);
  }

  /** Says that what was made so far has been kept. */
  forgetMade(count: number): void {
    this.#made = this.#made.slice(count);
  }

  /** Makes room in the table for handlers that are taken over. */
  reserve(count: number): void {
    this.#growTable(this.#nextSlot + count);
  }

  /** Takes over handlers that have been put into the next slots. */
  adopt(handlers: readonly KeptHandler[]): void {
    for (const [row, key, ends, addressing] of handlers) {
      const handler = { slot: this.#nextSlot++, ends: ends !== 0, addressing: ADDRESSINGS[addressing] };
      if (row >= 0) this.#handlersOf(row).set(key, handler);
      else this.#special.set(-row, { ...(this.#special.get(-row) as SpecialHandlers), [SPECIAL_NAMES[key]]: handler });
    }
  }

  #makeSpecial(bits: 16 | 32 | 64): SpecialHandlers {
    const shape: Shape = { ...EMPTY_SHAPE, size: bits, addressSize: bits, bits, stackSize: bits };
    const make = (name: keyof SpecialHandlers, key: number) =>
      this.#make({ name: `${name}${bits}`, row: -bits, key, shape, addressing: 'none', body: SPECIAL_BODIES[name] });
    const handlers = SPECIAL_NAMES.map((name, key) => [name, make(name, key)]);
    return Object.fromEntries(handlers) as unknown as SpecialHandlers;
  }

  #make(source: HandlerSource): Handler {
    const { fn, ends } = recordHandler(source);
    const slot = this.#nextSlot++;
    this.#waiting.push({ slots: [slot], fn });
    this.#made.push({ slot, source });
    return { slot, ends, addressing: source.addressing };
  }

  #growTable(length: number): void {
    const { table } = this.#linker;
    if (length > table.length) table.grow(Math.max(1024, length - table.length));
  }
}

function raiseUndefined(lift: InterpreterLift): void {
  lift.raise(VECTOR_OF.UD);
}

/** Records a handler as a function of its own. */
export function recordHandler(source: HandlerSource): { readonly fn: IrFunction; readonly ends: boolean } {
  const place = ownFunction();
  const { ends } = recordAt(source, place);
  return { fn: place.b.finish(source.name, true), ends };
}

/** Records a handler where it is to stand. @returns how: `ends` says whether it ends blocks */
export function recordAt({ shape, addressing, body }: HandlerSource, place: HandlerPlace): InterpreterLift {
  const lift = new InterpreterLift(shape, addressing, place);
  body(lift);
  lift.next();
  return lift;
}

/** A handler as a library has it. */
export function keptHandler({ row, key, addressing }: HandlerSource, ends: boolean): KeptHandler {
  return [row, key, ends ? 1 : 0, ADDRESSING_CODE[addressing]];
}

const EMPTY_SHAPE: Shape = {
  size: 32,
  addressSize: 32,
  bits: 32,
  stackSize: 32,
  flat: true,
  flatStack: true,
  flatCode: true,
  rep: 0,
  lock: false,
  cc: 0,
  operands: [],
};

/** The facts about an instruction that its semantics are recorded for. */
export function shapeOf(decoded: Decoded, mode: CodeMode): Shape {
  const { row } = decoded;
  const long = mode.bits === 64;
  return {
    size: decoded.operandSize,
    addressSize: decoded.addressSize,
    bits: mode.bits,
    stackSize: mode.stackSize,
    flat: isFlat(segmentOf(decoded), mode) && everyMemoryFlat(decoded, mode),
    flatStack: long || mode.flatStack,
    flatCode: long || mode.flatCode || row.family !== 'control',
    rep: row.rep === 'none' ? 0 : decoded.rep,
    lock: decoded.lock,
    cc: Math.max(0, row.condition),
    operands: decoded.operands,
  };
}

/** Whether addresses in the segment need neither base nor limit. */
function isFlat(segment: number, mode: CodeMode): boolean {
  if (mode.bits === 64) return segment < SEG.FS;
  return mode.flatData && (segment === SEG.ES || segment === SEG.SS || segment === SEG.DS);
}

function everyMemoryFlat(decoded: Decoded, mode: CodeMode): boolean {
  for (const operand of decoded.operands) if (operand.kind === 'mem' && !isFlat(operand.seg, mode)) return false;
  return true;
}

/** The segment of an instruction's memory operand. With none, or two (strings): the override, or DS. */
export function segmentOf(decoded: Decoded): number {
  let segment = -1;
  let count = 0;
  for (const operand of decoded.operands) {
    if (operand.kind !== 'mem') continue;
    segment = operand.seg;
    count++;
  }
  if (count === 1) return segment;
  return decoded.segOverride >= 0 ? decoded.segOverride : SEG.DS;
}

function memoryOf(decoded: Decoded): MemOperand | undefined {
  for (const operand of decoded.operands) if (operand.kind === 'mem') return operand;
  return undefined;
}

function addressingOf(decoded: Decoded): Addressing {
  const memory = memoryOf(decoded);
  if (memory === undefined) return 'none';
  if (memory.dispBig !== undefined) return 'absolute64';
  if (memory.base === BASE_RIP) return 'ripRelative';
  return memory.index >= 0 ? 'indexed' : 'base';
}

const ADDRESSING_CODE: Readonly<Record<Addressing, number>> = {
  none: 0,
  base: 1,
  indexed: 2,
  absolute64: 3,
  ripRelative: 4,
};

const ADDRESSINGS = Object.keys(ADDRESSING_CODE) as Addressing[];

/** 0, 1, 2 for 16, 32, 64. */
function sizeCode(size: number): number {
  return size >> 5;
}

/** What tells two handlers of one row apart. A number and no text: it is asked for each instruction that is decoded. */
function keyOf(decoded: Decoded, shape: Shape, addressing: Addressing): number {
  let kinds = 0;
  for (const o of decoded.operands) kinds = (kinds << 2) | (o.kind === 'mem' ? 1 : o.kind === 'reg' ? 2 : 3);
  const sizes = [shape.size, shape.addressSize, shape.bits, shape.stackSize];
  let key = (kinds << 3) | ADDRESSING_CODE[addressing];
  for (const size of sizes) key = (key << 2) | sizeCode(size);
  const flags = (shape.flat ? 1 : 0) | (shape.flatStack ? 2 : 0) | (shape.lock ? 4 : 0) | (shape.flatCode ? 8 : 0);
  return (key << 6) | (flags << 2) | (shape.rep & 3);
}

/** A handler's name in profiles. */
function nameOf(decoded: Decoded, shape: Shape, addressing: Addressing): string {
  const { row, operands } = decoded;
  const sizes = [shape.size, shape.addressSize, shape.bits].join('.');
  return `${row.mnemonic}:${row.id}.${sizes}.${operands.map((o) => o.kind).join('.')}.${addressing}`;
}

/** Writes an instruction's operands into its record at `at`. */
export function writeOperands(view: DataView, at: number, decoded: Decoded): void {
  let registers = 0;
  let immediates = 0;
  view.setUint8(at + RECORD.segment, segmentOf(decoded));
  for (const operand of decoded.operands) {
    if (operand.kind === 'reg') view.setUint16(at + RECORD.register[registers++], registerField(operand), true);
    else if (operand.kind === 'mem') writeMemory(view, at, operand);
    else if (operand.kind === 'imm') writeImmediate(view, at, operand.value, immediates++);
    else if (operand.kind === 'rel') view.setBigInt64(at + RECORD.immediate, BigInt(operand.disp), true);
    else {
      view.setBigUint64(at + RECORD.immediate, BigInt(operand.offset), true);
      view.setUint32(at + RECORD.displacement, operand.selector, true);
    }
  }
}

function writeImmediate(view: DataView, at: number, value: bigint, nth: number): void {
  if (nth === 0) view.setBigUint64(at + RECORD.immediate, value, true);
  else view.setUint32(at + RECORD.displacement, Number(value & 0xffffffffn), true);
}

function writeMemory(view: DataView, at: number, memory: MemOperand): void {
  view.setUint8(at + RECORD.scale, memory.scale);
  view.setUint16(at + RECORD.base, memory.base >= 0 && memory.base !== BASE_RIP ? GPR + memory.base * 8 : ZERO, true);
  view.setUint16(at + RECORD.index, memory.index >= 0 ? GPR + memory.index * 8 : ZERO, true);
  view.setInt32(at + RECORD.displacement, memory.disp, true);
  if (memory.dispBig !== undefined) view.setBigUint64(at + RECORD.immediate, memory.dispBig, true);
}

/** A register operand as a record names it: see `Lift.registerField`. */
export function registerField(operand: Operand & { kind: 'reg' }): number {
  switch (operand.cls) {
    case 'gpr':
      return GPR + operand.index * 8 + (operand.high ? 1 : 0);
    case 'mmx':
      return X87 + operand.index * 16;
    case 'xmm':
      return VECTOR + operand.index * 64;
    default:
      return operand.index;
  }
}
