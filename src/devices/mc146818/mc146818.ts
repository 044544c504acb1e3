import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { MC146818_VERSION, type Mc146818State } from './state.ts';
import { TimeRegisters } from './time-registers.ts';

const INDEX_OFFSET = 0;
const DATA_OFFSET = 1;
const EXTENDED_INDEX_OFFSET = 2;
const BANK_BYTES = 128;
const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;

const A_UIP = 0x80;
const A_DIVIDER = 0x70;
const A_DIVIDER_32768_HZ = 0x20;
const A_RATE = 0x0f;
const B_SET = 0x80;
const B_UIE = 0x10;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const C_FLAGS = C_PF | C_AF | C_UF;
const D_VRT = 0x80;
/** A divider chain of 32,768 Hz with a periodic rate of 1024 Hz, and 24-hour BCD, as BIOSes program them. */
const INITIAL_A = 0x26;
const INITIAL_B = 0x02;

const SECOND = 1_000_000_000n;
const CRYSTAL_HZ = 32_768n;
/** The first update comes half a second after the divider chain is released. */
const RELEASE_PHASE = SECOND / 2n;
/** UIP rises 244 µs before an update cycle, which takes 1984 µs. */
const UPDATE_NANOS = 244_000n + 1_984_000n;

/**
 * The MC146818A real-time clock of a PC/AT with its 128 bytes of CMOS memory and 128 more: offsets 0 and 1 are ports
 * 70h and 71h, offsets 2 and 3 are ports 72h and 73h.
 *
 * Time is advanced when it is looked at. An alarm of the clock is armed only for the next event that would raise the
 * interrupt; events while it is raised need none. The chip also counts the century in byte 32h, as PC guests expect.
 * Daylight saving (DSE) and the square-wave pin are stored bits without effect; so is the NMI mask in port 70h.
 */
export class Mc146818 implements Device {
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  readonly #ram = new Uint8Array(BANK_BYTES);
  readonly #extendedRam = new Uint8Array(BANK_BYTES);
  readonly #time = new TimeRegisters(this.#ram);
  #index = 0;
  #extendedIndex = 0;
  #secondStartNanos: bigint;
  #flagsNanos = 0n;

  /**
   * @param irq IRQ8
   * @param startEpochMs the time at power-on, in milliseconds since 1970; of the guest's time zone if it wants local time
   */
  constructor(clock: Clock, irq: IrqLine, startEpochMs: number) {
    this.#clock = clock;
    this.#irq = irq;
    this.#alarm = clock.createAlarm(() => this.#settle());
    this.#ram[REGISTER_A] = INITIAL_A;
    this.#ram[REGISTER_B] = INITIAL_B;
    const seconds = Math.floor(startEpochMs / 1000);
    this.#time.set(seconds);
    this.#secondStartNanos = -BigInt(Math.floor(startEpochMs - seconds * 1000)) * 1_000_000n;
  }

  read(offset: number, _size: number): number {
    const port = offset & 3;
    if (port === DATA_OFFSET) return this.#readRegister(this.#index);
    return port === INDEX_OFFSET || port === EXTENDED_INDEX_OFFSET ? 0xff : this.#extendedRam[this.#extendedIndex];
  }

  write(offset: number, _size: number, value: number): void {
    const port = offset & 3;
    if (port === INDEX_OFFSET) this.#index = value & 0x7f;
    else if (port === EXTENDED_INDEX_OFFSET) this.#extendedIndex = value & 0x7f;
    else if (port === DATA_OFFSET) this.#writeRegister(this.#index, value & 0xff);
    else this.#extendedRam[this.#extendedIndex] = value;
  }

  save(): Mc146818State {
    return {
      version: MC146818_VERSION,
      index: this.#index,
      extendedIndex: this.#extendedIndex,
      ram: this.#ram.slice(),
      extendedRam: this.#extendedRam.slice(),
      secondStartNanos: this.#secondStartNanos,
      flagsNanos: this.#flagsNanos,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Mc146818', state.version, MC146818_VERSION);
    const saved = state as Mc146818State;
    this.#index = saved.index;
    this.#extendedIndex = saved.extendedIndex;
    this.#ram.set(saved.ram);
    this.#extendedRam.set(saved.extendedRam);
    this.#secondStartNanos = saved.secondStartNanos;
    this.#flagsNanos = saved.flagsNanos;
    this.#updateIrq();
  }

  /** Puts a byte into the CMOS memory, as firmware's set-up would. @param index 0Eh to 7Fh, but not 32h */
  setCmos(index: number, value: number): void {
    this.#ram[index] = value;
  }

  #readRegister(index: number): number {
    if (index > REGISTER_D && index !== 0x32) return this.#ram[index];
    this.#advance();
    if (index === REGISTER_C) return this.#readFlags();
    if (index === REGISTER_D) return D_VRT;
    return this.#ram[index] | (index === REGISTER_A && this.#updateInProgress() ? A_UIP : 0);
  }

