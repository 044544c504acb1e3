import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { Counter } from './counter.ts';
import { PIT8254_VERSION, type Pit8254State } from './state.ts';

/** The PC's 14.31818 MHz divided by 12, rounded as every PC operating system rounds it. */
export const PIT_HZ = 1_193_182;

const PIT_HZ_BIG = BigInt(PIT_HZ);
const NANOS_PER_SECOND = 1_000_000_000n;
const CONTROL_OFFSET = 3;
const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

/**
 * The 8254 programmable interval timer of a PC (Intel 231164): counters 0 to 2 at offsets 0 to 2, control at 3.
 *
 * Counters are computed from the clock when they are read. Only counter 0 is wired to an interrupt, and only its
 * changes need alarms. Low strobes of one tick reach that line as a fall and a rise at the strobe's end. Edges that
 * the machine could not deliver in time are merged into one.
 */
export class Pit8254 implements Device {
  /** GATE 2, which port 61h drives. GATE 0 and 1 are tied high on a PC. */
  readonly gate2: IrqLine = { set: (level) => this.#setGate2(level) };
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  readonly #counters = [new Counter(true), new Counter(true), new Counter(false)];
  #irqLevel = false;
  #irqTick: number | null = null;
  #beforeTone: () => void = () => {};

  /** @param irq OUT of counter 0 (IRQ0) */
  constructor(clock: Clock, irq: IrqLine) {
    this.#clock = clock;
    this.#irq = irq;
    this.#alarm = clock.createAlarm(() => this.#deliverDueEdge(this.tick));
  }

  /** The present tick: cycles of the counters' clock since power-on. */
  get tick(): number {
    return Number((this.#clock.nowNanos() * PIT_HZ_BIG) / NANOS_PER_SECOND);
  }

  /** The level of OUT 2, which port 61h shows and the speaker plays. */
  get out2(): boolean {
    this.#beforeTone();
    return this.toneAt(this.tick);
  }

  /** The level of OUT 2 at a tick. Ticks that are asked for never go backwards: see {@link beforeTone}. */
  toneAt(tick: number): boolean {
    return this.#counters[2].output(tick);
  }

  /** The next tick at which OUT 2 changes, null when it stays. Strobes of one tick do not count. */
  nextToneEdge(tick: number): number | null {
    return this.#counters[2].nextEdge(tick);
  }

  /** @param listen told before counter 2 is looked at or changed: the last chance to ask what it gave until then */
  beforeTone(listen: () => void): void {
    this.#beforeTone = listen;
  }

  read(offset: number, _size: number): number {
    const channel = offset & 3;
    this.#beforeTone();
    return channel === CONTROL_OFFSET ? 0xff : this.#counters[channel].readByte(this.tick);
  }

  write(offset: number, _size: number, value: number): void {
    const tick = this.tick;
    const byte = value & 0xff;
    const channel = offset & 3;
    this.#beforeTone();
    this.#deliverDueEdge(tick);
    if (channel !== CONTROL_OFFSET) this.#counters[channel].writeByte(byte, tick);
    else if (byte >> 6 === READ_BACK) this.#readBack(byte, tick);
    else if ((byte & 0x30) === 0) this.#counters[byte >> 6].latchCount(tick);
    else this.#counters[byte >> 6].writeControl(byte);
    this.#retime(tick);
  }

  save(): Pit8254State {
    const counters = this.#counters.map((counter) => counter.save());
    return { version: PIT8254_VERSION, counters, irqLevel: this.#irqLevel, irqTick: this.#irqTick };
  }

  restore(state: DeviceState): void {
    requireVersion('Pit8254', state.version, PIT8254_VERSION);
    const { counters, irqLevel, irqTick } = state as Pit8254State;
    this.#counters.forEach((counter, channel) => {
      counter.restore(counters[channel]);
    });
    this.#setIrq(irqLevel);
    this.#arm(irqTick);
  }

  #setGate2(level: boolean): void {
    this.#beforeTone();
    this.#counters[2].setGate(level, this.tick);
  }

  #readBack(command: number, tick: number): void {
    this.#counters.forEach((counter, channel) => {
      if ((command & (2 << channel)) === 0) return;
      if ((command & READ_BACK_NO_COUNT) === 0) counter.latchCount(tick);
      if ((command & READ_BACK_NO_STATUS) === 0) counter.latchStatus(tick);
    });
  }

  #deliverDueEdge(tick: number): void {
    if (this.#irqTick === null || tick < this.#irqTick) return;
    const level = this.#counters[0].steadyOutput(tick);
    this.#setIrq(!level);
    this.#retime(tick);
  }

  /** Brings the interrupt line and its alarm up to what counter 0 says now. */
  #retime(tick: number): void {
    this.#setIrq(this.#counters[0].steadyOutput(tick));
    this.#arm(this.#counters[0].nextEdge(tick));
  }

  #setIrq(level: boolean): void {
    this.#irqLevel = level;
    this.#irq.set(level);
  }

  #arm(tick: number | null): void {
    this.#irqTick = tick;
    if (tick === null) this.#alarm.cancel();
    else this.#alarm.arm((BigInt(tick) * NANOS_PER_SECOND + PIT_HZ_BIG - 1n) / PIT_HZ_BIG);
  }
}
