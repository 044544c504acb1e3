const FIRST_MILLIS = 1000;
const SHORTEST_MILLIS = 200;
const LONGEST_MILLIS = 60_000;

/** How long an acknowledgment is waited for (RFC 6298). */
export class RoundTrip {
  #smoothed: number | undefined;
  #variation = 0;
  #timeoutMillis = FIRST_MILLIS;

  /** Milliseconds after which data counts as lost. */
  get timeoutMillis(): number {
    return this.#timeoutMillis;
  }

  /** Takes a measurement of data that was sent once. */
  sample(millis: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = millis;
      this.#variation = millis / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - millis) - this.#variation) / 4;
      this.#smoothed += (millis - this.#smoothed) / 8;
    }
    this.settle();
  }

  /** Ends a back-off: data gets through again. */
  settle(): void {
    const wanted = this.#smoothed === undefined ? FIRST_MILLIS : this.#smoothed + 4 * this.#variation;
    this.#timeoutMillis = Math.min(LONGEST_MILLIS, Math.max(SHORTEST_MILLIS, wanted));
  }

  /** Doubles the time, after it has passed in vain. */
  backOff(): void {
    this.#timeoutMillis = Math.min(LONGEST_MILLIS, this.#timeoutMillis * 2);
  }
}
