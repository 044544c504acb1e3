import type { DeviceState } from '../../machine/interfaces.ts';

export const PIC8259_VERSION = 1;
export const ELCR_VERSION = 1;

/** Everything a {@link Pic8259} remembers. Masks have bit n for input IRn. */
export interface Pic8259State extends DeviceState {
  version: typeof PIC8259_VERSION;
  /** Levels of the eight IR pins. */
  levels: number;
  /** Requests latched by a rising edge and not acknowledged yet. */
  edges: number;
  /** Inputs that the board's ELCR makes level-sensitive. */
  levelSensitive: number;
  imr: number;
  isr: number;
  /** The IR number that has the lowest priority now; 7 until rotated. */
  lowestPriority: number;
  icw1: number;
  icw2: number;
  icw3: number;
  icw4: number;
  /** The initialisation word expected next at A0 = 1 (2, 3 or 4), or 0 when initialised. */
  nextIcw: number;
  specialMask: boolean;
  rotateOnAutoEoi: boolean;
  /** A read at A0 = 0 gives the ISR, not the IRR. */
  readIsr: boolean;
  /** The next read is a poll. */
  poll: boolean;
}

/** What the edge/level control registers remember. */
export interface ElcrState extends DeviceState {
  version: typeof ELCR_VERSION;
  /** Bit n: IRQn is level-sensitive. */
  levelSensitive: number;
}
