import { abstractGuest, Builder } from '../ir/builder.ts';
import { Evaluator, type EvaluatorWorld } from '../ir/evaluate.ts';
import type { FunctionRef, IrFunction } from '../ir/nodes.ts';
import type { Val } from '../ir/val.ts';
import { tryDecode } from '../isa/decode.ts';
import { Lift } from '../isa/lift.ts';
import { BASE_RIP, type Decoded, type MemOperand } from '../isa/operands.ts';
import { GPR, PENDING, SEG, STATE, STATE_BYTES, VECTOR_OF } from '../isa/registers.ts';
import { SEMANTICS } from '../isa/semantics/index.ts';
import { SYSTEM_CALLS, type SystemCall } from '../isa/system-calls.ts';
import { type CodeMode, registerField, segmentOf, shapeOf } from './handlers.ts';
import { CpuState } from './state.ts';
import { GuestFault } from './system/port.ts';

/** Linear memory and the system helpers, as the evaluator's engine sees them. All may throw {@link GuestFault}. */
export interface EvaluatorGuest {
  load(address: bigint, bytes: number, forWrite: boolean, segment: number): bigint;
  store(address: bigint, bytes: number, value: bigint, segment: number): void;
  /** One byte of code at a linear address. */
  fetch(address: bigint): number;
  system(name: SystemCall, a: bigint, b: bigint): bigint;
}

/** How one instruction ended. After a fault the state is as before the instruction, RIP included. */
export type StepResult =
  | { readonly kind: 'next' }
  | { readonly kind: 'fault'; readonly vector: number; readonly errorCode: number };

/** Page 0 stays unused, so that a null pointer is seen. */
const STATE_BASE = 4096;

/** Executes guest code one instruction at a time on the BigInt evaluator: slow, and simple enough to be believed. */
export class EvaluatorEngine {
  readonly state: CpuState;
  readonly #guest: EvaluatorGuest;
  readonly #evaluator: Evaluator;

  constructor(guest: EvaluatorGuest) {
    const buffer = new ArrayBuffer(STATE_BASE + STATE_BYTES);
    this.state = new CpuState(buffer, STATE_BASE);
    this.#guest = guest;
    const world: EvaluatorWorld = {
      memory: new DataView(buffer),
      guestLoad: (address, bytes, forWrite, segment) => guest.load(address, bytes, forWrite, segment),
      guestStore: (address, bytes, value, segment) => guest.store(address, bytes, value, segment),
      hostCall: (callee, args) => this.#hostCall(callee, args),
      tailCallIndirect: () => {
        throw new Error('an instruction continued through the function table');
      },
    };
    this.#evaluator = new Evaluator(world, TARGET);
  }

  /** Executes the instruction at `STATE.rip`. */
  step(mode: CodeMode): StepResult {
    const { state } = this;
    const rip = state.u64(STATE.rip);
    state.setU32(STATE.pending, PENDING.none);
    state.setU64(STATE.linearMask, mode.bits === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn);
    try {
      this.#execute(rip, mode);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      state.setU64(STATE.rip, rip);
      return { kind: 'fault', vector: error.vector, errorCode: error.errorCode };
    }
    if (state.u32(STATE.pending) !== PENDING.exception) return { kind: 'next' };
    state.setU64(STATE.rip, rip);
    return { kind: 'fault', vector: state.u32(STATE.faultVector), errorCode: state.u32(STATE.faultError) };
  }

  #execute(rip: bigint, mode: CodeMode): void {
    const result = tryDecode((at) => this.#fetch(rip + BigInt(at), mode), mode);
    if (result.kind === 'undefined') throw new GuestFault(VECTOR_OF.UD);
    if (result.kind === 'tooLong') throw new GuestFault(VECTOR_OF.GP);
    this.#evaluator.run(liftOne(result.decoded, mode, rip), [BigInt(STATE_BASE)]);
  }

