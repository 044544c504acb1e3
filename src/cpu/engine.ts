import { PENDING, STATE } from '../isa/registers.ts';
import type { SystemCall } from '../isa/system-calls.ts';
import { PAGE_BYTES, PAGE_CODE, PAGE_FIRST_WRITE } from '../machine/guest-memory.ts';
import { PageAbsent } from '../machine/interfaces.ts';
import { BlockDecoder, BREAKPOINT } from './block-decoder.ts';
import type { CodeCache } from './code-cache.ts';
import { PagedCodeReader } from './code-reader.ts';
import { CodeTranslations, type CodeTranslationsRecord } from './code-translations.ts';
import type { DecodedCode } from './decoded-code.ts';
import { EngineCounts } from './engine-counts.ts';
import type { CpuEnvironment } from './environment.ts';
import type { HandlerFactory } from './handlers.ts';
import type { RegionExit } from './jit/probe.ts';
import type { Translator } from './jit/translator.ts';
import type { CodeOwner, MachineCode, MachineMemory, MmuFunctions } from './machine-code.ts';
import type { CpuAreas } from './memory-layout.ts';
import { ModeTracker } from './mode.ts';
import { BLOCK, RECORD, RECORD_BYTES } from './records.ts';
import { CpuState } from './state.ts';
import { GuestFault, GuestPageIn } from './system/port.ts';
import { ALL_TLB_BYTES, TLB_EMPTY_BYTE } from './tlb.ts';
import { restoreTlb, saveTlb, type TlbRecord } from './tlb-record.ts';

/** Bytes of the host’s stack that guest calls may take: V8 gives a thread 984 KiB, Chromium a worker some 500. */
const STACK_ROOM = 256 << 10;

const FOUR_GIB = 0x100000000;

/** The system helpers, as guest code calls them. */
export type SystemCalls = (name: SystemCall, a: bigint, b: bigint) => bigint;

/** The TLBs for data and for code, as they are saved. */
export interface TranslationsRecord {
  readonly data: TlbRecord;
  readonly code: CodeTranslationsRecord;
}

/** Why {@link Engine.run} came back. For `exception` and `pageIn`, `rip` is the instruction that did not happen. */
export type EngineExit =
  | { readonly kind: 'event' }
  /** A debugger may want to stop before the instruction at RIP. */
  | { readonly kind: 'breakpoint' }
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number }
  | { readonly kind: 'pageIn'; readonly gpa: number };

const EVENT: EngineExit = { kind: 'event' };

/** Executes guest code on one processor: decoded blocks, compiled handlers, and the counting of instructions. */
export class Engine implements CodeOwner {
  /** What it shares with the machine's other processors. */
  readonly machineCode: MachineCode;
  readonly state: CpuState;
  /** The whole memory, which never grows. */
  readonly view: DataView;
  readonly mode: ModeTracker;
  readonly mmu: MmuFunctions;
  readonly cache: CodeCache;
  readonly code: CodeTranslations;
  readonly handlers: HandlerFactory;
  readonly counts = new EngineCounts();
  readonly #memory: MachineMemory;
  readonly #environment: CpuEnvironment;
  readonly #decodedCode: DecodedCode;
  readonly #decoder: BlockDecoder;
  #systemCalls: SystemCalls = () => 0n;
  /** Instructions retired before the running slice. */
  #retired = 0;
  #sliceBudget = 0;
  /** Instructions of the run before. */
  #lastRun = 0;
  /** Budget taken away to make guest code come back. */
  #withheld = 0;
  #running = false;
  #stops: { readonly at: number; readonly handler: number; readonly stop: number }[] = [];
  #thrown: unknown;

  /** From how many retired instructions on `STATE.tscRun` counts. */
  tscFrom = 0;

  constructor(machineCode: MachineCode, environment: CpuEnvironment) {
    const { machine, view, mmu, cache, handlers, decoded } = machineCode;
    this.machineCode = machineCode;
    this.#memory = machine;
    this.#environment = environment;
    this.view = view;
    this.mmu = mmu;
    this.cache = cache;
    this.handlers = handlers;
    this.#decodedCode = decoded;
    const areas = machine.layout.cpus[machineCode.add(this)];
    this.state = new CpuState(machine.memory.buffer, areas.state);
    this.mode = new ModeTracker(this.state, () => this.requestStop());
    this.code = new CodeTranslations(this.state, this.view, (linear) =>
      BigInt.asUintN(64, this.checked(mmu.translateCode(areas.state, linear))),
    );
    const reader = new PagedCodeReader(this.view, machine.layout, {
      translate: (linear) => this.code.translate(linear),
      load: (gpa) => Number(this.checked(mmu.physicalLoad(areas.state, BigInt(gpa), 1))),
      hostOf: (gpa) => Number(mmu.hostAddress(areas.state, BigInt(gpa))),
    });
    this.#decoder = new BlockDecoder(this.state, machineCode, reader);
    this.#initialise(areas);
  }

