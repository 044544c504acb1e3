import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { PciCard, PciConfigSpace, type PciWindow } from '../../machine/pci.ts';
import type { IdeChannel, RegisterBank } from './channel.ts';

/** Configuration registers that are kept for drivers to read back: IDETIM of both channels, SIDETIM. */
const IDETIM = 0x40;
const SIDETIM = 0x44;
const BUS_MASTER_BAR = 4;
const STATE_VERSION = 1;

/** Ports of the bus-master registers of both channels. */
export const BUS_MASTER_PORTS = 16;
const PORTS_PER_CHANNEL = 8;

/**
 * The IDE function of the PIIX3 (Intel 82371SB data sheet, sections 2.3 and 2.7): two channels at their ISA addresses
 * and interrupts. Timings are remembered and mean nothing.
 */
export class Piix3Ide extends PciCard {
  protected override readonly config: PciConfigSpace;
  readonly #channels: readonly IdeChannel[];

  /**
   * @param channels the primary and the secondary
   * @param makeWindow makes the window of the bus-master registers, which are {@link BUS_MASTER_PORTS} ports
   */
  constructor(channels: readonly IdeChannel[], makeWindow: (registers: RegisterBank) => PciWindow) {
    super();
    this.#channels = channels;
    const at = (offset: number) => channels[Math.floor(offset / PORTS_PER_CHANNEL)].busMaster;
    const window = makeWindow({
      read: (offset, size) => at(offset).read(offset % PORTS_PER_CHANNEL, size),
      write: (offset, size, value) => at(offset).write(offset % PORTS_PER_CHANNEL, size, value),
    });
    this.config = new PciConfigSpace({
      vendor: 0x8086,
      device: 0x7010,
      revision: 0,
      classCode: 0x010180,
      subsystemVendor: 0x1af4,
      subsystem: 0x1100,
      bars: [{ index: BUS_MASTER_BAR, kind: 'io', length: BUS_MASTER_PORTS, window }],
    });
    this.config.define(IDETIM, 4, 0, 0xffffffff);
    this.config.define(SIDETIM, 1, 0, 0xff);
  }

  save(): DeviceState {
    const channels = this.#channels.map((channel) => channel.save());
    return { version: STATE_VERSION, config: this.config.save(), channels };
  }

  restore(state: DeviceState): void {
    requireVersion('Piix3Ide', state.version, STATE_VERSION);
    this.config.restore(state.config as DeviceState);
    const channels = state.channels as readonly DeviceState[];
    this.#channels.forEach((channel, index) => {
      channel.restore(channels[index]);
    });
  }
}
