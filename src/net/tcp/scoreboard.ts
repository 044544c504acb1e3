import { distance, later, type SequenceRange } from './sequence.ts';

/** Ranges beyond this are forgotten: they are sent again in the worst case. */
const MOST_RANGES = 64;

/** Which sequence numbers the other side has received ahead of those it acknowledges (RFC 2018, RFC 6675). */
export class Scoreboard {
  /** Disjoint, in order. */
  #ranges: SequenceRange[] = [];

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Where the last range ends. There must be one. */
  get end(): number {
    return this.#ranges[this.#ranges.length - 1].end;
  }

  clear(): void {
    this.#ranges = [];
  }

  /** Adds what the other side reports. @param from @param to what it can have received  @returns whether any of it is news */
  add(reported: readonly SequenceRange[], from: number, to: number): boolean {
    let isNews = false;
    for (const range of reported) {
      const isRight = distance(range.start, from) >= 0 && distance(range.end, to) <= 0;
      if (isRight && distance(range.end, range.start) > 0 && this.#insert(range)) isNews = true;
    }
    return isNews;
  }

  /** Forgets what lies before a sequence number. */
  advance(una: number): void {
    this.#ranges = this.#ranges.filter(({ end }) => distance(end, una) > 0);
    const first = this.#ranges[0];
    if (first && distance(first.start, una) < 0) this.#ranges[0] = { start: una, end: first.end };
  }

  /** How many numbers of a range have been received. */
  received({ start, end }: SequenceRange): number {
    let count = 0;
    for (const range of this.#ranges) {
      const from = later(range.start, start);
      const to = distance(range.end, end) < 0 ? range.end : end;
      count += Math.max(0, distance(to, from));
    }
    return count;
  }

  /** The first numbers at or after `from` that are missing before the last range. */
  hole(from: number): SequenceRange | undefined {
    let start = from;
    for (const range of this.#ranges) {
      if (distance(range.start, start) > 0) return { start, end: range.start };
      start = later(start, range.end);
    }
    return undefined;
  }

  /** @returns whether it was not known already */
  #insert(range: SequenceRange): boolean {
    const size = distance(range.end, range.start);
    if (this.received(range) === size) return false;
    const touches = (other: SequenceRange) =>
      distance(other.start, range.end) <= 0 && distance(range.start, other.end) <= 0;
    const merged = this.#ranges.filter(touches).reduce(
      (all, other) => ({
        start: distance(other.start, all.start) < 0 ? other.start : all.start,
        end: later(other.end, all.end),
      }),
      range,
    );
    const apart = this.#ranges.filter((other) => !touches(other));
    const at = apart.findIndex((other) => distance(other.start, merged.start) > 0);
    apart.splice(at < 0 ? apart.length : at, 0, merged);
    this.#ranges = apart.slice(0, MOST_RANGES);
    return true;
  }
}
