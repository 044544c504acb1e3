import type { Alarm, Clock } from '../../machine/interfaces.ts';
import type { ApicTimerState } from './state.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
/** Periods shorter than this are stretched to a multiple of themselves: no guest could serve them. */
const SHORTEST_PERIOD_NANOS = 10_000n;
const ONE_SHOT = 0;
const PERIODIC = 1;
const TSC_DEADLINE = 2;

/** The processor's time-stamp counter as its APIC timer sees it. */
export interface TscSource {
  /** The present value. */
  now(): bigint;
  /** The first nanosecond since power-on at which the counter is at or above `tsc`. */
  nanosAt(tsc: bigint): bigint;
}

/**
 * The timer of a local APIC (Intel SDM 3A 11.5.4), computed from the clock; only those
 * expiries need an alarm that interrupt or that clear IA32_TSC_DEADLINE.
 */
export class ApicTimer {
  readonly #clock: Clock;
  readonly #tsc: TscSource;
  readonly #hz: bigint;
  readonly #onExpiry: () => void;
  readonly #alarm: Alarm;
  #s: ApicTimerState = stoppedTimer();

  /** @param hz the rate at divisor 1 */
  constructor(clock: Clock, tsc: TscSource, hz: number, onExpiry: () => void) {
    this.#clock = clock;
    this.#tsc = tsc;
    this.#hz = BigInt(hz);
    this.#onExpiry = onExpiry;
    this.#alarm = clock.createAlarm(() => this.#expireIfDue());
  }

  get initialCount(): number {
    return this.#s.initialCount;
  }

  get divideConfiguration(): number {
    return this.#s.divideConfiguration;
  }

  /** IA32_TSC_DEADLINE: 0 when disarmed or in another mode. */
  get tscDeadline(): bigint {
    this.#expireIfDue();
    return this.#s.tscDeadline;
  }

  get currentCount(): number {
    const s = this.#s;
    if (s.mode === TSC_DEADLINE || isStopped(s)) return 0;
    const elapsed = this.#ticksSinceStart();
    const left = BigInt(s.startCount) - elapsed;
    if (left > 0n) return Number(left);
    if (s.mode !== PERIODIC) return 0;
    const initial = BigInt(s.initialCount);
    return Number(initial - (-left % initial));
  }

  /** Follows a write of the LVT timer register. */
  configure(mode: number, masked: boolean): void {
    this.#expireIfDue();
    const s = this.#s;
    if ((mode === TSC_DEADLINE) !== (s.mode === TSC_DEADLINE)) {
      s.initialCount = 0;
      s.tscDeadline = 0n;
    } else {
      this.#rebase();
    }
    s.mode = mode;
    s.masked = masked;
    this.#schedule();
  }

  writeInitialCount(count: number): void {
    this.#expireIfDue();
    const s = this.#s;
    if (s.mode === TSC_DEADLINE) return;
    s.initialCount = count;
    s.startCount = count;
    s.startNanos = this.#clock.nowNanos();
    this.#schedule();
  }

  writeDivideConfiguration(value: number): void {
    this.#expireIfDue();
    this.#rebase();
    this.#s.divideConfiguration = value;
    this.#schedule();
  }

  /** Ignored in the other modes. A deadline that has passed expires at once. */
  writeTscDeadline(deadline: bigint): void {
    this.#expireIfDue();
    if (this.#s.mode !== TSC_DEADLINE) return;
    this.#s.tscDeadline = deadline;
    this.tscChanged();
  }

  /** To be called after the guest has set its TSC. */
  tscChanged(): void {
    this.#schedule();
    this.#expireIfDue();
  }

  reset(): void {
    this.#s = stoppedTimer();
    this.#schedule();
  }

  save(): ApicTimerState {
    return { ...this.#s };
  }

  restore(state: ApicTimerState): void {
    this.#s = { ...state };
    this.#arm(state.expiryNanos);
  }

  get #divisor(): bigint {
    const { divideConfiguration } = this.#s;
    const code = (divideConfiguration & 3) | ((divideConfiguration >> 1) & 4);
    return 1n << BigInt((code + 1) & 7);
  }

  #ticksSinceStart(): bigint {
    const nanos = this.#clock.nowNanos() - this.#s.startNanos;
    return (nanos * this.#hz) / (NANOS_PER_SECOND * this.#divisor);
  }

  #nanosOfTicks(ticks: bigint): bigint {
    return (ticks * this.#divisor * NANOS_PER_SECOND + this.#hz - 1n) / this.#hz;
  }

  /** Makes the present count the one to start from, before the divisor or the mode changes. */
  #rebase(): void {
    this.#s.startCount = this.currentCount;
    this.#s.startNanos = this.#clock.nowNanos();
  }

  #schedule(): void {
    const { masked, mode } = this.#s;
    this.#arm(masked && mode !== TSC_DEADLINE ? null : this.#nextExpiry());
  }

  #nextExpiry(): bigint | null {
    const { mode, tscDeadline, initialCount, startCount, startNanos } = this.#s;
    if (mode === TSC_DEADLINE) return tscDeadline === 0n ? null : this.#tsc.nanosAt(tscDeadline);
    if (isStopped(this.#s) || (mode !== PERIODIC && this.currentCount === 0)) return null;
    const now = this.#clock.nowNanos();
    const first = startNanos + this.#nanosOfTicks(BigInt(startCount));
    if (first > now || mode !== PERIODIC) return first;
    const period = BigInt(initialCount);
    const earliest = this.#nanosOfTicks(period) < SHORTEST_PERIOD_NANOS ? now + SHORTEST_PERIOD_NANOS : now;
    const done = ((earliest - startNanos) * this.#hz) / (NANOS_PER_SECOND * this.#divisor) - BigInt(startCount);
    return startNanos + this.#nanosOfTicks(BigInt(startCount) + (done / period + 1n) * period);
  }

  #arm(nanos: bigint | null): void {
    this.#s.expiryNanos = nanos;
    if (nanos === null) this.#alarm.cancel();
    else this.#alarm.arm(nanos);
  }

  #expireIfDue(): void {
    const s = this.#s;
    if (s.expiryNanos === null || this.#clock.nowNanos() < s.expiryNanos) return;
    if (s.mode === TSC_DEADLINE) s.tscDeadline = 0n;
    this.#schedule();
    this.#onExpiry();
  }
}

/** Without a count; a one-shot count that has ended stays at zero in periodic mode too, until a new one is written. */
function isStopped({ initialCount, startCount }: ApicTimerState): boolean {
  return initialCount === 0 || startCount === 0;
}

function stoppedTimer(): ApicTimerState {
  return {
    mode: ONE_SHOT,
    masked: true,
    divideConfiguration: 0,
    initialCount: 0,
    startCount: 0,
    startNanos: 0n,
    tscDeadline: 0n,
    expiryNanos: null,
  };
}
