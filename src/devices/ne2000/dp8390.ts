import { requireVersion } from '../../base/state-version.ts';
import type { BlockRegister, Device, DeviceState, IrqLine, NetPort } from '../../machine/interfaces.ts';
import { multicastHash } from '../../machine/multicast-hash.ts';

/** Ports of an NE2000: the DP8390's registers, the data port, the reset port. */
const DATA_PORT = 0x10;
const RESET_PORT = 0x18;
export const NE2000_PORTS = 32;

/** Registers of page 0; some are others when written (DP8390D data sheet, 10). */
const PAGE0 = {
  pstart: 0x01,
  pstop: 0x02,
  bnry: 0x03,
  tpsr: 0x04,
  tsr: 0x04,
  tbcr0: 0x05,
  tbcr1: 0x06,
  isr: 0x07,
  rsar0: 0x08,
  rsar1: 0x09,
  rbcr0: 0x0a,
  rbcr1: 0x0b,
  rcr: 0x0c,
  rsr: 0x0c,
  tcr: 0x0d,
  dcr: 0x0e,
  imr: 0x0f,
} as const;
/** Registers of page 1. */
const PAGE1 = { par: 0x01, curr: 0x07, mar: 0x08 } as const;
/** What Realtek's 8029 has in place of two reserved registers. */
const REALTEK_ID = [0x50, 0x43] as const;

const CR = { stop: 1, start: 2, transmit: 4, remoteRead: 0x08, remoteWrite: 0x10, abort: 0x20 } as const;
const INT = { received: 1, transmitted: 2, remoteDone: 0x40, reset: 0x80 } as const;
const INT_CLEARABLE = 0x7f;
const RCR = { broadcast: 4, multicast: 8, promiscuous: 0x10, monitor: 0x20 } as const;
const TCR_LOOPBACK = 0x06;
const DCR_WORD_WIDE = 1;
const WORD_BYTES = 2;
const RSR = { ok: 1, multicast: 0x20 } as const;
const TSR_OK = 1;

const PAGE_BYTES = 256;
/** The card's memory: a PROM with the address, and RAM from 16 KiB on. */
const MEMORY_BYTES = 0xc000;
const RAM_START = 0x4000;
const PROM_BYTES = 32;
const PROM_SIGNATURE = 0x57;
const HEADER_BYTES = 4;
const SHORTEST_FRAME_BYTES = 60;
const MOST_FRAME_BYTES = 1518;
const MAC_BYTES = 6;
const STATE_VERSION = 1;

/** Registers and counters. */
interface Registers {
  cr: number;
  /** What was written to page 0, by offset. */
  written: number[];
  isr: number;
  tsr: number;
  rsr: number;
  curr: number;
  /** Station address and multicast filter: page 1. */
  addresses: number[];
  remoteAddress: number;
  remoteCount: number;
}

/** National Semiconductor's DP8390 as an NE2000 wires it: 32 ports, and memory that is reached through one of them. */
export class Dp8390 implements Device, BlockRegister {
  readonly #net: NetPort;
  readonly #irq: IrqLine;
  readonly #memory = new Uint8Array(MEMORY_BYTES);
  #r: Registers = atPowerOn();

