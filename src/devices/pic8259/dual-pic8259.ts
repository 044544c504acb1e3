import type { Device, IrqLine } from '../../machine/interfaces.ts';
import { Elcr } from './elcr.ts';
import { Pic8259 } from './pic8259.ts';

const CASCADE_INPUT = 2;

/**
 * The two cascaded 8259A of a PC and their edge/level control registers (PIIX3 data sheet, "Interrupt controller registers").
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
  /** Runs the processor's acknowledge cycles and gives the vector, that of IRQ7 or IRQ15 for a vanished request. */
  readonly acknowledge: () => number;

  /** @param intr the line to the processor's INTR (or the local APIC's LINT0) */
  constructor(intr: IrqLine) {
    const master = new Pic8259(intr, (slaveId) => slave.answerCascade(slaveId));
    const slave = new Pic8259(master.inputs[CASCADE_INPUT]);
    this.acknowledge = master.acknowledge;
    this.master = master;
    this.slave = slave;
    this.elcr = new Elcr(master, slave);
    this.inputs = [...master.inputs, ...slave.inputs].with(CASCADE_INPUT, { set: () => {} });
  }
}
