import type { IrHelper } from '../ir/define.ts';
import { SYSTEM_CALLS, type SystemCall } from '../isa/system-calls.ts';
import {
  PAGE_ACCESS_FLAGS,
  PAGE_BYTES,
  PAGE_DEVICE,
  PAGE_READ_ONLY,
  type PageAccess,
} from '../machine/guest-memory.ts';
import { CodeCache } from './code-cache.ts';
import { DebugPoints } from './debug-points.ts';
import { DecodedCode } from './decoded-code.ts';
import { dispatch } from './dispatch.ts';
import { HandlerLibrary, type HandlerStore } from './handler-library.ts';
import { HandlerFactory } from './handlers.ts';
import { helperTarget } from './interpreter-lift.ts';
import type { RegionExit } from './jit/probe.ts';
import { Straddles } from './jit/straddles.ts';
import { type Meeting, Translator } from './jit/translator.ts';
import { Linker, type NativeFunction } from './linker.ts';
import type { MemoryLayout } from './memory-layout.ts';
import {
  flushPage,
  flushTlbs,
  probeStore,
  slowLoad,
  slowStore,
  storePlace,
  translateCode,
  watchPageAgain,
  watchPages,
} from './mmu.ts';
import { hostAddress, physicalLoad, physicalStore } from './physical.ts';
import { deliverQuickly } from './quick-delivery.ts';
import { RECORD, RECORD_BYTES } from './records.ts';
import { ACCESS, FILL_LOG } from './tlb.ts';
import { UsualHandlers } from './usual-handlers.ts';

/** The memory of a machine and how it is divided. */
export interface MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly layout: MemoryLayout;
  readonly shared: boolean;
  readonly memory64: boolean;
  readonly maximumPages: number;
}

/** How hot code is translated. */
export interface JitOptions {
  /** Entries after which a block is hot; 0: blocks are translated as soon as they are decoded. */
  readonly hotAfter: number;
  /** Bytes of WebAssembly that translated code may take; default 16 MiB. */
  readonly cacheBytes?: number;
  /** Exits of a region to other code after which it is joined with some of it; default a million. */
  readonly joinAfter?: number;
  /** Milliseconds after which a batch takes no more regions; default none, so that what is translated when depends on the guest alone. */
  readonly batchMillis?: number;
  /** Whether to count exits of regions and their instructions, in the state block; this costs some speed. */
  readonly countExits?: boolean;
  /** Given each region that has been translated, as text for people: its guest code and its IR. */
  readonly onTranslated?: (name: string, text: string) => void;
  /** Told of each exit from a region, while guest code runs: the state block is exact but for RIP. */
  readonly onRegionLeft?: (exit: RegionExit) => void;
}

/** Pages for which it is remembered when they were watched. */
const MOST_WATCHED_AGAIN = 64;

/** Guest instructions between batches of translation while there is more to translate. */
const BETWEEN_BATCHES = 300_000;

/** Helpers that TypeScript calls, compiled: functions of the state block's address. */
export interface MmuFunctions {
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
  readonly watchPageAgain: (cpu: number, page: number, since: number) => void;
  readonly deliverQuickly: (cpu: number, vector: number, error: bigint, flags: number) => number;
}

/** What guest code asks of the engine that runs it. */
export interface CodeOwner {
  system(name: SystemCall, a: bigint, b: bigint): bigint;
  mmioRead(gpa: bigint, bytes: number): bigint;
  mmioWrite(gpa: bigint, bytes: number, value: bigint): void;
  pageWritten(gpa: number, bytes: number): void;
  /** A debugger's watchpoint has been met. */
  requestStop(): void;
  /** Where and when a region has been left. @param record the next one, or 0: RIP says where */
  regionExit(record: number): RegionExit;
  /** Regions of which this processor's jump cache may know have gone. */
  regionsGone(): void;
}

/**
 * What the processors of a machine share: handlers, decoded and translated code, the helpers that reach memory, and the
 * flags of pages. Code is told its processor by the address of the state block, and runs on one processor at a time.
 */