  /** @param mac six bytes, the address in the card's PROM */
  constructor(net: NetPort, mac: Uint8Array, irq: IrqLine) {
    this.#net = net;
    this.#irq = irq;
    for (let index = 0; index < PROM_BYTES; index++) {
      this.#memory[index] = index < MAC_BYTES * 2 ? mac[index >> 1] : PROM_SIGNATURE;
    }
    net.onFrame((frame) => this.#arrived(frame));
  }

  read(offset: number, size: number): number {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.#readData(size);
    if (offset >= RESET_PORT) {
      this.#reset();
      return 0;
    }
    let value = 0;
    for (let at = 0; at < size; at++) value += this.#readRegister(offset + at) * 2 ** (at * 8);
    return value;
  }

  write(offset: number, size: number, value: number): void {
    if (offset >= RESET_PORT) this.#reset();
    else if (offset >= DATA_PORT) this.#writeData(size, value);
    else for (let at = 0; at < size; at++) this.#writeRegister(offset + at, (value >>> (at * 8)) & 0xff);
  }

  readMany(offset: number, size: number, target: Uint8Array): number {
    const bytes = this.#bytesAtOnce(offset, size, target.length);
    target.set(this.#memory.subarray(this.#r.remoteAddress, this.#r.remoteAddress + bytes));
    this.#passRemote(bytes);
    return bytes;
  }

  writeMany(offset: number, size: number, source: Uint8Array): number {
    const bytes = this.#r.remoteAddress < RAM_START ? 0 : this.#bytesAtOnce(offset, size, source.length);
    this.#memory.set(source.subarray(0, bytes), this.#r.remoteAddress);
    this.#passRemote(bytes);
    return bytes;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, registers: copyOf(this.#r), memory: this.#memory.slice() };
  }

  /** The PROM is not the saved card's: this one may have another address. */
  restore(state: DeviceState): void {
    requireVersion('Dp8390', state.version, STATE_VERSION);
    this.#r = copyOf(state.registers as Registers);
    this.#memory.set((state.memory as Uint8Array).subarray(PROM_BYTES), PROM_BYTES);
    this.#driveIrq();
  }

  #reset(): void {
    const { addresses, written } = this.#r;
    this.#r = { ...atPowerOn(), addresses, written };
    this.#driveIrq();
  }

  get #page(): number {
    return this.#r.cr >> 6;
  }

  #readRegister(offset: number): number {
    const r = this.#r;
    if (offset === 0) return r.cr;
    if (this.#page === 1) return offset === PAGE1.curr ? r.curr : r.addresses[offset];
    if (this.#page !== 0) return r.written[offset];
    switch (offset) {
      case PAGE0.bnry:
        return r.written[PAGE0.bnry];
      case PAGE0.tsr:
        return r.tsr;
      case PAGE0.isr:
        return r.isr;
      case PAGE0.rsar0:
        return r.remoteAddress & 0xff;
      case PAGE0.rsar1:
        return r.remoteAddress >> 8;
      case PAGE0.rbcr0:
      case PAGE0.rbcr1:
        return REALTEK_ID[offset - PAGE0.rbcr0];
      case PAGE0.rsr:
        return r.rsr;
      default:
        return 0;
    }
  }

  #writeRegister(offset: number, value: number): void {
    const r = this.#r;
    if (offset === 0) this.#command(value);
    else if (this.#page === 1) {
      if (offset === PAGE1.curr) r.curr = value;
      else r.addresses[offset] = value;
    } else if (this.#page === 0) this.#writePage0(offset, value);
  }

  #writePage0(offset: number, value: number): void {
    const r = this.#r;
    if (offset === PAGE0.isr) r.isr &= ~(value & INT_CLEARABLE);
    else r.written[offset] = value;
    if (offset === PAGE0.rsar0 || offset === PAGE0.rsar1) {
      r.remoteAddress = r.written[PAGE0.rsar0] | (r.written[PAGE0.rsar1] << 8);
    }
    if (offset === PAGE0.rbcr0 || offset === PAGE0.rbcr1) {
      r.remoteCount = r.written[PAGE0.rbcr0] | (r.written[PAGE0.rbcr1] << 8);
    }
    this.#driveIrq();
  }

  #command(value: number): void {
    const r = this.#r;
    r.cr = value & ~CR.transmit;
    if (value & CR.stop) r.isr |= INT.reset;
    else if (value & CR.start) r.isr &= ~INT.reset;
    const isRemote = (value & (CR.remoteRead | CR.remoteWrite)) !== 0 && !(value & CR.abort);
    if (isRemote && r.remoteCount === 0) r.isr |= INT.remoteDone;
    if (value & CR.transmit && !(value & CR.stop)) this.#transmit();
    this.#driveIrq();
  }

