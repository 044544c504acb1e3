import { Builder, type BuilderTarget } from '../ir/builder.ts';
import type { Val } from '../ir/val.ts';
import { Lift, type Shape } from '../isa/lift.ts';
import { PENDING, STATE } from '../isa/registers.ts';
import { continueAt, dispatch, enterBlock, linkIndex } from './dispatch.ts';
import { inlineTlb } from './mmu.ts';
import { BLOCK, LINK, RECORD, RECORD_BYTES } from './records.ts';

/** How a handler forms the effective address of its memory operand. */
export type Addressing = 'none' | 'base' | 'indexed' | 'absolute64' | 'ripRelative';

/** Guest accesses in handlers: the slow path knows the record. Helpers are told of it by their callers. */
export function handlerTarget(recordOf: (b: Builder) => Val): BuilderTarget {
  const mark = (b: Builder) => b.store(4, b.cpu, STATE.record.offset, recordOf(b));
  return { pendingOffset: STATE.pending.offset, guest: inlineTlb(mark) };
}
export const helperTarget: BuilderTarget = { pendingOffset: STATE.pending.offset, guest: inlineTlb(() => {}) };

/** Where a handler stands: in a function of its own, or with others in one. */
export interface HandlerPlace {
  readonly b: Builder;
  /** The record that the handler is run for, i32. */
  readonly record: Val;
  /** Continues with a record. */
  goOn(record: Val): void;
  /** Continues with a block, where the budget covers it; otherwise recording goes on behind this. */
  enter(block: Val): void;
  /** Continues at `STATE.rip`. */
  dispatch(): void;
}

const OWN_TARGET = handlerTarget((b) => b.params[1]);

/** A function for one handler alone: its record is parameter 1. */
export function ownFunction(): HandlerPlace {
  const b = new Builder(OWN_TARGET, ['i32', 'i32']);
  return {
    b,
    record: b.params[1],
    goOn: (record) => continueAt(b, record),
    enter: (block) => enterBlock(b, block),
    dispatch: () => b.tailCall(dispatch),
  };
}

/** Semantics recorded as an interpreter handler: operands come from the decoded record. */
export class InterpreterLift extends Lift {
  readonly #place: HandlerPlace;
  readonly #addressing: Addressing;
  readonly #address: Val | undefined;
  #ends = false;
  #branches = false;

  constructor(shape: Shape, addressing: Addressing, place: HandlerPlace) {
    super(place.b, shape);
    this.#place = place;
    this.#addressing = addressing;
    this.#address = addressing === 'none' ? undefined : this.freshAddress();
  }

  /** Whether control may leave at this instruction: it is the last of its block. */
  get ends(): boolean {
    return this.#ends;
  }

