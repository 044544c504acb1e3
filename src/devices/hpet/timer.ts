import type { HpetTimerState } from './state.ts';

/** Low half of a timer's configuration and capability register (IA-PC HPET 1.0a section 2.3.8). */
export const TIMER = {
  level: 1 << 1,
  interruptEnable: 1 << 2,
  periodic: 1 << 3,
  canBePeriodic: 1 << 4,
  is64Bit: 1 << 5,
  setValue: 1 << 6,
  forced32Bit: 1 << 8,
  routeShift: 9,
  route: 0x1f << 9,
} as const;

const WRITABLE =
  TIMER.level | TIMER.interruptEnable | TIMER.periodic | TIMER.setValue | TIMER.forced32Bit | TIMER.route;
const CAPABILITIES = TIMER.canBePeriodic | TIMER.is64Bit;
/** Nanoseconds from a tick of the counter to the next. */
export const TICK_NANOS = 10n;
/** Cycles shorter than this come at a multiple of themselves: no guest could serve them. */
const SHORTEST_PERIOD_NANOS = 10_000n;
/** Matches further away than some 23 years are not waited for. */
const LONGEST_WAIT_TICKS = 1n << 56n;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** One comparator of an HPET. It knows when it matches; what comes of a match is its owner's. */
export class HpetTimer {
  #s: HpetTimerState = powerOnTimer();

  get config(): number {
    return this.#s.config | CAPABILITIES;
  }

  get comparator(): bigint {
    return this.#s.comparator;
  }

  get matchNanos(): bigint | null {
    return this.#s.matchNanos;
  }

  get isLevel(): boolean {
    return (this.#s.config & TIMER.level) !== 0;
  }

  get interruptsEnabled(): boolean {
    return (this.#s.config & TIMER.interruptEnable) !== 0;
  }

  /** The I/O APIC input that the guest has chosen. */
  get route(): number {
    return (this.#s.config & TIMER.route) >> TIMER.routeShift;
  }

  /** @param routes a bit for each input that can be chosen; others leave the choice as it was */
  writeConfig(value: number, routes: number): void {
    const s = this.#s;
    const route = (value & TIMER.route) >>> TIMER.routeShift;
    const chosen = (routes >>> route) & 1 ? value : (value & ~TIMER.route) | (s.config & TIMER.route);
    s.config = chosen & WRITABLE;
    if (this.#is32Bit) {
      s.comparator &= this.#mask;
      s.period &= this.#mask;
    }
  }

  /** Writes half of the comparator, or in periodic mode of the period, with the comparator if VAL_SET asks for it. */
  writeComparator(isHigh: boolean, value: number): void {
    const s = this.#s;
    const periodic = (s.config & TIMER.periodic) !== 0;
    if (!periodic || s.config & TIMER.setValue) s.comparator = withHalf(s.comparator, isHigh, value) & this.#mask;
    if (periodic) s.period = withHalf(s.period, isHigh, value) & this.#mask;
    if (isHigh || this.#is32Bit) s.config &= ~TIMER.setValue; // it holds for one write, whole or in halves
  }

  /** The counter runs and stands at `counter` since `nanos`: waits for it to equal the comparator. */
  start(counter: bigint, nanos: bigint): void {
    const s = this.#s;
    const ticks = (s.comparator - counter) & this.#mask;
    s.matchNanos = ticks > LONGEST_WAIT_TICKS ? null : nanos + ticks * TICK_NANOS;
  }

  /** The counter has been halted. */
  stop(): void {
    this.#s.matchNanos = null;
  }

  /** Follows the counter to `nowNanos`. @returns whether it has equalled the comparator since the last time */
  advance(nowNanos: bigint): boolean {
    const s = this.#s;
    if (s.matchNanos === null || s.matchNanos > nowNanos) return false;
    if (s.config & TIMER.periodic && s.period > 0n) this.#repeat(nowNanos);
    else s.matchNanos = this.#is32Bit ? s.matchNanos + (this.#mask + 1n) * TICK_NANOS : null;
    return true;
  }

  save(): HpetTimerState {
    return { ...this.#s };
  }

  restore(state: HpetTimerState): void {
    this.#s = { ...state };
  }

  get #is32Bit(): boolean {
    return (this.#s.config & TIMER.forced32Bit) !== 0;
  }

  get #mask(): bigint {
    return this.#is32Bit ? 0xffff_ffffn : ALL_ONES;
  }

  /** Moves on to the first match that lies ahead and is not too close. */
  #repeat(nowNanos: bigint): void {
    const s = this.#s;
    const periodNanos = s.period * TICK_NANOS;
    const atOnce = (SHORTEST_PERIOD_NANOS + periodNanos - 1n) / periodNanos;
    const passed = (nowNanos - (s.matchNanos ?? nowNanos)) / periodNanos;
    const steps = (passed / atOnce + 1n) * atOnce;
    s.comparator = (s.comparator + steps * s.period) & this.#mask;
    s.matchNanos = (s.matchNanos ?? nowNanos) + steps * periodNanos;
  }
}

/** A register of 64 bits after one half of it has been written. */
export function withHalf(register: bigint, isHigh: boolean, value: number): bigint {
  if (isHigh) return (register & 0xffff_ffffn) | (BigInt(value) << 32n);
  return (register & ~0xffff_ffffn) | BigInt(value);
}

function powerOnTimer(): HpetTimerState {
  return { config: 0, comparator: ALL_ONES, period: 0n, matchNanos: null };
}
