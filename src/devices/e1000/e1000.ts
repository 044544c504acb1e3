import { requireVersion } from '../../base/state-version.ts';
import { restartable } from '../../machine/dma.ts';
import type { Alarm, Device, DeviceState, NetPort } from '../../machine/interfaces.ts';
import { PciCard, PciConfigSpace } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { Eeprom } from './eeprom.ts';
import { Phy, wantsInterrupt } from './phy.ts';
import { Receiver } from './receiver.ts';
import {
  COUNTERS,
  CTRL,
  INT,
  INT_ALL,
  PLAIN_REGISTERS,
  REG,
  REGISTER_BYTES,
  RegisterFile,
  STATUS_LINK_UP,
} from './registers.ts';
import { Transmitter } from './transmitter.ts';

const MEMORY_BYTES = 0x20000;
const PORT_BYTES = 0x40;
/** The window in I/O space: an offset, and the register there (Software Developer's Manual, 13.2.2). */
const [IOADDR, IODATA] = [0, 4];
const ITR_UNIT_NANOS = 256n;
/** When the transmitter goes on that has done as much as it does at once: about as long as that takes on the wire. */
const TRANSMIT_PAUSE_NANOS = 1_000_000n;
const ADDRESS_VALID = 0x80000000;
const PBA_DEFAULT = 0x00100030;
const STATE_VERSION = 1;

/** Writable bits of registers that keep what is written, by offset. */
const WRITABLE = new Map(
  PLAIN_REGISTERS.flatMap(([first, count, writable]) =>
    Array.from({ length: count }, (_, index) => [first + index * 4, writable] as const),
  ),
);

/** Intel's 82540EM gigabit Ethernet controller, with a link that is always up. */
export class E1000 extends PciCard {
  readonly #slot: PciSlot;
  protected override readonly config: PciConfigSpace;
  readonly #registers = new RegisterFile();
  readonly #eeprom: Eeprom;
  readonly #phy = new Phy();
  readonly #mac: Uint8Array;
  readonly #transmitter: Transmitter;
  readonly #receiver: Receiver;
  readonly #transmit: () => void;
  readonly #receive: () => void;
  readonly #more: Alarm;
  readonly #throttle: Alarm;
  #ioAddress = 0;
  /** No interrupt before this time. */
  #quietUntilNanos = 0n;

