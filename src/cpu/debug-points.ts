import { PAGE_MASK } from './tlb.ts';

/** What makes guest code stop for a debugger, or that it was told to go one step. Addresses are linear. */
export type DebugStop =
  | { readonly kind: 'step' }
  | { readonly kind: 'breakpoint'; readonly hardware: boolean }
  | { readonly kind: 'watchpoint'; readonly type: WatchType; readonly address: bigint };

export type WatchType = 'write' | 'read' | 'access';

/** An instruction at which to stop, before it is executed. */
export interface Breakpoint {
  readonly address: bigint;
  /** Whether the debugger asked for one of the processor's own; there are any number of both. */
  readonly hardware: boolean;
}

/** Memory at which to stop, behind the instruction that reaches it. */
export interface Watchpoint {
  readonly type: WatchType;
  readonly address: bigint;
  readonly bytes: number;
}

/**
 * The breakpoints and watchpoints of a debugger outside the machine. Code at an offset in a page where a breakpoint is,
 * in whatever page, stands in no block of several instructions, so that the run loop sees every arrival there; pages with
 * watchpoints are in no TLB for data. Everything else runs at full speed.
 */
export class DebugPoints {
  #breakpoints = new Map<bigint, Breakpoint>();
  #watchpoints: readonly Watchpoint[] = [];
  #offsets: ReadonlySet<number> = new Set();
  /** What has been met since it was last asked for. */
  #met: DebugStop | undefined;

  /** Whether there are breakpoints. */
  get stopsCode(): boolean {
    return this.#breakpoints.size > 0;
  }

  /** Whether there are watchpoints. */
  get watches(): boolean {
    return this.#watchpoints.length > 0;
  }

  /** Sets all points. @returns whether decoded code does not fit them any more */
  set(breakpoints: readonly Breakpoint[], watchpoints: readonly Watchpoint[]): boolean {
    this.#breakpoints = new Map(breakpoints.map((point) => [point.address, point]));
    this.#watchpoints = watchpoints;
    const offsets = new Set(breakpoints.map(({ address }) => Number(address & 0xfffn)));
    const fits = offsets.size === this.#offsets.size && offsets.isSubsetOf(this.#offsets);
    this.#offsets = offsets;
    return !fits;
  }

  /** The breakpoint at an address. */
  at(linear: bigint): Breakpoint | undefined {
    return this.#breakpoints.get(linear);
  }

  /** Whether there may be a breakpoint at this offset of a page. */
  mayStopAt(pageOffset: number): boolean {
    return this.#offsets.has(pageOffset);
  }

  /** Whether the page of `linear` holds a part of a watchpoint. */
  watchesPage(linear: bigint): boolean {
    const page = linear & PAGE_MASK;
    return this.#watchpoints.some(
      ({ address, bytes }) => page >= (address & PAGE_MASK) && page <= address + BigInt(bytes - 1),
    );
  }

  /** Notes an access. @returns whether it meets a watchpoint */
  access(linear: bigint, bytes: number, write: boolean): boolean {
    const met = this.#watchpoints.find(
      ({ type, address, bytes: length }) =>
        linear < address + BigInt(length) && linear + BigInt(bytes) > address && type !== (write ? 'read' : 'write'),
    );
    if (met !== undefined) this.#met ??= { kind: 'watchpoint', type: met.type, address: met.address };
    return met !== undefined;
  }

  /** What watchpoint was met, once. */
  take(): DebugStop | undefined {
    const met = this.#met;
    this.#met = undefined;
    return met;
  }
}
