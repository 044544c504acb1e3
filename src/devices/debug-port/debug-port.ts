import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

/** What the debug port answers, so that firmware finds it (the convention of Bochs, taken over by QEMU). */
const PRESENT = 0xe9;
const STATE_VERSION = 1;

/** The debug port 0xE9: every byte written goes to the outside. */
export class DebugPort implements Device {
  readonly #send: (byte: number) => void;

  constructor(send: (byte: number) => void) {
    this.#send = send;
  }

  read(): number {
    return PRESENT;
  }

  write(_offset: number, _size: number, value: number): void {
    this.#send(value);
  }

  save(): DeviceState {
    return { version: STATE_VERSION };
  }

  restore(state: DeviceState): void {
    requireVersion('DebugPort', state.version, STATE_VERSION);
  }
}
