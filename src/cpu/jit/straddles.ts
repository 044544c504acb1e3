/** So many times within {@link WITHIN_MS} must accesses of a block be found in two pages: the interpreter then takes a few per cent of the time. */
const OFTEN = 4096;
const WITHIN_MS = 50;

/** Counts how often blocks are left to the interpreter because what they look up at once lies in two pages. */
export class Straddles {
  readonly #counts = new Map<number, number>();
  #since = 0;

  /** Notes one more. @param header address of the block's header  @param nowMs when it is  @returns whether that is often */
  note(header: number, nowMs: number): boolean {
    if (nowMs - this.#since > WITHIN_MS) {
      this.#counts.clear();
      this.#since = nowMs;
    }
    const count = (this.#counts.get(header) ?? 0) + 1;
    this.#counts.set(header, count);
    return count === OFTEN;
  }
}
