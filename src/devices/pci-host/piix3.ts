import type { DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { PciConfigSpace, type PciFunction } from '../../machine/pci.ts';

const PIRQ_COUNT = 4;
const PIRQRC_FIRST = 0x60;
const PIRQRC_DISABLED = 0x80;
const PIRQRC_IRQ = 0x0f;
const PIRQRC_WRITABLE = PIRQRC_DISABLED | PIRQRC_IRQ;
/** ISA interrupts that a PIRQ# can be steered to (82371SB data sheet, section 2.2.11). */
const STEERABLE = 0b1101_1110_1111_1000;

/**
 * The PCI-to-ISA bridge of the PIIX3 (Intel 82371SB data sheet, section 2.2): it steers the four PCI interrupts
 * PIRQA# to PIRQD# to ISA interrupts.
 */
export class Piix3 implements PciFunction {
  readonly #config = new PciConfigSpace({
    vendor: 0x8086,
    device: 0x7000,
    revision: 0,
    classCode: 0x060100,
    multifunction: true,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  });
  readonly #irqs: readonly IrqLine[];
  readonly #levels = new Array<boolean>(PIRQ_COUNT).fill(false);

  /** PIRQA# to PIRQD#. */
  readonly pirqs: readonly IrqLine[];

  /** @param irqs inputs of ISA interrupts 0 to 15 that belong to this bridge alone */
  constructor(irqs: readonly IrqLine[]) {
    this.#irqs = irqs;
    this.#config.define(PIRQRC_FIRST, 4, 0x80808080, PIRQRC_WRITABLE * 0x01010101);
    this.pirqs = this.#levels.map((_, pirq) => ({
      set: (level: boolean) => {
        this.#levels[pirq] = level;
        this.#steer();
      },
    }));
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
    this.#steer();
  }

  save(): DeviceState {
    return this.#config.save();
  }

  restore(state: DeviceState): void {
    this.#config.restore(state);
    this.#steer();
  }

  #steer(): void {
    let asserted = 0;
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      const route = this.#config.readConfig(PIRQRC_FIRST + pirq, 1);
      if (this.#levels[pirq] && !(route & PIRQRC_DISABLED)) asserted |= 1 << (route & PIRQRC_IRQ);
    }
    asserted &= STEERABLE;
    this.#irqs.forEach((line, irq) => {
      line.set(((asserted >> irq) & 1) === 1);
    });
  }
}
