import { requireVersion } from '../../base/state-version.ts';
import { readGuest, requirePresent, restartable, writeGuest } from '../../machine/dma.ts';
import type { Alarm, Device, DeviceState, NetPort } from '../../machine/interfaces.ts';
import { MicrowireEeprom } from '../../machine/microwire.ts';
import { multicastHash } from '../../machine/multicast-hash.ts';
import { PciCard, PciConfigSpace } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import {
  CR,
  EEM_CONFIG,
  INT,
  INT_ALL,
  PLAIN_REGISTERS,
  RCR,
  REG,
  REGISTER_BYTES,
  RESET_VALUES,
  TSD,
  transmitConfiguration,
} from './registers.ts';

/** Bits of 9346CR. */
const EE = { do: 1, di: 2, sk: 4, cs: 8, mode: 0xc0 } as const;
const EEPROM_WORDS = 64;
const EEPROM_SIGNATURE = 0x8129;
const EEPROM_MAC_WORD = 7;
const DESCRIPTORS = 4;
const MAC_BYTES = 6;
const SHORTEST_FRAME_BYTES = 60;
const MOST_FRAME_BYTES = 1518;
/** What is before and behind a received frame: status and length, and the FCS. */
const RECEIVED_HEADER_BYTES = 4;
const FCS_BYTES = 4;
/** Status of a received frame. */
const RECEIVED = { ok: 0x0001, broadcast: 0x2000, own: 0x4000, multicast: 0x8000 } as const;
/** CAPR lags this far behind the place that is read next. */
const CAPR_LAG = 16;
/** Frames that wait until a page of the ring has been brought in. */
const MOST_WAITING = 64;
/** How long a driver that has acknowledged frames before it read them is left alone: about a long frame's time on the wire. */
const REMINDER_NANOS = 100_000n;
const BMCR_SELF_CLEARING = 0x82;
const STATE_VERSION = 1;

/** Realtek's RTL8139C Fast Ethernet controller, with a link that is always up. */
export class Rtl8139 extends PciCard {
  readonly #slot: PciSlot;
  protected override readonly config: PciConfigSpace;
  readonly #net: NetPort;
  readonly #eeprom: MicrowireEeprom;
  readonly #bytes = new Uint8Array(REGISTER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #transmit: () => void;
  readonly #receive: () => void;
  readonly #resume: Alarm;
  /**
   * Says that frames are in the ring when the driver has acknowledged them unread. On a wire the next frame would say so
   * soon; here a burst comes at once, and a driver that stops reading in its middle would not be called again.
   */
  readonly #reminder: Alarm;
  #waiting: Uint8Array[] = [];