export class MachineCode {
  readonly machine: MachineMemory;
  /** The whole memory, which never grows. */
  readonly view: DataView;
  readonly mmu: MmuFunctions;
  readonly decoded: DecodedCode;
  readonly cache: CodeCache;
  readonly handlers: HandlerFactory;
  readonly usual: UsualHandlers;
  /** Where a debugger wants guest code to stop. */
  readonly debug = new DebugPoints();
  /** Undefined: all code is interpreted. */
  readonly translator: Translator | undefined;
  /** Whether blocks are translated as soon as they are decoded. */
  readonly eager: boolean;
  readonly #library: HandlerLibrary | undefined;
  readonly #owners: CodeOwner[] = [];
  readonly #firstState: number;
  readonly #stateDistance: number;
  /** Headers of blocks that have become hot, in this order. */
  readonly #hot = new Set<number>();
  /** Instructions until more of them are translated. */
  #untilBatch = 0;
  /** Regions that were left often, by their first blocks' headers, and blocks that they were left to. */
  readonly #meetings: Meeting[] = [];
  /** Headers of blocks whose accesses often lie in two pages. */
  #scattered: number[] = [];
  readonly #straddles = new Straddles();
  /** The processors' counts of TLB fills when a page was last watched by {@link watchPageAgain}. */
  readonly #watchedAt = new Map<number, readonly number[]>();

