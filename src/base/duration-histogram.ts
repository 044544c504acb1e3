/** Buckets to each doubling: a quantile is at most an eighth above the true one. */
const PER_DOUBLING = 8;

/** How long something took, many times over, in little memory. */
export class DurationHistogram {
  readonly #buckets: number[] = [];
  #count = 0;
  #sum = 0;
  #longest = 0;

  /** How many durations there were. */
  get count(): number {
    return this.#count;
  }
  /** All of them together, in milliseconds. */
  get sumMillis(): number {
    return this.#sum;
  }
  /** The longest, in milliseconds; 0 where there was none. */
  get longestMillis(): number {
    return this.#longest;
  }

  /** @param millis not negative; less than a microsecond counts as that */
  add(millis: number): void {
    const bucket = Math.max(0, Math.floor(Math.log2(millis * 1000) * PER_DOUBLING));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += millis;
    this.#longest = Math.max(this.#longest, millis);
  }

  /** The duration, in milliseconds, that a part of all did not exceed. @param part 0 to 1 */
  quantileMillis(part: number): number {
    let left = part * this.#count;
    for (const [bucket, count = 0] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.min(this.#longest, 2 ** ((bucket + 1) / PER_DOUBLING) / 1000);
    }
    return this.#longest;
  }
}