  /** Reading register C clears it. */
  #readFlags(): number {
    const flags = this.#ram[REGISTER_C] | (this.#irqAsserted() ? C_IRQF : 0);
    this.#ram[REGISTER_C] = 0;
    this.#updateIrq();
    return flags;
  }

  #writeRegister(index: number, value: number): void {
    this.#advance();
    if (index === REGISTER_A) this.#writeA(value);
    else if (index === REGISTER_B) this.#ram[REGISTER_B] = value & B_SET ? value & ~B_UIE : value;
    else if (index !== REGISTER_C && index !== REGISTER_D) this.#ram[index] = value;
    this.#updateIrq();
  }

  #writeA(value: number): void {
    const ran = this.#running;
    this.#ram[REGISTER_A] = value & ~A_UIP;
    if (!ran && this.#running) this.#secondStartNanos = this.#clock.nowNanos() - RELEASE_PHASE;
  }

  /** Whether the divider chain runs: it rests in its reset, and at time bases that this board's crystal is not. */
  get #running(): boolean {
    return (this.#ram[REGISTER_A] & A_DIVIDER) === A_DIVIDER_32768_HZ;
  }

  get #setting(): boolean {
    return (this.#ram[REGISTER_B] & B_SET) !== 0;
  }

  #updateInProgress(): boolean {
    if (!this.#running || this.#setting) return false;
    return this.#clock.nowNanos() >= this.#secondStartNanos + SECOND - UPDATE_NANOS;
  }

  #settle(): void {
    this.#advance();
    this.#updateIrq();
  }

  /** Brings time and flags up to now. */
  #advance(): void {
    const now = this.#clock.nowNanos();
    const since = this.#flagsNanos;
    this.#flagsNanos = now;
    if (!this.#running) return;
    if (this.#periods(now) !== this.#periods(since)) this.#ram[REGISTER_C] |= C_PF;
    const elapsed = now - this.#secondStartNanos;
    if (elapsed < SECOND) return;
    this.#secondStartNanos = now - (elapsed % SECOND);
    if (!this.#setting) this.#passSeconds(Number(elapsed / SECOND));
  }

  #passSeconds(seconds: number): void {
    const toAlarm = this.#time.secondsToAlarm();
    this.#ram[REGISTER_C] |= C_UF;
    if (toAlarm !== undefined && toAlarm <= seconds) this.#ram[REGISTER_C] |= C_AF;
    this.#time.advance(seconds);
  }

  /** Crystal ticks in a period of the periodic interrupt, 0 for none. Rates 1 and 2 are those of 8 and 9. */
  get #periodTicks(): bigint {
    const rate = this.#ram[REGISTER_A] & A_RATE;
    if (rate === 0) return 0n;
    return 1n << BigInt(rate <= 2 ? rate + 6 : rate - 1);
  }

  /** Periods that ended between a whole second near `secondStartNanos` and `nanos`. */
  #periods(nanos: bigint): bigint {
    const period = this.#periodTicks;
    if (period === 0n) return 0n;
    const sinceWholeSecond = nanos - (this.#secondStartNanos % SECOND) + SECOND;
    return (sinceWholeSecond * CRYSTAL_HZ) / (SECOND * period);
  }

  /** The end of the first period that the flags do not account for. */
  #nextPeriodNanos(): bigint {
    const next = (this.#periods(this.#flagsNanos) + 1n) * this.#periodTicks * SECOND;
    return (next + CRYSTAL_HZ - 1n) / CRYSTAL_HZ + (this.#secondStartNanos % SECOND) - SECOND;
  }

  #irqAsserted(): boolean {
    return (this.#ram[REGISTER_B] & this.#ram[REGISTER_C] & C_FLAGS) !== 0;
  }

  #updateIrq(): void {
    const asserted = this.#irqAsserted();
    this.#irq.set(asserted);
    const next = asserted ? undefined : this.#nextEventNanos();
    if (next === undefined) this.#alarm.cancel();
    else this.#alarm.arm(next);
  }

  /** When the first of the enabled interrupts comes. */
  #nextEventNanos(): bigint | undefined {
    if (!this.#running) return undefined;
    const enabled = this.#ram[REGISTER_B] & C_FLAGS;
    const events: bigint[] = [];
    if (enabled & C_PF && this.#periodTicks !== 0n) events.push(this.#nextPeriodNanos());
    if (!this.#setting) {
      const toAlarm = enabled & C_AF ? this.#time.secondsToAlarm() : undefined;
      const seconds = enabled & C_UF ? 1 : toAlarm;
      if (seconds !== undefined) events.push(this.#secondStartNanos + BigInt(seconds) * SECOND);
    }
    return events.length === 2 && events[1] < events[0] ? events[1] : events[0];
  }
}
