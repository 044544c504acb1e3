import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { HPET_VERSION, type HpetRegisters, type HpetState } from './state.ts';
import { HpetTimer, TICK_NANOS, withHalf } from './timer.ts';

/** Bytes of the register block. */
export const HPET_BYTES = 0x400;

/** Registers (IA-PC HPET 1.0a section 2.3.3), all of 64 bits. */
const REG = { capabilities: 0x00, config: 0x10, status: 0x20, counter: 0xf0, timers: 0x100 } as const;
const TIMER_REG = { config: 0x00, comparator: 0x08 } as const;
const TIMER_BYTES = 0x20;
const TIMER_COUNT = 3;

const REVISION = 1;
const COUNTER_64BIT = 1 << 13;
const LEGACY_CAPABLE = 1 << 15;
const VENDOR = 0x8086;
const FEMTOSECONDS = 1_000_000n;
/** The low half of the capabilities, which the ACPI table repeats. */
export const HPET_ID = ((VENDOR << 16) | LEGACY_CAPABLE | COUNTER_64BIT | ((TIMER_COUNT - 1) << 8) | REVISION) >>> 0;
const CAPABILITIES = ((TICK_NANOS * FEMTOSECONDS) << 32n) | BigInt(HPET_ID);

const ENABLE = 1;
const LEGACY_REPLACEMENT = 2;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** What an {@link Hpet} is connected to. */
export interface HpetWiring {
  readonly clock: Clock;
  /** I/O APIC inputs that timers can be routed to, as a bit mask. */
  readonly routes: number;
  /** Makes a wire to one of these inputs. */
  route(input: number): IrqLine;
  /** Makes a wire to an ISA interrupt: 0, which the 8254 has, or 8, which the real-time clock has. */
  isa(irq: 0 | 8): IrqLine;
}

/**
 * The high precision event timers of a PC (IA-PC HPET specification 1.0a): a counter of 100 MHz with three comparators.
 *
 * Under legacy replacement the first two take over IRQ 0 and IRQ 8 from the 8254 and the real-time clock, whose outputs go
 * through this chip for that. Interrupts are not delivered as messages (FSB). Registers take aligned accesses of 32 bits;
 * of narrower ones nothing is heard.
 */
