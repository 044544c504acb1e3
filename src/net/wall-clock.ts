import type { Alarm, Clock } from '../machine/interfaces.ts';

const NANOS_PER_MILLI = 1e6;
/** The longest time that timers of the host take. */
const MOST_MILLIS = 2 ** 30;

/** The host's time, for networks that belong to no machine: alarms fire between other events of the host. */
export class WallClock implements Clock {
  nowNanos(): bigint {
    return BigInt(Math.floor(performance.now() * NANOS_PER_MILLI));
  }

  createAlarm(fire: () => void): Alarm {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const cancel = () => {
      if (timer !== undefined) clearTimeout(timer);
      timer = undefined;
    };
    const start = (deadlineNanos: bigint) => {
      const millis = Number(deadlineNanos - this.nowNanos()) / NANOS_PER_MILLI;
      timer = setTimeout(
        () => {
          timer = undefined;
          if (this.nowNanos() >= deadlineNanos) fire();
          else start(deadlineNanos);
        },
        Math.min(MOST_MILLIS, Math.max(0, Math.ceil(millis))),
      );
    };
    return {
      arm(deadlineNanos) {
        cancel();
        start(deadlineNanos);
      },
      cancel,
    };
  }
}
