import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';

const FAST_RESET = 0x01;
const FAST_A20 = 0x02;
const STATE_VERSION = 1;

/** System control port A of the PS/2, port 0x92: bit 1 opens the A20 gate, a rising bit 0 resets the processor. */
export class SystemControlPortA implements Device {
  readonly #a20: IrqLine;
  readonly #reset: () => void;
  #value = 0;

  /** @param a20 asserted while this port holds the A20 gate open */
  constructor(a20: IrqLine, reset: () => void) {
    this.#a20 = a20;
    this.#reset = reset;
  }

  read(): number {
    return this.#value;
  }

  write(_offset: number, _size: number, value: number): void {
    const rises = (value & ~this.#value & FAST_RESET) !== 0;
    this.#value = value & 0xff;
    this.#a20.set((value & FAST_A20) !== 0);
    if (rises) this.#reset();
  }

  save(): DeviceState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: DeviceState): void {
    requireVersion('SystemControlPortA', state.version, STATE_VERSION);
    this.#value = Number(state.value) & 0xff;
    this.#a20.set((this.#value & FAST_A20) !== 0);
  }
}
