import { ByteQueue } from '../../base/byte-queue.ts';
import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, CharPort, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { UART16550_VERSION, type Uart16550State, type UartRegisters } from './state.ts';

const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_THRE = 0x02;
const IIR_RECEIVED_DATA = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS_ENABLED = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_RESET_RECEIVER = 0x02;
const FCR_KEPT = 0xc9;
const LCR_WORD_LENGTH = 0x03;
const LCR_STOP_BITS = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_THRE_TEMT = 0x60;
const MSR_DELTAS = 0x0f;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];
const INBOUND_BYTES = 65_536;
/** An inbound queue that has fallen to this length asks for more. */
const INBOUND_LOW_BYTES = 4_096;
const TIMEOUT_CHARACTERS = 4n;
/**
 * So many LSR reads in a row are a guest that waits for input: output never has to wait here. Reads of the modem's
 * registers between them do not count against it, since UEFI's driver asks for everything with each poll.
 */
const POLLS_THAT_LISTEN = 16;
/** Nanoseconds of one bit at divisor 1: sixteen periods of 1.8432 MHz. */
const BIT_NANOS_NUMERATOR = 16n * 1_000_000_000n;
const BIT_NANOS_DENOMINATOR = 1_843_200n;

/**
 * A 16550A UART (National PC16550D): eight byte registers.
 *
 * Transmission takes no time: a byte written to THR has left at once and THRE is raised again, so a guest prints as
 * fast as it can. Reception is lossless: bytes from outside wait in a bounded queue and enter the FIFO when it has
 * room, as a peer with hardware flow control would send them. That peer stays silent until the guest listens: RTS is
 * on, the receiver interrupt is enabled, or LSR is polled. A reset of the receiver empties the FIFO and lets the line
 * rest for one character; its bytes are sent again after that. Parity, framing and break errors do not occur.
 *
 * The interrupt pin is the data sheet's INTR; that a PC gates it with OUT2 is not modelled, since guests forget OUT2.
 */
export class Uart16550 implements Device {
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #port: CharPort;
  readonly #onInboundSpace: () => void;
  readonly #timeoutAlarm: Alarm;
  readonly #restAlarm: Alarm;
  readonly #fifo = new ByteQueue(FIFO_BYTES);
  readonly #inbound = new ByteQueue(INBOUND_BYTES);
  #r: UartRegisters = powerOnRegisters();