  /** @param mac six bytes, the address in the card's EEPROM */
  constructor(net: NetPort, mac: Uint8Array, slot: PciSlot) {
    super();
    this.#slot = slot;
    this.#net = net;
    const words = new Uint16Array(EEPROM_WORDS);
    words[0] = EEPROM_SIGNATURE;
    words.set(new Uint16Array(mac.slice(0, MAC_BYTES).buffer), EEPROM_MAC_WORD);
    this.#eeprom = new MicrowireEeprom(words);
    const pageIn = (gpa: number) => slot.pageIn(gpa);
    this.#transmit = restartable(pageIn, () => this.#runTransmitter());
    this.#receive = restartable(pageIn, () => this.#runReceiver());
    this.#resume = slot.clock.createAlarm(() => {
      this.#transmit();
      this.#receive();
    });
    this.#reminder = slot.clock.createAlarm(() => {
      if (!this.#isEmpty) this.#raise(INT.rok);
    });
    const chip: Pick<Device, 'read' | 'write'> = {
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
    this.config = new PciConfigSpace(
      {
        vendor: 0x10ec,
        device: 0x8139,
        revision: 0x10,
        classCode: 0x020000,
        subsystemVendor: 0x10ec,
        subsystem: 0x8139,
        interruptPin: 1,
        bars: [
          { index: 0, kind: 'io', length: REGISTER_BYTES, window: slot.window('io', REGISTER_BYTES, chip, 'rtl8139') },
          {
            index: 1,
            kind: 'memory32',
            length: REGISTER_BYTES,
            window: slot.window('memory32', REGISTER_BYTES, chip, 'rtl8139'),
          },
        ],
      },
      slot.interrupt,
    );
    net.onFrame((frame) => this.#arrived(frame));
    this.#bytes.set(mac.subarray(0, MAC_BYTES));
    this.#reset();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.config.save(),
      registers: this.#bytes.slice(),
      eeprom: this.#eeprom.save(),
      waiting: [...this.#waiting],
    };
  }

  /** What was under way is taken up by an alarm: other chips are to be restored first. */
  restore(state: DeviceState): void {
    requireVersion('Rtl8139', state.version, STATE_VERSION);
    this.#bytes.set(state.registers as Uint8Array);
    this.#eeprom.restore(state.eeprom as DeviceState);
    this.#waiting = [...(state.waiting as Uint8Array[])];
    this.config.restore(state.config as DeviceState);
    this.#resume.arm(this.#slot.clock.nowNanos());
    this.#reminder.arm(this.#slot.clock.nowNanos() + REMINDER_NANOS);
  }

  /** A software reset keeps the address (5.6). */
  #reset(): void {
    this.#bytes.fill(0, MAC_BYTES);
    for (const [offset, size, value] of RESET_VALUES) this.#set(offset, size, value);
    this.#waiting = [];
    this.#reminder.cancel();
    this.#drivePin();
  }

  #get(offset: number, size: number): number {
    if (size === 1) return this.#bytes[offset];
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  #set(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.#bytes[offset + i] = value >>> (i * 8);
  }

  #read(offset: number, size: number): number {
    this.#bytes[REG.cr] = (this.#bytes[REG.cr] & ~CR.bufferEmpty) | (this.#isEmpty ? CR.bufferEmpty : 0);
    const data = this.#eeprom.dataOut ? EE.do : 0;
    this.#bytes[REG.cr9346] = (this.#bytes[REG.cr9346] & ~EE.do) | data;
    this.#set(REG.allStatus, 2, this.#allStatus());
    return this.#get(offset, size);
  }

  /** Narrow registers are written as bytes, in whatever access they come; those with effects of 16 or 32 bits as a whole. */
  #write(offset: number, size: number, value: number): void {
    const isStatus = offset >= REG.tsd && offset < REG.tsd + DESCRIPTORS * 4;
    if (isStatus) {
      if (size === 4) this.#send(offset, value);
    } else if (offset === REG.tcr && size === 4) this.#set(REG.tcr, 4, transmitConfiguration(value));
    else if (offset === REG.tctr || offset === REG.mpc) this.#set(offset & ~3, 4, 0);
    else if ((offset & ~3) === REG.imr || (offset & ~3) === REG.capr) {
      for (let at = 0; at < size; at += 2) this.#writeWord(offset + at, size === 1 ? 1 : 2, value >>> (at * 8));
    } else for (let at = 0; at < size; at++) this.#writeByte(offset + at, (value >>> (at * 8)) & 0xff);
  }

  #writeWord(offset: number, size: number, value: number): void {
    const mask = size === 1 ? 0xff : 0xffff;
    if (offset === REG.isr) this.#acknowledge(value & mask);
    else if (offset === REG.imr) this.#set(REG.imr, size, value & INT_ALL);
    else if (offset === REG.capr && size === 2) this.#set(REG.capr, 2, value);
    this.#drivePin();
    this.#receive();
  }

  #acknowledge(causes: number): void {
    this.#set(REG.isr, 2, this.#get(REG.isr, 2) & ~causes);
    if (causes & INT.rok && !this.#isEmpty) this.#reminder.arm(this.#slot.clock.nowNanos() + REMINDER_NANOS);
  }

  #writeByte(offset: number, value: number): void {
    if (offset === REG.cr) this.#command(value);
    else if (offset === REG.cr9346) {
      this.#bytes[offset] = value & (EE.mode | EE.cs | EE.sk | EE.di);
      this.#eeprom.drive((value & EE.cs) !== 0, (value & EE.sk) !== 0, (value & EE.di) !== 0);
    } else this.#writePlain(offset, value);
  }

  #writePlain(offset: number, value: number): void {
    const row = PLAIN_REGISTERS.find(([first, count]) => offset >= first && offset < first + count);
    const isLocked = row?.[3] && (this.#bytes[REG.cr9346] & EE.mode) !== EEM_CONFIG;
    if (!row || isLocked) return;
    this.#bytes[offset] = (this.#bytes[offset] & ~row[2]) | (value & row[2]);
    const restarts = offset === REG.bmcr + 1 && (value & BMCR_SELF_CLEARING) !== 0;
    if (restarts) this.#raise(INT.linkChange);
  }

  #command(value: number): void {
    if (value & CR.reset) {
      this.#reset();
      return;
    }
    const starts = value & CR.receive & ~this.#bytes[REG.cr];
    if (starts) {
      this.#set(REG.cbr, 2, 0);
      this.#set(REG.capr, 2, 0x10000 - CAPR_LAG);
    }
    this.#bytes[REG.cr] = value & (CR.transmit | CR.receive);
    this.#transmit();
  }

  /** Gives a transmit descriptor to the card. */
  #send(offset: number, value: number): void {
    this.#set(offset, 4, value & (TSD.size | TSD.own | 0x3f0000));
    this.#transmit();
  }

  #runTransmitter(): void {
    if (!(this.#bytes[REG.cr] & CR.transmit)) return;
    for (let index = 0; index < DESCRIPTORS; index++) {
      const at = REG.tsd + index * 4;
      const status = this.#get(at, 4);
      if (status & TSD.own) continue;
      const frame = new Uint8Array(Math.min(status & TSD.size, MOST_FRAME_BYTES + FCS_BYTES));
      readGuest(this.#slot.memory, this.#get(REG.tsad + index * 4, 4), frame);
      this.#set(at, 4, status | TSD.own | TSD.tok);
      if (frame.length >= MAC_BYTES * 2 + 2) this.#net.send(frame);
      this.#raise(INT.tok);
    }
  }

  /** @returns false when there is no room now: the other end holds the frame back, as flow control has it do, so nothing overflows */
  #arrived(frame: Uint8Array): boolean {
    const isWanted = (this.#bytes[REG.cr] & CR.receive) !== 0 && this.#receivedStatus(frame) !== 0;
    if (!isWanted || frame.length > MOST_FRAME_BYTES) return true;
    if (this.#waiting.length >= MOST_WAITING || !this.#hasSpace(frame.length)) return false;
    const padded = new Uint8Array(Math.max(frame.length, SHORTEST_FRAME_BYTES));
    padded.set(frame);
    this.#waiting.push(padded);
    this.#receive();
    return true;
  }

  /** The status of a frame that the filter lets in, or 0. */
  #receivedStatus(frame: Uint8Array): number {
    const rcr = this.#get(REG.rcr, 4);
    if (frame.length < MAC_BYTES * 2 + 2) return 0;
    const to = frame.subarray(0, MAC_BYTES);
    if (to.every((byte) => byte === 0xff))
      return rcr & (RCR.broadcast | RCR.all) ? RECEIVED.ok | RECEIVED.broadcast : 0;
    if (to[0] & 1) {
      const hash = multicastHash(to);
      const isInFilter = rcr & RCR.multicast && (this.#bytes[REG.mar + (hash >> 3)] >> (hash & 7)) & 1;
      return isInFilter || rcr & RCR.all ? RECEIVED.ok | RECEIVED.multicast : 0;
    }
    const isOwn = to.every((byte, index) => byte === this.#bytes[REG.idr + index]);
    if (isOwn && rcr & RCR.own) return RECEIVED.ok | RECEIVED.own;
    return rcr & RCR.all ? RECEIVED.ok : 0;
  }

  #runReceiver(): void {
    for (let frame = this.#waiting[0]; frame; frame = this.#waiting[0]) {
      this.#deliver(frame);
      this.#waiting.shift();
    }
  }

  /** Bytes of the receive ring (5.9, RBLEN). */
  get #ringBytes(): number {
    return 8192 << ((this.#get(REG.rcr, 4) >> 11) & 3);
  }

  get #readAt(): number {
    return (this.#get(REG.capr, 2) + CAPR_LAG) & 0xffff;
  }

  get #isEmpty(): boolean {
    return this.#get(REG.cbr, 2) === this.#readAt % this.#ringBytes;
  }

  /** Whether a frame of so many bytes fits before what the driver has not read yet. */
  #hasSpace(frameBytes: number): boolean {
    const ring = this.#ringBytes;
    const taken = Math.ceil((RECEIVED_HEADER_BYTES + frameBytes + FCS_BYTES) / 4) * 4;
    const free = (this.#readAt - (this.#get(REG.cbr, 2) % ring) - 1 + 2 * ring) % ring;
    return this.#isEmpty || free >= taken;
  }

  /** Writes a frame into the ring: over its end when the driver has room there, else from its start on. */
  #deliver(frame: Uint8Array): void {
    const ring = this.#ringBytes;
    const at = this.#get(REG.cbr, 2) % ring;
    const bytes = RECEIVED_HEADER_BYTES + frame.length + FCS_BYTES;
    const taken = Math.ceil(bytes / 4) * 4;
    if (!this.#hasSpace(frame.length)) {
      this.#raise(INT.rxovw);
      return;
    }
    const packet = new Uint8Array(bytes);
    const header = new DataView(packet.buffer);
    header.setUint16(0, this.#receivedStatus(frame) || RECEIVED.ok, true);
    header.setUint16(2, frame.length + FCS_BYTES, true);
    packet.set(frame, RECEIVED_HEADER_BYTES);
    const base = this.#get(REG.rbstart, 4);
    const wraps = !(this.#get(REG.rcr, 4) & RCR.wrap);
    const first = wraps ? Math.min(bytes, ring - at) : bytes;
    requirePresent(this.#slot.memory, base + at, first);
    requirePresent(this.#slot.memory, base, bytes - first);
    writeGuest(this.#slot.memory, base + at, packet.subarray(0, first));
    writeGuest(this.#slot.memory, base, packet.subarray(first));
    this.#set(REG.cbr, 2, (at + taken) % ring);
    this.#raise(INT.rok);
  }

  /** TSAD: the status of all transmit descriptors at once. */
  #allStatus(): number {
    let all = 0;
    for (let index = 0; index < DESCRIPTORS; index++) {
      const status = this.#get(REG.tsd + index * 4, 4);
      if (status & TSD.own) all |= 1 << index;
      if (status & TSD.tok) all |= 0x1000 << index;
    }
    return all;
  }

  #raise(causes: number): void {
    this.#set(REG.isr, 2, this.#get(REG.isr, 2) | causes);
    this.#drivePin();
  }

  #drivePin(): void {
    this.config?.interrupt((this.#get(REG.isr, 2) & this.#get(REG.imr, 2)) !== 0);
  }
}
