import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';

/** Registers (IBM PS/2 Hardware Interface Technical Reference, "Parallel Port"). */
const REG = { data: 0, status: 1, control: 2 } as const;

/** How many ports it has. */
export const PARALLEL_PORTS = 3;

/** nBUSY, nACK, SELECT, nERROR, and bits that nothing is wired to: a printer that is ready. */
const STATUS_READY = 0xdf;
const CONTROL_STROBE = 0x01;
const CONTROL_NOT_INIT = 0x04;
const CONTROL_SELECT = 0x08;
const CONTROL_INTERRUPT = 0x10;
const CONTROL_INPUT = 0x20;
const CONTROL_WRITABLE = 0x3f;
const CONTROL_OTHERS = 0xc0;
const POWER_ON_CONTROL = CONTROL_NOT_INIT | CONTROL_SELECT;
/** What the data lines say while neither side drives them. */
const RELEASED = 0xff;
const STATE_VERSION = 1;

/**
 * A bidirectional parallel port as the PS/2 has it, with a printer that takes a byte at each strobe at once and
 * acknowledges it when the strobe ends. The interrupt stays until the status is read.
 */
export class ParallelPort implements Device {
  readonly #irq: IrqLine;
  readonly #print: (byte: number) => void;
  #data = 0;
  #control = POWER_ON_CONTROL;
  #acknowledged = false;

  /** @param print takes each byte that is printed */
  constructor(irq: IrqLine, print: (byte: number) => void) {
    this.#irq = irq;
    this.#print = print;
  }

  read(offset: number, _size: number): number {
    if (offset === REG.data) return this.#control & CONTROL_INPUT ? RELEASED : this.#data;
    if (offset === REG.control) return this.#control | CONTROL_OTHERS;
    this.#setAcknowledged(false);
    return STATUS_READY;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === REG.data) this.#data = value & 0xff;
    else if (offset === REG.control) this.#writeControl(value & CONTROL_WRITABLE);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      data: this.#data,
      control: this.#control,
      acknowledged: this.#acknowledged,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('ParallelPort', state.version, STATE_VERSION);
    this.#data = Number(state.data);
    this.#control = Number(state.control);
    this.#setAcknowledged(Boolean(state.acknowledged));
  }

  #writeControl(control: number): void {
    const before = this.#control;
    this.#control = control;
    const listens = (control & CONTROL_NOT_INIT) !== 0 && (control & CONTROL_SELECT) !== 0;
    const strobes = ~before & control & CONTROL_STROBE;
    const ends = before & ~control & CONTROL_STROBE;
    if (strobes && listens && !(control & CONTROL_INPUT)) this.#print(this.#data);
    this.#setAcknowledged((control & CONTROL_INTERRUPT) !== 0 && (this.#acknowledged || (ends !== 0 && listens)));
  }

  #setAcknowledged(acknowledged: boolean): void {
    this.#acknowledged = acknowledged;
    this.#irq.set(acknowledged);
  }
}
