/** Runs cases in a thread that can be stopped from outside when a case does not end. */

import { parentPort, workerData } from 'node:worker_threads';
import { Campaign, GENERATION } from './campaign.ts';
import type { CaseReport } from './hostile-processor.ts';
import { type Plant, plantFault } from './plant.ts';

/** What a worker is to do. */
export interface WorkerOptions {
  readonly seed: number;
  readonly first: number;
  /** Last case to run; without one the worker goes on until it is stopped. */
  readonly last: number | undefined;
  /** Time at which to stop, in milliseconds since 1970. */
  readonly endMillis: number;
  readonly plant: Plant | undefined;
  /** [case that runs] */
  readonly progress: SharedArrayBuffer;
}

/** What a worker tells. */
export type WorkerMessage =
  | { readonly kind: 'finding'; readonly number: number; readonly from: number; readonly text: string }
  | { readonly kind: 'reports'; readonly reports: readonly CaseReport[]; readonly residentBytes: number };

const REPORT_EVERY = 20;

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function work(options: WorkerOptions, tell: (message: WorkerMessage) => void): void {
  const progress = new Int32Array(options.progress);
  const campaign = new Campaign(options.seed);
  let from = options.first;
  let reports: CaseReport[] = [];
  const report = () => {
    tell({ kind: 'reports', reports, residentBytes: process.memoryUsage.rss() });
    reports = [];
  };
  for (let number = options.first; number <= (options.last ?? Infinity) && Date.now() < options.endMillis; number++) {
    if (number % GENERATION === 0) from = number;
    Atomics.store(progress, 0, number);
    try {
      reports.push(campaign.run(number));
    } catch (error) {
      tell({ kind: 'finding', number, from, text: describe(error) });
      campaign.startOver();
      from = number + 1;
    }
    if (reports.length >= REPORT_EVERY) report();
  }
  report();
}

const options = workerData as WorkerOptions;
if (options.plant !== undefined) plantFault(options.plant);
work(options, (message) => parentPort?.postMessage(message));
