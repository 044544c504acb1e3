/** Runs a campaign in workers, watches over them, and adds up what they tell. */

import { Worker } from 'node:worker_threads';
import { FAMILIES } from './instructions.ts';
import type { Plant } from './plant.ts';
import type { WorkerMessage, WorkerOptions } from './worker.ts';

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Run this case alone, or the cases from `from` to it. */
  readonly only?: number;
  readonly from?: number;
  readonly plant?: Plant;
  /** Stop at the first finding. */
  readonly stopAtFinding?: boolean;
}

/** Something that went wrong. */
export interface FuzzFinding {
  /** How to have it again. */
  readonly reproduce: string;
  readonly text: string;
}

export interface FuzzResult {
  readonly findings: readonly FuzzFinding[];
  readonly cases: number;
  readonly retired: number;
  readonly modes: ReadonlyMap<string, number>;
  readonly families: ReadonlyMap<string, number>;
  readonly mostHandlers: number;
  readonly mostResidentBytes: number;
}

/** Seconds of processor time after which a case does not end: on a loaded host the clock's seconds say little. */
const HANG_SECONDS = 30;
const WATCH_MILLIS = 250;
/** What the process may take: a few machines, and what the collector has not got round to. */
const MOST_RESIDENT_BYTES = 3 * 2 ** 30;

class Run {
  readonly #options: FuzzOptions;
  readonly #endMillis: number;
  readonly #progress = new SharedArrayBuffer(4);
  readonly #findings: FuzzFinding[] = [];
  readonly #modes = new Map<string, number>();
  readonly #families = new Map<string, number>(FAMILIES.map((family) => [family, 0]));
  #cases = 0;
  #retired = 0;
  #mostHandlers = 0;
  #mostResidentBytes = 0;
  #first: number;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#first = options.from ?? options.only ?? 0;
    this.#endMillis = Date.now() + options.seconds * 1000;
  }

  async run(): Promise<FuzzResult> {
    while (!this.#done) await this.#runWorker();
    return {
      findings: this.#findings,
      cases: this.#cases,
      retired: this.#retired,
      modes: this.#modes,
      families: this.#families,
      mostHandlers: this.#mostHandlers,
      mostResidentBytes: this.#mostResidentBytes,
    };
  }

  get #done(): boolean {
    const found = this.#options.stopAtFinding === true && this.#findings.length > 0;
    return found || Date.now() >= this.#endMillis || this.#first > (this.#options.only ?? Infinity);
  }

  /** One worker, until it ends by itself, hangs, or breaks down. */
  async #runWorker(): Promise<void> {
    const { seed, only, plant } = this.#options;
    const options: WorkerOptions = {
      ...{ seed, first: this.#first, last: only, plant },
      ...{ endMillis: this.#endMillis, progress: this.#progress },
    };
    const current = new Int32Array(this.#progress);
    Atomics.store(current, 0, this.#first);
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: options });
    worker.on('message', (message: WorkerMessage) => this.#hear(message));
    const watch = this.#watch(worker, current);
    const ended = await new Promise<string | undefined>((resolve) => {
      worker.on('error', (error: Error) => resolve(`the thread broke down: ${error.stack}`));
      worker.on('exit', () => resolve(undefined));
    });
    clearInterval(watch);
    const number = Atomics.load(current, 0);
    if (ended !== undefined) this.#find(number, this.#first, ended);
    this.#first = number + 1;
  }

  #watch(worker: Worker, current: Int32Array): NodeJS.Timeout {
    let [last, since] = [-1, busySeconds()];
    const watch = setInterval(() => {
      const number = Atomics.load(current, 0);
      if (number !== last) [last, since] = [number, busySeconds()];
      const hangs = busySeconds() - since > HANG_SECONDS;
      if (hangs) this.#find(number, this.#first, `the case does not end within ${HANG_SECONDS} seconds`);
      if (!hangs && !(this.#options.stopAtFinding && this.#findings.length > 0)) return;
      clearInterval(watch);
      void worker.terminate();
    }, WATCH_MILLIS);
    return watch;
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === 'finding') {
      this.#find(message.number, message.from, message.text);
      return;
    }
    this.#mostResidentBytes = Math.max(this.#mostResidentBytes, message.residentBytes);
    if (
      this.#mostResidentBytes > MOST_RESIDENT_BYTES &&
      !this.#findings.some(({ text }) => text.startsWith('memory'))
    ) {
      this.#find(Atomics.load(new Int32Array(this.#progress), 0), this.#first, 'memory grows without bound');
    }
    for (const report of message.reports) {
      this.#cases++;
      this.#retired += report.retired;
      this.#mostHandlers = Math.max(this.#mostHandlers, report.handlers);
      count(this.#modes, report.mode, 1);
      for (const [family, pieces] of report.families) count(this.#families, family, pieces);
    }
  }

  #find(number: number, from: number, text: string): void {
    const earlier = from === number ? '' : ` (or, should it need those before it, --from ${from})`;
    this.#findings.push({ reproduce: `--seed ${this.#options.seed} --case ${number}${earlier}`, text });
  }
}

/** Processor time that this process has used: as good as all of it is the worker's. */
function busySeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function count(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

/** Runs cases for a time. Findings do not throw: they are in the result. */
export function runFuzz(options: FuzzOptions): Promise<FuzzResult> {
  return new Run(options).run();
}
