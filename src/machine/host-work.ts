import { type Alarm, type Clock, PageAbsent } from './interfaces.ts';

/** Work of the host that a chip waits for. */
export interface HostTicket {
  /** When the guest sees the result: to be saved, and given again when the work is submitted after a restore. */
  readonly deadlineNanos: bigint;
  /** The chip no longer wants to hear of it. The host's work goes on. */
  cancel(): void;
}

/**
 * When results become visible. `arrival`: as soon as they are there. `deadline`: at a guest time fixed when the work is
 * submitted, whatever the host takes, so that a run can be repeated exactly; guest time stands where the host is late.
 */
export type Pacing = 'arrival' | 'deadline';

interface Piece {
  readonly deadlineNanos: bigint;
  readonly finished: (ok: boolean) => void;
  /** how it ended, once it has */
  ok: boolean | undefined;
}

/**
 * What the host does for chips without their waiting for it: disk requests above all. The machine delivers results on
 * the device thread, between slices of guest code. A chip saves what it has asked for, and asks for it again when it is restored.
 */
export class HostWork {
  readonly #clock: Clock;
  readonly #pacing: Pacing;
  readonly #alarm: Alarm;
  readonly #wake: () => void;
  readonly #submitted: () => void;
  /** Accesses to guest memory that wait for an absent page. */
  readonly #accesses: (() => void)[] = [];
  /** In order of their deadlines, which differ. */
  #pieces: Piece[] = [];
  readonly #running = new Set<Promise<void>>();

  /**
   * @param wake told when a result has come, for a machine that sleeps
   * @param submitted told of new work: guest code that runs must end its slice where results are seen on arrival
   */
  constructor(clock: Clock, pacing: Pacing, wake: () => void = () => {}, submitted: () => void = () => {}) {
    this.#clock = clock;
    this.#pacing = pacing;
    this.#alarm = clock.createAlarm(() => {});
    this.#wake = wake;
    this.#submitted = submitted;
  }

  /** Whether the host should get a turn soon, since a result will be seen when it arrives. */
  get wantsTurn(): boolean {
    return this.#pacing === 'arrival' && this.#pieces.length > 0;
  }

  /** Whether a chip may see a result during the access that asked for it. */
  get mayAnswerAtOnce(): boolean {
    return this.#pacing === 'arrival';
  }

  /** Tells that the host has worked during an access: the slice of guest code has lasted longer than its instructions. */
  answeredAtOnce(): void {
    this.#submitted();
  }

  /** Whether a result should be visible by now that is not there: guest time must not go on. */
  get late(): boolean {
    const first = this.#pieces[0];
    return this.#pacing === 'deadline' && first?.ok === undefined && this.#isDue(first);
  }

  /**
   * Has a chip told when some work of the host has ended.
   * @param work what the host does, already begun
   * @param latencyNanos how long it seems to take where results have deadlines
   * @param finished told whether the work succeeded. It may throw PageAbsent if it has changed nothing: it is then called again
   * @param deadlineNanos the deadline that a saved ticket had
   */
  submit(
    work: Promise<unknown>,
    latencyNanos: number,
    finished: (ok: boolean) => void,
    deadlineNanos: bigint = this.#freeDeadline(latencyNanos),
  ): HostTicket {
    const piece: Piece = { deadlineNanos, finished, ok: undefined };
    const settle = (ok: boolean) => {
      piece.ok = ok;
      this.#running.delete(running);
      this.#wake();
    };
    const running = work.then(
      () => settle(true),
      () => settle(false),
    );
    this.#running.add(running);
    this.#pieces.push(piece);
    this.#pieces.sort((a, b) => (a.deadlineNanos < b.deadlineNanos ? -1 : 1));
    this.#arm();
    this.#submitted();
    return { deadlineNanos, cancel: () => this.#remove(piece) };
  }

  /**
   * Has guest memory accessed by a chip that cannot begin its own work anew when a page is absent: at once, or before
   * the guest goes on. Accesses are made in order.
   * @param access may throw PageAbsent; it is then called again
   */
  access(access: () => void): void {
    this.#accesses.push(access);
    if (this.#accesses.length > 1) return;
    try {
      this.#makeAccesses();
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      this.#submitted();
    }
  }

  /** Forgets accesses that wait: what they belong to is about to be restored. */
  forgetAccesses(): void {
    this.#accesses.length = 0;
  }

  /** Tells chips of all results that are there and due. To be called between slices, after alarms have fired.
   * @throws {PageAbsent} a chip needs a page of guest memory first */
  deliver(): void {
    this.#makeAccesses();
    for (;;) {
      const piece = this.#next();
      if (piece?.ok === undefined) return;
      piece.finished(piece.ok);
      this.#remove(piece);
    }
  }

  /** Resolves when the host has done everything that was asked of it so far. */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
  }

  #makeAccesses(): void {
    while (this.#accesses.length > 0) {
      const [access] = this.#accesses;
      access();
      this.#accesses.shift();
    }
  }

  #next(): Piece | undefined {
    if (this.#pacing === 'arrival') return this.#pieces.find(({ ok }) => ok !== undefined);
    const first = this.#pieces[0];
    return this.#isDue(first) ? first : undefined;
  }

  #isDue(piece: Piece | undefined): boolean {
    return piece !== undefined && piece.deadlineNanos <= this.#clock.nowNanos();
  }

  #remove(piece: Piece): void {
    this.#pieces = this.#pieces.filter((other) => other !== piece);
    this.#arm();
  }

  /** Slices end at the next deadline; one that has come needs no alarm. */
  #arm(): void {
    const first = this.#pieces[0];
    if (this.#pacing === 'deadline' && first && !this.#isDue(first)) this.#alarm.arm(first.deadlineNanos);
    else this.#alarm.cancel();
  }

  /** Deadlines differ, so that their order alone says in which order results are seen. */
  #freeDeadline(latencyNanos: number): bigint {
    let deadline = this.#clock.nowNanos() + BigInt(Math.ceil(latencyNanos));
    for (const piece of this.#pieces) if (piece.deadlineNanos === deadline) deadline++;
    return deadline;
  }
}
