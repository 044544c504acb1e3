interface Request {
  readonly start: number;
  readonly end: number;
  readonly exclusive: boolean;
  readonly done: Promise<void>;
}

/** Runs requests on ranges of bytes side by side, but one that conflicts with an earlier one only after that. */
export class RequestOrder {
  readonly #unit: number;
  readonly #pending = new Set<Request>();

  /** @param unit bytes that a request changes as a whole: those in one unit conflict */
  constructor(unit: number) {
    this.#unit = unit;
  }

  /** Runs `work` when nothing earlier conflicts with it: no exclusive request shares its range, and, for an exclusive
   * one, no request at all. */
  async run<Result>(start: number, end: number, exclusive: boolean, work: () => Promise<Result>): Promise<Result> {
    const first = Math.floor(start / this.#unit) * this.#unit;
    const last = Math.ceil(end / this.#unit) * this.#unit;
    const earlier = [...this.#pending].filter((other) => {
      return first < other.end && other.start < last && (exclusive || other.exclusive);
    });
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const request = { start: first, end: last, exclusive, done };
    this.#pending.add(request);
    try {
      for (const other of earlier) await other.done;
      return await work();
    } finally {
      this.#pending.delete(request);
      resolve();
    }
  }

  /** Whether a request that is not exclusive would be run without waiting for another. */
  isFree(start: number, end: number): boolean {
    const [first, last] = [Math.floor(start / this.#unit) * this.#unit, Math.ceil(end / this.#unit) * this.#unit];
    for (const other of this.#pending) if (other.exclusive && first < other.end && other.start < last) return false;
    return true;
  }

  /** Waits until all exclusive requests made so far are done. */
  async exclusiveDone(): Promise<void> {
    await Promise.all([...this.#pending].filter(({ exclusive }) => exclusive).map(({ done }) => done));
  }
}