  /** @param mac six bytes, the address in the card's EEPROM */
  constructor(net: NetPort, mac: Uint8Array, slot: PciSlot) {
    super();
    this.#slot = slot;
    this.#mac = mac;
    this.#eeprom = new Eeprom(mac);
    this.#transmitter = new Transmitter(this.#registers, slot.memory, (frame) => void net.send(frame));
    this.#receiver = new Receiver(this.#registers, slot.memory);
    const pageIn = (gpa: number) => slot.pageIn(gpa);
    this.#transmit = restartable(pageIn, () => this.#runTransmitter());
    this.#receive = restartable(pageIn, () => this.#raise(this.#receiver.run()));
    this.#more = slot.clock.createAlarm(() => this.#transmit());
    this.#throttle = slot.clock.createAlarm(() => this.#drivePin());
    const memory: Pick<Device, 'read' | 'write'> = {
      read: (offset, size) => this.#readBytes(offset, size),
      write: (offset, size, value) => this.#writeBytes(offset, size, value),
    };
    const ports: Pick<Device, 'read' | 'write'> = {
      read: (offset, size) => this.#readPort(offset, size),
      write: (offset, size, value) => this.#writePort(offset, size, value),
    };
    this.config = new PciConfigSpace(
      {
        vendor: 0x8086,
        device: 0x100e,
        revision: 3,
        classCode: 0x020000,
        subsystemVendor: 0x8086,
        subsystem: 0x001e,
        interruptPin: 1,
        bars: [
          {
            index: 0,
            kind: 'memory32',
            length: MEMORY_BYTES,
            window: slot.window('memory32', MEMORY_BYTES, memory, 'e1000'),
          },
          { index: 1, kind: 'io', length: PORT_BYTES, window: slot.window('io', PORT_BYTES, ports, 'e1000') },
        ],
      },
      slot.interrupt,
    );
    net.onFrame((frame) => {
      const isTaken = this.#receiver.take(frame);
      this.#receive();
      return isTaken;
    });
    this.#reset();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.config.save(),
      registers: this.#registers.save(),
      eeprom: this.#eeprom.save(),
      phy: this.#phy.values,
      transmitter: this.#transmitter.save(),
      receiver: this.#receiver.save(),
      ioAddress: this.#ioAddress,
      quietUntilNanos: this.#quietUntilNanos,
    };
  }

  /** What was under way is taken up by an alarm: other chips are to be restored first. */
  restore(state: DeviceState): void {
    requireVersion('E1000', state.version, STATE_VERSION);
    this.#registers.restore(state.registers as Uint8Array);
    this.#eeprom.restore(state.eeprom as DeviceState);
    this.#phy.values = state.phy as number[];
    this.#transmitter.restore(state.transmitter as DeviceState);
    this.#receiver.restore(state.receiver as DeviceState);
    this.#ioAddress = Number(state.ioAddress);
    this.#quietUntilNanos = BigInt(state.quietUntilNanos as bigint);
    this.config.restore(state.config as DeviceState);
    this.#more.arm(this.#slot.clock.nowNanos());
    this.#drivePin();
  }

  #reset(): void {
    const registers = this.#registers;
    registers.restore(new Uint8Array(REGISTER_BYTES));
    registers.set(REG.ctrl, CTRL.fullDuplex);
    registers.set(REG.status, STATUS_LINK_UP);
    registers.set(REG.pba, PBA_DEFAULT);
    registers.set(REG.vet, 0x8100);
    const view = new DataView(this.#mac.buffer, this.#mac.byteOffset);
    registers.set(REG.ral, view.getUint32(0, true));
    registers.set(REG.ral + 4, view.getUint16(4, true) | ADDRESS_VALID);
    this.#transmitter.restore({ ...this.#transmitter.save(), packet: new Uint8Array(0), context: new Uint8Array(16) });
    this.#receiver.restore({ ...this.#receiver.save(), waiting: [] });
    this.#quietUntilNanos = 0n;
    this.#drivePin();
  }

  /** Registers are dwords; narrower accesses are not defined, and read as the part they name. */
  #readBytes(offset: number, size: number): number {
    const value = this.#read(offset & ~3) >>> ((offset & 3) * 8);
    return size === 4 ? value >>> 0 : value & (2 ** (size * 8) - 1);
  }

  #writeBytes(offset: number, size: number, value: number): void {
    if (size === 4) this.#write(offset, value);
  }

  #readPort(offset: number, size: number): number {
    if (size !== 4) return 0;
    if (offset === IOADDR) return this.#ioAddress;
    return offset === IODATA ? this.#readBytes(this.#ioAddress, 4) : 0;
  }

  #writePort(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    if (offset === IOADDR) this.#ioAddress = value & (MEMORY_BYTES - 4);
    else if (offset === IODATA) this.#write(this.#ioAddress, value);
  }

  #read(offset: number): number {
    const registers = this.#registers;
    switch (offset) {
      case REG.ctrl + 4:
        return registers.get(REG.ctrl);
      case REG.eecd:
        return this.#eeprom.eecd;
      case REG.eerd:
        return this.#eeprom.eerd;
      case REG.icr: {
        const causes = registers.get(REG.icr);
        registers.set(REG.icr, 0);
        this.#drivePin();
        return causes;
      }
    }
    const value = registers.get(offset);
    if (COUNTERS.includes(offset)) registers.set(offset, 0);
    return value;
  }

  #write(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case REG.ctrl:
      case REG.ctrl + 4:
        if (value & CTRL.reset) this.#reset();
        else registers.set(REG.ctrl, value);
        break;
      case REG.eecd:
        this.#eeprom.eecd = value;
        break;
      case REG.eerd:
        this.#eeprom.eerd = value;
        break;
      case REG.mdic:
        this.#accessPhy(value);
        break;
      case REG.icr:
        registers.set(REG.icr, registers.get(REG.icr) & ~value);
        this.#drivePin();
        break;
      case REG.ics:
        this.#raise(value & INT_ALL);
        break;
      case REG.ims:
      case REG.imc:
        this.#setMask(offset, value & INT_ALL);
        break;
      default:
        this.#writePlain(offset, value);
    }
  }

  #writePlain(offset: number, value: number): void {
    const writable = WRITABLE.get(offset);
    if (writable === undefined) return;
    this.#registers.set(offset, value & writable);
    if (offset === REG.tdt || offset === REG.tctl) this.#transmit();
    else if (offset === REG.rdt || offset === REG.rctl) this.#receive();
  }

  #setMask(offset: number, bits: number): void {
    const before = this.#registers.get(REG.ims);
    this.#registers.set(REG.ims, offset === REG.ims ? before | bits : before & ~bits);
    this.#drivePin();
  }

  #accessPhy(value: number): void {
    const { mdic, renegotiated } = this.#phy.access(value);
    this.#registers.set(REG.mdic, mdic);
    this.#raise((renegotiated ? INT.lsc : 0) | (wantsInterrupt(value) ? INT.mdac : 0));
  }

  #runTransmitter(): void {
    this.#raise(this.#transmitter.run());
    if (this.#transmitter.hasWork) this.#more.arm(this.#slot.clock.nowNanos() + TRANSMIT_PAUSE_NANOS);
  }

  #raise(causes: number): void {
    if (causes === 0) return;
    this.#registers.set(REG.icr, this.#registers.get(REG.icr) | causes);
    this.#drivePin();
  }

  /** The pin follows causes and mask, but is asserted no sooner after the last time than ITR allows (13.4.18). */
  #drivePin(): void {
    const now = this.#slot.clock.nowNanos();
    const wanted = (this.#registers.get(REG.icr) & this.#registers.get(REG.ims)) !== 0;
    if (wanted && now < this.#quietUntilNanos) {
      this.#throttle.arm(this.#quietUntilNanos);
      return;
    }
    this.#throttle.cancel();
    if (wanted) this.#quietUntilNanos = now + BigInt(this.#registers.get(REG.itr)) * ITR_UNIT_NANOS;
    this.config.interrupt(wanted);
  }
}
