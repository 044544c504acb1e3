import type { Alarm, Clock } from '../machine/interfaces.ts';

const NANOS_PER_MILLI = 1e6;
/** What rounding may take from a time: the alarm would else fire again and again just before a timer is due. */
const ROUNDING_MILLIS = 0.001;

/** One of the timers of a {@link Timers}. */
export interface Timer {
  /** Arms the timer, replacing an earlier time. @param millis from now */
  arm(millis: number): void;
  cancel(): void;
}

interface ArmedTimer {
  dueMillis: number;
  readonly fire: () => void;
}

/** Any number of short-lived timers on one alarm of a clock: arming one later than before costs next to nothing. */
export class Timers {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #armed = new Set<ArmedTimer>();
  #alarmMillis = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#alarm = clock.createAlarm(() => this.#fireDue());
  }

  /** Milliseconds since power-on. */
  get nowMillis(): number {
    return Number(this.#clock.nowNanos()) / NANOS_PER_MILLI;
  }

  /** Makes a timer that is not armed; nothing of it is kept while it is not. */
  create(fire: () => void): Timer {
    const timer: ArmedTimer = { dueMillis: 0, fire };
    return {
      arm: (millis) => {
        timer.dueMillis = this.nowMillis + millis;
        this.#armed.add(timer);
        if (timer.dueMillis < this.#alarmMillis) this.#set(timer.dueMillis);
      },
      cancel: () => void this.#armed.delete(timer),
    };
  }

  #set(millis: number): void {
    this.#alarmMillis = millis;
    this.#alarm.arm(BigInt(Math.ceil(millis * NANOS_PER_MILLI)));
  }

  #fireDue(): void {
    this.#alarmMillis = Number.POSITIVE_INFINITY;
    const now = this.nowMillis + ROUNDING_MILLIS;
    const due = [...this.#armed].filter(({ dueMillis }) => dueMillis <= now);
    for (const timer of due) {
      if (this.#armed.delete(timer)) timer.fire();
    }
    let next = Number.POSITIVE_INFINITY;
    for (const { dueMillis } of this.#armed) next = Math.min(next, dueMillis);
    if (next < this.#alarmMillis) this.#set(next);
  }
}
