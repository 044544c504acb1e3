import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

/** Events of the pvpanic device (QEMU docs/specs/pvpanic). */
export const PVPANIC_PANICKED = 0x01;
export const PVPANIC_CRASH_LOADED = 0x02;
const SUPPORTED = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
const STATE_VERSION = 1;

/** pvpanic, by custom at port 0x505: reads say which events are understood, a write tells that they happened. */
export class Pvpanic implements Device {
  readonly #happened: (events: number) => void;

  /** @param happened gets the understood PVPANIC_… events of a write; never none */
  constructor(happened: (events: number) => void) {
    this.#happened = happened;
  }

  read(): number {
    return SUPPORTED;
  }

  write(_offset: number, _size: number, value: number): void {
    if (value & SUPPORTED) this.#happened(value & SUPPORTED);
  }

  save(): DeviceState {
    return { version: STATE_VERSION };
  }

  restore(state: DeviceState): void {
    requireVersion('Pvpanic', state.version, STATE_VERSION);
  }
}
