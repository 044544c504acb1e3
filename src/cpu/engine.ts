import { PENDING, STATE } from '../isa/registers.ts';
import { SYSTEM_CALLS, type SystemCall } from '../isa/system-calls.ts';
import {
  PAGE_ACCESS_FLAGS,
  PAGE_BYTES,
  PAGE_CODE,
  PAGE_DEVICE,
  PAGE_READ_ONLY,
  PAGE_SCREEN,
  PAGE_TRACKED,
  type PageAccess,
} from '../machine/guest-memory.ts';
import { PageAbsent } from '../machine/interfaces.ts';
import { BlockDecoder } from './block-decoder.ts';
import { CodeCache } from './code-cache.ts';
import { PagedCodeReader } from './code-reader.ts';
import { CodeTranslations, type CodeTranslationsRecord } from './code-translations.ts';
import { DecodedCode } from './decoded-code.ts';
import { dispatch } from './dispatch.ts';
import type { CpuEnvironment } from './environment.ts';
import { HandlerFactory } from './handlers.ts';
import { helperTarget } from './interpreter-lift.ts';
import type { RegionExit } from './jit/probe.ts';
import { Translator } from './jit/translator.ts';
import { Linker, type NativeFunction } from './linker.ts';
import type { MemoryLayout } from './memory-layout.ts';
import { flushPage, flushTlbs, probeStore, slowLoad, slowStore, storePlace, translateCode, watchPages } from './mmu.ts';
import { ModeTracker } from './mode.ts';
import { hostAddress, physicalLoad, physicalStore } from './physical.ts';
import { BLOCK, RECORD, RECORD_BYTES } from './records.ts';
import { CpuState } from './state.ts';
import { GuestFault, GuestPageIn } from './system/port.ts';
import { ALL_TLB_BYTES, TLB_EMPTY_BYTE } from './tlb.ts';
import { restoreTlb, saveTlb, type TlbRecord } from './tlb-record.ts';

const FOUR_GIB = 0x100000000;

/** The system helpers, as guest code calls them. */
export type SystemCalls = (name: SystemCall, a: bigint, b: bigint) => bigint;

/** The memory of a machine and how it is divided. */
export interface MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly shared: boolean;
  readonly memory64: boolean;
  readonly maximumPages: number;
}

/** The TLBs for data and for code, as they are saved. */
export interface TranslationsRecord {
  readonly data: TlbRecord;
  readonly code: CodeTranslationsRecord;
}

/** MMU helpers, compiled: functions of the state block's address. */
interface MmuFunctions {
  readonly slowLoad: (cpu: number, address: bigint, bytes: number, access: number, segment: number) => bigint;
  readonly slowStore: (cpu: number, address: bigint, bytes: number, access: number, segment: number, v: bigint) => void;
  readonly probeStore: (cpu: number, address: bigint, bytes: number, access: number, segment: number) => void;
  readonly storePlace: (cpu: number, address: bigint, bytes: number, access: number, segment: number) => bigint;
  readonly physicalStore: (cpu: number, gpa: bigint, bytes: number, value: bigint) => void;
  readonly translateCode: (cpu: number, address: bigint) => bigint;
  readonly physicalLoad: (cpu: number, gpa: bigint, bytes: number) => bigint;
  readonly hostAddress: (cpu: number, gpa: bigint) => bigint;
  readonly flushTlbs: (cpu: number, keepGlobal: number) => void;
  readonly flushPage: (cpu: number, address: bigint) => void;
  readonly watchPages: (cpu: number, first: number, count: number) => void;
  readonly dispatch: (cpu: number, code: unknown, links: unknown) => void;
}

/** How hot code is translated. */
export interface JitOptions {
  /** Entries after which a block is hot; 0: blocks are translated as soon as they are decoded. */
  readonly hotAfter: number;
  /** Bytes of WebAssembly that translated code may take; default 16 MiB. */
  readonly cacheBytes?: number;
  /** Whether to count exits of regions and their instructions, in the state block; this costs some speed. */
  readonly countExits?: boolean;
  /** Told of each exit from a region, while guest code runs: the state block is exact but for RIP. */
  readonly onRegionLeft?: (exit: RegionExit) => void;
}