  /** Undefined: all code is interpreted. */
  get translator(): Translator | undefined {
    return this.machineCode.translator;
  }

  /** Says who answers `system` calls; before any guest code runs. */
  connect(systemCalls: SystemCalls): void {
    this.#systemCalls = systemCalls;
  }

  /** Instructions retired since power-on; exact while guest code accesses a device. */
  get retired(): number {
    if (!this.#running) return this.#retired;
    return this.#paid - this.#unexecuted(this.state.u32(STATE.record));
  }
  /** As {@link retired}, with the whole of each block that was entered, while guest code runs. */
  get #paid(): number {
    return this.#retired + this.#sliceBudget - this.state.u32(STATE.budget) - this.#withheld;
  }
  set retired(count: number) {
    this.#retired = count;
  }

  /** Runs at most `budget` instructions from `STATE.rip`, until something needs attention. */
  run(budget: number): EngineExit {
    const { state } = this;
    this.machineCode.translateHot(this.#lastRun);
    this.#sliceBudget = budget;
    this.#withheld = 0;
    state.setU32(STATE.budget, budget);
    this.#setTscRun(this.#retired + budget);
    let exit: EngineExit | undefined;
    while (exit === undefined) {
      state.setU32(STATE.pending, PENDING.none);
      state.setU32(STATE.stackRoom, STACK_ROOM);
      this.#running = true;
      this.#decodedCode.run(state.base);
      this.#running = false;
      if (this.#stops.length > 0) this.#removeStops();
      if (this.#thrown !== undefined) this.#rethrow(budget);
      exit = this.#settle(state.u32(STATE.pending));
    }
    this.#lastRun = budget - state.u32(STATE.budget) - this.#withheld;
    this.#retired += this.#lastRun;
    return exit;
  }

  /** Deals with what guest code left pending. @returns undefined to go on */
  #settle(pending: number): EngineExit | undefined {
    this.state.setU32(STATE.pending, PENDING.none);
    if (pending === PENDING.decode) return this.state.u32(STATE.budget) === 0 ? EVENT : this.#provide();
    if (pending === PENDING.event) return EVENT;
    const exit = this.#pendingExit(pending);
    const record = this.state.u32(STATE.record);
    this.state.setU32(STATE.budget, this.state.u32(STATE.budget) + this.#unexecuted(record));
    this.state.setU64(STATE.rip, this.#ripOf(record));
    return exit;
  }

  #pendingExit(pending: number): EngineExit {
    const { state } = this;
    this.counts.exceptions++;
    if (pending === PENDING.pageIn) return { kind: 'pageIn', gpa: Number(state.u64(STATE.faultAddress)) };
    return { kind: 'exception', vector: state.u32(STATE.faultVector), errorCode: state.u32(STATE.faultError) };
  }

  #provide(): EngineExit | undefined {
    this.counts.decoded++;
    try {
      const block = this.#decoder.provide(this.state.u64(STATE.rip), this.mode.mode);
      if (this.machineCode.eager) this.#translateAtOnce(block);
      return undefined;
    } catch (error) {
      if (error instanceof GuestFault) {
        return { kind: 'exception', vector: error.vector, errorCode: error.errorCode };
      }
      if (error instanceof GuestPageIn) return { kind: 'pageIn', gpa: error.gpa };
      if (error === BREAKPOINT) return { kind: 'breakpoint' };
      throw error;
    }
  }

  #translateAtOnce(block: number): void {
    const isAlone = this.cache.at(block)?.derived.length === 0;
    if (isAlone && this.cache.isTranslatable(block)) this.translator?.translate([block]);
  }

  /** Asks guest code to come back before the next instruction. Does nothing when none runs. */
  requestStop(): void {
    if (!this.#running) return;
    const { state } = this;
    this.#withheld += state.u32(STATE.budget);
    state.setU32(STATE.budget, 0);
    this.#setTscRun(this.#retired + this.#sliceBudget - this.#withheld);
    const next = state.u32(STATE.record) + RECORD_BYTES;
    const handler = this.view.getUint32(next + RECORD.handler, true);
    const stop = this.handlers.special(this.mode.mode.bits).stop.slot;
    if (handler === stop) return;
    this.#stops.push({ at: next, handler, stop });
    this.#decodedCode.setHandler(next, stop);
  }

  /** Leaves at most so many instructions of the budget, the one that runs included. Does nothing when none runs. */
  shorten(instructions: number): void {
    if (!this.#running) return;
    const { state } = this;
    const budget = state.u32(STATE.budget);
    const left = Math.max(0, instructions - this.#unexecuted(state.u32(STATE.record)));
    if (left >= budget) return;
    this.#withheld += budget - left;
    state.setU32(STATE.budget, left);
    this.#setTscRun(this.#retired + this.#sliceBudget - this.#withheld);
  }

  /** @param end instructions retired when the budget is used up */
  #setTscRun(end: number): void {
    this.state.view.setFloat64(STATE.tscRun.offset, end - this.tscFrom, true);
  }

  /** Instructions retired once the current one, which has called a device or a system helper, is done. */
  get retiredAfterCurrent(): number {
    return this.retired + 1;
  }

  /** What is known of where linear pages lie. */
  saveTranslations(): TranslationsRecord {
    return { data: saveTlb(this.state, this.view), code: this.code.save() };
  }

  /** To be called when everything else, guest memory included, has been restored and nothing is translated. */
  restoreTranslations(saved: TranslationsRecord): void {
    restoreTlb(this.state, this.view, this.#memory.layout, saved.data);
    this.machineCode.translationsRestored();
    this.code.restore(saved.code);
  }

  /** Drops code made from `length` bytes at `gpa`, which are about to change. */
  invalidateCode(gpa: number, length: number): void {
    this.cache.invalidate(gpa, length);
  }

  regionsGone(): void {
    this.mode.newGeneration({ system: true, user: true });
  }

  /**
   * Says where the video memory lies; the caller flushes the TLBs and says how the pages are reached.
   * @param gpa undefined: nowhere
   */
  placeVideoMemory(gpa: number | undefined): void {
    const { video, videoBytes } = this.#memory.layout;
    const { state } = this;
    state.setU64(STATE.video, BigInt.asUintN(64, BigInt(video - (gpa ?? 0))));
    state.setU64(STATE.videoStart, BigInt(gpa ?? 0));
    state.setU64(STATE.videoEnd, gpa === undefined ? 0n : BigInt(gpa + videoBytes));
  }

  /** Passes `value` on, unless the helper that gave it left a fault pending. @throws {GuestFault} @throws {GuestPageIn} */
  checked<T>(value: T): T {
    const { state } = this;
    const pending = state.u32(STATE.pending);
    if (pending === PENDING.none) return value;
    state.setU32(STATE.pending, PENDING.none);
    const exit = this.#pendingExit(pending);
    if (exit.kind === 'pageIn') throw new GuestPageIn(exit.gpa);
    throw new GuestFault(state.u32(STATE.faultVector), state.u32(STATE.faultError));
  }

  /** How many instructions of a record's block have been paid for and not executed, its own included. */
  #unexecuted(record: number): number {
    const { view } = this;
    const position = view.getUint8(record + RECORD.position);
    const count = view.getUint32(record - position * RECORD_BYTES + BLOCK.count, true);
    return count - position + 1;
  }

  #ripOf(record: number): bigint {
    const offset = this.view.getUint16(record + RECORD.nextOffset, true) - this.view.getUint8(record + RECORD.length);
    const rip = this.state.u64(STATE.ripBase) + BigInt(offset);
    return BigInt.asUintN(this.mode.mode.bits === 64 ? 64 : 32, rip);
  }

  #removeStops(): void {
    for (const { at, handler, stop } of this.#stops) {
      if (this.view.getUint32(at + RECORD.handler, true) === stop) {
        this.#decodedCode.setHandler(at, handler);
      }
    }
    this.#stops = [];
  }

  /** Throws what a system call or a device has thrown. The instruction has not happened. */
  #rethrow(budget: number): void {
    const thrown = this.#thrown;
    this.#retired +=
      budget - this.state.u32(STATE.budget) - this.#withheld - this.#unexecuted(this.state.u32(STATE.record));
    this.#thrown = undefined;
    throw thrown;
  }

