import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState, NetPort } from '../../machine/interfaces.ts';
import { PciCard, PciConfigSpace } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { Dp8390, NE2000_PORTS } from './dp8390.ts';

const STATE_VERSION = 1;

/** An NE2000 on the PCI bus: Realtek's RTL8029. */
export class Ne2000Pci extends PciCard {
  protected override readonly config: PciConfigSpace;
  readonly #chip: Dp8390;

  /** @param mac six bytes, the address in the card's PROM */
  constructor(net: NetPort, mac: Uint8Array, slot: PciSlot) {
    super();
    this.#chip = new Dp8390(net, mac, { set: (level) => this.config?.interrupt(level) });
    const window = slot.window('io', NE2000_PORTS, this.#chip, 'ne2000');
    this.config = new PciConfigSpace(
      {
        vendor: 0x10ec,
        device: 0x8029,
        revision: 0,
        classCode: 0x020000,
        subsystemVendor: 0x10ec,
        subsystem: 0x8029,
        interruptPin: 1,
        bars: [{ index: 0, kind: 'io', length: NE2000_PORTS, window }],
      },
      slot.interrupt,
    );
  }

  save(): DeviceState {
    return { version: STATE_VERSION, config: this.config.save(), chip: this.#chip.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('Ne2000Pci', state.version, STATE_VERSION);
    this.config.restore(state.config as DeviceState);
    this.#chip.restore(state.chip as DeviceState);
  }
}
