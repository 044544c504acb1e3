import type { Timer, Timers } from '../timers.ts';
import { RoundTrip } from './round-trip.ts';
import { Scoreboard } from './scoreboard.ts';
import { SendBuffer } from './send-buffer.ts';
import { advance, distance, later, type SequenceRange } from './sequence.ts';

/** Duplicate acknowledgments that tell of a loss (RFC 5681 section 3.2). */
const LOSS_DUPLICATES = 3;
/** Segments that may be under way at first (RFC 6928). */
const INITIAL_SEGMENTS = 10;
const MOST_CONGESTION_WINDOW = 4 << 20;
/** Timeouts in a row, without a word from the other side, after which it counts as gone. */
const MOST_TIMEOUTS = 12;

/** Whom a sender uses. */
export interface SenderWire {
  /** Whether the link takes more now; when not, `pump` is to be called when it does. */
  readonly hasRoom: boolean;
  /** Sends `length` bytes of the buffer from `offset` on, and FIN after them if wanted. */
  transmit(sequence: number, offset: number, length: number, fin: boolean): void;
  /** The other side has not been heard of for too long. */
  gaveUp(): void;
}

/** What a side of a connection has agreed on. */
export interface SenderSettings {
  /** The sequence number of the first byte. */
  readonly first: number;
  /** Most bytes of data that the other side wants in a segment. */
  readonly mss: number;
  /** The window that the other side has opened, in bytes. */
  readonly window: number;
}

/**
 * The sending half of a connection: what is under way, what has arrived, and what has to be sent again. Losses are found
 * by selective acknowledgments (RFC 6675), without them by duplicates (RFC 6582), and by time (RFC 6298); congestion
 * control is that of RFC 5681.
 */
export class Sender {
  readonly #wire: SenderWire;
  readonly #timers: Timers;
  readonly #timer: Timer;
  readonly #buffer = new SendBuffer();
  readonly #scoreboard = new Scoreboard();
  readonly #roundTrip = new RoundTrip();
  readonly #mss: number;
  /** The oldest number that is not acknowledged, the next to be sent, and the one after the last that ever was. */
  #una: number;
  #next: number;
  #sentEnd: number;
  #window: number;
  #largestWindow: number;
  #congestionWindow: number;
  #slowStartThreshold: number = MOST_CONGESTION_WINDOW;
  #duplicates = 0;
  /** Where recovery from a loss ends, while there is one, and how far has been sent again. */
  #recovery: { readonly end: number; resent: number } | undefined;
  /** The number whose acknowledgment is timed, and when it was sent. */
  #timed: { readonly end: number; readonly atMillis: number } | undefined;
  #timeouts = 0;
  /** Time was up when the link had no room: what is lost is to be sent again when it has. */
  #overdue = false;
  #finQueued = false;
  #finAcknowledged = false;

  constructor(wire: SenderWire, timers: Timers, { first, mss, window }: SenderSettings) {
    this.#wire = wire;
    this.#timers = timers;
    this.#timer = timers.create(() => this.#timeout());
    this.#mss = mss;
    this.#una = this.#next = this.#sentEnd = first;
    this.#window = this.#largestWindow = window;
    this.#congestionWindow = INITIAL_SEGMENTS * mss;
  }

  /** The sequence number of the first byte that the other side has not acknowledged. */
  get unacknowledged(): number {
    return this.#una;
  }

  /** The sequence number of what is sent next. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that the other side does not have yet. */
  get bufferedBytes(): number {
    return this.#buffer.length;
  }

  get finAcknowledged(): boolean {
    return this.#finAcknowledged;
  }

  /** Fills `target` with bytes of the buffer, for a transmission. */
  copy(offset: number, target: Uint8Array): void {
    this.#buffer.copy(offset, target);
  }

