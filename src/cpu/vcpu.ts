import { requireVersion } from '../base/state-version.ts';
import { FLAG, HALT, NO_BUDGET, SHADOW, STATE, VECTOR_OF } from '../isa/registers.ts';
import type { SystemCall } from '../isa/system-calls.ts';
import { type DeviceState, PageAbsent, type RunExit, type VirtualCpu } from '../machine/interfaces.ts';
import { executionHits, hasBreakpoints, linearRip } from './breakpoints.ts';
import type { DebugStop } from './debug-points.ts';
import { Engine, type EngineExit, type TranslationsRecord } from './engine.ts';
import type { CpuEnvironment, CpuOptions } from './environment.ts';
import { MachineCode, type MachineMemory } from './machine-code.ts';
import type { CpuState } from './state.ts';
import { type RegisterRecord, restoreRegisters, saveRegisters } from './state-record.ts';
import {
  DeliveryPageIn,
  type DeliveryRest,
  deliverException,
  deliverInterrupt,
  deliverNmi,
  deliverRest,
  type ExceptionDetails,
} from './system/exceptions.ts';
import { SystemHelpers } from './system/helpers.ts';
import { GuestFault, GuestPageIn, TripleFault } from './system/port.ts';
import { initialise, startUp } from './system/reset.ts';
import { EnginePort } from './system-port.ts';

const STATE_VERSION = 1;
const BUDGET: RunExit = { kind: 'budget' };
const HALTED: RunExit = { kind: 'halted' };
const DEBUG: RunExit = { kind: 'debug' };
/** DR6 bit of a single-step trap (SDM 3B, 17.2.3). */
const DR6_BS = 1 << 14;

/** An event between two instructions that is to be delivered. */
type Delivery =
  | { readonly kind: 'interrupt'; readonly vector: number }
  | { readonly kind: 'nmi' }
  | { readonly kind: 'debugTrap'; readonly dr6: number; readonly repeating: boolean };

/** A delivery that waits for a page. */
interface Undelivered extends DeliveryRest {
  /** Whether it counts as an instruction once it is done. */
  readonly counts: boolean;
  /** Whether it is part of a switch of tasks that has been counted. */
  readonly isCounted: boolean;
}

/** Instructions that the engine's budget can hold: guest code takes them off a signed number. */
const MOST_AT_ONCE = 0x7fff_ffff;

/** A virtual processor on the interpreter. */
export class Vcpu implements VirtualCpu {
  readonly engine: Engine;
  readonly state: CpuState;
  readonly system: SystemHelpers;
  readonly #environment: CpuEnvironment;
  readonly #port: EnginePort;
  /** Retired count at which interrupts are held off: the instruction before was STI or loaded SS. */
  #shadowAt = -1;
  /** Retired count at which debug exceptions are held off too: the instruction before loaded SS (SDM 3A, 6.8.3). */
  #debugHeldAt = -1;
  #endRequested = false;
  /** Retired count at which {@link run} ends. */
  #end = 0;
  /** What could not be delivered yet, since a page must be brought in first. */
  #undelivered: Undelivered | undefined;
  /** Retired count at which RF in EFLAGS holds. */
  #resumeAt = -1;
  readonly #isBootstrap: boolean;
  /** An application processor after a reset or INIT: nothing but a start-up IPI starts it. */
  #waitsForStartUp = false;
  #running = false;
  #initRequested = false;
  #stepping = false;
  /** Retired count at which a debugger's breakpoint has been told of and does not stop again. */
  #passedAt = -1;
  #debugStop: DebugStop | undefined;

