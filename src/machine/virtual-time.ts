import type { Alarm, Clock, DeviceState } from './interfaces.ts';
import { ManualClock } from './manual-clock.ts';

/**
 * How a clock goes while guest code runs: at `instructions` retired it showed `nanos`, and each instruction adds
 * `nanosPerInstruction`, rounded down in the sum; it never shows less than `leastNanos`. Another object when it changes.
 */
export interface ClockPace {
  readonly instructions: number;
  readonly nanos: bigint;
  readonly nanosPerInstruction: number;
  readonly leastNanos: bigint;
}

/** The clock of a whole machine, as its run loop drives it. Alarms fire only inside `fireDue`. */
export interface MachineClock extends Clock {
  /** The earliest armed deadline, or undefined when nothing is armed. */
  nextDeadlineNanos(): bigint | undefined;
  /** How many more instructions bring the clock to `nanos`: at most 2^30, and 0 when that time has come. */
  instructionsUntil(nanos: bigint): number;
  /** How time goes until the next {@link fireDue}, {@link skipTo}, {@link pause} or {@link restore}; undefined: in no simple way. */
  readonly pace: ClockPace | undefined;
  /** Ends a slice: fires every alarm that is due, by deadline, then by creation. */
  fireDue(): void;
  /** For an idle processor: moves time to the next deadline at once. @returns false when time cannot be moved, or without end: it must be waited for */
  skipTo(nanos: bigint | undefined): boolean;
  /** Stops time while the machine is stopped. */
  pause(): void;
  resume(): void;
  save(): DeviceState;
  /** Restores the time, not the alarms: every chip arms its own again. */
  restore(state: DeviceState): void;
}

const MOST_INSTRUCTIONS = 2 ** 30;
const STATE_VERSION = 1;

function atMost(instructions: bigint): number {
  return instructions >= MOST_INSTRUCTIONS ? MOST_INSTRUCTIONS : Number(instructions);
}

function offsetOf(state: DeviceState): bigint {
  if (state.version !== STATE_VERSION || typeof state.offsetNanos !== 'bigint') {
    throw new Error(`clock state version ${state.version} is unknown`);
  }
  return state.offsetNanos;
}

/** Makes an alarm that tells when arming it brings the next deadline forward. */
function makeAlarm(alarms: ManualClock, fire: () => void, onEarlierDeadline: () => void): Alarm {
  const alarm = alarms.createAlarm(fire);
  return {
    arm(deadlineNanos) {
      const next = alarms.nextDeadlineNanos();
      alarm.arm(deadlineNanos);
      if (next === undefined || deadlineNanos < next) onEarlierDeadline();
    },
    cancel: () => alarm.cancel(),
  };
}

/** Guest time made of retired instructions alone: exact and repeatable. */
export class VirtualClock implements MachineClock {
  readonly #alarms = new ManualClock();
  readonly #instructions: () => bigint;
  readonly #nanos: bigint;
  readonly #perInstructions: bigint;
  readonly #onEarlierDeadline: () => void;
  #offsetNanos = 0n;
  #pace: ClockPace | undefined;

  /**
   * @param instructions instructions retired since power-on; exact even while one accesses a port
   * @param onEarlierDeadline told when the next deadline has come nearer: a slice that runs must end
   * @param nanos @param perInstructions `nanos` pass in `perInstructions` instructions
   */
  constructor(
    instructions: () => bigint,
    onEarlierDeadline: () => void = () => {},
    nanos: bigint = 1n,
    perInstructions: bigint = 1n,
  ) {
    this.#instructions = instructions;
    this.#onEarlierDeadline = onEarlierDeadline;
    this.#nanos = nanos;
    this.#perInstructions = perInstructions;
  }

