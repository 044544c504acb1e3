import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

/** Bytes of the identifier. */
export const GENERATION_ID_BYTES = 16;
const STATE_VERSION = 1;

/**
 * Says which machine this is ("Virtual Machine Generation ID", Microsoft, 2012): 16 bytes in memory, others in every copy of a
 * saved machine. A guest that hears of a change makes anew what must not be the same twice, as the keys of its random numbers.
 * The identifier belongs to the machine and is not restored: a copy has its own.
 */
export class VmGenerationId implements Device {
  readonly #id: Uint8Array;
  #isNews = false;

  /** @param id 16 bytes */
  constructor(id: Uint8Array) {
    this.#id = id.slice(0, GENERATION_ID_BYTES);
  }

  /** Whether the guest knows another identifier than this one; it is told so once. */
  takeNews(): boolean {
    const isNews = this.#isNews;
    this.#isNews = false;
    return isNews;
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let n = size - 1; n >= 0; n--) value = value * 0x100 + (this.#id[offset + n] ?? 0);
    return value;
  }

  write(): void {}

  save(): DeviceState {
    return { version: STATE_VERSION, id: this.#id.slice() };
  }

  restore(state: DeviceState): void {
    requireVersion('VmGenerationId', state.version, STATE_VERSION);
    const known = state.id as Uint8Array;
    this.#isNews = known.length !== this.#id.length || known.some((byte, n) => byte !== this.#id[n]);
  }
}
