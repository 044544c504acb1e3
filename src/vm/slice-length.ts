/** How long guest code runs before the host's event loop gets a turn. */
export const SLICE_MILLIS = 2;
/** Instructions in the first slice, before the speed is known: that of code which is decoded for the first time. */
const FIRST_SLICE = 2_000;
const SHORTEST_SLICE = 1_000;
const LONGEST_SLICE = 1 << 27;

/** Instructions of the next slice, fitted to the speed of those before. */
export class SliceLength {
  #instructions = FIRST_SLICE;

  get instructions(): number {
    return this.#instructions;
  }

  /** Takes a run into account. One that ended before even the shortest slice says nothing about the speed. */
  ran(instructions: number, nanos: number): void {
    if (instructions < SHORTEST_SLICE || nanos <= 0) return;
    const wanted = (instructions / nanos) * SLICE_MILLIS * 1e6;
    const smoothed = (this.#instructions + wanted) / 2;
    this.#instructions = Math.round(Math.min(LONGEST_SLICE, Math.max(SHORTEST_SLICE, smoothed)));
  }
}
