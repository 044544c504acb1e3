import type { Device, IrqLine } from '../../machine/interfaces.ts';
import { Elcr } from './elcr.ts';
import { Pic8259 } from './pic8259.ts';

const CASCADE_INPUT = 2;
const FLOATING_BUS = 0xff;

/**
 * The two cascaded 8259A of a PC and their edge/level control registers (PIIX3 data sheet, section 2.5.5).
 *
 * The slave's INT drives the master's IR2. A board maps `master` at ports 20h-21h, `slave` at A0h-A1h and `elcr` at
 * 4D0h-4D1h, and saves each of the three on its own.
 */
export class DualPic8259 {
  readonly master: Device;
  readonly slave: Device;
  readonly elcr: Device;
  /** IRQ0 to IRQ15. IRQ2 is the cascade and has no effect. */
  readonly inputs: readonly IrqLine[];
  readonly #master: Pic8259;
  readonly #slave: Pic8259;

  /** @param intr the line to the processor's INTR (or the local APIC's LINT0) */
  constructor(intr: IrqLine) {
    this.#master = new Pic8259('master', intr);
    this.#slave = new Pic8259('slave', this.#master.inputs[CASCADE_INPUT]);
    this.master = this.#master;
    this.slave = this.#slave;
    this.elcr = new Elcr(this.#master, this.#slave);
    this.inputs = [...this.#master.inputs, ...this.#slave.inputs].with(CASCADE_INPUT, { set: () => {} });
  }

  /** Runs the processor's interrupt acknowledge cycles. @returns the vector, that of IRQ7 or IRQ15 for a vanished request */
  acknowledge(): number {
    const ir = this.#master.takeRequest();
    if (ir !== CASCADE_INPUT || !this.#master.hasSlaveAt(ir)) return this.#master.vectorOf(ir);
    if (this.#slave.slaveId !== CASCADE_INPUT) return FLOATING_BUS;
    return this.#slave.vectorOf(this.#slave.takeRequest());
  }
}