  #transmit(): void {
    const r = this.#r;
    const from = r.written[PAGE0.tpsr] * PAGE_BYTES;
    const length = r.written[PAGE0.tbcr0] | (r.written[PAGE0.tbcr1] << 8);
    const isInside = from >= RAM_START && from + length <= MEMORY_BYTES;
    const isSent = isInside && length >= MAC_BYTES * 2 + 2 && length <= MOST_FRAME_BYTES;
    if (isSent && !(r.written[PAGE0.tcr] & TCR_LOOPBACK)) this.#net.send(this.#memory.slice(from, from + length));
    r.tsr = TSR_OK;
    r.isr |= INT.transmitted;
  }

  /** Remote DMA: moves as many bytes as the access has, but whole words where the chip is set to them: a driver that then
   * reads the PROM by bytes gets every other one, which is the address. */
  #readData(size: number): number {
    let value = 0;
    for (let at = 0; at < size; at++) value += (this.#memory[this.#r.remoteAddress + at] ?? 0xff) * 2 ** (at * 8);
    this.#advanceRemote(size);
    return value;
  }

  #writeData(size: number, value: number): void {
    const { remoteAddress, remoteCount } = this.#r;
    if (remoteCount === 0) return;
    for (let at = 0; at < size; at++) {
      const address = remoteAddress + at;
      if (address >= RAM_START && address < MEMORY_BYTES) this.#memory[address] = value >>> (at * 8);
    }
    this.#advanceRemote(size);
  }

  /** Most bytes, up to `most`, that accesses of `size` bytes to the data port move inside the memory and before the end of
   * ring and transfer, at which more happens. */
  #bytesAtOnce(offset: number, size: number, most: number): number {
    const { remoteAddress, remoteCount, written } = this.#r;
    if (offset < DATA_PORT || offset >= RESET_PORT || this.#bytesMoved(size) !== size) return 0;
    const ringEnd = written[PAGE0.pstop] * PAGE_BYTES;
    const end = remoteAddress < ringEnd ? Math.min(ringEnd, MEMORY_BYTES) : MEMORY_BYTES;
    const least = Math.min(most, end - remoteAddress - 1, remoteCount - 1);
    return Math.max(0, Math.floor(least / size)) * size;
  }

  #passRemote(bytes: number): void {
    this.#r.remoteAddress += bytes;
    this.#r.remoteCount -= bytes;
  }

  /** How far an access of `size` bytes leads. */
  #bytesMoved(size: number): number {
    return this.#r.written[PAGE0.dcr] & DCR_WORD_WIDE ? Math.max(size, WORD_BYTES) : size;
  }

  #advanceRemote(size: number): void {
    const r = this.#r;
    const bytes = this.#bytesMoved(size);
    r.remoteAddress = (r.remoteAddress + bytes) & 0xffff;
    if (r.remoteAddress === r.written[PAGE0.pstop] * PAGE_BYTES) r.remoteAddress = r.written[PAGE0.pstart] * PAGE_BYTES;
    r.remoteCount = Math.max(0, r.remoteCount - bytes);
    if (r.remoteCount > 0) return;
    r.isr |= INT.remoteDone;
    this.#driveIrq();
  }

  /** @returns false when the ring is full: the other end holds the frame back, so the ring's overwrite warning never comes */
  #arrived(frame: Uint8Array): boolean {
    const r = this.#r;
    const runs = (r.cr & (CR.start | CR.stop)) === CR.start && !(r.written[PAGE0.rcr] & RCR.monitor);
    if (!runs || frame.length > MOST_FRAME_BYTES || !this.#accepts(frame)) return true;
    const padded = new Uint8Array(Math.max(frame.length, SHORTEST_FRAME_BYTES));
    padded.set(frame);
    const pages = Math.ceil((padded.length + HEADER_BYTES) / PAGE_BYTES);
    if (!this.#hasRoom(pages)) return false;
    this.#store(padded, pages);
    this.#driveIrq();
    return true;
  }

  #accepts(frame: Uint8Array): boolean {
    const { written, addresses } = this.#r;
    const rcr = written[PAGE0.rcr];
    if (frame.length < MAC_BYTES * 2 + 2) return false;
    if (rcr & RCR.promiscuous) return true;
    if (frame.subarray(0, MAC_BYTES).every((byte) => byte === 0xff)) return (rcr & RCR.broadcast) !== 0;
    if (frame[0] & 1) {
      const hash = multicastHash(frame);
      return (rcr & RCR.multicast) !== 0 && ((addresses[PAGE1.mar + (hash >> 3)] >> (hash & 7)) & 1) !== 0;
    }
    return frame.subarray(0, MAC_BYTES).every((byte, index) => byte === addresses[PAGE1.par + index]);
  }

  /** Whether the ring lies in RAM and has so many pages before the boundary. */
  #hasRoom(pages: number): boolean {
    const { written, curr } = this.#r;
    const [start, stop, boundary] = [written[PAGE0.pstart], written[PAGE0.pstop], written[PAGE0.bnry]];
    const isRing = start * PAGE_BYTES >= RAM_START && stop * PAGE_BYTES <= MEMORY_BYTES && start < stop;
    if (!isRing || curr < start || curr >= stop) return false;
    const free = boundary > curr ? boundary - curr : stop - start - (curr - boundary);
    return pages < free || (curr === boundary && pages < stop - start);
  }

  /** Puts a frame into the ring, with its header: status, next page, length. */
  #store(frame: Uint8Array, pages: number): void {
    const r = this.#r;
    const [start, stop] = [r.written[PAGE0.pstart], r.written[PAGE0.pstop]];
    const ring = stop - start;
    const next = start + ((r.curr - start + pages) % ring);
    r.rsr = RSR.ok | (frame[0] & 1 ? RSR.multicast : 0);
    const length = frame.length + HEADER_BYTES;
    const bytes = Uint8Array.from([r.rsr, next, length & 0xff, length >> 8, ...frame]);
    const untilEnd = Math.min(bytes.length, (stop - r.curr) * PAGE_BYTES);
    this.#memory.set(bytes.subarray(0, untilEnd), r.curr * PAGE_BYTES);
    this.#memory.set(bytes.subarray(untilEnd), start * PAGE_BYTES);
    r.curr = next;
    r.isr |= INT.received;
  }

  #driveIrq(): void {
    this.#irq.set((this.#r.isr & this.#r.written[PAGE0.imr] & INT_CLEARABLE) !== 0);
  }
}

function atPowerOn(): Registers {
  const written = new Array<number>(16).fill(0);
  return {
    cr: CR.stop | CR.abort,
    written,
    isr: INT.reset,
    tsr: 0,
    rsr: 0,
    curr: 0,
    addresses: new Array<number>(16).fill(0),
    remoteAddress: 0,
    remoteCount: 0,
  };
}

function copyOf(registers: Registers): Registers {
  return { ...registers, written: [...registers.written], addresses: [...registers.addresses] };
}