  constructor(memory: MachineMemory, environment: CpuEnvironment, options: CpuOptions) {
    this.#environment = environment;
    this.engine = new Engine(options.code ?? new MachineCode(memory, options.jit, options.handlers), environment);
    this.#isBootstrap = options.apicId === 0;
    this.state = this.engine.state;
    this.#port = new EnginePort(this.engine, environment, options);
    this.system = new SystemHelpers(this.#port, options);
    this.engine.connect((name, a, b) => this.#call(name, a, b));
    this.reset();
  }

  /** Instructions retired since power-on; exact while the guest accesses a device. */
  get retired(): number {
    return this.engine.retired;
  }

  get halted(): boolean {
    return this.state.u32(STATE.halted) !== 0;
  }

  /** Whether it waits for a start-up IPI. */
  get waitsForStartUp(): boolean {
    return this.#waitsForStartUp;
  }

  /** Whether an NMI would be delivered: none is being handled. */
  get acceptsNmi(): boolean {
    return this.state.u32(STATE.nmiBlocked) === 0;
  }

  /** EFLAGS.IF */
  get acceptsInterrupts(): boolean {
    return (this.state.u32(STATE.eflags) & FLAG.IF) !== 0;
  }

  /** What the guest has added to the time-stamp counter. */
  get tscOffset(): bigint {
    return this.#port.tscOffset;
  }

  /** Asks running guest code to come back to the loop: an interrupt line or another request has changed. */
  requestStop(): void {
    this.engine.requestStop();
  }

  /** Ends {@link run} before the next instruction; does nothing when the guest does not run. */
  requestEnd(): void {
    this.#endRequested = true;
    this.engine.requestStop();
  }

  /** Has {@link run} end once so many more instructions have retired, the one that runs included. */
  endWithin(instructions: number): void {
    this.#end = Math.min(this.#end, this.engine.retired + instructions);
    this.engine.shorten(instructions);
  }

  /** Sets which bits of physical addresses count: all, or all but bit 20. */
  setA20Mask(mask: bigint): void {
    const value = BigInt.asUintN(64, mask);
    if (this.state.u64(STATE.a20Mask) === value) return;
    this.state.setU64(STATE.a20Mask, value);
    this.forgetTranslations();
  }

  /** To be called when the way to pages of memory has changed. */
  forgetTranslations(): void {
    this.#port.flushTlb('all');
    this.engine.requestStop();
  }

  /** The INIT that a local APIC receives: takes effect before the next instruction. */
  init(): void {
    this.#initRequested = true;
    if (this.#running) this.requestEnd();
    else this.#initialise();
  }

  /** A start-up IPI. @param vector the page to start at, 0 to 255 */
  startUp(vector: number): void {
    if (!this.#waitsForStartUp) return;
    this.#waitsForStartUp = false;
    startUp(this.system.context, vector);
  }

  /** Something has been written to a page of which it monitors a part. */
  monitorTriggered(): void {
    this.system.context.monitorArmed = false;
    if (this.state.u32(STATE.halted) === HALT.mwait) this.state.setU32(STATE.halted, 0);
  }

  /** To be called after registers were set from outside: nothing that was derived from them holds any more. */
  contextChanged(): void {
    this.#port.flushTlb('all');
    this.#port.contextChanged();
  }

  /** As the RESET# pin: registers as at power-on; time and the count of instructions go on. */
  reset(): void {
    this.system.reset();
    this.#forgetEvents();
  }

  #initialise(): void {
    initialise(this.system.context);
    this.#forgetEvents();
  }

  #forgetEvents(): void {
    this.#shadowAt = -1;
    this.#debugHeldAt = -1;
    this.#undelivered = undefined;
    this.#initRequested = false;
    this.#waitsForStartUp = !this.#isBootstrap;
  }

  /** RIP, between slices. */
  get nextInstruction(): bigint {
    return this.state.u64(STATE.rip);
  }

  /** One line for people: mode, privilege and place. */
  describe(): string {
    const { state } = this;
    const { bits } = this.engine.mode.mode;
    if (this.#waitsForStartUp) return 'waiting for a start-up IPI';
    const waits = this.halted ? ', halted' : '';
    return `${bits}-bit code at CPL ${state.u32(STATE.cpl)}, RIP 0x${state.u64(STATE.rip).toString(16)}${waits}`;
  }

  /** Why {@link run} came back with `debug`, once. */
  takeDebugStop(): DebugStop | undefined {
    const stop = this.#debugStop;
    this.#debugStop = undefined;
    return stop;
  }

  /** Executes one instruction, whatever stops there, without an interrupt before it unless it waits for one. */
  step(): RunExit {
    this.#stepping = true;
    this.#passedAt = this.engine.retired;
    const exit = this.run(1);
    this.#stepping = false;
    if (exit.kind !== 'budget') return exit;
    this.#debugStop = { kind: 'step' };
    return DEBUG;
  }

  run(instructions: number): RunExit {
    if (this.#waitsForStartUp) return HALTED;
    this.#running = true;
    try {
      this.#end = this.engine.retired + instructions;
      return this.#runUntilExit();
    } finally {
      this.#running = false;
      if (this.#initRequested) this.#initialise();
    }
  }

  #runUntilExit(): RunExit {
    this.#endRequested = false;
    try {
      while (this.engine.retired < this.#end || this.#undelivered !== undefined) {
        if (this.#undelivered !== undefined) {
          this.#deliverWaiting(this.#undelivered);
          continue;
        }
        this.#clearSpentResumeFlag();
        this.#takeInterrupt();
        if (this.halted) return HALTED;
        if (this.#meetsBreakpoint()) return DEBUG;
        const exit = this.#slice(Math.min(MOST_AT_ONCE, this.#end - this.engine.retired));
        if (exit !== undefined) return exit;
        if (this.#meetsWatchpoint()) return DEBUG;
        if (this.#endRequested) break;
      }
      return BUDGET;
    } catch (error) {
      if (error instanceof TripleFault) return { kind: 'shutdown', reason: 'tripleFault', code: 0 };
      if (error instanceof GuestPageIn) return { kind: 'pageIn', gpa: error.gpa };
      throw error;
    }
  }

  #meetsBreakpoint(): boolean {
    const { debug } = this.engine.machineCode;
    if (!debug.stopsCode || this.#passedAt === this.engine.retired) return false;
    const point = debug.at(linearRip(this.state));
    if (point === undefined) return false;
    this.#passedAt = this.engine.retired;
    this.#debugStop = { kind: 'breakpoint', hardware: point.hardware };
    return true;
  }

  #meetsWatchpoint(): boolean {
    const met = this.engine.machineCode.debug.take();
    if (met !== undefined) this.#debugStop = met;
    return met !== undefined;
  }

  /** Runs until something happens, or exactly to the end of the budget. */
  #slice(budget: number): RunExit | undefined {
    const { engine } = this;
    const debugged = (this.state.u32(STATE.eflags) & FLAG.TF) !== 0 || hasBreakpoints(this.state);
    if (debugged) return this.#debugStep();
    const step = this.#interruptsHeld() || this.#stepping;
    engine.mode.setSingle(step);
    const before = engine.retired;
    let exit = this.#runEngine(step ? 1 : budget);
    const stays = engine.retired === before && !this.halted && !this.#endRequested;
    if (stays && (exit.kind === 'event' || exit.kind === 'breakpoint')) {
      engine.mode.setSingle(true);
      exit = this.#runEngine(step || engine.machineCode.debug.stopsCode ? 1 : budget);
    }
    return this.#afterRun(exit);
  }

  /** Runs guest code, which must come back where it lets in an interrupt that waits. An STI may hold off others behind it. */
  #runEngine(budget: number): EngineExit {
    const { engine, state } = this;
    const before = engine.retired;
    this.#port.keepTsc();
    state.setU32(STATE.interruptWaits, this.#environment.interruptPending() ? 1 : 0);
    state.setU32(STATE.stiBudget, NO_BUDGET);
    state.setU32(STATE.resumeBudget, NO_BUDGET);
    try {
      return engine.run(budget);
    } finally {
      const [sti, resume] = [state.u32(STATE.stiBudget), state.u32(STATE.resumeBudget)];
      if (sti !== NO_BUDGET) this.#shadowAt = before + budget - sti;
      if (resume !== NO_BUDGET) this.#resumeAt = before + budget - resume;
    }
  }

  #afterRun(exit: EngineExit): RunExit | undefined {
    if (exit.kind === 'pageIn') return exit;
    if (exit.kind !== 'exception') return undefined;
    if (exit.vector === VECTOR_OF.UD && this.#callFirmware()) return undefined;
    this.#deliver(exit.vector, exit.errorCode);
    return undefined;
  }

  /** @returns whether the undefined opcode was a call of the machine's own firmware, which may have ended in a fault
   * @throws {GuestPageIn} it is called again once the page is there */
  #callFirmware(): boolean {
    try {
      if (!this.#environment.firmwareCall?.()) return false;
      this.engine.retired++;
    } catch (error) {
      if (error instanceof PageAbsent) throw new GuestPageIn(error.gpa);
      if (!(error instanceof GuestFault)) throw error;
      this.#deliver(error.vector, error.errorCode);
    }
    return true;
  }

  /** One instruction under single-step or with breakpoints set, and the #DB that comes of it (SDM 3B, 18.3.1). */
  #debugStep(): RunExit | undefined {
    const { state, engine } = this;
    const eflags = state.u32(STATE.eflags);
    const held = this.#debugHeldAt === engine.retired;
    const breakpoints = eflags & FLAG.RF || held ? 0 : executionHits(state, state.u64(STATE.rip));
    if (breakpoints !== 0) {
      this.#deliver(VECTOR_OF.DB, 0, { dr6: breakpoints });
      return undefined;
    }
    const { context } = this.system;
    context.trapDelivered = false;
    if (!held) state.setU32(STATE.debugHits, 0);
    state.setU32(STATE.restarted, 0);
    engine.mode.setSingle(true);
    const before = engine.retired;
    const exit = this.#runEngine(1);
    if (exit.kind !== 'event' || engine.retired === before) return this.#afterRun(exit);
    if (this.#debugHeldAt === engine.retired) return undefined;
    const stepped = eflags & FLAG.TF && !context.trapDelivered;
    const dr6 = state.u32(STATE.debugHits) | (stepped ? DR6_BS : 0);
    state.setU32(STATE.debugHits, 0);
    const repeating = state.u32(STATE.restarted) !== 0;
    if (dr6 !== 0) this.#deliverBetween({ kind: 'debugTrap', dr6, repeating });
    return undefined;
  }

  /** RF holds for the one instruction behind the IRET or POPF that set it. */
  #clearSpentResumeFlag(): void {
    const eflags = this.state.u32(STATE.eflags);
    if (eflags & FLAG.RF && this.engine.retired !== this.#resumeAt) this.state.setU32(STATE.eflags, eflags & ~FLAG.RF);
  }

  /** Answers guest code's call of a system helper. */
  #call(name: SystemCall, a: bigint, b: bigint): bigint {
    this.#clearSpentResumeFlag();
    const result = this.#answer(name, a, b);
    if (this.state.u32(STATE.eflags) & FLAG.RF) this.#resumeAt = this.engine.retiredAfterCurrent;
    if (this.state.u32(STATE.shadow) !== 0) this.#holdInterrupts();
    if (this.halted) this.engine.requestStop();
    return result;
  }

  /** A call that has switched tasks is done, even where a fault of the new task waits for a page to be delivered. */
  #answer(name: SystemCall, a: bigint, b: bigint): bigint {
    try {
      return this.system.call(name, a, b);
    } catch (error) {
      if (!(error instanceof DeliveryPageIn)) throw error;
      this.#undelivered = { ...error.rest, counts: false, isCounted: true };
      this.engine.requestStop();
      return 0n;
    }
  }

  /** A delivered exception counts as an instruction: where handlers do nothing but fault, time goes on and slices end. */
  #deliver(vector: number, errorCode: number, details: ExceptionDetails = {}): void {
    this.#orWait({ counts: true, isCounted: false }, () =>
      deliverException(this.system.context, vector, errorCode, details),
    );
    this.engine.retired++;
  }

  /** Delivers what had to wait for a page. @throws {GuestPageIn} it has to wait for another one */
  #deliverWaiting(waiting: Undelivered): void {
    this.#undelivered = undefined;
    try {
      this.#orWait(waiting, () => deliverRest(this.system.context, waiting));
    } catch (error) {
      // A switch of tasks in which the processor shuts down does not count, whether it had to wait for a page or not.
      if (error instanceof TripleFault && waiting.isCounted) this.engine.retired--;
      throw error;
    }
    if (waiting.counts) this.engine.retired++;
  }