/** Why {@link Engine.run} came back. For `exception` and `pageIn`, `rip` is the instruction that did not happen. */
export type EngineExit =
  | { readonly kind: 'event' }
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number }
  | { readonly kind: 'pageIn'; readonly gpa: number };

const EVENT: EngineExit = { kind: 'event' };

/** Executes guest code on the interpreter: decoded blocks, compiled handlers, and the counting of instructions. */
export class Engine {
  readonly state: CpuState;
  /** The whole memory, which never grows. */
  readonly view: DataView;
  readonly mode: ModeTracker;
  readonly mmu: MmuFunctions;
  readonly cache: CodeCache;
  readonly code: CodeTranslations;
  readonly handlers: HandlerFactory;
  /** Undefined: all code is interpreted. */
  readonly translator: Translator | undefined;
  readonly #memory: MachineMemory;
  readonly #environment: CpuEnvironment;
  readonly #decodedCode: DecodedCode;
  readonly #decoder: BlockDecoder;
  readonly #onRegionLeft: JitOptions['onRegionLeft'];
  #systemCalls: SystemCalls = () => 0n;
  /** Instructions retired before the running slice. */
  #retired = 0;
  #sliceBudget = 0;
  /** Budget taken away to make guest code come back. */
  #withheld = 0;
  #running = false;
  #stops: { readonly at: number; readonly handler: number; readonly stop: number }[] = [];
  #thrown: unknown;
  #eager = false;
  /** Headers of blocks that have become hot. */
  #hot: number[] = [];

