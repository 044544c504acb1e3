import { Builder, type BuilderTarget } from '../../ir/builder.ts';
import { call } from '../../ir/kinds.ts';
import type { Access, FunctionRef, Label, Stmt, Variable } from '../../ir/nodes.ts';
import type { Type } from '../../ir/types.ts';
import type { Operand, Val } from '../../ir/val.ts';
import type { Field } from '../../isa/layout.ts';
import { STATE } from '../../isa/registers.ts';
import { ACCESS } from '../tlb.ts';
import { GuestPages, type KnownAddresses, type RegionTarget, unextended } from './guest-pages.ts';
import { type Effects, stateOffset } from './helper-effects.ts';
import type { OriginsFork } from './origins.ts';
import type { ExitReason } from './probe.ts';
import { type Promoted, PromotedState } from './promoted-state.ts';
import { refill } from './refill.ts';
import { SlotFlow, type SlotFork, type SlotSet } from './slot-flow.ts';

const NARROW_MASK: Readonly<Record<number, bigint>> = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn };

/** Fields that do not change while a region runs, and the values that regions are translated for. */
const ASSUMED_ZERO = [STATE.simdFault.offset, STATE.fpuFault.offset];

const FLAG_WORDS = [STATE.flagResult.offset, STATE.flagCarry.offset];

/** What an instruction's statements have left to be done about the flags: values for the two words. */
interface PendingFlags {
  readonly result: Val | undefined;
  readonly carry: Val | undefined;
}
/** What is known at a place. */
export interface Known {
  readonly addresses: KnownAddresses;
  readonly flags: PendingFlags;
  readonly flagSource: FlagSource | undefined;
}

/** Ways that part, while they are recorded. */
interface Fork {
  readonly flags: PendingFlags;
  readonly source: FlagSource | undefined;
  readonly slots: SlotFork;
  readonly origins: OriginsFork;
}

const NO_STATEMENTS: readonly Stmt[] = [];
const NOTHING: PendingFlags = { result: undefined, carry: undefined };

/** An operation that flags come from, by which conditions are found in fewer steps than from the flags' words. */
export type FlagSource =
  | { readonly kind: 'sub' | 'add'; readonly width: number; readonly a: Val; readonly b: Val; readonly r: Val }
  | { readonly kind: 'logic' | 'other'; readonly width: number; readonly r: Val };

/** How a region is left in the middle of an instruction, which the interpreter then executes. */
export interface Bailing {
  /** Records the way to the interpreter, behind which recording goes on unreached. */
  bail(reason: ExitReason): void;
  /** Whether a label is that of {@link bail}. */
  isBail(label: Label): boolean;
  effectsOf(callee: FunctionRef): Effects;
}

const target: BuilderTarget = {
  pendingOffset: STATE.pending.offset,
  guest: {
    load: (b, type, access, forWrite, address) => (b as JitBuilder).pages.load(type, access.bytes, forWrite, address),
    store: (b, bytes, address, _segment, value) => (b as JitBuilder).pages.store(bytes, address, value),
    host: (b, address, forWrite) => (b as JitBuilder).pages.hostOf(address, forWrite),
    hostToRead: (b, address) => (b as JitBuilder).pages.hostToRead(address),
  },
};

/**
 * Records the instructions of a region. Registers live in variables; the words of the flags are computed where they are
 * needed; guest memory is reached through the TLB in line, and what the TLB does not allow is the interpreter's.
 */
export class JitBuilder extends Builder {
  readonly promoted: PromotedState;
  readonly #bailing: Bailing;
  /** What is loaded and stored where the region is entered and left. */
  readonly flow: SlotFlow;
  /** How guest memory is reached. */
  readonly pages: GuestPages;
  /** Fields that this region relies upon to be zero. */
  readonly assumedZero = new Set<number>();
  #flags = NOTHING;
  /** Changes of the flags that have been recorded. */
  #flagChanges = 0;
  /** The operation that the flags come from, wherever the way led: see `JitFlags`. */
  flagSource: FlagSource | undefined;

