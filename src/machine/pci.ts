import type { Bus, BusWidth, Mapping } from './bus.ts';
import type { Device, DeviceState, IrqLine } from './interfaces.ts';

/** Bytes of configuration space behind configuration mechanism #1 (PCI 3.0 section 3.2.2.3.2). */
const PCI_CONFIG_BYTES = 256;

/** One function of a PCI device as the host bridge sees it. Offsets are naturally aligned for the size. */
export interface PciFunction {
  readConfig(offset: number, size: number): number;
  writeConfig(offset: number, size: number, value: number): void;
  save(): DeviceState;
  restore(state: DeviceState): void;
}

/** Where a base address register's range appears; PCI configuration moves it. */
export interface PciWindow {
  /** @param base the new address, or undefined while the range does not decode */
  place(base: number | undefined): void;
}

/** A window that maps a chip on a bus. */
export class BusWindow implements PciWindow {
  readonly #bus: Bus;
  readonly #length: number;
  readonly #device: Pick<Device, 'read' | 'write'>;
  readonly #name: string;
  readonly #width: BusWidth;
  #mapping: Mapping | undefined;

  constructor(bus: Bus, length: number, device: Pick<Device, 'read' | 'write'>, name: string, width: BusWidth) {
    this.#bus = bus;
    this.#length = length;
    this.#device = device;
    this.#name = name;
    this.#width = width;
  }

