import { advance, distance, type SequenceRange } from './sequence.ts';

/** Pieces that wait for those before them. */
const MOST_PIECES = 256;

interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** The receiving half of a connection: brings what comes into order. */
export class Receiver {
  /** Disjoint, in order, all after `next`. */
  readonly #pieces: Piece[] = [];
  #next: number;
  #edge: number;
  #finAt: number | undefined;
  #finished = false;
  /** Where the piece begins that came last out of order: it is reported first (RFC 2018 section 4). */
  #latest: number | undefined;

  /** @param first the sequence number of the first byte that is expected */
  constructor(first: number) {
    this.#next = first;
    this.#edge = first;
  }

  /** The number that is expected next. */
  get next(): number {
    return this.#next;
  }

  /** Whether everything up to FIN is here. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Whether pieces are missing. */
  get hasGap(): boolean {
    return this.#pieces.length > 0;
  }

  /** Bytes that the other side was told it may send. */
  get window(): number {
    return distance(this.#edge, this.#next);
  }

  /** Opens the window: it never gets smaller from its right end. @param free bytes there is room for  @returns its size */
  open(free: number): number {
    if (free > this.window) this.#edge = advance(this.#next, free);
    return this.window;
  }

  /** Whether a segment touches the window (RFC 9293 section 3.10.7.4). */
  accepts(sequence: number, length: number): boolean {
    const start = distance(sequence, this.#next);
    const window = Math.max(this.window, 1);
    if (length === 0) return start >= 0 && start <= window;
    return start < window && start + length > 0;
  }

  /** Takes the data of a segment. @returns what is in order now */
  take(sequence: number, data: Uint8Array, fin: boolean): Uint8Array[] {
    if (this.#finished) return [];
    if (fin) this.#finAt ??= advance(sequence, data.length);
    const early = Math.max(0, distance(this.#next, sequence));
    const room = distance(this.#edge, advance(sequence, early));
    const wanted = data.subarray(early, early + Math.max(0, room));
    const start = advance(sequence, early);
    const ready: Uint8Array[] = [];
    if (start === this.#next) this.#deliver(wanted, ready);
    else if (wanted.length > 0) this.#keep({ start, bytes: wanted });
    if (this.#finAt === this.#next) {
      this.#next = advance(this.#next, 1);
      this.#finished = true;
      this.#pieces.length = 0;
    }
    return ready;
  }

  /** What is here already after the gap, the latest first. */
  get sacks(): SequenceRange[] {
    const ranges: { start: number; end: number }[] = [];
    for (const { start, bytes } of this.#pieces) {
      const last = ranges.at(-1);
      if (last?.end === start) last.end = advance(start, bytes.length);
      else ranges.push({ start, end: advance(start, bytes.length) });
    }
    const isLatest = ({ start, end }: SequenceRange) => {
      const at = this.#latest;
      return at !== undefined && distance(at, start) >= 0 && distance(at, end) < 0;
    };
    return ranges.sort((a, b) => Number(isLatest(b)) - Number(isLatest(a)));
  }

  #deliver(bytes: Uint8Array, ready: Uint8Array[]): void {
    let part = bytes;
    for (;;) {
      if (part.length > 0) ready.push(part);
      this.#next = advance(this.#next, part.length);
      const [piece] = this.#pieces;
      if (!piece || distance(piece.start, this.#next) > 0) return;
      this.#pieces.shift();
      part = piece.bytes.subarray(Math.max(0, distance(this.#next, piece.start)));
    }
  }

  /** Keeps a copy of what is new of a piece: it would else keep the whole frame. */
  #keep(piece: Piece): void {
    this.#latest = piece.start;
    let { start, bytes } = piece;
    let at = 0;
    for (; at < this.#pieces.length; at++) {
      const other = this.#pieces[at];
      const before = distance(other.start, start);
      const covered = distance(advance(other.start, other.bytes.length), start);
      if (before <= 0 && covered <= 0) continue;
      if (before > 0) break;
      if (covered >= bytes.length) return;
      start = advance(start, covered);
      bytes = bytes.subarray(covered);
    }
    const after = this.#pieces[at];
    const room = after ? distance(after.start, start) : bytes.length;
    const isNew = room > 0 && bytes.length > 0 && this.#pieces.length < MOST_PIECES;
    if (isNew) this.#pieces.splice(at, 0, { start, bytes: bytes.slice(0, room) });
    const rest = bytes.subarray(room);
    if (isNew && rest.length > 0) this.#keep({ start: advance(start, room), bytes: rest });
  }
}