  constructor(bailing: Bailing, region: RegionTarget, blockCount: number) {
    super(target, ['i32', 'i32']);
    this.#bailing = bailing;
    this.flow = new SlotFlow(blockCount);
    this.pages = new GuestPages(this, region, {
      tlb: () => this.get(this.slotAt(STATE.tlb.offset).variable),
      refillOrBail: (address, bytes, forWrite, tag) => this.#refillOrBail(address, bytes, forWrite, tag),
    });
    this.promoted = new PromotedState((type, name, tag) => this.lastingVariable(type, name, tag), region.registers);
  }

  /**
   * A new block begins: what is left to do about flags is forgotten.
   * @param ways what is known of addresses on all ways that lead here; none: nothing is known
   * @param sharing whether accesses to memory may share look-ups
   */
  startBlock(ways: readonly Known[] = [], sharing = true): void {
    const only = ways.length === 1 ? ways[0] : undefined;
    this.#flags = only?.flags ?? NOTHING;
    this.flagSource = only?.flagSource;
    this.pages.meet(
      ways.map(({ addresses }) => addresses),
      sharing,
    );
  }

  /** What is known here. */
  get known(): Known {
    return { addresses: this.pages.known, flags: this.#flags, flagSource: this.flagSource };
  }

  override get(variable: Variable): Val {
    const value = super.get(variable);
    this.pages.read(value, variable);
    const slot = this.promoted.of(variable);
    if (slot !== undefined) this.flow.read(slot.bit);
    return value;
  }

  override set(variable: Variable, operand: Operand): void {
    const value = this.coerce(variable.type, operand);
    super.set(variable, value);
    this.pages.write(variable, value);
    const slot = this.promoted.of(variable);
    if (slot !== undefined) this.flow.write(slot.bit);
  }

  /** Records the computation of the flags' words, which stays to be done elsewhere too. */
  storeFlags(): void {
    const { result, carry } = this.#flags;
    if (result !== undefined) this.set(this.slotAt(STATE.flagResult.offset).variable, result);
    if (carry !== undefined) this.set(this.slotAt(STATE.flagCarry.offset).variable, carry);
  }

  /** Computes the flags' words for good. */
  settleFlags(): void {
    this.storeFlags();
    this.#flags = NOTHING;
  }

  /** What `body` records, apart. */
  apart(body: () => void): Stmt[] {
    return this.nested(body);
  }

  override load(type: Type, bytes: Access['bytes'], address: Val, offset = 0, signed = false): Val {
    const at = stateOffset(this.cpu, address, offset);
    if (at === undefined) return super.load(type, bytes, address, offset, signed);
    if (ASSUMED_ZERO.includes(at)) {
      this.assumedZero.add(at);
      return this.const(type, 0);
    }
    if (at === STATE.flagResult.offset && this.#flags.result !== undefined) return this.#flags.result;
    if (at === STATE.flagCarry.offset && this.#flags.carry !== undefined) return this.#flags.carry;
    const slot = this.promoted.at(at);
    if (slot === undefined) return super.load(type, bytes, address, offset, signed);
    const value = this.get(slot.variable);
    if (value.type === 'v128') return this.#lane(value, type, bytes, at - slot.offset);
    return this.#part(value, type, bytes, at - slot.offset);
  }

  override store(bytes: Access['bytes'], address: Val, offset: number, value: Val): void {
    const at = stateOffset(this.cpu, address, offset);
    const slot = at === undefined ? undefined : this.promoted.at(at);
    if (at === undefined || slot === undefined) {
      super.store(bytes, address, offset, value);
      return;
    }
    // Refills look into the TLB that memory names.
    if (at === STATE.tlb.offset) {
      super.store(bytes, address, offset, value);
      this.pages.forgetPages();
    }
    if (at === STATE.flagResult.offset) this.#changeFlags({ ...this.#flags, result: value });
    else if (at === STATE.flagCarry.offset) this.#changeFlags({ ...this.#flags, carry: value });
    else this.set(slot.variable, this.#inserted(slot, at - slot.offset, bytes, value));
  }

  protected override branch(
    condition: Val,
    then: () => void,
    otherwise: (() => void) | undefined,
    cold: boolean,
  ): void {
    if (condition.what.kind === 'const') {
      super.branch(condition, then, otherwise, cold);
      return;
    }
    const [flags, source, changes] = [this.#flags, this.flagSource, this.#flagChanges];
    const fork = { flags, source, slots: this.flow.fork(otherwise !== undefined), origins: this.pages.fork() };
    const consequent = this.#way(fork, then);
    const alternative = otherwise === undefined ? NO_STATEMENTS : this.#way(fork, otherwise);
    this.pages.merge(fork.origins);
    this.flow.merge(fork.slots);
    // An arm that has only computed them has left what is still to be done elsewhere as it was.
    const changed = this.#flagChanges !== changes;
    this.#flags = flags;
    this.flagSource = changed ? undefined : source;
    if (changed) this.settleFlags();
    const rare = cold || this.#endsInBail(consequent);
    this.add({ kind: 'if', condition, consequent, otherwise: alternative, cold: rare });
  }

  /** Records one of the ways of a fork. */
  #way(fork: Fork, body: () => void): readonly Stmt[] {
    this.#flags = fork.flags;
    this.flagSource = fork.source;
    this.flow.startWay(fork.slots);
    const mark = this.pages.startNested();
    const outer = this.startNested();
    body();
    if (this.#flags !== fork.flags) this.settleFlags();
    const statements = this.endNested(outer);
    this.pages.endNested(mark);
    this.flow.endWay(fork.slots);
    this.pages.endWay(fork.origins);
    return statements;
  }

  #endsInBail(statements: readonly Stmt[]): boolean {
    const last = statements.at(-1);
    return last?.kind === 'break' && this.#bailing.isBail(last.label);
  }

  /** What an arm finds holds for the arm alone. */
  override nested(body: () => void): Stmt[] {
    const mark = this.pages.startNested();
    const statements = super.nested(body);
    this.pages.endNested(mark);
    return statements;
  }

  override loop(body: Parameters<Builder['loop']>[0]): void {
    this.settleFlags();
    this.pages.forget();
    this.flow.throughout(() =>
      super.loop((label) => {
        body(label);
        this.settleFlags();
      }),
    );
    this.flagSource = undefined;
    this.pages.forget();
  }

  override block(body: Parameters<Builder['block']>[0]): void {
    this.settleFlags();
    const record = () =>
      super.block((label) => {
        body(label);
        this.settleFlags();
      });
    const fork = this.pages.fork();
    this.flow.throughout(record);
    this.pages.endWay(fork);
    this.pages.merge(fork);
    this.flagSource = undefined;
  }

  override break(label: Label): void {
    this.storeFlags();
    super.break(label);
  }

  override continue(label: Label): void {
    this.storeFlags();
    super.continue(label);
  }

  #changeFlags(flags: PendingFlags): void {
    this.#flagChanges++;
    this.#flags = flags;
    this.flagSource = undefined;
  }

  /** A structure of the region itself, which sees to the flags on its own. */
  label(body: Parameters<Builder['block']>[0]): void {
    super.block(body);
  }
  loopOfRegion(body: Parameters<Builder['loop']>[0]): void {
    super.loop(body);
  }

  /** Semantics return when a fault is pending: the interpreter finds it anew. */
  override return(): void {
    super.store(4, this.cpu, STATE.pending.offset, this.i32(0));
    this.#bailing.bail('fault');
  }

  /** Ends the region's function by another one. */
  continueIn(callee: FunctionRef, ...args: Operand[]): void {
    super.tailCall(callee, ...args);
  }

  override tailCall(callee: FunctionRef): void {
    throw new Error(`a region cannot continue in ${callee.name}`);
  }

  override call(callee: FunctionRef, ...args: Operand[]): Val {
    const effects = this.#bailing.effectsOf(callee);
    const type = callee.result ?? 'i32';
    if (effects.leaves) {
      this.#bailing.bail('helper');
      return this.#nothing(type);
    }
    const values = this.#valuesFor(callee, args);
    const given = values.slice(1).flatMap((value) => this.#slotsGiven(value));
    const slotsOf = (ranges: Effects['reads']) =>
      ranges.flatMap(({ offset, bytes }) => this.promoted.touching(offset, bytes));
    const written = new Set([...slotsOf(effects.writes), ...given]);
    if (effects.reads.length + effects.writes.length > 0) this.settleFlags();
    for (const slot of new Set([...slotsOf(effects.reads), ...written])) this.writeBack(slot);
    const result = this.pin(type, call(callee), values);
    if (written.has(this.slotAt(STATE.tlb.offset))) this.pages.forgetPages();
    for (const slot of written) this.readIn(slot);
    if (slotsOf(effects.writes).some(({ offset }) => FLAG_WORDS.includes(offset))) this.#changeFlags(NOTHING);
    if (callee.mayFault) this.#returnIfPending();
    return result;
  }

  /** Calls a function of the host that looks at the time, and may fault: then the interpreter finds the fault anew. */
  ask(callee: FunctionRef, ...args: Operand[]): Val {
    const values = this.#valuesFor(callee, args);
    const budget = this.slotAt(STATE.budget.offset);
    this.writeBack(budget);
    const result = this.pin(callee.result ?? 'i32', call(callee), values);
    this.pages.forgetPages();
    this.readIn(budget);
    this.#returnIfPending();
    return result;
  }

  #valuesFor(callee: FunctionRef, args: readonly Operand[]): Val[] {
    return [this.cpu, ...args.map((arg, i) => this.coerce(callee.params[i + 1], arg, callee.name))];
  }

  #returnIfPending(): void {
    this.ifRarely(super.load('i32', 4, this.cpu, STATE.pending.offset), () => this.return());
  }

  /** Stores a variable to its place in the state block. */
  writeBack({ variable, memoryType, offset, bytes }: Promoted): void {
    const value = this.get(variable);
    super.store(bytes, this.cpu, offset, memoryType === 'i64' ? value.extU() : value);
  }

  /** Loads a variable from its place in the state block. */
  readIn({ variable, memoryType, offset, bytes }: Promoted): void {
    const narrow = variable.type === 'i32' && memoryType === 'i64';
    this.set(variable, super.load(variable.type, narrow ? 4 : bytes, this.cpu, offset));
  }

  writeAll(slots: SlotSet): void {
    for (const slot of this.promoted.in(slots)) this.writeBack(slot);
  }
  readAll(slots: SlotSet): void {
    for (const slot of this.promoted.in(slots)) this.readIn(slot);
  }

  /** Stores a field to its place in the state block, and not to the variable for it. */
  storeToState({ offset }: Field, value: Val): void {
    super.store(8, this.cpu, offset, value);
  }

  #refillOrBail(address: Val, bytes: Operand, forWrite: boolean, tag: Val): void {
    const { variable } = this.slotAt(STATE.budget.offset);
    const access = this.i32(forWrite ? ACCESS.write : 0);
    const old = tag.type === 'i32' ? tag.extU() : tag;
    const args = [this.cpu, address, this.coerce('i32', bytes), access, this.get(variable), old];
    const left = this.pin('i32', call(refill), args);
    this.set(variable, left);
    this.ifRarely(left.ltS(0), () => this.#bailing.bail('memory'));
  }

  /** The slot of the field at an offset of the state block. */
  slotAt(offset: number): Promoted {
    const slot = this.promoted.at(offset);
    if (slot === undefined) throw new Error(`offset ${offset} of the state block is not kept in a variable`);
    return slot;
  }

  /** The slots that a helper reaches when it is given `value`. */
  #slotsGiven(value: Val): Promoted[] {
    const at = value.type === 'i32' ? stateOffset(this.cpu, value, 0) : undefined;
    const slot = at === undefined ? undefined : this.promoted.at(at);
    return slot === undefined ? [] : [slot];
  }

  /** A value for what is never reached. */
  #nothing(type: Type): Val {
    return this.const(type, 0);
  }

