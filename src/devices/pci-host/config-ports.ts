import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';
import type { PciBus } from '../../machine/pci.ts';

const ADDRESS_ENABLE = 0x80000000;
/** Bus, device, function and dword of CONFIG_ADDRESS, with the enable bit; the others are reserved and read as zero. */
const ADDRESS_WRITABLE = 0x80fffffc;
const DATA_OFFSET = 4;
const STATE_VERSION = 1;

/**
 * Configuration mechanism #1: CONFIG_ADDRESS at offset 0 and CONFIG_DATA at offset 4 (PCI 3.0 section 3.2.2.3.2).
 * Only a dword access reaches CONFIG_ADDRESS. A function that is not there reads as ones.
 */
export class PciConfigPorts implements Device {
  readonly #bus: PciBus;
  #address = 0;

  constructor(bus: PciBus) {
    this.#bus = bus;
  }

  read(offset: number, size: number): number {
    const ones = 2 ** (size * 8) - 1;
    if (offset < DATA_OFFSET) return offset === 0 && size === 4 ? this.#address : ones;
    return this.#target()?.readConfig(this.#register(offset), size) ?? ones;
  }

  write(offset: number, size: number, value: number): void {
    if (offset >= DATA_OFFSET) this.#target()?.writeConfig(this.#register(offset), size, value);
    else if (offset === 0 && size === 4) this.#address = (value & ADDRESS_WRITABLE) >>> 0;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, address: this.#address };
  }

  restore(state: DeviceState): void {
    requireVersion('PciConfigPorts', state.version, STATE_VERSION);
    this.#address = (Number(state.address) & ADDRESS_WRITABLE) >>> 0;
  }

  #target() {
    const onBus0 = (this.#address & 0xff0000) === 0;
    if (this.#address < ADDRESS_ENABLE || !onBus0) return undefined;
    return this.#bus.at((this.#address >>> 8) & 0xff);
  }

  #register(offset: number): number {
    return (this.#address & 0xfc) + (offset - DATA_OFFSET);
  }
}
