import type { DisplaySource, InputSinks } from '../display/interfaces.ts';
import type { Clock } from '../machine/interfaces.ts';

/** What a person in front of the machine sees and touches. */
export interface Peripherals {
  readonly display: DisplaySource;
  readonly input: InputSinks;
  readonly clock: Clock;
}
