import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

const STATE_VERSION = 1;

/** isa-debug-exit: a write ends the machine with a value of the guest's choice. */
export class DebugExit implements Device {
  readonly #exit: (value: number) => void;

  /** @param exit gets the value written, 32 bits at most */
  constructor(exit: (value: number) => void) {
    this.#exit = exit;
  }

  read(): number {
    return 0;
  }

  write(_offset: number, _size: number, value: number): void {
    this.#exit(value);
  }

  save(): DeviceState {
    return { version: STATE_VERSION };
  }

  restore(state: DeviceState): void {
    requireVersion('DebugExit', state.version, STATE_VERSION);
  }
}
