import type { Operand as IrOperand, Val } from '../../ir/val.ts';
import { Lift, type Shape, system } from '../../isa/lift.ts';
import { BASE_RIP, type Decoded, type MemOperand } from '../../isa/operands.ts';
import { GPR, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../../isa/registers.ts';
import { SYSTEM_CALLS, type SystemCall } from '../../isa/system-calls.ts';
import { registerField, segmentOf } from '../handlers.ts';
import type { JitBuilder } from './jit-builder.ts';
import type { JitFlags } from './jit-flags.ts';
import type { ExitReason } from './probe.ts';

/** How control leaves an instruction of a region. */
export interface Ways {
  /** To the interpreter, which executes this instruction. */
  bail(reason: ExitReason): void;
  /** To wherever `STATE.rip` says. */
  leave(): void;
  /** The relative branch of this instruction is taken. */
  taken(lift: JitLift): void;
  /** The instruction is to be started again, as the next one that is counted. */
  restart(): void;
  /** Makes the instruction known to the host. */
  mark(): void;
  /** As {@link Lift.unexecuted}. */
  unexecuted(): number;
}

/** Calls that give a value and change nothing that guest code or regions rely on: the region goes on behind them. */
const STAYING: ReadonlySet<SystemCall> = new Set(['rdtsc', 'rdmsr', 'rdrand', 'readCr8']);

function memoryOperand({ operands }: Decoded): MemOperand | undefined {
  for (const operand of operands) if (operand.kind === 'mem') return operand;
  return undefined;
}

/** Semantics recorded with constant operands, as a part of a region. */
export class JitLift extends Lift {
  readonly #jit: JitBuilder;
  readonly #decoded: Decoded;
  readonly #memory: MemOperand | undefined;
  readonly #ways: Ways;
  /** Offset of the next instruction from `STATE.ripBase`. */
  readonly #nextOffset: number;
  readonly #address: Val | undefined;

  constructor(b: JitBuilder, flags: JitFlags, shape: Shape, decoded: Decoded, nextOffset: number, ways: Ways) {
    super(b, shape, flags);
    this.#jit = b;
    this.#decoded = decoded;
    this.#memory = memoryOperand(decoded);
    this.#ways = ways;
    this.#nextOffset = nextOffset;
    this.#address = this.#memory && this.freshAddress();
  }

  protected override registerField(operand: number): Val {
    const o = this.shape.operands[operand];
    if (o.kind !== 'reg') throw new Error('the operand is no register');
    return this.b.i32(registerField(o));
  }

  protected override immediateOf(operand: number): Val {
    const o = this.#decoded.operands[operand];
    if (o.kind === 'far') return this.b.i64((BigInt(o.selector) << 32n) | BigInt(o.offset));
    if (o.kind !== 'imm') throw new Error('the operand is no immediate');
    return o.width === 64 ? this.b.i64(o.value) : this.b.i32(o.value & 0xffff_ffffn);
  }

  override effectiveAddress(): Val {
    if (this.#address === undefined) throw new Error('this instruction has no memory operand');
    return this.#address;
  }

  override freshAddress(): Val {
    const memory = this.#memory;
    if (memory === undefined) throw new Error('this instruction has no memory operand');
    const { b } = this;
    const { addressSize } = this.shape;
    if (memory.dispBig !== undefined) return this.truncate(b.i64(memory.dispBig), addressSize);
    if (memory.base === BASE_RIP) return this.truncate(this.nextRip().add(BigInt(memory.disp)), addressSize);
    return addressSize === 64 ? this.#sum(memory, 'i64') : this.#sum(memory, 'i32').zeroExtend(addressSize).extU();
  }

  #sum({ base, index, scale, disp }: MemOperand, type: 'i32' | 'i64'): Val {
    const { b } = this;
    const register = (n: number) => b.load(type, type === 'i64' ? 8 : 4, b.cpu, GPR + n * 8);
    let sum: Val | undefined = base >= 0 ? register(base) : undefined;
    if (index >= 0) {
      const scaled = scale === 0 ? register(index) : register(index).shl(scale);
      sum = sum === undefined ? scaled : sum.add(scaled);
    }
    if (sum === undefined) return b.const(type, BigInt(disp));
    return disp === 0 ? sum : sum.add(BigInt(disp));
  }

  override segment(): Val {
    return this.b.i32(segmentOf(this.#decoded));
  }

  override linear(segment: Val, ea: Val, bytes: number, forWrite: boolean, flat: boolean): Val {
    if (flat) return ea;
    if (segment.what.kind !== 'const') return super.linear(segment, ea, bytes, forWrite, flat);
    const { b } = this;
    const record = SEGMENTS + Number(segment.what.value) * SEGMENT_BYTES;
    const base = b.load('i64', 8, b.cpu, record + SEGMENT.base);
    if (this.shape.bits === 64) return ea.add(base);
    const [low, high] = [b.load('i64', 4, b.cpu, record + SEGMENT.low), b.load('i64', 4, b.cpu, record + SEGMENT.high)];
    const last = ea.add(bytes - 1).and(0xffff_ffffn);
    const allowed = b.load('i32', 4, b.cpu, record + SEGMENT.access).and(forWrite ? 2 : 1);
    const outside = ea.ltU(low).or(ea.gtU(high)).or(last.gtU(high));
    b.ifRarely(outside.or(allowed.eqz()), () => this.#ways.bail('fault'));
    return ea.add(base).and(0xffff_ffffn);
  }

  override nextRip(): Val {
    return this.#ripAt(this.#nextOffset);
  }

  override currentRip(): Val {
    return this.#ripAt(this.#nextOffset - this.#decoded.length);
  }

  #ripAt(offset: number): Val {
    const rip = this.get(STATE.ripBase).add(BigInt(offset));
    return this.shape.bits === 64 ? rip : rip.zeroExtend(32);
  }

  override jump(target: Val): void {
    this.set(STATE.rip, target);
    this.#ways.leave();
  }

  override relativeTarget(operand: number): Val {
    const o = this.#decoded.operands[operand];
    if (o.kind !== 'rel') throw new Error('the operand is no displacement');
    return this.truncate(this.nextRip().add(BigInt(o.disp)), this.shape.bits === 64 ? 64 : this.size);
  }

  override jumpRelative(): void {
    this.#ways.taken(this);
  }

  override markRecord(): void {}

  override unexecuted(): Val {
    return this.b.i32(this.#ways.unexecuted());
  }

  override restart(): void {
    this.set(STATE.restarted, 1);
    this.set(STATE.rip, this.currentRip());
    this.#ways.restart();
  }

  override leave(): void {
    this.#ways.leave();
  }

  override raise(): void {
    this.#ways.bail('fault');
  }

  override raiseIf(condition: Val): void {
    this.b.ifRarely(condition, () => this.#ways.bail('fault'));
  }

  override system(name: SystemCall, a: IrOperand = 0, c: IrOperand = 0): Val {
    if (!STAYING.has(name)) {
      this.#ways.bail('system');
      return this.b.i64(0);
    }
    this.#ways.mark();
    return this.#jit.ask(system, SYSTEM_CALLS.indexOf(name), a, c);
  }
}