  /**
   * @param irq the INTR pin
   * @param port the outside end of the line
   * @param onInboundSpace told when the inbound queue has run nearly empty, so that a paused sender may go on
   */
  constructor(clock: Clock, irq: IrqLine, port: CharPort, onInboundSpace: () => void = () => {}) {
    this.#clock = clock;
    this.#irq = irq;
    this.#port = port;
    this.#onInboundSpace = onInboundSpace;
    this.#timeoutAlarm = clock.createAlarm(() => this.#onTimeout());
    this.#restAlarm = clock.createAlarm(() => this.#onRested());
    port.onByte((byte) => this.#onByte(byte));
  }

  /** Bytes that may still be sent to this end before any is dropped. */
  get inboundSpace(): number {
    return this.#inbound.space;
  }

  read(offset: number, _size: number): number {
    const r = this.#r;
    const register = offset & 7;
    if (register === LSR) return this.#readLsr();
    if (register === MCR) return r.mcr;
    if (register === MSR) return this.#readMsr();
    r.lsrPolls = 0;
    const latched = (r.lcr & LCR_DLAB) !== 0;
    if (register === RBR_THR_DLL) return latched ? r.divisor & 0xff : this.#readRbr();
    if (register === IER_DLM) return latched ? r.divisor >> 8 : r.ier;
    if (register === IIR_FCR) return this.#readIir();
    return register === LCR ? r.lcr : r.scr;
  }

  write(offset: number, _size: number, value: number): void {
    const r = this.#r;
    const byte = value & 0xff;
    const register = offset & 7;
    const latched = (r.lcr & LCR_DLAB) !== 0;
    r.lsrPolls = 0;
    if (register === RBR_THR_DLL && !latched) this.#transmit(byte);
    else if (register === RBR_THR_DLL) r.divisor = (r.divisor & 0xff00) | byte;
    else if (register === IER_DLM && !latched) this.#writeIer(byte);
    else if (register === IER_DLM) r.divisor = (r.divisor & 0x00ff) | (byte << 8);
    else if (register === IIR_FCR) this.#writeFcr(byte);
    else if (register === LCR) r.lcr = byte;
    else if (register === MCR) this.#writeMcr(byte & 0x1f);
    else if (register > MSR) r.scr = byte;
  }

  save(): Uart16550State {
    return { version: UART16550_VERSION, ...this.#r, fifo: this.#fifo.toBytes(), inbound: this.#inbound.toBytes() };
  }

  restore(state: DeviceState): void {
    requireVersion('Uart16550', state.version, UART16550_VERSION);
    const { version: _, fifo, inbound, ...registers } = state as Uart16550State;
    this.#r = registers as UartRegisters;
    const lengthBefore = this.#inbound.length;
    this.#fifo.load(fifo);
    this.#inbound.load(inbound);
    setAlarm(this.#timeoutAlarm, this.#r.timeoutNanos);
    setAlarm(this.#restAlarm, this.#r.restNanos);
    this.#update();
    this.#tellInboundSpace(lengthBefore);
  }

  #onByte(byte: number): boolean {
    const taken = this.#inbound.push(byte & 0xff);
    this.#receive();
    return taken;
  }

  get #fifosEnabled(): boolean {
    return (this.#r.fcr & FCR_ENABLE) !== 0;
  }

  get #triggerLevel(): number {
    return this.#fifosEnabled ? TRIGGER_LEVELS[this.#r.fcr >> 6] : 1;
  }

  #listening(): boolean {
    const { mcr, ier, lsrPolls } = this.#r;
    if (mcr & MCR_LOOP) return false;
    return (mcr & MCR_RTS) !== 0 || (ier & IER_ERBFI) !== 0 || lsrPolls >= POLLS_THAT_LISTEN;
  }

  /** Moves waiting bytes into the FIFO while there is room and the guest listens. */
  #receive(): void {
    if (this.#r.restNanos === null && this.#listening() && this.#inbound.length > 0) {
      const before = this.#inbound.length;
      const limit = this.#fifosEnabled ? FIFO_BYTES : 1;
      while (this.#fifo.length < limit && this.#inbound.length > 0) this.#fifo.push(this.#inbound.shift() ?? 0);
      if (this.#inbound.length !== before) this.#restartTimeout();
      this.#tellInboundSpace(before);
    }
    this.#update();
  }

  #tellInboundSpace(lengthBefore: number): void {
    if (lengthBefore > INBOUND_LOW_BYTES && this.#inbound.length <= INBOUND_LOW_BYTES) this.#onInboundSpace();
  }

  #readRbr(): number {
    const byte = this.#fifo.shift() ?? 0;
    this.#r.timeoutPending = false;
    this.#restartTimeout();
    this.#receive();
    return byte;
  }

  #transmit(byte: number): void {
    const r = this.#r;
    if (r.mcr & MCR_LOOP) this.#receiveLooped(byte);
    else this.#port.send(byte);
    r.threPending = false;
    this.#update();
    r.threPending = true;
    this.#update();
  }

  #receiveLooped(byte: number): void {
    const limit = this.#fifosEnabled ? FIFO_BYTES : 1;
    if (this.#fifo.length >= limit) this.#r.overrun = true;
    else this.#fifo.push(byte);
    this.#restartTimeout();
  }

