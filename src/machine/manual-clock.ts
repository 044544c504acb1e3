import type { Alarm, Clock } from './interfaces.ts';

interface ArmedAlarm extends Alarm {
  deadlineNanos: bigint | undefined;
  readonly fire: () => void;
  readonly order: number;
}

/** A clock that moves only when told: the clock of chip tests and the core of the machine's own clocks. */
export class ManualClock implements Clock {
  #now = 0n;
  readonly #alarms: ArmedAlarm[] = [];

  nowNanos(): bigint {
    return this.#now;
  }

  createAlarm(fire: () => void): Alarm {
    const alarm: ArmedAlarm = {
      deadlineNanos: undefined,
      fire,
      order: this.#alarms.length,
      arm(deadlineNanos) {
        this.deadlineNanos = deadlineNanos;
      },
      cancel() {
        this.deadlineNanos = undefined;
      },
    };
    this.#alarms.push(alarm);
    return alarm;
  }

  /** The earliest armed deadline, or undefined when nothing is armed. */
  nextDeadlineNanos(): bigint | undefined {
    return this.#next()?.deadlineNanos;
  }

  /** Moves to `nanos` (never backwards) and fires every alarm that falls due on the way, in order of its deadline. */
  advanceTo(nanos: bigint): void {
    for (;;) {
      const alarm = this.#next();
      if (alarm?.deadlineNanos === undefined || alarm.deadlineNanos > nanos) break;
      if (alarm.deadlineNanos > this.#now) this.#now = alarm.deadlineNanos;
      alarm.deadlineNanos = undefined;
      alarm.fire();
    }
    if (nanos > this.#now) this.#now = nanos;
  }

  #next(): ArmedAlarm | undefined {
    let first: ArmedAlarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.deadlineNanos === undefined) continue;
      if (first?.deadlineNanos === undefined || alarm.deadlineNanos < first.deadlineNanos) first = alarm;
    }
    return first;
  }
}