export class Hpet implements Device {
  /** Where the outputs of the 8254 and of the real-time clock go. */
  readonly pit: IrqLine = { set: (level) => this.#setInput('pit', level) };
  readonly rtc: IrqLine = { set: (level) => this.#setInput('rtc', level) };
  readonly #clock: Clock;
  readonly #routes: number;
  readonly #alarm: Alarm;
  readonly #timers = Array.from({ length: TIMER_COUNT }, () => new HpetTimer());
  /** Of each timer, the wires to the inputs that it can be routed to. */
  readonly #routed: readonly ReadonlyMap<number, IrqLine>[];
  /** IRQ 0 and 8, as timers 0 and 1 drive them. */
  readonly #legacy: readonly IrqLine[];
  /** IRQ 0 and 8, as the 8254 and the real-time clock drive them. */
  readonly #passed: Readonly<Record<'pit' | 'rtc', IrqLine>>;
  #s: HpetRegisters = powerOnRegisters();

  constructor({ clock, routes, route, isa }: HpetWiring) {
    this.#clock = clock;
    this.#routes = routes;
    this.#alarm = clock.createAlarm(() => this.#advance());
    const inputs = Array.from({ length: 32 }, (_, input) => input).filter((input) => (routes >>> input) & 1);
    this.#routed = this.#timers.map(() => new Map(inputs.map((input) => [input, route(input)])));
    this.#legacy = [isa(0), isa(8)];
    this.#passed = { pit: isa(0), rtc: isa(8) };
  }

  read(offset: number, size: number): number {
    if (size !== 4) return 0;
    this.#advance();
    const register = this.#read(offset & ~7);
    return Number(offset & 4 ? register >> 32n : register & 0xffff_ffffn);
  }

  write(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    this.#advance();
    const register = offset & ~7;
    const isHigh = (offset & 4) !== 0;
    if (register === REG.config && !isHigh) this.#configure(value & (ENABLE | LEGACY_REPLACEMENT));
    else if (register === REG.status && !isHigh) this.#s.status &= ~value;
    else if (register === REG.counter) this.#setCounter(withHalf(this.#counter, isHigh, value));
    else this.#writeTimer(register, isHigh, value);
    this.#drive();
    this.#schedule();
  }

  save(): HpetState {
    return { version: HPET_VERSION, registers: { ...this.#s }, timers: this.#timers.map((timer) => timer.save()) };
  }

  /** Drives the lines as the restored state says, without pulses. */
  restore(state: DeviceState): void {
    requireVersion('Hpet', state.version, HPET_VERSION);
    const { registers, timers } = state as HpetState;
    this.#s = { ...registers };
    this.#timers.forEach((timer, n) => {
      timer.restore(timers[n]);
    });
    this.#drive();
    this.#schedule();
  }

  get #enabled(): boolean {
    return (this.#s.config & ENABLE) !== 0;
  }

  get #legacyReplacement(): boolean {
    return (this.#s.config & LEGACY_REPLACEMENT) !== 0;
  }

  get #counter(): bigint {
    const { counter, startNanos } = this.#s;
    if (!this.#enabled) return counter;
    return (counter + this.#clock.nowNanos() / TICK_NANOS - startNanos / TICK_NANOS) & ALL_ONES;
  }

  #read(register: number): bigint {
    switch (register) {
      case REG.capabilities:
        return CAPABILITIES;
      case REG.config:
        return BigInt(this.#s.config);
      case REG.status:
        return BigInt(this.#s.status);
      case REG.counter:
        return this.#counter;
      default:
        return this.#readTimer(register);
    }
  }

  #readTimer(register: number): bigint {
    const { timer, field } = this.#timerAt(register);
    if (timer === undefined) return 0n;
    if (field === TIMER_REG.config) return (BigInt(this.#routes) << 32n) | BigInt(timer.config);
    return field === TIMER_REG.comparator ? timer.comparator : 0n;
  }

  #writeTimer(register: number, isHigh: boolean, value: number): void {
    const { timer, field } = this.#timerAt(register);
    if (timer === undefined) return;
    if (field === TIMER_REG.config && !isHigh) {
      timer.writeConfig(value, this.#routes);
      this.#s.status &= ~this.#edgeTimers;
    } else if (field === TIMER_REG.comparator) {
      timer.writeComparator(isHigh, value);
    } else return;
    if (this.#enabled) timer.start(this.#counter, this.#tickNanos);
  }

  #timerAt(register: number): { timer: HpetTimer | undefined; field: number } {
    const offset = register - REG.timers;
    return { timer: this.#timers[Math.floor(offset / TIMER_BYTES)], field: offset % TIMER_BYTES };
  }

  /** Timers that are not level-triggered, and so have no status, a bit each. */
  get #edgeTimers(): number {
    return this.#timers.reduce((bits, timer, n) => (timer.isLevel ? bits : bits | (1 << n)), 0);
  }

  /** When the present tick began. */
  get #tickNanos(): bigint {
    const now = this.#clock.nowNanos();
    return now - (now % TICK_NANOS);
  }

  #configure(config: number): void {
    const counter = this.#counter;
    const changed = (config ^ this.#s.config) & ENABLE;
    this.#s.config = config;
    if (changed) this.#setCounter(counter);
  }

  /** Sets the counter, and what the timers wait for with it. */
  #setCounter(counter: bigint): void {
    this.#s.counter = counter;
    this.#s.startNanos = this.#clock.nowNanos();
    for (const timer of this.#timers) {
      if (this.#enabled) timer.start(counter, this.#tickNanos);
      else timer.stop();
    }
  }

  /** Brings all timers to the present, and raises the interrupts that have come since. */
  #advance(): void {
    const now = this.#clock.nowNanos();
    this.#timers.forEach((timer, n) => {
      if (timer.advance(now) && timer.interruptsEnabled) this.#raise(timer, n);
    });
    this.#schedule();
  }

  #raise(timer: HpetTimer, n: number): void {
    if (timer.isLevel) {
      this.#s.status |= 1 << n;
      this.#drive();
    } else {
      const line = this.#lineOf(timer, n);
      line?.set(true);
      line?.set(false);
    }
  }

  #lineOf(timer: HpetTimer, n: number): IrqLine | undefined {
    const legacy = this.#legacyReplacement ? this.#legacy[n] : undefined;
    return legacy ?? this.#routed[n].get(timer.route);
  }

  /** Sets every line to its level. */
  #drive(): void {
    this.#timers.forEach((timer, n) => {
      const own = this.#lineOf(timer, n);
      const level = this.#enabled && timer.interruptsEnabled && ((this.#s.status >> n) & 1) !== 0;
      const wires = [...this.#routed[n].values(), ...(this.#legacy[n] ? [this.#legacy[n]] : [])];
      for (const wire of wires) wire.set(wire === own && level);
    });
    for (const name of ['pit', 'rtc'] as const) this.#passed[name].set(this.#s[name] && !this.#legacyReplacement);
  }

  #setInput(name: 'pit' | 'rtc', level: boolean): void {
    this.#s[name] = level;
    this.#passed[name].set(level && !this.#legacyReplacement);
  }

  /** Only a match that interrupts needs an alarm; others are accounted for when someone looks. */
  #schedule(): void {
    let next: bigint | null = null;
    for (const { matchNanos, interruptsEnabled } of this.#timers) {
      if (matchNanos !== null && interruptsEnabled && (next === null || matchNanos < next)) next = matchNanos;
    }
    if (next === null) this.#alarm.cancel();
    else this.#alarm.arm(next);
  }
}

function powerOnRegisters(): HpetRegisters {
  return { config: 0, status: 0, counter: 0n, startNanos: 0n, pit: false, rtc: false };
}
