import type { Clock } from './interfaces.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** The pace as a saved state has it. */
export interface SamplePaceState {
  readonly originNanos: bigint;
  readonly taken: number;
}

/** How many samples are due: their number since the pace began, without drift however they are taken. */
export class SamplePace {
  readonly #clock: Clock;
  #originNanos = 0n;
  #taken = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts from now on. To be called when the rate changes too. */
  begin(): void {
    this.#originNanos = this.#clock.nowNanos();
    this.#taken = 0;
  }

  /** Samples that are due now and were not taken. @param rateHz whole samples a second, above 0 */
  due(rateHz: number): number {
    const elapsed = this.#clock.nowNanos() - this.#originNanos;
    return Number((elapsed * BigInt(rateHz)) / NANOS_PER_SECOND) - this.#taken;
  }

  take(samples: number): void {
    this.#taken += samples;
  }

  /** When so many samples more will be due. @returns nanoseconds since power-on */
  deadlineNanos(samples: number, rateHz: number): bigint {
    const rate = BigInt(rateHz);
    return this.#originNanos + (BigInt(this.#taken + samples) * NANOS_PER_SECOND + rate - 1n) / rate;
  }

  save(): SamplePaceState {
    return { originNanos: this.#originNanos, taken: this.#taken };
  }

  restore({ originNanos, taken }: SamplePaceState): void {
    this.#originNanos = originNanos;
    this.#taken = taken;
  }
}