  #initialise({ tlbs, jumpCache }: CpuAreas): void {
    const { layout } = this.#memory;
    const { state } = this;
    state.setU32(STATE.tlbArea, tlbs);
    state.setU32(STATE.jumpCache, jumpCache);
    state.setU32(STATE.blockTable, layout.blockTable);
    state.setU32(STATE.pageFlags, layout.pageFlags);
    state.setU32(STATE.pageCount, layout.pageCount);
    state.setU32(STATE.record, layout.records + RECORD_BYTES);
    new Uint8Array(this.view.buffer, tlbs, ALL_TLB_BYTES).fill(TLB_EMPTY_BYTE);
    state.setU64(STATE.largeLow, 0xffff_ffff_ffff_ffffn);
    this.#mapRam();
  }

  /** Tells guest code where RAM lies. */
  #mapRam(): void {
    const { layout } = this.#memory;
    const { state } = this;
    for (const { gpa, length, hostOffset } of layout.regions) {
      const high = gpa >= FOUR_GIB;
      state.setU64(high ? STATE.ramHigh : STATE.ramLow, BigInt(layout.ram + hostOffset - gpa));
      state.setU64(high ? STATE.ramHighEnd : STATE.ramLowEnd, BigInt(gpa + length));
    }
  }

  system(name: SystemCall, a: bigint, b: bigint): bigint {
    const { system } = this.counts;
    system[name] = (system[name] ?? 0) + 1;
    return this.#access(() => this.#systemCalls(name, BigInt.asUintN(64, a), BigInt.asUintN(64, b)));
  }

  mmioRead(gpa: bigint, bytes: number): bigint {
    const environment = this.#environment;
    this.counts.mmioReads++;
    return this.#access(() => {
      const at = Number(gpa);
      if (bytes !== 8) return BigInt(environment.mmioRead(at, bytes as 1 | 2 | 4));
      return BigInt(environment.mmioRead(at, 4)) | (BigInt(environment.mmioRead(at + 4, 4)) << 32n);
    });
  }

  /** Code in device memory is taken to change only when its page is written. */
  mmioWrite(gpa: bigint, bytes: number, value: bigint): void {
    const environment = this.#environment;
    this.counts.mmioWrites++;
    this.#access(() => {
      const at = Number(gpa);
      const low = Number(BigInt.asUintN(bytes === 8 ? 32 : bytes * 8, value));
      environment.mmioWrite(at, bytes === 8 ? 4 : (bytes as 1 | 2 | 4), low);
      if (bytes === 8) environment.mmioWrite(at + 4, 4, Number(BigInt.asUintN(64, value) >> 32n));
      this.invalidateCode(at - (at % PAGE_BYTES), PAGE_BYTES);
      return 0n;
    });
  }

  /** Does what guest code has asked for; an error is left pending. */
  #access(answer: () => bigint): bigint {
    try {
      return BigInt.asUintN(64, answer());
    } catch (error) {
      this.#leavePending(error);
      return 0n;
    }
  }

  /** Leaves an error for the run loop. Guest code returns as soon as it sees `pending`. */
  #leavePending(error: unknown): void {
    const { state } = this;
    if (error instanceof GuestFault) {
      state.setU32(STATE.faultVector, error.vector);
      state.setU32(STATE.faultError, error.errorCode);
      state.setU32(STATE.pending, PENDING.exception);
    } else if (error instanceof GuestPageIn || error instanceof PageAbsent) {
      state.setU64(STATE.faultAddress, BigInt(error.gpa));
      state.setU32(STATE.pending, PENDING.pageIn);
    } else {
      this.#thrown = error;
      state.setU32(STATE.pending, PENDING.event);
    }
  }

  regionExit(record: number): RegionExit {
    const { state } = this;
    const retired = record === 0 ? this.#paid : this.#paid - this.#unexecuted(record);
    return { retired, rip: record === 0 ? state.u64(STATE.rip) : this.#ripOf(record) };
  }

  pageWritten(gpa: number, bytes: number): void {
    this.counts.watchedWrites++;
    const { pageFlags } = this.#memory.layout;
    const page = Math.floor(gpa / PAGE_BYTES);
    const flags = this.view.getUint8(pageFlags + page);
    const told = flags & PAGE_FIRST_WRITE;
    if (told !== 0) {
      this.view.setUint8(pageFlags + page, flags & ~told);
      this.#environment.firstWrite(page * PAGE_BYTES, told);
    }
    if (flags & PAGE_CODE) {
      this.invalidateCode(gpa, bytes);
      this.#stopStaleRecord();
    }
  }

  /** A REP that overwrites itself must not go on: its next iteration is the new code's. */
  #stopStaleRecord(): void {
    const handler = this.view.getUint32(this.state.u32(STATE.record) + RECORD.handler, true);
    if (handler === this.handlers.special(this.mode.mode.bits).stale.slot) this.requestStop();
  }
}
