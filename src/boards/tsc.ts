import type { TscSource } from '../devices/local-apic/apic-timer.ts';
import type { Clock } from '../machine/interfaces.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** A time-stamp counter that is derived from the clock. */
export class ClockTsc implements TscSource {
  readonly #clock: Clock;
  readonly #hz: bigint;
  readonly #offset: () => bigint;

  /** @param offset what the guest has added to the counter */
  constructor(clock: Clock, hz: number, offset: () => bigint) {
    this.#clock = clock;
    this.#hz = BigInt(hz);
    this.#offset = offset;
  }

  now(): bigint {
    return (this.#clock.nowNanos() * this.#hz) / NANOS_PER_SECOND + this.#offset();
  }

  nanosAt(tsc: bigint): bigint {
    return ((tsc - this.#offset()) * NANOS_PER_SECOND + this.#hz - 1n) / this.#hz;
  }
}
