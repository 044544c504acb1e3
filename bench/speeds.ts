import type { GuestRun } from './measure.ts';
import { geometricMean, median } from './median.ts';
import { PROGRAM_ROWS } from './programs/rows.ts';

/** All runs of one machine with guests of one width. */
export interface MachineRuns {
  readonly machine: string;
  readonly version: string;
  readonly runs: readonly GuestRun[];
}

/** How many times as fast as something else a machine is, by row. */
export interface Comparison {
  /** What it is compared with. */
  readonly with: string;
  readonly rows: ReadonlyMap<string, number>;
  /** Geometric means over the compiled workload and over the programs, where there are such rows. */
  readonly kernels: number | undefined;
  readonly programs: number | undefined;
}

const PROGRAMS = new Set(PROGRAM_ROWS.map(({ name }) => name));

/** Compares the times of one machine, as they are by row, with those of another one or of the host. */
export function compare(
  name: string,
  own: ReadonlyMap<string, number>,
  others: ReadonlyMap<string, number>,
): Comparison {
  const rows = new Map<string, number>();
  for (const [row, seconds] of own) {
    const other = others.get(row);
    if (other !== undefined) rows.set(row, other / seconds);
  }
  const mean = (programs: boolean) => {
    const found = [...rows].filter(([row]) => PROGRAMS.has(row) === programs).map(([, factor]) => factor);
    return found.length === 0 ? undefined : geometricMean(found);
  };
  return { with: name, rows, kernels: mean(false), programs: mean(true) };
}

/** Median seconds by row; a row with a wrong checksum in any run has none. */
export function secondsByRow({ runs }: MachineRuns): Map<string, number> {
  const names = new Set(runs.flatMap(({ rows }) => Object.keys(rows)));
  const seconds = new Map<string, number>();
  for (const name of names) {
    const found = runs.map(({ rows }) => rows[name]).filter((row) => row !== undefined);
    if (found.every(({ right }) => right)) seconds.set(name, median(found.map((row) => row.seconds)));
  }
  return seconds;
}
