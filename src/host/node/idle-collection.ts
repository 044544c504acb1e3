import v8 from 'node:v8';
import vm from 'node:vm';

const MEBIBYTE = 2 ** 20;
/** How often the process is looked at. */
const LOOK_MILLIS = 1000;
/** A time between two looks of which it spent this part at work was a busy one. */
const BUSY_PART = 0.2;
/** Quiet times in a row after which garbage is collected. */
const QUIET_LOOKS = 2;
/** What the heap has to have grown by since the last collection. */
const LEAST_GROWTH_BYTES = 8 * MEBIBYTE;
/** A larger heap is left to V8: the guest would stand still for too long, some 1.5 ms for each MiB. */
const LARGEST_HEAP_BYTES = 96 * MEBIBYTE;

/** The process, as far as this is about it. */
export interface Collectable {
  /** Milliseconds that the event loop has spent at work, since some fixed moment. */
  activeMillis(): number;
  /** What garbage and all else takes. */
  heapBytes(): number;
  /** Collects all garbage and gives the room back. */
  collect(): void;
}

/**
 * Has garbage collected when a busy time has ended. V8 leaves that for later, by how much is allocated, which in a machine
 * whose guest waits for input is next to nothing: of one that has just started 30 MB would stay for half a minute or longer.
 */
export class IdleCollection {
  readonly #process: Collectable;
  #activeMillis: number;
  /** The heap after the last collection. */
  #heapBytes = 0;
  /** Looks since the last busy time. */
  #quiet = 0;

  constructor(process: Collectable) {
    this.#process = process;
    this.#activeMillis = process.activeMillis();
  }

  /** To be called every second. */
  look(): void {
    const activeMillis = this.#process.activeMillis();
    const busy = activeMillis - this.#activeMillis >= BUSY_PART * LOOK_MILLIS;
    this.#activeMillis = activeMillis;
    this.#quiet = busy ? 0 : this.#quiet + 1;
    if (this.#quiet === QUIET_LOOKS && this.#isWorthwhile) this.#collect();
  }

  get #isWorthwhile(): boolean {
    const bytes = this.#process.heapBytes();
    return bytes >= this.#heapBytes + LEAST_GROWTH_BYTES && bytes <= LARGEST_HEAP_BYTES;
  }

  #collect(): void {
    this.#process.collect();
    this.#heapBytes = this.#process.heapBytes();
  }
}

/** Has garbage of this process collected whenever it becomes idle. @returns ends that */
export function collectWhenIdle(): () => void {
  const collection = new IdleCollection({
    activeMillis: () => performance.eventLoopUtilization().active,
    heapBytes: () => v8.getHeapStatistics().total_heap_size,
    collect: collectGarbage,
  });
  const timer = setInterval(() => collection.look(), LOOK_MILLIS).unref();
  return () => clearInterval(timer);
}

/** Collects all garbage. V8 has a function for this in each context that is made while a flag is set. Only of its last resort it gives room back. */
export function collectGarbage(): void {
  v8.setFlagsFromString('--expose-gc');
  const collect: (how: { type: 'major'; flavor: 'last-resort' }) => void = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', flavor: 'last-resort' });
}
