/** Sleeps shorter than this are spent giving the event loop turns: the host's timers are not finer. */
const SHORTEST_TIMER_MILLIS = 1;

/** Gives the host's event loop its turns, and sleeps while the guest is idle. */
export class EventLoop {
  readonly #turn: () => Promise<void>;
  #resume: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param turn how the host gives everything that waits in its event loop a turn */
  constructor(turn: () => Promise<void> = turnByMessage()) {
    this.#turn = turn;
  }

  /** Lets everything that waits in the event loop run once. */
  turn(): Promise<void> {
    return this.#turn();
  }

  /** Sleeps for `millis`, or until {@link wake}. */
  sleep(millis: number): Promise<void> {
    if (millis < SHORTEST_TIMER_MILLIS) return this.turn();
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#timer = setTimeout(() => this.wake(), Math.floor(millis));
    });
  }

  /** Ends a sleep. */
  wake(): void {
    const resume = this.#resume;
    if (resume === undefined) return;
    this.#resume = undefined;
    clearTimeout(this.#timer);
    resume();
  }
}

/** A turn as browsers have it: a message to oneself waits behind other events, and not for the grain of timers. */
function turnByMessage(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  const next = () => {
    waiting.shift()?.();
    if (waiting.length === 0) port1.onmessage = null;
  };
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port1.onmessage = next;
      port2.postMessage(0);
    });
}
