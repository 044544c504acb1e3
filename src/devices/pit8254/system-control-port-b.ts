import { requireVersion } from '../../base/state-version.ts';
import type { Clock, Device, DeviceState } from '../../machine/interfaces.ts';
import type { PcSpeaker } from './pc-speaker.ts';
import type { Pit8254 } from './pit8254.ts';
import { PORT_B_VERSION, type PortBState } from './state.ts';

const TIMER2_GATE = 0x01;
const SPEAKER_DATA = 0x02;
const WRITABLE = 0x0f;
const REFRESH_TOGGLE = 0x10;
const TIMER2_OUT = 0x20;

/** The time between two memory refreshes, at each of which the refresh bit changes. */
const REFRESH_NANOS = 15_085n;

/**
 * System control port B of a PC/AT (port 61h; "NMI status and control" in the PIIX3 data sheet).
 *
 * Bits 7 and 6 (SERR#, IOCHK#) read as 0: nothing on this board raises them.
 */
export class SystemControlPortB implements Device {
  readonly #clock: Clock;
  readonly #pit: Pit8254;
  readonly #speaker: PcSpeaker;
  #control = 0;

  constructor(clock: Clock, pit: Pit8254, speaker: PcSpeaker) {
    this.#clock = clock;
    this.#pit = pit;
    this.#speaker = speaker;
  }

  read(_offset: number, _size: number): number {
    const refresh = (this.#clock.nowNanos() / REFRESH_NANOS) & 1n ? REFRESH_TOGGLE : 0;
    return this.#control | refresh | (this.#pit.out2 ? TIMER2_OUT : 0);
  }

  write(_offset: number, _size: number, value: number): void {
    this.#control = value & WRITABLE;
    this.#pit.gate2.set((value & TIMER2_GATE) !== 0);
    this.#speaker.enabled = (value & SPEAKER_DATA) !== 0;
  }

  save(): PortBState {
    return { version: PORT_B_VERSION, control: this.#control };
  }

  restore(state: DeviceState): void {
    requireVersion('SystemControlPortB', state.version, PORT_B_VERSION);
    this.#control = (state as PortBState).control;
    this.#speaker.restart((this.#control & SPEAKER_DATA) !== 0);
  }
}