  #fetch(rip: bigint, { bits }: CodeMode): number {
    const { base, limit } = this.state.segment(SEG.CS);
    if (bits !== 64 && rip > BigInt(limit)) throw new GuestFault(VECTOR_OF.GP);
    return this.#guest.fetch(BigInt.asUintN(bits === 64 ? 64 : 32, rip + base));
  }

  #hostCall(callee: FunctionRef, args: readonly bigint[]): bigint {
    if (callee.name !== 'system') throw new Error(`no host function ${callee.name}`);
    return this.#guest.system(SYSTEM_CALLS[Number(args[1])], args[2], args[3]);
  }
}

const TARGET = { pendingOffset: STATE.pending.offset, guest: abstractGuest };

function liftOne(decoded: Decoded, mode: CodeMode, rip: bigint): IrFunction {
  const lift = new ConstantLift(decoded, mode, rip);
  const semantics = SEMANTICS[decoded.row.semantics];
  if (semantics === undefined) throw new Error(`${decoded.row.mnemonic} has no semantics`);
  semantics(lift);
  lift.jump(lift.nextRip());
  return lift.b.finish(decoded.row.mnemonic);
}

/** Semantics recorded for one decoded instruction: all operands are constants. */
export class ConstantLift extends Lift {
  readonly #decoded: Decoded;
  readonly #rip: bigint;
  readonly #address: Val | undefined;

  /** @param rip of the instruction */
  constructor(decoded: Decoded, mode: CodeMode, rip: bigint) {
    super(new Builder(TARGET, ['i32']), shapeOf(decoded, mode));
    this.#decoded = decoded;
    this.#rip = rip;
    this.#address = this.#memory === undefined ? undefined : this.freshAddress();
  }

  get #memory(): MemOperand | undefined {
    return this.#decoded.operands.find((operand) => operand.kind === 'mem');
  }

  protected override registerField(operand: number): Val {
    const register = this.#decoded.operands[operand];
    if (register.kind !== 'reg') throw new Error(`operand ${operand} is not a register`);
    return this.b.i32(registerField(register));
  }

  protected override immediateOf(operand: number): Val {
    const o = this.#decoded.operands[operand];
    if (o.kind === 'far') return this.b.i64((BigInt(o.selector) << 32n) | BigInt(o.offset));
    if (o.kind !== 'imm') throw new Error(`operand ${operand} is not an immediate`);
    return this.int(o.width, o.value);
  }

  override effectiveAddress(): Val {
    if (this.#address === undefined) throw new Error('this instruction has no memory operand');
    return this.#address;
  }

  override freshAddress(): Val {
    const memory = this.#memory;
    if (memory === undefined) throw new Error('this instruction has no memory operand');
    const displacement = this.b.i64(memory.dispBig ?? memory.disp);
    const base = memory.base === BASE_RIP ? this.nextRip() : this.#register(memory.base);
    const index = this.#register(memory.index).shl(memory.scale);
    return this.truncate(base.add(index).add(displacement), this.shape.addressSize);
  }

  #register(index: number): Val {
    return index < 0 ? this.b.i64(0) : this.b.load('i64', 8, this.b.cpu, GPR + index * 8);
  }

  override segment(): Val {
    return this.b.i32(segmentOf(this.#decoded));
  }

  override nextRip(): Val {
    const next = this.b.i64(this.#rip + BigInt(this.#decoded.length));
    return this.shape.bits === 64 ? next : next.zeroExtend(32);
  }

  override currentRip(): Val {
    return this.b.i64(this.#rip);
  }

  override jump(target: Val): void {
    this.set(STATE.rip, target);
    this.b.return();
  }

  override relativeTarget(operand: number): Val {
    const o = this.#decoded.operands[operand];
    if (o.kind !== 'rel') throw new Error(`operand ${operand} is not a displacement`);
    return this.truncate(this.nextRip().add(o.disp), this.shape.bits === 64 ? 64 : this.size);
  }

  override jumpRelative(operand: number): void {
    this.jump(this.relativeTarget(operand));
  }

  override markRecord(): void {}

  override unexecuted(): Val {
    return this.b.i32(1);
  }

  override restart(): void {
    this.jump(this.b.i64(this.#rip));
  }

  override leave(): void {
    this.b.return();
  }
}