  /** `bytes` at offset `at` of an integer variable, as a value of `type`. */
  #part(value: Val, type: Type, bytes: number, at: number): Val {
    if (bytes === 8) return type === 'i64' ? value.extU() : value;
    if (value.type === 'i32' && at >= 4) return this.const(type, 0);
    const shifted = at === 0 ? value : value.shrU(at * 8);
    const low = bytes === 4 ? shifted.wrap() : shifted.wrap().and(NARROW_MASK[bytes]);
    return type === 'i64' ? low.extU() : low;
  }

  #lane(vector: Val, type: Type, bytes: number, at: number): Val {
    const lane = (shape: string) => this.opWithImmediate(shape, BigInt(at / bytes), vector);
    switch (type) {
      case 'v128':
        return bytes === 16 ? vector : this.#lowLane(vector, bytes);
      case 'f64':
        return lane('f64x2.extract_lane');
      case 'f32':
        return lane('f32x4.extract_lane');
      default: {
        const value = bytes === 8 ? lane('i64x2.extract_lane') : lane(LANE_OF[bytes]);
        if (type === 'i64') return value.extU();
        return value;
      }
    }
  }

  /** The first lane of `bytes`, zeros above, as a partial load of a vector gives it. */
  #lowLane(vector: Val, bytes: number): Val {
    const zero = this.const('v128', 0);
    if (bytes === 8) {
      return this.opWithImmediate('i64x2.replace_lane', 0n, zero, this.#lane(vector, 'i64', 8, 0));
    }
    return this.opWithImmediate('i32x4.replace_lane', 0n, zero, this.#lane(vector, 'i32', 4, 0));
  }

  /** A slot's new value once `bytes` at offset `at` of it are replaced. */
  #inserted(slot: Promoted, at: number, bytes: number, value: Val): Val {
    const { variable, memoryType } = slot;
    if (variable.type === 'v128') return this.#laneInserted(slot, at, bytes, value);
    if (bytes === slot.bytes) return variable.type === 'i32' ? unextended(value) : value;
    if (variable.type === 'i32' && bytes === 4 && at === 0) return unextended(value);
    if (memoryType !== 'i64') throw new Error('a field is written in parts');
    const wide = variable.type === 'i64';
    const mask = NARROW_MASK[bytes];
    const shift = at * 8;
    const part = value.wrap().and(mask);
    const placed = (wide ? part.extU() : part).shl(shift);
    return this.get(variable)
      .and(~(mask << BigInt(shift)))
      .or(placed);
  }

  #laneInserted({ variable }: Promoted, at: number, bytes: number, value: Val): Val {
    if (bytes === 16) return value;
    const shape = value.type === 'f64' ? 'f64x2' : value.type === 'f32' ? 'f32x4' : LANE_SHAPE[bytes];
    const lane = value.type === 'i64' && bytes < 8 ? value.wrap() : value;
    return this.opWithImmediate(`${shape}.replace_lane`, BigInt(at / bytes), this.get(variable), lane);
  }
}

const LANE_OF: Readonly<Record<number, string>> = {
  1: 'i8x16.extract_lane_u',
  2: 'i16x8.extract_lane_u',
  4: 'i32x4.extract_lane',
};
const LANE_SHAPE: Readonly<Record<number, string>> = { 1: 'i8x16', 2: 'i16x8', 4: 'i32x4', 8: 'i64x2' };
