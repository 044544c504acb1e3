import { FLAG, PENDING, STATE } from '../isa/registers.ts';
import { PAGE_BYTES } from '../machine/guest-memory.ts';
import type { ClockPace } from '../machine/virtual-time.ts';
import { hasBreakpoints, notePortBreakpoints } from './breakpoints.ts';
import type { Engine } from './engine.ts';
import type { CpuEnvironment, CpuOptions } from './environment.ts';
import type { CpuState } from './state.ts';
import { isLongMode } from './system/context.ts';
import type { PortItem, Privilege, SystemPort } from './system/port.ts';
import { ACCESS } from './tlb.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
/** Segment under which system helpers access memory: a non-canonical address is #GP. */
const DATA_SEGMENT = 3;

interface PhysicalStore {
  readonly gpa: bigint;
  readonly size: number;
  readonly value: bigint;
}

/** What system helpers see, on top of an engine and its environment. */
export class EnginePort implements SystemPort {
  readonly state: CpuState;
  readonly apicId: number;
  readonly fpuError: SystemPort['fpuError'];
  readonly #engine: Engine;
  readonly #environment: CpuEnvironment;
  readonly #tscHz: bigint;
  /** Added to the ticks since power-on. */
  tscOffset = 0n;
  /** What guest code was told last of its time-stamp counter. */
  #pace: ClockPace | undefined;
  #paceOffset = 0n;

  constructor(engine: Engine, environment: CpuEnvironment, options: CpuOptions) {
    this.state = engine.state;
    this.apicId = options.apicId;
    this.fpuError = environment.fpuError?.bind(environment);
    this.#engine = engine;
    this.#environment = environment;
    this.#tscHz = BigInt(options.tscHz);
  }

  load(address: bigint, bytes: 1 | 2 | 4 | 8, privilege: Privilege): bigint {
    const { mmu, state } = this.#engine;
    return BigInt.asUintN(
      bytes * 8,
      this.#engine.checked(mmu.slowLoad(state.base, address, bytes, accessOf(privilege), DATA_SEGMENT)),
    );
  }

  store(address: bigint, bytes: 1 | 2 | 4 | 8, value: bigint, privilege: Privilege): void {
    const { mmu, state } = this.#engine;
    const access = ACCESS.write | accessOf(privilege);
    this.#engine.checked(mmu.slowStore(state.base, address, bytes, access, DATA_SEGMENT, value));
  }

  storeAll(items: readonly PortItem[], bytes: 2 | 4 | 8, privilege: Privilege): void {
    const stores = items.flatMap((item) => this.#placesOf(item, bytes, privilege));
    const { mmu, state } = this.#engine;
    for (const { gpa, size, value } of stores) this.#engine.checked(mmu.physicalStore(state.base, gpa, size, value));
  }

  /** Where an item goes: a place, or one for each byte where it lies on two pages. */
  #placesOf({ address, value }: PortItem, bytes: number, privilege: Privilege): PhysicalStore[] {
    const gpa = this.#storePlace(address, bytes, privilege);
    const inPage = PAGE_BYTES - Number(address & BigInt(PAGE_BYTES - 1));
    if (bytes <= inPage) return [{ gpa, size: bytes, value }];
    const next = BigInt.asUintN(isLongMode(this.state) ? 64 : 32, address + BigInt(inPage));
    const second = this.#storePlace(next, 1, privilege);
    return Array.from({ length: bytes }, (_, n) => ({
      gpa: n < inPage ? gpa + BigInt(n) : second + BigInt(n - inPage),
      size: 1,
      value: (value >> BigInt(8 * n)) & 0xffn,
    }));
  }