  /** @param jit when given, hot code is translated */
  constructor(machine: MachineMemory, environment: CpuEnvironment, jit?: JitOptions) {
    const { memory, layout } = machine;
    this.#memory = machine;
    this.#environment = environment;
    this.#onRegionLeft = jit?.onRegionLeft;
    this.view = new DataView(memory.buffer);
    this.state = new CpuState(memory.buffer, layout.state);
    this.mode = new ModeTracker(this.state);
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1024 });
    const linker = new Linker(memory, machine, table, this.#hostFunctions(), helperTarget);
    linker.compile(
      [],
      [
        ...[slowLoad, slowStore, probeStore, storePlace, translateCode, physicalLoad, physicalStore],
        ...[flushTlbs, flushPage, watchPages, dispatch],
      ],
    );
    const helper = <T extends NativeFunction>(ref: Parameters<Linker['helper']>[0]) =>
      linker.helper(ref) as unknown as T;
    this.mmu = {
      slowLoad: helper(slowLoad),
      slowStore: helper(slowStore),
      probeStore: helper(probeStore),
      storePlace: helper(storePlace),
      physicalStore: helper(physicalStore),
      translateCode: helper(translateCode),
      physicalLoad: helper(physicalLoad),
      hostAddress: helper(hostAddress),
      flushTlbs: helper(flushTlbs),
      flushPage: helper(flushPage),
      watchPages: helper(watchPages),
      dispatch: helper(dispatch),
    };
    this.handlers = new HandlerFactory(linker);
    this.#decodedCode = new DecodedCode(this.view, table);
    this.cache = new CodeCache(layout, this.view, this.#decodedCode, (page) => this.watchPages(page, 1));
    this.code = new CodeTranslations(this.state, this.view, (linear) =>
      BigInt.asUintN(64, this.checked(this.mmu.translateCode(layout.state, linear))),
    );
    const reader = new PagedCodeReader(this.view, layout, {
      translate: (linear) => this.code.translate(linear),
      load: (gpa) => Number(this.checked(this.mmu.physicalLoad(layout.state, BigInt(gpa), 1))),
      hostOf: (gpa) => Number(this.mmu.hostAddress(layout.state, BigInt(gpa))),
    });
    this.#decoder = new BlockDecoder(this.state, this.cache, this.#decodedCode, this.handlers, reader);
    this.#initialise();
    if (jit === undefined) return;
    this.cache.hotAfter = Math.max(1, jit.hotAfter);
    this.#eager = jit.hotAfter === 0;
    const countSlot = (bits: 16 | 32 | 64) => this.handlers.special(bits).count.slot;
    this.translator = new Translator(linker, this.cache, this.#decodedCode, layout, this.view, countSlot, jit);
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
    const { state: base } = this.#memory.layout;
    if (this.#hot.length > 0) this.translator?.translate(this.#hot.splice(0));
    this.#sliceBudget = budget;
    this.#withheld = 0;
    state.setU32(STATE.budget, budget);
    let exit: EngineExit | undefined;
    while (exit === undefined) {
      state.setU32(STATE.pending, PENDING.none);
      this.#running = true;
      this.mmu.dispatch(base, this.#decodedCode.functions, this.#decodedCode.links);
      this.#running = false;
      if (this.#stops.length > 0) this.#removeStops();
      if (this.#thrown !== undefined) this.#rethrow(budget);
      exit = this.#settle(state.u32(STATE.pending));
    }
    this.#retired += budget - state.u32(STATE.budget) - this.#withheld;
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
    if (pending === PENDING.pageIn) return { kind: 'pageIn', gpa: Number(state.u64(STATE.faultAddress)) };
    return { kind: 'exception', vector: state.u32(STATE.faultVector), errorCode: state.u32(STATE.faultError) };
  }

  #provide(): EngineExit | undefined {
    try {
      const block = this.#decoder.provide(this.state.u64(STATE.rip), this.mode.mode);
      if (this.#eager && this.cache.isCounted(block)) this.translator?.translate([block]);
      return undefined;
    } catch (error) {
      if (error instanceof GuestFault) {
        return { kind: 'exception', vector: error.vector, errorCode: error.errorCode };
      }
      if (error instanceof GuestPageIn) return { kind: 'pageIn', gpa: error.gpa };
      throw error;
    }
  }

  /** Asks guest code to come back before the next instruction. Does nothing when none runs. */
  requestStop(): void {
    if (!this.#running) return;
    const { state } = this;
    this.#withheld += state.u32(STATE.budget);
    state.setU32(STATE.budget, 0);
    const next = state.u32(STATE.record) + RECORD_BYTES;
    const handler = this.view.getUint32(next + RECORD.handler, true);
    const stop = this.handlers.special(this.mode.mode.bits).stop.slot;
    if (handler === stop) return;
    this.#stops.push({ at: next, handler, stop });
    this.#decodedCode.setHandler(next, stop);
  }

  /** Instructions retired once the current one, which has called a device or a system helper, is done. */
  get retiredAfterCurrent(): number {
    return this.retired + 1;
  }

  /** What is known of where linear pages lie. */
  saveTranslations(): TranslationsRecord {
    return { data: saveTlb(this.state, this.view, this.#memory.layout), code: this.code.save() };
  }

  /** To be called when everything else, guest memory included, has been restored and nothing is translated. */
  restoreTranslations(saved: TranslationsRecord): void {
    restoreTlb(this.state, this.view, this.#memory.layout, saved.data);
    this.code.restore(saved.code);
  }

  /** Drops code made from `length` bytes at `gpa`, which are about to change. */
  invalidateCode(gpa: number, length: number): void {
    if (this.cache.invalidate(gpa, length)) this.mode.newGeneration();
  }

  /**
   * Says how guest code reaches RAM from `gpa` on. Code made from these pages is dropped; the caller flushes the TLBs.
   * @returns whether anything has changed
   */
  setPageAccess(gpa: number, length: number, access: PageAccess): boolean {
    const { pageFlags } = this.#memory.layout;
    const flag = PAGE_ACCESS_FLAGS[access];
    let changed = false;
    for (let page = gpa / PAGE_BYTES; page < (gpa + length) / PAGE_BYTES; page++) {
      const flags = this.view.getUint8(pageFlags + page);
      const next = (flags & ~(PAGE_DEVICE | PAGE_READ_ONLY)) | flag;
      this.view.setUint8(pageFlags + page, next);
      changed ||= next !== flags;
    }
    if (changed) this.invalidateCode(gpa, length);
    return changed;
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

  /** Makes guest code take the slow path when it next writes to one of `count` pages from number `first` on. */
  watchPages(first: number, count: number): void {
    this.mmu.watchPages(this.#memory.layout.state, first, count);
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

  #initialise(): void {
    const { layout } = this.#memory;
    const { state } = this;
    for (const bits of [16, 32, 64] as const) this.handlers.special(bits);
    this.handlers.flush();
    state.setU32(STATE.tlbArea, layout.tlbs);
    state.setU32(STATE.jumpCache, layout.jumpCache);
    state.setU32(STATE.blockTable, layout.blockTable);
    state.setU32(STATE.pageFlags, layout.pageFlags);
    state.setU32(STATE.pageCount, layout.pageCount);
    state.setU32(STATE.record, layout.records + RECORD_BYTES);
    new Uint8Array(this.view.buffer, layout.tlbs, ALL_TLB_BYTES).fill(TLB_EMPTY_BYTE);
    state.setU64(STATE.largeLow, 0xffff_ffff_ffff_ffffn);
    this.#mapRam();
  }

  /** Tells guest code where RAM lies; every other page is a device's. */
  #mapRam(): void {
    const { layout } = this.#memory;
    const { state } = this;
    const flags = new Uint8Array(this.view.buffer, layout.pageFlags, layout.pageCount).fill(PAGE_DEVICE);
    for (const { gpa, length, hostOffset } of layout.regions) {
      flags.fill(0, gpa / PAGE_BYTES, (gpa + length) / PAGE_BYTES);
      const high = gpa >= FOUR_GIB;
      state.setU64(high ? STATE.ramHigh : STATE.ramLow, BigInt(layout.ram + hostOffset - gpa));
      state.setU64(high ? STATE.ramHighEnd : STATE.ramLowEnd, BigInt(gpa + length));
    }
  }

  #hostFunctions() {
    const environment = this.#environment;
    return {
      system: (_cpu: number, id: number, a: bigint, b: bigint) => this.#system(SYSTEM_CALLS[id], a, b),
      mmioRead: (_cpu: number, gpa: bigint, bytes: number) =>
        this.#access(() => {
          const at = Number(gpa);
          if (bytes !== 8) return BigInt(environment.mmioRead(at, bytes as 1 | 2 | 4));
          return BigInt(environment.mmioRead(at, 4)) | (BigInt(environment.mmioRead(at + 4, 4)) << 32n);
        }),
      // Code in device memory is taken to change only when its page is written.
      mmioWrite: (_cpu: number, gpa: bigint, bytes: number, value: bigint) => {
        this.#access(() => {
          const at = Number(gpa);
          const low = Number(BigInt.asUintN(bytes === 8 ? 32 : bytes * 8, value));
          environment.mmioWrite(at, bytes === 8 ? 4 : (bytes as 1 | 2 | 4), low);
          if (bytes === 8) environment.mmioWrite(at + 4, 4, Number(BigInt.asUintN(64, value) >> 32n));
          this.invalidateCode(at - (at % PAGE_BYTES), PAGE_BYTES);
          return 0n;
        });
      },
      pageWritten: (_cpu: number, gpa: bigint, bytes: number) => this.#pageWritten(Number(gpa), bytes),
      hot: (_cpu: number, block: number) => this.#becameHot(block),
      regionLeft: (_cpu: number, record: number) => this.#regionLeft(record),
    };
  }

  #system(name: SystemCall, a: bigint, b: bigint): bigint {
    return this.#access(() => this.#systemCalls(name, BigInt.asUintN(64, a), BigInt.asUintN(64, b)));
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

  /** Remembers a block that is entered often, and counts it no more. */
  #becameHot(block: number): void {
    this.#hot.push(block);
    this.#decodedCode.setEntry(block, this.view.getUint32(block + RECORD_BYTES + RECORD.handler, true));
  }

  #regionLeft(record: number): void {
    const { state } = this;
    const retired = record === 0 ? this.#paid : this.#paid - this.#unexecuted(record);
    this.#onRegionLeft?.({ retired, rip: record === 0 ? state.u64(STATE.rip) : this.#ripOf(record) });
  }

  #pageWritten(gpa: number, bytes: number): void {
    const { pageFlags } = this.#memory.layout;
    const page = Math.floor(gpa / PAGE_BYTES);
    const flags = this.view.getUint8(pageFlags + page);
    const told = flags & (PAGE_TRACKED | PAGE_SCREEN);
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