  /** @param jit when given, hot code is translated  @param store when given, handlers come from there and can be kept there */
  constructor(machine: MachineMemory, jit?: JitOptions, store?: HandlerStore) {
    const { memory, layout } = machine;
    this.machine = machine;
    this.view = new DataView(memory.buffer);
    const [first, second] = layout.cpus;
    this.#firstState = first.state;
    this.#stateDistance = second === undefined ? 1 : second.state - first.state;
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1024 });
    const linker = new Linker(memory, machine, table, this.#hostFunctions(jit?.onRegionLeft), helperTarget);
    this.handlers = new HandlerFactory(linker);
    this.usual = new UsualHandlers(this.handlers);
    if (store) this.#library = new HandlerLibrary(linker, this.handlers, machine, store);
    this.mmu = compileHelpers(linker);
    for (const bits of [16, 32, 64] as const) this.handlers.special(bits);
    this.handlers.flush();
    this.decoded = new DecodedCode(this.view, layout.recordsEnd, table, linker.helper(dispatch));
    this.cache = new CodeCache(layout, this.view, this.decoded, (page) => this.watchPages(page, 1));
    this.eager = jit?.hotAfter === 0;
    this.#flagPages();
    if (jit === undefined) return;
    this.cache.hotAfter = Math.max(1, jit.hotAfter);
    const regionsGone = () => this.#forgetJumps();
    this.translator = new Translator(linker, this.cache, this.decoded, layout, this.view, regionsGone, jit);
  }

  /** Makes an engine known; they come in the order of their areas in the memory. @returns its number */
  add(owner: CodeOwner): number {
    return this.#owners.push(owner) - 1;
  }

  /** Keeps the handlers that have been made, where there is a store for them. @param turn lets others do what they have to do */
  async keepHandlers(turn: () => Promise<void>): Promise<void> {
    await this.#library?.keep(CALLED_HELPERS, turn);
  }

  /**
   * Translates what has become hot, or begins with it: the rest is done when the guest has run for a while. No guest code may be running.
   * @param ran instructions since the last call
   */
  translateHot(ran: number): void {
    this.#untilBatch = Math.max(0, this.#untilBatch - ran);
    if (this.#hot.size > 0 && this.#untilBatch === 0) {
      const headers = [...this.#hot];
      for (const done of headers.slice(0, this.translator?.translate(headers))) this.#hot.delete(done);
      this.#untilBatch = this.#hot.size > 0 ? BETWEEN_BATCHES : 0;
    }
    const [meeting] = this.#meetings.splice(0, 1);
    if (meeting && this.#areThere(meeting)) this.translator?.join([meeting]);
    if (this.#scattered.length > 0) this.translator?.separate(this.#scattered.splice(0));
  }

  /** Whether what met has not gone since. */
  #areThere({ region, block }: Meeting): boolean {
    return this.cache.at(region) !== undefined && this.cache.at(block) !== undefined;
  }

  /** Makes the jump caches of all processors invalid. */
  #forgetJumps(): void {
    for (const owner of this.#owners) owner.regionsGone();
  }

  /** Makes guest code take the slow path when it next writes to one of `count` pages from number `first` on. */
  watchPages(first: number, count: number): void {
    const { cpus } = this.machine.layout;
    for (let n = 0; n < this.#owners.length; n++) this.mmu.watchPages(cpus[n].state, first, count);
  }

  /** As {@link watchPages} for a page, soon after it was watched by this before. */
  watchPageAgain(page: number): void {
    const { cpus } = this.machine.layout;
    const before = this.#watchedAt.get(page);
    if (this.#watchedAt.size >= MOST_WATCHED_AGAIN) this.#watchedAt.clear();
    const counts = this.#owners.map((_, n) => {
      const { state, tlbs } = cpus[n];
      if (before === undefined) this.mmu.watchPages(state, page, 1);
      else this.mmu.watchPageAgain(state, page, before[n]);
      return this.view.getUint32(tlbs + FILL_LOG.offset + FILL_LOG.count, true);
    });
    this.#watchedAt.set(page, counts);
  }

  /** To be called when TLBs have been filled from outside. */
  translationsRestored(): void {
    this.#watchedAt.clear();
  }

  /**
   * Says how guest code reaches RAM from `gpa` on. Code made from these pages is dropped; the caller flushes the TLBs.
   * @returns whether anything has changed
   */
  setPageAccess(gpa: number, length: number, access: PageAccess): boolean {
    const { pageFlags } = this.machine.layout;
    const flag = PAGE_ACCESS_FLAGS[access];
    let changed = false;
    for (let page = gpa / PAGE_BYTES; page < (gpa + length) / PAGE_BYTES; page++) {
      const flags = this.view.getUint8(pageFlags + page);
      const next = (flags & ~(PAGE_DEVICE | PAGE_READ_ONLY)) | flag;
      this.view.setUint8(pageFlags + page, next);
      changed ||= next !== flags;
    }
    if (changed) this.cache.invalidate(gpa, length);
    return changed;
  }

  /** Every page without RAM is a device's. */
  #flagPages(): void {
    const { layout } = this.machine;
    const flags = new Uint8Array(this.view.buffer, layout.pageFlags, layout.pageCount).fill(PAGE_DEVICE);
    for (const { gpa, length } of layout.regions) flags.fill(0, gpa / PAGE_BYTES, (gpa + length) / PAGE_BYTES);
  }

  #ownerOf(cpu: number): CodeOwner {
    return this.#owners[(cpu - this.#firstState) / this.#stateDistance];
  }

  #hostFunctions(onRegionLeft: JitOptions['onRegionLeft']) {
    return {
      system: (cpu: number, id: number, a: bigint, b: bigint) => this.#ownerOf(cpu).system(SYSTEM_CALLS[id], a, b),
      mmioRead: (cpu: number, gpa: bigint, bytes: number) => this.#ownerOf(cpu).mmioRead(gpa, bytes),
      mmioWrite: (cpu: number, gpa: bigint, bytes: number, value: bigint) =>
        this.#ownerOf(cpu).mmioWrite(gpa, bytes, value),
      pageWritten: (cpu: number, gpa: bigint, bytes: number) => this.#ownerOf(cpu).pageWritten(Number(gpa), bytes),
      watchesPage: (_cpu: number, address: bigint) => (this.debug.watchesPage(BigInt.asUintN(64, address)) ? 1 : 0),
      watchedAccess: (cpu: number, address: bigint, bytes: number, access: number) => {
        const write = (access & ACCESS.write) !== 0;
        if (this.debug.access(BigInt.asUintN(64, address), bytes, write)) this.#ownerOf(cpu).requestStop();
      },
      hot: (_cpu: number, block: number) => this.#becameHot(block),
      met: (_cpu: number, region: number, block: number) => void this.#meetings.push({ region, block }),
      straddled: (_cpu: number, record: number) => this.#straddled(record),
      regionLeft: (cpu: number, record: number) => onRegionLeft?.(this.#ownerOf(cpu).regionExit(record)),
    };
  }

  /** Remembers a block for which it happens often that what it looks up at once lies in two pages. */
  #straddled(record: number): void {
    const header = record - this.view.getUint8(record + RECORD.position) * RECORD_BYTES;
    if (this.#straddles.note(header, performance.now())) this.#scattered.push(header);
  }

  /** Remembers a block that is entered often, if it is to be translated. */
  #becameHot(block: number): void {
    if (this.cache.isTranslatable(block)) this.#hot.add(block);
  }
}

/** Helpers that TypeScript or every handler calls. */
const CALLED_HELPERS: readonly IrHelper[] = [
  ...[slowLoad, slowStore, probeStore, storePlace, translateCode, physicalLoad, physicalStore, hostAddress],
  ...[flushTlbs, flushPage, watchPages, watchPageAgain, deliverQuickly, dispatch],
];

function compileHelpers(linker: Linker): MmuFunctions {
  linker.compile([], CALLED_HELPERS);
  const helper = <T extends NativeFunction>(ref: Parameters<Linker['helper']>[0]) => linker.helper(ref) as unknown as T;
  return {
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
    watchPageAgain: helper(watchPageAgain),
    deliverQuickly: helper(deliverQuickly),
  };
}
