import type { DeviceState } from '../../machine/interfaces.ts';
import { PciConfigSpace, type PciFunction, type PciWindow } from '../../machine/pci.ts';

/** Configuration registers (Intel 82371AB data sheet, section 7.1). */
const PMBA = 0x40;
const PMBA_IO = 1;
const PMBA_ADDRESS = 0xffc0;
/** APMC_EN is set from the start: a write to the APM control port has done its SMI, and firmware sets no handler up. */
const DEVACTB = 0x58;
const DEVACTB_APMC_EN = 1 << 25;
const PMREGMISC = 0x80;
const PMIOSE = 1;

/** The power management function of the PIIX4: it says where in I/O space the registers lie. There is no SMBus. */
export class Piix4Pm implements PciFunction {
  readonly #config = new PciConfigSpace({
    vendor: 0x8086,
    device: 0x7113,
    revision: 3,
    classCode: 0x068000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    interruptPin: 1,
  });
  readonly #window: PciWindow;

  /** @param window where the registers appear */
  constructor(window: PciWindow) {
    this.#window = window;
    this.#config.define(PMBA, 4, PMBA_IO, PMBA_ADDRESS);
    this.#config.define(PMREGMISC, 1, 0, PMIOSE);
    this.#config.define(DEVACTB, 4, DEVACTB_APMC_EN, DEVACTB_APMC_EN);
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
    this.#placeWindow();
  }

  save(): DeviceState {
    return this.#config.save();
  }

  restore(state: DeviceState): void {
    this.#config.restore(state);
    this.#placeWindow();
  }

  #placeWindow(): void {
    const base = this.#config.readConfig(PMBA, 2) & PMBA_ADDRESS;
    const enabled = (this.#config.readConfig(PMREGMISC, 1) & PMIOSE) !== 0;
    this.#window.place(enabled && base !== 0 ? base : undefined);
  }
}
