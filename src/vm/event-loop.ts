/** Sleeps shorter than this are spent giving the event loop turns: the host's timers are not finer. */
const SHORTEST_TIMER_MILLIS = 1;

/** Gives the host's event loop its turns, and sleeps while the guest is idle. */
export class EventLoop {
  readonly #channel = new MessageChannel();
  #resume: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Lets everything that waits in the event loop run once. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#channel.port1.onmessage = () => {
        this.#channel.port1.onmessage = null;
        resolve();
      };
      this.#channel.port2.postMessage(0);
    });
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
