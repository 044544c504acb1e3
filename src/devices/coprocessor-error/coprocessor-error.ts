import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';

const STATE_VERSION = 1;

/**
 * The PC's way of reporting x87 errors: FERR# of the processor latches IRQ 13, and a write to port 0xF0 drops the latch and
 * asserts IGNNE#, so that the handler can use the x87 until FERR# ends (82371AB PIIX4 data sheet, "Coprocessor error
 * register"; SDM 1, D.2.1).
 */
export class CoprocessorError implements Device {
  readonly #irq: IrqLine;
  #latched = false;
  #ignored = false;

  constructor(irq: IrqLine) {
    this.#irq = irq;
  }

  /**
   * The processor waits with FERR# asserted.
   * @param rises whether FERR# was not asserted before, which ends IGNNE#
   * @returns whether IGNNE# is asserted
   */
  error(rises: boolean): boolean {
    if (rises) this.#ignored = false;
    if (!this.#ignored) this.#set(true);
    return this.#ignored;
  }

  read(): number {
    return 0xff;
  }

  write(): void {
    this.#ignored ||= this.#latched;
    this.#set(false);
  }

  save(): DeviceState {
    return { version: STATE_VERSION, latched: this.#latched, ignored: this.#ignored };
  }

  restore(state: DeviceState): void {
    requireVersion('CoprocessorError', state.version, STATE_VERSION);
    this.#ignored = Boolean(state.ignored);
    this.#set(Boolean(state.latched));
  }

  #set(latched: boolean): void {
    this.#latched = latched;
    this.#irq.set(latched);
  }
}