  #storePlace(address: bigint, bytes: number, privilege: Privilege): bigint {
    const { mmu, state } = this.#engine;
    const access = ACCESS.write | accessOf(privilege);
    return this.#engine.checked(mmu.storePlace(state.base, address, bytes, access, DATA_SEGMENT));
  }

  probeWrite(address: bigint, bytes: number, privilege: Privilege): void {
    const { mmu, state } = this.#engine;
    this.#engine.checked(mmu.probeStore(state.base, address, bytes, ACCESS.write | accessOf(privilege), DATA_SEGMENT));
  }

  loadPhysical(gpa: number, bytes: 4 | 8): bigint {
    const { mmu, state } = this.#engine;
    return BigInt.asUintN(bytes * 8, this.#engine.checked(mmu.physicalLoad(state.base, BigInt(gpa), bytes)));
  }

  flushTlb(what: 'all' | 'notGlobal'): void {
    this.#engine.mmu.flushTlbs(this.state.base, what === 'all' ? 0 : 1);
    this.#engine.mode.newGeneration(this.#engine.code.flush(what === 'notGlobal'));
  }

  invalidatePage(address: bigint): void {
    this.#engine.mmu.flushPage(this.state.base, address);
    this.#engine.mode.newGeneration(this.#engine.code.invalidatePage(address));
  }

  contextChanged(): void {
    this.#engine.mode.update();
    const debugged = (this.state.u32(STATE.eflags) & FLAG.TF) !== 0 || hasBreakpoints(this.state);
    if (debugged) this.#engine.requestStop();
  }

  deliverQuickly(vector: number, errorCode: number | undefined, flags: number): boolean {
    const { mmu, state } = this.#engine;
    const error = errorCode === undefined ? -1n : BigInt(errorCode);
    const done = mmu.deliverQuickly(state.base, vector, error, flags | 0) !== 0;
    if (!done) state.setU32(STATE.pending, PENDING.none);
    return done;
  }

  requestEvent(): void {
    if (this.#environment.interruptPending()) this.#engine.requestStop();
  }

  tsc(): bigint {
    return BigInt.asUintN(64, this.#ticks() + this.tscOffset);
  }

  setTsc(value: bigint): void {
    this.tscOffset = value - this.#ticks();
    this.state.setU32(STATE.quickTsc, 0);
    this.#environment.tscChanged?.();
  }

  /** Tells guest code how its time-stamp counter goes. To be called before it runs, since clocks change in between. */
  keepTsc(): void {
    const pace = this.#environment.pace?.();
    const { state } = this;
    if (pace) this.#engine.tscFrom = pace.instructions - (this.#environment.retiredElsewhere?.() ?? 0);
    const same = pace === this.#pace && this.tscOffset === this.#paceOffset;
    if (same && state.u32(STATE.quickTsc) !== 0) return;
    this.#pace = pace;
    this.#paceOffset = this.tscOffset;
    const known = pace !== undefined && this.#tscHz === NANOS_PER_SECOND;
    state.setU32(STATE.quickTsc, known ? 1 : 0);
    if (!known) return;
    state.setU64(STATE.tscOrigin, BigInt.asUintN(64, pace.nanos + this.tscOffset));
    state.setU64(STATE.tscLeast, BigInt.asUintN(64, pace.leastNanos + this.tscOffset));
    state.view.setFloat64(STATE.tscRate.offset, pace.nanosPerInstruction, true);
  }

  #ticks(): bigint {
    return (this.#environment.nowNanos() * this.#tscHz) / NANOS_PER_SECOND;
  }

  portRead(port: number, bytes: 1 | 2 | 4): number {
    notePortBreakpoints(this.state, port, bytes);
    return this.#environment.portRead(port, bytes);
  }
  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void {
    notePortBreakpoints(this.state, port, bytes);
    this.#environment.portWrite(port, bytes, value);
  }
  portReadMany(port: number, bytes: 1 | 2 | 4, host: number, length: number): number {
    return this.#environment.portReadMany?.(port, bytes, this.#hostBytes(host, length)) ?? 0;
  }
  portWriteMany(port: number, bytes: 1 | 2 | 4, host: number, length: number): number {
    return this.#environment.portWriteMany?.(port, bytes, this.#hostBytes(host, length)) ?? 0;
  }
  /** Nothing where breakpoints are to be met. */
  #hostBytes(host: number, length: number): Uint8Array {
    return new Uint8Array(this.state.view.buffer, host, hasBreakpoints(this.state) ? 0 : length);
  }
  apicRead(msr: number): bigint | undefined {
    return this.#environment.apicRead(msr);
  }
  apicWrite(msr: number, value: bigint): boolean {
    return this.#environment.apicWrite(msr, value);
  }
  pause(): void {
    this.#environment.pause?.();
  }
  monitor(address: bigint): void {
    if (!this.#environment.monitor) return;
    const { mmu, state } = this.#engine;
    const reading = 0;
    const gpa = this.#engine.checked(mmu.storePlace(state.base, address, 1, reading, DATA_SEGMENT));
    this.#environment.monitor(Number(gpa));
  }
  random(): bigint {
    return this.#environment.random();
  }
}

function accessOf(privilege: Privilege): number {
  return privilege === 'system' ? ACCESS.system : 0;
}
