/** Sequence numbers of TCP: 32 bits that wrap (RFC 9293 section 3.4). They are kept unsigned. */

/** How far `a` is behind `b`: negative when it is before it. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

/** The number `count` after another. */
export function advance(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}

/** The later of two. */
export function later(a: number, b: number): number {
  return distance(a, b) > 0 ? a : b;
}

/** Sequence numbers from `start` up to, and without, `end`. */
export interface SequenceRange {
  readonly start: number;
  readonly end: number;
}
