import type { HostTicket, HostWork } from './host-work.ts';
import type { BlockDevice } from './interfaces.ts';

/** What a controller asks of a disk. Offsets and lengths are bytes, multiples of 512. */
export type DiskRequest =
  | { readonly kind: 'read'; readonly offset: number; readonly target: Uint8Array }
  | { readonly kind: 'write'; readonly offset: number; readonly source: Uint8Array }
  | { readonly kind: 'discard'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' };

/** A disk as a controller sees it: requests end on the device thread, between slices of guest code. */
export interface Disk {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /**
   * Begins a request. Its buffer belongs to the disk until it ends. Requests may overlap in time and in place: the
   * outcome is as if those that touch the same bytes came one after the other.
   * @param finished told whether it succeeded; see {@link HostWork.submit}
   * @param deadlineNanos the deadline of the saved ticket, for a request that is made again after a restore
   */
  submit(request: DiskRequest, finished: (ok: boolean) => void, deadlineNanos?: bigint): HostTicket;
  /** As {@link BlockDevice.readNow}; never where results have deadlines. */
  readNow(offset: number, targets: readonly Uint8Array[]): boolean;
}

/** How long requests take on a clock of the machine's own: a fast disk. */
const REQUEST_NANOS = 50_000;
const NANOS_PER_BYTE = 1;

interface Running {
  readonly request: DiskRequest;
  readonly done: Promise<void>;
}

/** Carries a controller's requests to a block device of the host. */
export class DiskQueue implements Disk {
  readonly #device: BlockDevice;
  readonly #work: HostWork;
  readonly #running = new Set<Running>();

  constructor(device: BlockDevice, work: HostWork) {
    this.#device = device;
    this.#work = work;
  }

  get sizeBytes(): number {
    return this.#device.sizeBytes;
  }

  get readOnly(): boolean {
    return this.#device.readOnly;
  }

  submit(request: DiskRequest, finished: (ok: boolean) => void, deadlineNanos?: bigint): HostTicket {
    const latencyNanos = REQUEST_NANOS + lengthOf(request) * NANOS_PER_BYTE;
    return this.#work.submit(this.#begin(request), latencyNanos, finished, deadlineNanos);
  }

  readNow(offset: number, targets: readonly Uint8Array[]): boolean {
    const changing = [...this.#running].some(({ request }) => request.kind === 'write' || request.kind === 'discard');
    if (changing || !this.#work.mayAnswerAtOnce) return false;
    const isRead = this.#device.readNow?.(offset, targets) ?? false;
    if (isRead) this.#work.answeredAtOnce();
    return isRead;
  }

  #begin(request: DiskRequest): Promise<void> {
    const earlier = [...this.#running].filter((other) => mustFollow(request, other.request)).map(({ done }) => done);
    const done =
      earlier.length === 0 ? this.#execute(request) : Promise.allSettled(earlier).then(() => this.#execute(request));
    const running = { request, done };
    this.#running.add(running);
    const remove = () => void this.#running.delete(running);
    done.then(remove, remove);
    return done;
  }

  async #execute(request: DiskRequest): Promise<void> {
    switch (request.kind) {
      case 'read':
        return this.#device.read(request.offset, request.target);
      case 'write':
        return this.#device.write(request.offset, request.source);
      case 'discard':
        return this.#device.discard(request.offset, request.length);
      case 'flush':
        return this.#device.flush();
    }
  }
}

function lengthOf(request: DiskRequest): number {
  switch (request.kind) {
    case 'read':
      return request.target.length;
    case 'write':
      return request.source.length;
    default:
      return 0;
  }
}

/** Whether a request must wait for an earlier one: they touch the same bytes and one of them changes these. */
function mustFollow(request: DiskRequest, earlier: DiskRequest): boolean {
  if (request.kind === 'flush') return earlier.kind === 'write' || earlier.kind === 'discard';
  if (earlier.kind === 'flush' || (request.kind === 'read' && earlier.kind === 'read')) return false;
  const [from, end] = rangeOf(request);
  const [earlierFrom, earlierEnd] = rangeOf(earlier);
  return from < earlierEnd && earlierFrom < end;
}

function rangeOf(request: Exclude<DiskRequest, { kind: 'flush' }>): [from: number, end: number] {
  const length = request.kind === 'discard' ? request.length : lengthOf(request);
  return [request.offset, request.offset + length];
}
