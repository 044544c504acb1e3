import { DELIVERY_MODE, type InterruptMessage } from '../../base/interrupt-message.ts';
import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { IO_APIC_VERSION, type IoApicState } from './state.ts';

/** Input pins of an I/O APIC. */
export const IO_APIC_PINS = 24;

const IOREGSEL_OFFSET = 0x00;
const IOWIN_OFFSET = 0x10;
const EOI_OFFSET = 0x40;
const IOAPICID = 0x00;
const IOAPICVER = 0x01;
const IOAPICARB = 0x02;
const IOREDTBL = 0x10;
/** Version 20h, the first with the EOI register. */
const VERSION = ((IO_APIC_PINS - 1) << 16) | 0x20;

const RTE_LOGICAL = 0x800;
const RTE_REMOTE_IRR = 0x4000;
const RTE_LEVEL = 0x8000;
const RTE_MASKED = 0x1_0000;
const RTE_LOW_WRITABLE = 0x1_afff;
const RTE_HIGH_WRITABLE = 0xff00_0000;

/**
 * An I/O APIC (Intel 82093AA, 290566) with the EOI register of its successors, in a 4 KiB page.
 *
 * Pins are asserted or not, so the polarity bit is kept but means nothing. An edge on a masked pin is lost, as the
 * data sheet's "Interrupt mask" says. Making an entry edge-triggered clears its remote IRR, on which Linux relies.
 */
export class IoApic implements Device {
  /** INTIN0 to INTIN23. */
  readonly inputs: readonly IrqLine[];
  readonly #deliver: (message: InterruptMessage) => void;
  #s: IoApicState = powerOnState();

  /** @param deliver sends an interrupt to the local APICs */
  constructor(deliver: (message: InterruptMessage) => void) {
    this.#deliver = deliver;
    this.inputs = Array.from({ length: IO_APIC_PINS }, (_, pin) => ({
      set: (level: boolean) => this.#setPin(pin, level),
    }));
  }

  /** Registers are to be read whole (82093AA data sheet, 3.1); narrower reads give their low bytes. */
  read(offset: number, size: number): number {
    const register = offset & 0xff;
    if (register === IOREGSEL_OFFSET) return this.#s.select;
    const value = register === IOWIN_OFFSET ? this.#readWindow() : 0;
    return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
  }

  write(offset: number, _size: number, value: number): void {
    const register = offset & 0xff;
    if (register === IOREGSEL_OFFSET) this.#s.select = value & 0xff;
    else if (register === IOWIN_OFFSET) this.#writeWindow(value);
    else if (register === EOI_OFFSET) this.endOfInterrupt(value & 0xff);
  }

  save(): IoApicState {
    return { ...this.#s, entries: this.#s.entries.map((entry) => ({ ...entry })) };
  }

  /** Sends nothing: what was sent before the save is in the local APICs. */
  restore(state: DeviceState): void {
    requireVersion('IoApic', state.version, IO_APIC_VERSION);
    const saved = state as IoApicState;
    this.#s = { ...saved, entries: saved.entries.map((entry) => ({ ...entry })) };
  }

  /** A local APIC has ended the level-triggered interrupt `vector`: pins still asserted interrupt again. */
  endOfInterrupt(vector: number): void {
    this.#s.entries.forEach((entry, pin) => {
      if ((entry.low & RTE_REMOTE_IRR) === 0 || (entry.low & 0xff) !== vector) return;
      entry.low &= ~RTE_REMOTE_IRR;
      this.#serviceLevel(pin);
    });
  }

  #setPin(pin: number, level: boolean): void {
    const s = this.#s;
    const bit = 1 << pin;
    if (level === ((s.levels & bit) !== 0)) return;
    s.levels ^= bit;
    if (!level) return;
    const { low } = s.entries[pin];
    if (low & RTE_LEVEL) this.#serviceLevel(pin);
    else if ((low & RTE_MASKED) === 0) this.#send(pin);
  }

  #serviceLevel(pin: number): void {
    const { entries, levels } = this.#s;
    const entry = entries[pin];
    if ((entry.low & RTE_LEVEL) === 0 || entry.low & (RTE_MASKED | RTE_REMOTE_IRR)) return;
    if ((levels & (1 << pin)) === 0) return;
    if (modeOf(entry.low) <= DELIVERY_MODE.lowestPriority) entry.low |= RTE_REMOTE_IRR;
    this.#send(pin);
  }

  #send(pin: number): void {
    const { low, high } = this.#s.entries[pin];
    this.#deliver({
      vector: low & 0xff,
      deliveryMode: modeOf(low),
      destination: high >>> 24,
      destinationMode: low & RTE_LOGICAL ? 'logical' : 'physical',
      triggerMode: low & RTE_LEVEL ? 'level' : 'edge',
    });
  }

  #readWindow(): number {
    const { select, id, entries } = this.#s;
    if (select === IOAPICVER) return VERSION;
    if (select === IOAPICID || select === IOAPICARB) return id << 24;
    const entry = entries[(select - IOREDTBL) >> 1];
    if (!entry) return 0;
    return select & 1 ? entry.high : entry.low;
  }

  #writeWindow(value: number): void {
    const { select, entries } = this.#s;
    if (select === IOAPICID) this.#s.id = (value >>> 24) & 0xf;
    const pin = (select - IOREDTBL) >> 1;
    const entry = entries[pin];
    if (!entry) return;
    if (select & 1) {
      entry.high = (value & RTE_HIGH_WRITABLE) >>> 0;
      return;
    }
    const remoteIrr = value & RTE_LEVEL ? entry.low & RTE_REMOTE_IRR : 0;
    entry.low = (value & RTE_LOW_WRITABLE) | remoteIrr;
    this.#serviceLevel(pin);
  }
}

function modeOf(low: number): number {
  return (low >> 8) & 7;
}

function powerOnState(): IoApicState {
  const entries = Array.from({ length: IO_APIC_PINS }, () => ({ low: RTE_MASKED, high: 0 }));
  return { version: IO_APIC_VERSION, select: 0, id: 0, entries, levels: 0 };
}
