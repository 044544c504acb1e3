/** How long an access to what the kernel has in its cache takes at most: for itself and for each byte. */
const CACHED_MILLIS = 2;
const CACHED_MILLIS_PER_BYTE = 4e-6;
/** So many in a row that took longer are no accident, such as another process's turn on the processor. */
const SLOW_IN_A_ROW = 3;
/** Accesses that are made beside the event loop after them. */
const BESIDE = 16;

/**
 * Decides whether accesses to a file are made at once or by another thread. What is in the kernel's cache comes sooner
 * than a thread could be woken; what is not would hold up everything else. Node cannot ask the kernel which it is, so the
 * last accesses tell.
 */
export class FilePace {
  #beside = 0;
  #slow = 0;
  readonly #nowMillis: () => number;

  /** @param nowMillis a clock that never goes backwards */
  constructor(nowMillis: () => number = () => performance.now()) {
    this.#nowMillis = nowMillis;
  }

  /** Makes an access of so many bytes in one of the two ways. */
  async access(bytes: number, atOnce: () => void, beside: () => Promise<void>): Promise<void> {
    if (!this.now(bytes, atOnce)) await beside();
  }

  /** Makes an access at once, unless it should be made beside. @returns whether it was made */
  now(bytes: number, atOnce: () => void): boolean {
    if (this.#beside > 0) {
      this.#beside--;
      return false;
    }
    const start = this.#nowMillis();
    atOnce();
    const isSlow = this.#nowMillis() - start > CACHED_MILLIS + bytes * CACHED_MILLIS_PER_BYTE;
    this.#slow = isSlow ? this.#slow + 1 : 0;
    if (this.#slow === SLOW_IN_A_ROW) {
      this.#slow = 0;
      this.#beside = BESIDE;
    }
    return true;
  }
}
