import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

const RC_SYSTEM_RESET = 0x02;
const RC_RESET_CPU = 0x04;
const RC_WRITABLE = RC_SYSTEM_RESET | RC_RESET_CPU;
const STATE_VERSION = 1;

/**
 * The reset control register of the PIIX3, port 0xCF9 (Intel 82371SB data sheet, section 2.5.5.1): setting RCPU while
 * it is clear resets the machine.
 */
export class ResetControl implements Device {
  readonly #reset: () => void;
  #value = 0;

  constructor(reset: () => void) {
    this.#reset = reset;
  }

  read(): number {
    return this.#value;
  }

  write(_offset: number, _size: number, value: number): void {
    const rises = (value & ~this.#value & RC_RESET_CPU) !== 0;
    this.#value = value & RC_WRITABLE;
    if (rises) this.#reset();
  }

  save(): DeviceState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: DeviceState): void {
    requireVersion('ResetControl', state.version, STATE_VERSION);
    this.#value = Number(state.value) & RC_WRITABLE;
  }
}