  #writeIer(value: number): void {
    const r = this.#r;
    if (value & ~r.ier & IER_ETBEI) r.threPending = true;
    r.ier = value & 0x0f;
    this.#receive();
  }

  #writeFcr(value: number): void {
    const r = this.#r;
    const toggled = ((value ^ r.fcr) & FCR_ENABLE) !== 0;
    if (toggled || value & FCR_RESET_RECEIVER) this.#resetReceiver();
    r.fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    this.#update();
  }

  /** Empties the FIFO. What was in it came too early and is sent again, but for a looped byte. */
  #resetReceiver(): void {
    const r = this.#r;
    const unread = r.mcr & MCR_LOOP ? [] : this.#fifo.toBytes().reverse();
    for (const byte of unread) this.#inbound.unshift(byte);
    this.#fifo.clear();
    r.timeoutPending = false;
    this.#restartTimeout();
    r.restNanos = this.#clock.nowNanos() + this.#characterNanos();
    setAlarm(this.#restAlarm, r.restNanos);
  }

  #onRested(): void {
    this.#r.restNanos = null;
    this.#receive();
  }

  #writeMcr(value: number): void {
    const r = this.#r;
    const before = r.msr;
    r.mcr = value;
    const after = value & MCR_LOOP ? loopedModemInputs(value) : MSR_CTS | MSR_DSR | MSR_DCD;
    const fallen = before & ~after & MSR_RI;
    const deltas = (((before ^ after) & ~MSR_RI) | fallen) >> 4;
    r.msr = after | ((before | deltas) & MSR_DELTAS);
    this.#receive();
  }

  #readLsr(): number {
    const r = this.#r;
    const value = this.#lsr();
    r.overrun = false;
    if (r.lsrPolls < POLLS_THAT_LISTEN) r.lsrPolls++;
    this.#receive();
    return value;
  }

  #lsr(): number {
    const ready = this.#fifo.length > 0 ? LSR_DATA_READY : 0;
    return LSR_THRE_TEMT | ready | (this.#r.overrun ? LSR_OVERRUN : 0);
  }

  #readMsr(): number {
    const value = this.#r.msr;
    this.#r.msr &= ~MSR_DELTAS;
    this.#update();
    return value;
  }

  #readIir(): number {
    const source = this.#source();
    if (source === IIR_THRE) {
      this.#r.threPending = false;
      this.#update();
    }
    return source | (this.#fifosEnabled ? IIR_FIFOS_ENABLED : 0);
  }

  /** The interrupt of highest priority (data sheet table "Interrupt control functions"). */
  #source(): number {
    const { ier, overrun, timeoutPending, threPending, msr } = this.#r;
    if (ier & IER_ELSI && overrun) return IIR_LINE_STATUS;
    if (ier & IER_ERBFI && this.#fifo.length >= this.#triggerLevel) return IIR_RECEIVED_DATA;
    if (ier & IER_ERBFI && timeoutPending) return IIR_TIMEOUT;
    if (ier & IER_ETBEI && threPending) return IIR_THRE;
    if (ier & IER_EDSSI && msr & MSR_DELTAS) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #update(): void {
    this.#irq.set(this.#source() !== IIR_NONE);
  }

  /** Starts the four character times after which bytes below the trigger level are announced. */
  #restartTimeout(): void {
    const r = this.#r;
    const waiting = this.#fifosEnabled && this.#fifo.length > 0 && !r.timeoutPending;
    r.timeoutNanos = waiting ? this.#clock.nowNanos() + TIMEOUT_CHARACTERS * this.#characterNanos() : null;
    setAlarm(this.#timeoutAlarm, r.timeoutNanos);
  }

  #onTimeout(): void {
    this.#r.timeoutNanos = null;
    this.#r.timeoutPending = this.#fifo.length > 0;
    this.#update();
  }

  /** The time of one character at the programmed speed and format. */
  #characterNanos(): bigint {
    const { lcr, divisor } = this.#r;
    const bits = 7 + (lcr & LCR_WORD_LENGTH) + (lcr & LCR_PARITY ? 1 : 0) + (lcr & LCR_STOP_BITS ? 1 : 0);
    return (BigInt(bits * Math.max(1, divisor)) * BIT_NANOS_NUMERATOR) / BIT_NANOS_DENOMINATOR;
  }
}

function setAlarm(alarm: Alarm, nanos: bigint | null): void {
  if (nanos === null) alarm.cancel();
  else alarm.arm(nanos);
}

/** In loopback the four modem outputs feed the four modem inputs. */
function loopedModemInputs(mcr: number): number {
  const cts = mcr & MCR_RTS ? MSR_CTS : 0;
  const dsr = mcr & MCR_DTR ? MSR_DSR : 0;
  const ri = mcr & MCR_OUT1 ? MSR_RI : 0;
  return cts | dsr | ri | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/** The state after master reset; the peer is there and ready. The divisor, undefined then, is that of 9600 baud. */
function powerOnRegisters(): UartRegisters {
  return {
    divisor: 12,
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    scr: 0,
    msr: MSR_CTS | MSR_DSR | MSR_DCD,
    threPending: false,
    timeoutPending: false,
    overrun: false,
    lsrPolls: 0,
    timeoutNanos: null,
    restNanos: null,
  };
}
