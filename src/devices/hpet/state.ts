import type { DeviceState } from '../../machine/interfaces.ts';

export const HPET_VERSION = 1;

/** What a timer of an {@link import('./hpet.ts').Hpet} remembers. */
export interface HpetTimerState {
  /** The low half of the configuration register. */
  config: number;
  comparator: bigint;
  /** Added to the comparator at each match in periodic mode. */
  period: bigint;
  /** When the counter next equals the comparator, in nanoseconds since power-on; null while nothing waits for it. */
  matchNanos: bigint | null;
}

/** The registers of the block, and the levels of what goes through the chip. */
export interface HpetRegisters {
  config: number;
  /** Interrupts of level-triggered timers that have not been acknowledged, a bit a timer. */
  status: number;
  /** The main counter, as it is while halted or was at `startNanos`. */
  counter: bigint;
  /** When the counter was last set or started. */
  startNanos: bigint;
  /** Outputs of the 8254 and of the real-time clock. */
  pit: boolean;
  rtc: boolean;
}

/** Everything an {@link import('./hpet.ts').Hpet} remembers. */
export interface HpetState extends DeviceState {
  readonly version: typeof HPET_VERSION;
  readonly registers: HpetRegisters;
  readonly timers: readonly HpetTimerState[];
}