  get pace(): ClockPace | undefined {
    if (this.#nanos % this.#perInstructions !== 0n) return undefined;
    const nanosPerInstruction = Number(this.#nanos / this.#perInstructions);
    this.#pace ??= { instructions: 0, nanos: this.#offsetNanos, nanosPerInstruction, leastNanos: 0n };
    return this.#pace;
  }

  nowNanos(): bigint {
    return this.#offsetNanos + (this.#instructions() * this.#nanos) / this.#perInstructions;
  }

  createAlarm(fire: () => void): Alarm {
    return makeAlarm(this.#alarms, fire, this.#onEarlierDeadline);
  }

  nextDeadlineNanos(): bigint | undefined {
    return this.#alarms.nextDeadlineNanos();
  }

  instructionsUntil(nanos: bigint): number {
    const needed = (nanos - this.#offsetNanos) * this.#perInstructions;
    const count = (needed + this.#nanos - 1n) / this.#nanos - this.#instructions();
    return count <= 0n ? 0 : atMost(count);
  }

  fireDue(): void {
    this.#alarms.advanceTo(this.nowNanos());
  }

  skipTo(nanos: bigint | undefined): boolean {
    if (nanos === undefined) return false;
    const ahead = nanos - this.nowNanos();
    if (ahead > 0n) this.#setOffset(this.#offsetNanos + ahead);
    return true;
  }

  pause(): void {}

  resume(): void {}

  save(): DeviceState {
    return { version: STATE_VERSION, offsetNanos: this.#offsetNanos };
  }

  restore(state: DeviceState): void {
    this.#setOffset(offsetOf(state));
  }

  #setOffset(nanos: bigint): void {
    this.#offsetNanos = nanos;
    this.#pace = undefined;
  }
}

/** Slices shorter than this say nothing about speed. */
const MEASURABLE_INSTRUCTIONS = 1000;
const FIRST_GUESS_NANOS_PER_INSTRUCTION = 10;
/** A slice that the host has interrupted says nothing either: time may lag inside a slice, but hardly run ahead. */
const MOST_NANOS_PER_INSTRUCTION = 20;

/**
 * What passes at most from one sample to the next while guest code runs. Where the host was busy elsewhere, what is left
 * is caught up with bit by bit, or at once while the guest is idle: else a timer that ticks every 4 ms would expire many
 * times and tick once, and systems that count ticks against other time give up (Linux: "IO-APIC + timer doesn't work").
 */
const MOST_STEP_NANOS = 4_000_000n;

/**
 * Guest time that follows the host's clock, sampled at the end of each slice. Inside a slice it is extrapolated from
 * the instruction count at the speed last measured; where that ran ahead, time stands until the host has caught up.
 */
export class HostClock implements MachineClock {
  readonly #alarms = new ManualClock();
  readonly #instructions: () => bigint;
  readonly #hostNanos: () => bigint;
  readonly #onEarlierDeadline: () => void;
  #nanosPerInstruction = FIRST_GUESS_NANOS_PER_INSTRUCTION;
  /** Guest time minus host time. */
  #offsetNanos: bigint;
  #sampledInstructions: bigint;
  #sampledHostNanos: bigint;
  #pausedAtNanos: bigint | undefined;
  #latestNanos = 0n;
  /** Time of the host that the guest has not been given yet. */
  #owedNanos = 0n;
  /** Whether the guest has been idle since the last sample, which was taken when it became so. */
  #wasIdle = false;
  #pace: ClockPace | undefined;

  /**
   * @param instructions instructions retired since power-on
   * @param hostNanos the host's monotonic clock in nanoseconds, from any start
   * @param onEarlierDeadline told when the next deadline has come nearer: a slice that runs must end
   */
  constructor(instructions: () => bigint, hostNanos: () => bigint, onEarlierDeadline: () => void = () => {}) {
    this.#instructions = instructions;
    this.#hostNanos = hostNanos;
    this.#onEarlierDeadline = onEarlierDeadline;
    this.#sampledHostNanos = hostNanos();
    this.#sampledInstructions = instructions();
    this.#offsetNanos = -this.#sampledHostNanos;
  }

  get pace(): ClockPace | undefined {
    if (this.#pausedAtNanos !== undefined) return undefined;
    this.#pace ??= {
      instructions: Number(this.#sampledInstructions),
      nanos: this.#sampledHostNanos + this.#offsetNanos,
      nanosPerInstruction: this.#nanosPerInstruction,
      leastNanos: this.#latestNanos,
    };
    return this.#pace;
  }

  nowNanos(): bigint {
    if (this.#pausedAtNanos !== undefined) return this.#pausedAtNanos;
    const nanos = this.#extrapolated();
    if (nanos > this.#latestNanos) this.#latestNanos = nanos;
    return this.#latestNanos;
  }

  /** What the instruction count says: less than the time that was shown already, where that ran ahead and stands. */
  #extrapolated(): bigint {
    const run = Number(this.#instructions() - this.#sampledInstructions);
    return this.#sampledHostNanos + this.#offsetNanos + BigInt(Math.floor(run * this.#nanosPerInstruction));
  }

  createAlarm(fire: () => void): Alarm {
    return makeAlarm(this.#alarms, fire, this.#onEarlierDeadline);
  }

  nextDeadlineNanos(): bigint | undefined {
    return this.#alarms.nextDeadlineNanos();
  }

  instructionsUntil(nanos: bigint): number {
    if (nanos <= this.nowNanos()) return 0;
    const ahead = Number(nanos - (this.#pausedAtNanos ?? this.#extrapolated()));
    return Math.min(MOST_INSTRUCTIONS, Math.ceil(ahead / this.#nanosPerInstruction));
  }

  fireDue(): void {
    this.#sample();
    this.#alarms.advanceTo(this.nowNanos());
  }

  skipTo(nanos: bigint | undefined): boolean {
    this.#sample(true);
    return nanos !== undefined && nanos <= this.nowNanos();
  }

  pause(): void {
    this.#sample();
    this.#pausedAtNanos ??= this.nowNanos();
  }

  resume(): void {
    if (this.#pausedAtNanos === undefined) return;
    this.#setNow(this.#pausedAtNanos);
    this.#pausedAtNanos = undefined;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, offsetNanos: this.nowNanos() };
  }

  restore(state: DeviceState): void {
    const nanos = offsetOf(state);
    this.#setNow(nanos);
    if (this.#pausedAtNanos !== undefined) this.#pausedAtNanos = nanos;
  }

  #setNow(nanos: bigint): void {
    this.#sampledHostNanos = this.#hostNanos();
    this.#sampledInstructions = this.#instructions();
    this.#offsetNanos = nanos - this.#sampledHostNanos;
    this.#latestNanos = nanos;
    this.#owedNanos = 0n;
    this.#pace = undefined;
  }

  /** Lets guest time go on now that the host's clock shows `host`. */
  #pass(host: bigint): void {
    const owed = host - this.#sampledHostNanos + this.#owedNanos;
    const left = this.#wasIdle || owed <= MOST_STEP_NANOS ? 0n : owed - MOST_STEP_NANOS;
    this.#offsetNanos += this.#owedNanos - left;
    this.#owedNanos = left;
    this.#sampledHostNanos = host;
  }

  /** @param isIdle whether the guest has become idle: what it did before tells its speed, the wait that follows does not */
  #sample(isIdle = false): void {
    if (this.#pausedAtNanos !== undefined) return;
    // What guest code may have shown itself since the last sample stays the least.
    if (this.#pace !== undefined) this.nowNanos();
    this.#pace = undefined;
    const [host, instructions] = [this.#hostNanos(), this.#instructions()];
    const [passed, run] = [Number(host - this.#sampledHostNanos), Number(instructions - this.#sampledInstructions)];
    if (run >= MEASURABLE_INSTRUCTIONS && passed > 0 && !this.#wasIdle) {
      this.#nanosPerInstruction = Math.min(passed / run, MOST_NANOS_PER_INSTRUCTION);
    }
    this.#wasIdle ||= isIdle;
    if (passed >= 0) this.#pass(host);
    this.#sampledInstructions = instructions;
    this.#wasIdle = isIdle;
  }
}
