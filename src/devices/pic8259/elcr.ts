import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';
import type { Pic8259 } from './pic8259.ts';
import { ELCR_VERSION, type ElcrState } from './state.ts';

/** IRQ0, 1, 2, 8 and 13 are always edge-triggered. */
const WRITABLE = 0xdef8;

/** Edge/level control registers ELCR1 (offset 0, IRQ0-7) and ELCR2 (offset 1, IRQ8-15). */
export class Elcr implements Device {
  readonly #master: Pic8259;
  readonly #slave: Pic8259;
  #levelSensitive = 0;

  constructor(master: Pic8259, slave: Pic8259) {
    this.#master = master;
    this.#slave = slave;
  }

  read(offset: number, _size: number): number {
    return (this.#levelSensitive >> shift(offset)) & 0xff;
  }

  write(offset: number, _size: number, value: number): void {
    const kept = this.#levelSensitive & ~(0xff << shift(offset));
    this.#apply(kept | ((value & 0xff) << shift(offset)));
  }

  save(): ElcrState {
    return { version: ELCR_VERSION, levelSensitive: this.#levelSensitive };
  }

  restore(state: DeviceState): void {
    requireVersion('Elcr', state.version, ELCR_VERSION);
    this.#apply((state as ElcrState).levelSensitive);
  }

  #apply(levelSensitive: number): void {
    this.#levelSensitive = levelSensitive & WRITABLE;
    this.#master.levelSensitive = this.#levelSensitive & 0xff;
    this.#slave.levelSensitive = this.#levelSensitive >> 8;
  }
}

function shift(offset: number): number {
  return offset & 1 ? 8 : 0;
}