  place(base: number | undefined): void {
    if (base === this.#mapping?.base) return;
    if (this.#mapping) this.#bus.unmap(this.#mapping);
    const there = base !== undefined;
    this.#mapping = there ? this.#bus.map(base, this.#length, this.#device, this.#name, this.#width) : undefined;
  }
}

/** A base address register. */
export interface PciBar {
  /** 0 to 5; a 64-bit one takes the next register too */
  readonly index: number;
  readonly kind: 'io' | 'memory32' | 'memory64';
  /** a power of two; at least 4 for ports (and at most 256), 16 for memory */
  readonly length: number;
  readonly prefetchable?: boolean;
  readonly window: PciWindow;
}

/** A capability: its bytes after identity and link, and which of their bits the guest may write. */
export interface PciCapability {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly writable: Uint8Array;
  /** Told the capability's bytes after the guest has written to configuration space, and when they are restored. */
  readonly changed?: (bytes: Uint8Array) => void;
}

/** What a function's configuration header says (PCI 3.0 section 6.1). */
export interface PciHeader {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** base class, sub-class and programming interface, as 0xCCSSPP */
  readonly classCode: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** whether other functions of the slot are there; only function 0 says so */
  readonly multifunction?: boolean;
  /** 1 to 4 for INTA# to INTD#; 0, the default, for none */
  readonly interruptPin?: number;
  readonly bars?: readonly PciBar[];
  readonly capabilities?: readonly PciCapability[];
}

const REG = {
  vendor: 0x00,
  device: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  classCode: 0x09,
  headerType: 0x0e,
  bar0: 0x10,
  subsystemVendor: 0x2c,
  subsystem: 0x2e,
  capabilities: 0x34,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
  firstCapability: 0x40,
} as const;

const COMMAND_IO = 0x0001;
const COMMAND_MEMORY = 0x0002;
const COMMAND_BUS_MASTER = 0x0004;
const COMMAND_SERR = 0x0100;
const COMMAND_INTX_DISABLE = 0x0400;
const COMMAND_WRITABLE = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_SERR | COMMAND_INTX_DISABLE;
const STATUS_INTX = 0x0008;
const STATUS_CAPABILITIES = 0x0010;
const STATUS_CLEARABLE = 0xf900;
const BAR_IO = 1;
const BAR_64BIT = 4;
const BAR_PREFETCHABLE = 8;
const HEADER_MULTIFUNCTION = 0x80;
const PORTS = 0x10000;
const ADDRESSABLE = 2 ** 52;
const STATE_VERSION = 1;

/**
 * The configuration space of a function of header type 0: which bits a guest can write, base address registers that
 * move their windows, the capability list and the INTx pin. Sizing a base address register needs no code: its low
 * bits are not writable.
 */
export class PciConfigSpace implements PciFunction {
  readonly #bytes = new Uint8Array(PCI_CONFIG_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #writable = new Uint8Array(PCI_CONFIG_BYTES);
  readonly #clearable = new Uint8Array(PCI_CONFIG_BYTES);
  readonly #bars: readonly PciBar[];
  /** Capabilities that want to know of changes, with a view of their bytes. */
  readonly #listening: (() => void)[] = [];
  readonly #intx: IrqLine | undefined;

  /** @param intx where the interrupt pin leads */
  constructor(header: PciHeader, intx?: IrqLine) {
    this.#bars = header.bars ?? [];
    this.#intx = intx;
    this.define(REG.vendor, 2, header.vendor);
    this.define(REG.device, 2, header.device);
    this.define(REG.command, 2, 0, COMMAND_WRITABLE);
    this.#clearable[REG.status + 1] = STATUS_CLEARABLE >> 8;
    this.define(REG.revision, 4, header.revision + header.classCode * 0x100);
    this.define(REG.headerType, 1, header.multifunction ? HEADER_MULTIFUNCTION : 0);
    this.define(REG.subsystemVendor, 2, header.subsystemVendor ?? 0);
    this.define(REG.subsystem, 2, header.subsystem ?? 0);
    this.define(REG.interruptPin, 1, header.interruptPin ?? 0);
    this.define(REG.interruptLine, 1, 0, header.interruptPin ? 0xff : 0);
    for (const bar of this.#bars) this.#defineBar(bar);
    this.#defineCapabilities(header.capabilities ?? []);
  }

  /** Whether the guest lets the function be a bus master. */
  get busMaster(): boolean {
    return (this.#command & COMMAND_BUS_MASTER) !== 0;
  }

  /** Gives a register its value and says which of its bits the guest may write. */
  define(offset: number, size: 1 | 2 | 4, value: number, writable: number = 0): void {
    for (let i = 0; i < size; i++) {
      this.#bytes[offset + i] = value >>> (i * 8);
      this.#writable[offset + i] = writable >>> (i * 8);
    }
  }

  /** Drives the interrupt pin, unless the guest has disabled it. */
  interrupt(level: boolean): void {
    const status = this.#view.getUint16(REG.status, true);
    this.#view.setUint16(REG.status, level ? status | STATUS_INTX : status & ~STATUS_INTX, true);
    this.#drivePin();
  }

  readConfig(offset: number, size: number): number {
    if (size === 1) return this.#bytes[offset];
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  writeConfig(offset: number, size: number, value: number): void {
    for (let i = offset; i < offset + size; i++) {
      const byte = (value >>> ((i - offset) * 8)) & 0xff;
      const kept = this.#bytes[i] & ~this.#writable[i] & ~(byte & this.#clearable[i]);
      this.#bytes[i] = kept | (byte & this.#writable[i]);
    }
    if (offset < REG.capabilities) this.#decode();
    for (const tell of this.#listening) tell();
  }

  save(): DeviceState {
    return { version: STATE_VERSION, bytes: this.#bytes.slice() };
  }

  restore(state: DeviceState): void {
    const bytes = state.bytes;
    if (state.version !== STATE_VERSION || !(bytes instanceof Uint8Array) || bytes.length !== PCI_CONFIG_BYTES) {
      throw new Error(`PCI configuration state version ${state.version} is unknown`);
    }
    this.#bytes.set(bytes);
    this.#decode();
    for (const tell of this.#listening) tell();
  }

  get #command(): number {
    return this.#view.getUint16(REG.command, true);
  }

  #defineBar({ index, kind, length, prefetchable }: PciBar): void {
    const offset = REG.bar0 + index * 4;
    const type = kind === 'io' ? BAR_IO : (kind === 'memory64' ? BAR_64BIT : 0) | (prefetchable ? BAR_PREFETCHABLE : 0);
    const mask = 2 ** 32 - Math.min(length, 2 ** 32);
    this.define(offset, 4, type, mask);
    if (kind === 'memory64') this.define(offset + 4, 4, 0, 2 ** 32 - Math.max(1, length / 2 ** 32));
  }

  #defineCapabilities(capabilities: readonly PciCapability[]): void {
    if (capabilities.length === 0) return;
    this.#bytes[REG.status] |= STATUS_CAPABILITIES;
    let link: number = REG.capabilities;
    let offset: number = REG.firstCapability;
    for (const { id, bytes, writable, changed } of capabilities) {
      this.#bytes[link] = offset;
      this.#bytes[offset] = id;
      this.#bytes.set(bytes, offset + 2);
      this.#writable.set(writable, offset + 2);
      const own = this.#bytes.subarray(offset + 2, offset + 2 + bytes.length);
      if (changed) this.#listening.push(() => changed(own));
      link = offset + 1;
      offset = (offset + 2 + bytes.length + 3) & ~3;
    }
  }

  #decode(): void {
    for (const bar of this.#bars) bar.window.place(this.#baseOf(bar));
    this.#drivePin();
  }

  /** Where a range decodes now (PCI 3.0 section 6.2.5). */
  #baseOf({ index, kind, length }: PciBar): number | undefined {
    const enable = kind === 'io' ? COMMAND_IO : COMMAND_MEMORY;
    if (!(this.#command & enable)) return undefined;
    const low = this.#view.getUint32(REG.bar0 + index * 4, true);
    const high = kind === 'memory64' ? this.#view.getUint32(REG.bar0 + index * 4 + 4, true) : 0;
    const base = high * 2 ** 32 + low - (low % Math.min(length, 2 ** 32));
    return base !== 0 && base + length <= (kind === 'io' ? PORTS : ADDRESSABLE) ? base : undefined;
  }

  #drivePin(): void {
    const asserted = (this.#bytes[REG.status] & STATUS_INTX) !== 0;
    this.#intx?.set(asserted && !(this.#command & COMMAND_INTX_DISABLE));
  }
}

/** PCI bus 0: up to 32 slots of 8 functions. There are no bridges to further buses. */
export class PciBus {
  readonly #functions = new Map<number, PciFunction>();

  /** @param slot 0 to 31  @param fn 0 to 7  @throws {RangeError} when the place is taken or there is none such */
  attach(slot: number, fn: number, pciFunction: PciFunction): void {
    const place = slot * 8 + fn;
    if (!(slot >= 0 && slot < 32 && fn >= 0 && fn < 8)) throw new RangeError(`there is no PCI function ${slot}.${fn}`);
    if (this.#functions.has(place)) throw new RangeError(`PCI function ${slot}.${fn} is taken`);
    this.#functions.set(place, pciFunction);
  }

  /** Places (slot × 8 + function) that hold a function, lowest first. */
  get places(): number[] {
    return [...this.#functions.keys()].sort((a, b) => a - b);
  }

  /** The function at slot × 8 + function, if there is one. */
  at(place: number): PciFunction | undefined {
    return this.#functions.get(place);
  }
}

/** A function whose configuration space does all there is to do when the guest reads it or writes to it. */
export abstract class PciCard implements PciFunction {
  protected abstract readonly config: PciConfigSpace;

  readConfig(offset: number, size: number): number {
    return this.config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.config.writeConfig(offset, size, value);
  }

  abstract save(): DeviceState;
  abstract restore(state: DeviceState): void;
}
