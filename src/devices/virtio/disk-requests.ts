import type { Disk } from '../../machine/disk-queue.ts';
import type { HostTicket } from '../../machine/host-work.ts';
import { type BlockRequest, pieceAt } from './block-request.ts';
import type { Chain } from './chain.ts';

/** What is read at once at most, while the guest stands still. */
const MOST_BYTES_AT_ONCE = 4 << 20;
/** Requests that the host works on at once. */
const MOST_RUNNING = 32;

/** A request on its way. `Kept` is what the device wants to know of it at its end. */
interface Running<Kept> {
  readonly chain: Chain;
  readonly disk: Disk;
  readonly request: BlockRequest;
  readonly kept: Kept;
  position: number;
  ticket?: HostTicket;
}

/** Where a request had come to when it was saved. */
export interface SavedRequest {
  readonly head: number;
  readonly position: number;
  readonly deadlineNanos: bigint;
}

/** Where the data of requests lies in their chains, and what becomes of them. */
export interface RequestFormat<Kept> {
  /** Bytes before the data that is written to the disk. */
  readonly sourceStart: number;
  /** Bytes before the data that was read. */
  readonly targetStart: number;
  /** Whether a write is to be on stable storage when it ends. */
  writeThrough(kept: Kept): boolean;
  /** A request has ended; the driver is to be told. */
  ended(chain: Chain, kept: Kept, ok: boolean): void;
}

/** The requests of one queue that the host works on, piece by piece. */
export class DiskRequests<Kept> {
  readonly #format: RequestFormat<Kept>;
  readonly #next: () => void;
  readonly #running = new Set<Running<Kept>>();
  /** Requests that a restored queue gives again. */
  #saved: SavedRequest[] = [];

  /** @param next called when there may be room for one more */
  constructor(format: RequestFormat<Kept>, next: () => void) {
    this.#format = format;
    this.#next = next;
  }

  /** Whether one more can be begun. */
  get hasRoom(): boolean {
    return this.#running.size < MOST_RUNNING;
  }

  /** Begins a request, or goes on with one that was saved. */
  begin(chain: Chain, disk: Disk, request: BlockRequest, kept: Kept): void {
    const saved = this.#saved.find(({ head }) => head === chain.head);
    this.#saved = this.#saved.filter((other) => other !== saved);
    const running = { chain, disk, request, kept, position: saved?.position ?? 0 };
    this.#running.add(running);
    if (!saved && this.#readNow(running)) this.#end(running, true);
    else this.#advance(running, saved?.deadlineNanos);
  }

  /** Whether one of those under way is such. */
  some(matches: (kept: Kept) => boolean): boolean {
    return [...this.#running].some(({ kept }) => matches(kept));
  }

  /** Stops caring for some of those under way: their data no longer reaches guest memory. @returns their chains */
  cancel(matches: (kept: Kept) => boolean): Chain[] {
    const cancelled = [...this.#running].filter(({ kept }) => matches(kept));
    for (const running of cancelled) {
      running.ticket?.cancel();
      this.#running.delete(running);
    }
    return cancelled.map(({ chain }) => chain);
  }

  /** Forgets all requests: the queue gives those again that it had not got back. */
  restore(saved: readonly SavedRequest[]): void {
    for (const { ticket } of this.#running) ticket?.cancel();
    this.#running.clear();
    this.#saved = [...saved];
  }

  save(): SavedRequest[] {
    const running = [...this.#running].map(({ chain, position, ticket }) => ({
      head: chain.head,
      position,
      deadlineNanos: ticket?.deadlineNanos ?? 0n,
    }));
    return [...running, ...this.#saved];
  }

  /** Has the disk fill guest memory itself, where it can do so without waiting. */
  #readNow({ chain, disk, request }: Running<Kept>): boolean {
    if (request.kind !== 'read' || request.length > MOST_BYTES_AT_ONCE) return false;
    const targets = chain.viewsForWrite(this.#format.targetStart, request.length);
    return targets !== undefined && disk.readNow(request.offset, targets);
  }

  /** Asks the disk for the next piece of a request, or ends it. */
  #advance(running: Running<Kept>, deadlineNanos?: bigint): void {
    const { chain, disk, request, position } = running;
    const { sourceStart, targetStart } = this.#format;
    const source = (at: number, length: number) => chain.readBytes(sourceStart + at, length);
    const piece = pieceAt(request, position, source, this.#format.writeThrough(running.kept));
    if (piece === undefined) {
      this.#end(running, true);
      return;
    }
    const finished = (ok: boolean) => {
      if (!ok) this.#end(running, false);
      else {
        if (piece.request.kind === 'read') chain.write(targetStart + position, piece.request.target);
        running.position = piece.next;
        this.#advance(running);
      }
      this.#next();
    };
    running.ticket = disk.submit(piece.request, finished, deadlineNanos);
  }

  #end(running: Running<Kept>, ok: boolean): void {
    this.#running.delete(running);
    this.#format.ended(running.chain, running.kept, ok);
  }
}
