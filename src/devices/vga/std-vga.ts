import type { DeviceState } from '../../machine/interfaces.ts';
import { PciConfigSpace, type PciFunction } from '../../machine/pci.ts';
import { VgaAdapter, type VgaWiring } from './vga-adapter.ts';

const VENDOR = 0x1234;
const DEVICE = 0x1111;
const REVISION = 2;
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;

/** The PCI class of an adapter that is compatible with a VGA. */
export const VGA_COMPATIBLE = 0x030000;

/** The standard VGA of QEMU (docs/specs/standard-vga), on the PCI bus. */
export class StdVga extends VgaAdapter implements PciFunction {
  readonly #config: PciConfigSpace;

  constructor(wiring: VgaWiring) {
    super(wiring);
    this.#config = new PciConfigSpace({
      vendor: VENDOR,
      device: DEVICE,
      revision: REVISION,
      classCode: VGA_COMPATIBLE,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
      bars: this.bars,
    });
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
  }

  override save(): DeviceState {
    return { ...super.save(), config: this.#config.save() };
  }

  override restore(state: DeviceState): void {
    super.restore(state);
    this.#config.restore(state.config as DeviceState);
  }
}