  /** Has bytes sent, which nobody changes afterwards. */
  write(bytes: Uint8Array, largest: number): void {
    if (this.#finQueued) return;
    this.#buffer.push(bytes);
    this.pump(largest);
  }

  /** Has FIN sent after all data. */
  finish(largest: number): void {
    this.#finQueued = true;
    this.pump(largest);
  }

  close(): void {
    this.#timer.cancel();
  }

  /**
   * Takes what the other side says.
   * @param window what it has opened, in bytes  @param isBare nothing else came with it
   * @returns false when it acknowledges what was never sent
   */
  acknowledge(acknowledgment: number, window: number, sacks: readonly SequenceRange[], isBare: boolean): boolean {
    const count = distance(acknowledgment, this.#una);
    if (distance(acknowledgment, this.#sentEnd) > 0) return false;
    if (count < 0) return true;
    this.#timeouts = 0;
    const isUpdate = window !== this.#window;
    if (this.#window === 0 && window > 0) this.#next = this.#una; // what probed the window was not taken
    this.#window = window;
    this.#largestWindow = Math.max(this.#largestWindow, window);
    if (count > 0) this.#arrived(acknowledgment, count);
    const isNews = this.#scoreboard.add(sacks, this.#una, this.#sentEnd);
    if (count === 0 && this.#una !== this.#next && (isNews || (isBare && !isUpdate))) this.#duplicate();
    return true;
  }

  /** Sends what may be sent. @param largest most bytes of data in a segment that the link takes now */
  pump(largest: number): void {
    if (this.#overdue && this.#wire.hasRoom) this.#startAnew();
    if (this.#recovery) this.#resend(largest);
    while (this.#sendNext(largest)) {}
    if (this.#next === this.#una && this.#end !== this.#una) this.#armTimer(); // the window is closed: probe it
  }

  /** The number after everything that is to be sent. */
  get #end(): number {
    return advance(this.#una, this.#finAcknowledged ? 0 : this.#buffer.length + (this.#finQueued ? 1 : 0));
  }

  /** Bytes that are thought to be on their way. */
  get #pipe(): number {
    if (!this.#recovery) return distance(this.#next, this.#una);
    if (this.#scoreboard.isEmpty) {
      return Math.max(0, distance(this.#next, this.#una) - this.#duplicates * this.#mss);
    }
    const resentEnd = later(this.#recovery.resent, this.#una);
    const resent = { start: this.#una, end: resentEnd };
    const tail = Math.max(0, distance(this.#next, later(this.#scoreboard.end, resentEnd)));
    return distance(resentEnd, this.#una) - this.#scoreboard.received(resent) + tail;
  }

  /** Sends one segment of what was never sent, or is sent anew after a timeout. */
  #sendNext(largest: number): boolean {
    const offset = distance(this.#next, this.#una);
    const waiting = distance(this.#end, this.#next);
    const data = Math.max(0, this.#buffer.length - offset);
    const allowed = Math.min(this.#window - offset, this.#congestionWindow - this.#pipe);
    const length = Math.min(data, allowed, largest);
    const isAll = length === data;
    if (waiting <= 0 || length < 0 || (length === 0 && !isAll)) return false;
    const isSilly = length < this.#mss && !isAll && length < this.#largestWindow / 2;
    if (isSilly || !this.#wire.hasRoom) return false;
    this.#emit(this.#next, waiting > length && isAll ? length + 1 : length);
    return true;
  }

  /** Sends `count` numbers of the sequence from a place on. */
  #emit(sequence: number, count: number): void {
    const offset = distance(sequence, this.#una);
    const length = Math.min(count, this.#buffer.length - offset);
    const end = advance(sequence, count);
    const isNew = distance(end, this.#sentEnd) > 0 && distance(sequence, this.#sentEnd) >= 0;
    this.#wire.transmit(sequence, offset, length, count > length);
    if (isNew) this.#timed ??= { end, atMillis: this.#timers.nowMillis };
    else this.#timed = undefined; // Karn: nobody knows which of the two is acknowledged
    if (sequence === this.#next) this.#next = end;
    this.#sentEnd = later(this.#sentEnd, end);
    if (offset === 0) this.#armTimer();
  }

  #arrived(acknowledgment: number, count: number): void {
    const bytes = Math.min(count, this.#buffer.length);
    this.#buffer.drop(bytes);
    if (count > bytes) this.#finAcknowledged = true;
    this.#una = acknowledgment;
    this.#next = later(this.#next, acknowledgment);
    this.#scoreboard.advance(acknowledgment);
    this.#measure(acknowledgment);
    this.#overdue = false;
    this.#duplicates = 0;
    if (this.#recovery === undefined) this.#grow(bytes);
    else if (distance(acknowledgment, this.#recovery.end) >= 0) {
      this.#recovery = undefined;
      this.#congestionWindow = this.#slowStartThreshold;
    }
    if (this.#una === this.#sentEnd) this.#timer.cancel();
    else this.#armTimer();
  }

  #measure(acknowledgment: number): void {
    if (this.#timed && distance(acknowledgment, this.#timed.end) >= 0) {
      this.#roundTrip.sample(this.#timers.nowMillis - this.#timed.atMillis);
      this.#timed = undefined;
    } else this.#roundTrip.settle();
  }

  /** Slow start and congestion avoidance (RFC 5681 section 3.1). */
  #grow(bytes: number): void {
    const isSlowStart = this.#congestionWindow < this.#slowStartThreshold;
    const growth = isSlowStart ? bytes : Math.ceil((this.#mss * bytes) / this.#congestionWindow);
    this.#congestionWindow = Math.min(MOST_CONGESTION_WINDOW, this.#congestionWindow + growth);
  }

  #duplicate(): void {
    this.#duplicates++;
    if (this.#recovery) return;
    const isLost = !this.#scoreboard.isEmpty && this.#sackedBytes() > (LOSS_DUPLICATES - 1) * this.#mss;
    if (this.#duplicates < LOSS_DUPLICATES && !isLost) return;
    this.#slowStartThreshold = Math.max(distance(this.#next, this.#una) >> 1, 2 * this.#mss);
    this.#congestionWindow = this.#slowStartThreshold;
    this.#recovery = { end: this.#sentEnd, resent: this.#una };
  }

  #sackedBytes(): number {
    return this.#scoreboard.received({ start: this.#una, end: this.#sentEnd });
  }

  /** Sends again what is missing, as fast as congestion control allows, and one segment in any case. */
  #resend(largest: number): void {
    const recovery = this.#recovery;
    if (!recovery) return;
    for (let first = true; this.#wire.hasRoom; first = false) {
      const from = later(recovery.resent, this.#una);
      const isUntouched = distance(from, this.#una) === 0;
      const firstHole = isUntouched ? { start: from, end: advance(from, this.#mss) } : undefined;
      const hole = this.#scoreboard.hole(from) ?? firstHole;
      const mayGo = (first && isUntouched) || this.#pipe < this.#congestionWindow;
      if (!hole || !mayGo) return;
      const limit = Math.min(distance(hole.end, hole.start), distance(this.#sentEnd, hole.start), largest);
      if (limit <= 0) return;
      this.#emit(hole.start, limit);
      recovery.resent = advance(hole.start, limit);
    }
  }

  #armTimer(): void {
    this.#timer.arm(this.#roundTrip.timeoutMillis);
  }

  /** Nothing was acknowledged for long. */
  #timeout(): void {
    if (this.#end === this.#una) return;
    this.#timeouts++;
    if (this.#timeouts > MOST_TIMEOUTS) {
      this.#wire.gaveUp();
      return;
    }
    this.#roundTrip.backOff();
    this.#overdue = !this.#wire.hasRoom;
    // It may wait on this side of the link: to send more now would make that worse.
    if (this.#overdue) this.#armTimer();
    else this.#startAnew();
  }

  /** Sends everything anew, slowly; a closed window is probed with a byte. */
  #startAnew(): void {
    this.#overdue = false;
    if (this.#next !== this.#una && this.#window > 0) {
      this.#slowStartThreshold = Math.max(distance(this.#next, this.#una) >> 1, 2 * this.#mss);
      this.#congestionWindow = this.#mss;
    }
    this.#recovery = undefined;
    this.#duplicates = 0;
    this.#scoreboard.clear();
    this.#timed = undefined;
    this.#next = this.#una;
    if (!this.#sendNext(this.#mss)) this.#emit(this.#next, 1);
    this.#armTimer();
  }
}