  /** Remembers what of a delivery is left when it has to wait for a page. */
  #orWait({ counts, isCounted }: Pick<Undelivered, 'counts' | 'isCounted'>, deliver: () => void): void {
    try {
      deliver();
    } catch (error) {
      if (error instanceof DeliveryPageIn) this.#undelivered = { ...error.rest, counts, isCounted };
      throw error;
    }
  }

  /** Delivers the NMI or interrupt that the processor accepts now, if there is one. */
  #takeInterrupt(): void {
    const { state } = this;
    if (this.#interruptsHeld() || (this.#stepping && !this.halted)) return;
    if (state.u32(STATE.nmiBlocked) === 0 && this.#environment.takeNmi()) {
      state.setU32(STATE.halted, 0);
      this.#deliverBetween({ kind: 'nmi' });
      return;
    }
    if ((state.u32(STATE.eflags) & FLAG.IF) === 0 || !this.#environment.interruptPending()) return;
    const vector = this.#environment.acknowledgeInterrupt();
    if (vector < 0) return;
    state.setU32(STATE.halted, 0);
    this.#deliverBetween({ kind: 'interrupt', vector });
  }

  /** Delivers what came between two instructions. */
  #deliverBetween(delivery: Delivery): void {
    const { context } = this.system;
    this.#orWait({ counts: false, isCounted: false }, () => {
      if (delivery.kind === 'nmi') deliverNmi(context);
      else if (delivery.kind === 'interrupt') deliverInterrupt(context, delivery.vector);
      else deliverException(context, VECTOR_OF.DB, 0, delivery);
    });
  }

  #holdInterrupts(): void {
    const { state, engine } = this;
    this.#shadowAt = engine.retiredAfterCurrent;
    if (state.u32(STATE.shadow) === SHADOW.stackSegment) this.#debugHeldAt = this.#shadowAt;
    state.setU32(STATE.shadow, 0);
    if (this.#environment.interruptPending()) this.engine.requestStop();
  }

  #interruptsHeld(): boolean {
    return this.#shadowAt === this.engine.retired;
  }

  save(): DeviceState {
    this.#clearSpentResumeFlag();
    return {
      version: STATE_VERSION,
      registers: saveRegisters(this.state),
      retired: this.engine.retired,
      waitsForStartUp: this.#waitsForStartUp,
      interruptsHeld: this.#interruptsHeld(),
      heldDebugHits: this.#debugHeldAt === this.engine.retired ? this.state.u32(STATE.debugHits) : null,
      undelivered: this.#undelivered ?? null,
      tscOffset: this.#port.tscOffset,
      system: this.system.save(),
      translations: this.engine.saveTranslations(),
    };
  }

  /**
   * Guest memory must have been restored before: decoded code is forgotten. When the board has been restored too,
   * {@link restoreTranslations} does the rest.
   */
  restore(saved: DeviceState): void {
    requireVersion('vCPU', saved.version, STATE_VERSION);
    restoreRegisters(this.state, saved.registers as RegisterRecord);
    this.engine.retired = saved.retired as number;
    this.#waitsForStartUp = saved.waitsForStartUp as boolean;
    this.#shadowAt = saved.interruptsHeld ? this.engine.retired : -1;
    this.#debugHeldAt = saved.heldDebugHits === null ? -1 : this.engine.retired;
    this.state.setU32(STATE.debugHits, Number(saved.heldDebugHits));
    this.#resumeAt = this.engine.retired;
    this.#undelivered = (saved.undelivered as Undelivered | null) ?? undefined;
    this.#port.tscOffset = saved.tscOffset as bigint;
    this.system.restore(saved.system as ReturnType<SystemHelpers['save']>);
    this.engine.cache.flush();
    this.contextChanged();
  }

  /** The last step of restoring, since a board that moves A20 flushes translations. */
  restoreTranslations(saved: DeviceState): void {
    this.contextChanged();
    this.engine.restoreTranslations(saved.translations as TranslationsRecord);
  }
}
