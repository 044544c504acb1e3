import type { ConsoleLine } from './boot.ts';
import { isRight, parseRow, type Workload } from './workload.ts';

/** One row of the workload on one machine. */
export interface Measurement {
  readonly checksum: string;
  /** Whether the checksum equals the native run's; a wrong row's time counts for nothing. */
  readonly right: boolean;
  /** Host seconds between the guest's announcement of the row and its result. */
  readonly seconds: number;
  /** Guest instructions retired in that time, paging on, the kernel's included; each iteration of REP counts. */
  readonly instructions?: number;
  /** Processor time of the machine's process in that time; tells more than `seconds` on a busy host. */
  readonly cpuSeconds?: number;
}

/** One run of a guest. */
export interface GuestRun {
  /** Host seconds from the start of the machine's process to the guest's first process. */
  readonly bootSeconds?: number;
  /** Host seconds for all rows. */
  readonly wholeSeconds?: number;
  readonly rows: Readonly<Record<string, Measurement>>;
}

const BEGIN = 'VITRINE-BENCH BEGIN';
/** The last line that a guest prints. */
export const LAST_LINE = 'VITRINE-BENCH END';
const ROW = /^VITRINE-BENCH ROW (\S+)/;

/** Reads the times out of what a guest printed. */
export function measure(lines: readonly ConsoleLine[], startMillis: number, workload: Workload): GuestRun {
  const begin = lines.find(({ text }) => text.endsWith(BEGIN));
  const end = lines.find(({ text }) => text === LAST_LINE);
  return {
    bootSeconds: begin && secondsBetween(startMillis, begin.atMillis),
    wholeSeconds: begin && end && secondsBetween(begin.atMillis, end.atMillis),
    rows: Object.fromEntries(measureRows(lines, workload)),
  };
}

function* measureRows(lines: readonly ConsoleLine[], workload: Workload): Generator<[string, Measurement]> {
  let announced: ConsoleLine | undefined;
  for (const line of lines) {
    if (ROW.test(line.text)) announced = line;
    const row = parseRow(line.text);
    if (row === undefined || announced === undefined) continue;
    yield [
      row.name,
      {
        checksum: row.checksum,
        right: isRight(workload, row.name, row.checksum),
        seconds: secondsBetween(announced.atMillis, line.atMillis),
        instructions: difference(announced.instructions, line.instructions),
        cpuSeconds: difference(announced.cpuMillis, line.cpuMillis, 1000),
      },
    ];
  }
}

function difference(from: number | undefined, to: number | undefined, unit = 1): number | undefined {
  return from === undefined || to === undefined ? undefined : (to - from) / unit;
}

function secondsBetween(fromMillis: number, toMillis: number): number {
  return (toMillis - fromMillis) / 1000;
}
