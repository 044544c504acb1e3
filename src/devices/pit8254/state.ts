import type { DeviceState } from '../../machine/interfaces.ts';

export const PIT8254_VERSION = 1;
export const PORT_B_VERSION = 1;

/** What one of the three counters remembers. Times are ticks of the 1.193182 MHz clock since power-on. */
export interface CounterState {
  /** Bits 5-0 of the last control word: RW1 RW0 M2 M1 M0 BCD. */
  control: number;
  gate: boolean;
  /**
   * idle: no count since the control word, or no trigger in modes 1 and 5; running: the count was loaded at `origin`;
   * held: GATE has stopped the counter `elapsed` ticks after it was loaded.
   */
  phase: 'idle' | 'running' | 'held';
  /** The count in force, 1 to 65536 (16665 for BCD with invalid digits); 0 before the first. */
  reload: number;
  origin: number;
  elapsed: number;
  /** A count that waits for the end of the (half-)cycle at `nextTick`, or for a trigger when `nextTick` is null. */
  next: number | null;
  nextTick: number | null;
  /** The first byte of a two-byte count. */
  lowByte: number | null;
  /** The next read of a two-byte count gives its high byte. */
  readHigh: boolean;
  latchedCount: number | null;
  latchedStatus: number | null;
}

/** Everything a {@link Pit8254} remembers. */
export interface Pit8254State extends DeviceState {
  version: typeof PIT8254_VERSION;
  counters: CounterState[];
  /** The level counter 0 last gave to its interrupt line. */
  irqLevel: boolean;
  /** The tick at which that line changes next, or null when it stays. */
  irqTick: number | null;
}

/** What port 61h remembers. */
export interface PortBState extends DeviceState {
  version: typeof PORT_B_VERSION;
  /** Bits 3-0 as last written. */
  control: number;
}
