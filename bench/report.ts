import type { GuestRun } from './measure.ts';
import { median } from './median.ts';
import { type Comparison, compare, type MachineRuns, secondsByRow } from './speeds.ts';
import type { Bits, RowResult } from './workload.ts';

/** What was measured with guests of one width. */
export interface WidthReport {
  readonly bits: Bits;
  readonly kernel: string;
  /** The same program on the host itself. */
  readonly native: Readonly<Record<string, RowResult>>;
  readonly machines: readonly MachineRuns[];
}

/** A table's first line is its head. */
type Table = readonly (readonly string[])[];

/** The tables of one width, as text for people. */
export function formatReport(report: WidthReport): string {
  const rows = Object.keys(report.native);
  const counting = report.machines.filter(({ runs }) => runs.some(countsInstructions));
  return [
    `${report.bits}-bit guest, ${report.kernel}: seconds by the host's clock, medians; x: times the native run's`,
    formatTable(timeTable(report, rows)),
    ...counting.flatMap((machine) => [
      `${machine.machine}, ${report.bits}-bit guest: retired instructions, paging on`,
      formatTable(speedTable(machine, rows)),
    ]),
    ...factorTables(report, rows),
  ].join('\n\n');
}

/** What the first machine is compared with: every other one, and the host. */
export function comparisonsOf({ machines, native }: WidthReport): Comparison[] {
  const [first, ...others] = machines;
  if (first === undefined) return [];
  const host = new Map(Object.entries(native).map(([row, { seconds }]) => [row, seconds]));
  const own = secondsByRow(first);
  const peers = others.map((machine) => compare(machine.machine, own, secondsByRow(machine)));
  return [...peers, compare('native', own, host)].filter(({ rows }) => rows.size > 0);
}

function factorTables(report: WidthReport, rows: readonly string[]): string[] {
  const comparisons = comparisonsOf(report);
  if (comparisons.length === 0) return [];
  const line = (name: string, of: (comparison: Comparison) => number | undefined) => [
    name,
    ...comparisons.map((comparison) => of(comparison)?.toFixed(2) ?? '-'),
  ];
  const table = [
    ['row', ...comparisons.map(({ with: peer }) => peer)],
    ...rows.map((row) => line(row, (comparison) => comparison.rows.get(row))),
    line('geometric mean, kernels', ({ kernels }) => kernels),
    line('geometric mean, programs', ({ programs }) => programs),
  ];
  const [first] = report.machines;
  return [`${first.machine}, ${report.bits}-bit guest: how many times as fast as`, formatTable(table)];
}

function timeTable({ native, machines }: WidthReport, rows: readonly string[]): Table {
  const whole = (name: string, of: (run: GuestRun) => number | undefined) => [
    name,
    '',
    ...machines.map(({ runs }) => formatSeconds(medianOf(runs, of))),
  ];
  return [
    ['row', 'native', ...machines.map(({ machine }) => machine)],
    ...rows.map((row) => {
      const own = native[row]?.seconds ?? Number.NaN;
      return [row, formatSeconds(own), ...machines.map(({ runs }) => timeCell(runs, row, own))];
    }),
    whole('all rows', ({ wholeSeconds }) => wholeSeconds),
    whole('boot', ({ bootSeconds }) => bootSeconds),
  ];
}

function timeCell(runs: readonly GuestRun[], row: string, nativeSeconds: number): string {
  if (runs.some(({ rows }) => rows[row]?.right === false)) return 'WRONG';
  const seconds = medianOf(runs, ({ rows }) => rows[row]?.seconds);
  if (seconds === undefined) return '-';
  return `${formatSeconds(seconds)} (${(seconds / nativeSeconds).toFixed(1)}x)`;
}

function speedTable({ runs }: MachineRuns, rows: readonly string[]): Table {
  const head = ['row', 'million instructions', 'MIPS', 'MIPS of CPU time'];
  return [head, ...rows.map((row) => [row, ...speedCells(runs, row)])];
}

function speedCells(runs: readonly GuestRun[], row: string): string[] {
  if (runs.some(({ rows }) => rows[row]?.right === false)) return ['WRONG', 'WRONG', 'WRONG'];
  const millions = (run: GuestRun) => (run.rows[row]?.instructions ?? Number.NaN) / 1e6;
  const per = (part: 'seconds' | 'cpuSeconds') => (run: GuestRun) =>
    millions(run) / (run.rows[row]?.[part] ?? Number.NaN);
  return [millions, per('seconds'), per('cpuSeconds')].map((value) => medianOf(runs, value)?.toFixed(1) ?? '-');
}

function countsInstructions({ rows }: GuestRun): boolean {
  return Object.values(rows).some(({ instructions }) => instructions !== undefined);
}

/** The median over the runs that have this value. */
function medianOf(runs: readonly GuestRun[], value: (run: GuestRun) => number | undefined): number | undefined {
  const values = runs.map(value).filter((one) => one !== undefined && !Number.isNaN(one));
  return values.length === 0 ? undefined : median(values as number[]);
}

function formatSeconds(seconds: number | undefined): string {
  return seconds === undefined ? '-' : seconds.toFixed(3);
}

/** Names to the left, numbers to the right. */
function formatTable(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return table.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}