  get #record(): Val {
    return this.#place.record;
  }

  protected override registerField(operand: number): Val {
    const registers = this.shape.operands.slice(0, operand).filter((o) => o.kind === 'reg');
    return this.b.load('i32', 2, this.#record, RECORD.register[registers.length]);
  }

  protected override immediateOf(operand: number): Val {
    if (this.shape.operands[operand].kind === 'far') {
      const selector = this.b.load('i64', 4, this.#record, RECORD.displacement);
      return selector.shl(32).or(this.b.load('i64', 8, this.#record, RECORD.immediate));
    }
    const first = this.shape.operands.slice(0, operand).every((o) => o.kind !== 'imm');
    if (!first) return this.b.load('i32', 4, this.#record, RECORD.displacement);
    if (this.width(operand) === 64) return this.b.load('i64', 8, this.#record, RECORD.immediate);
    return this.b.load('i32', 4, this.#record, RECORD.immediate);
  }

  override effectiveAddress(): Val {
    if (this.#address === undefined) throw new Error('this instruction has no memory operand');
    return this.#address;
  }

  override freshAddress(): Val {
    const { b } = this;
    if (this.#addressing === 'absolute64') {
      return this.truncate(b.load('i64', 8, this.#record, RECORD.immediate), this.shape.addressSize);
    }
    if (this.#addressing === 'ripRelative') {
      const sum = this.nextRip().add(b.load('i64', 4, this.#record, RECORD.displacement, true));
      return this.truncate(sum, this.shape.addressSize);
    }
    return this.shape.addressSize === 64 ? this.#wideAddress() : this.#narrowAddress();
  }

  #wideAddress(): Val {
    const { b } = this;
    const base = b.load('i64', 8, b.cpu.add(b.load('i32', 2, this.#record, RECORD.base)));
    const sum = base.add(b.load('i64', 4, this.#record, RECORD.displacement, true));
    if (this.#addressing === 'base') return sum;
    const index = b.load('i64', 8, b.cpu.add(b.load('i32', 2, this.#record, RECORD.index)));
    return sum.add(index.shl(b.load('i64', 1, this.#record, RECORD.scale)));
  }

  #narrowAddress(): Val {
    const { b } = this;
    const base = b.load('i32', 4, b.cpu.add(b.load('i32', 2, this.#record, RECORD.base)));
    let sum = base.add(b.load('i32', 4, this.#record, RECORD.displacement));
    if (this.#addressing === 'indexed') {
      const index = b.load('i32', 4, b.cpu.add(b.load('i32', 2, this.#record, RECORD.index)));
      sum = sum.add(index.shl(b.load('i32', 1, this.#record, RECORD.scale)));
    }
    return sum.zeroExtend(this.shape.addressSize).extU();
  }

  override segment(): Val {
    return this.b.load('i32', 1, this.#record, RECORD.segment);
  }

  override nextRip(): Val {
    const next = this.get(STATE.ripBase).add(this.b.load('i64', 2, this.#record, RECORD.nextOffset));
    return this.shape.bits === 64 ? next : next.zeroExtend(32);
  }

  override currentRip(): Val {
    const rip = this.nextRip().sub(this.b.load('i64', 1, this.#record, RECORD.length));
    return this.shape.bits === 64 ? rip : rip.zeroExtend(32);
  }

  override jump(target: Val): void {
    this.set(STATE.rip, target);
    this.leave();
  }

  override relativeTarget(_operand: number): Val {
    const target = this.nextRip().add(this.b.load('i64', 8, this.#record, RECORD.immediate));
    return this.truncate(target, this.shape.bits === 64 ? 64 : this.size);
  }

  override jumpRelative(operand: number): void {
    this.#branches = true;
    this.#follow(LINK.taken, () => this.relativeTarget(operand));
  }

  /** Goes to the block that a link names, or by way of `target`. */
  #follow(link: number, target: () => Val): void {
    this.#ends = true;
    const { b } = this;
    const block = b.link(linkIndex(this.#record, link));
    b.if(block, () => this.#place.enter(block));
    this.set(STATE.rip, target());
    this.#place.dispatch();
  }

  override markRecord(): void {
    this.set(STATE.record, this.#record);
  }

  override restart(): void {
    this.#refund(0);
    this.set(STATE.restarted, 1);
    this.set(STATE.rip, this.currentRip());
    this.#place.dispatch();
  }

  override leave(): void {
    this.#ends = true;
    this.#place.dispatch();
  }

  override unexecuted(): Val {
    const { b } = this;
    const position = b.load('i32', 1, this.#record, RECORD.position);
    const count = b.load('i32', 4, this.#record.sub(position.mul(RECORD_BYTES)), BLOCK.count);
    return count.sub(position).add(1);
  }

  /** Gives back the budget of the block's instructions after this one, and of this one where `own` is 1. */
  #refund(own: 0 | 1): void {
    this.set(STATE.budget, this.get(STATE.budget).add(this.unexecuted().sub(1 - own)));
  }

  /** Ends the handler of an instruction: on to the next record or, behind a branch not taken, to the next block. */
  next(): void {
    if (this.#branches) this.fallThrough();
    else this.#place.goOn(this.#record.add(RECORD_BYTES));
  }

  /** Leads to the following block: what a block's last record does, and a branch that is not taken. */
  fallThrough(): void {
    this.#follow(LINK.next, () => this.nextRip());
  }

  /** The handler put over records whose code has changed: finds its way anew. */
  stale(): void {
    this.#refund(1);
    this.set(STATE.rip, this.currentRip());
    this.#place.dispatch();
  }

  /** The handler put over a record before which the run loop wants to act. */
  stop(): void {
    this.#refund(1);
    this.set(STATE.rip, this.currentRip());
    this.set(STATE.pending, PENDING.event);
    this.b.return();
  }
}
