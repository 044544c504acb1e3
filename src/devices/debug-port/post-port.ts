import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

const STATE_VERSION = 1;

/** The POST code port 0x80. Systems write to it for a delay; it remembers the last byte, as a POST card shows it. */
export class PostPort implements Device {
  #code = 0;

  read(): number {
    return this.#code;
  }

  write(_offset: number, _size: number, value: number): void {
    this.#code = value & 0xff;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, code: this.#code };
  }

  restore(state: DeviceState): void {
    requireVersion('PostPort', state.version, STATE_VERSION);
    this.#code = Number(state.code) & 0xff;
  }
}
