import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CpioEntry, FILE_TYPE, packCpio } from '../src/base/cpio.ts';
import { entriesBelow } from '../test/guests/debian-root.ts';
import { median } from './median.ts';
import { makeProgramRoot, runNatively } from './programs/root.ts';
import type { ProgramRow } from './programs/rows.ts';

/** The width of a guest's programs and kernel. */
export type Bits = 32 | 64;

/** What a run of one row of the workload printed. */
export interface RowResult {
  readonly checksum: string;
  /** The row's own time in seconds, by the clock of the system it ran on. */
  readonly seconds: number;
}

/** The timed program, ready for guests of one width. */
export interface Workload {
  readonly bits: Bits;
  /** The initial file system of a guest that runs it. */
  readonly initrd: Uint8Array;
  /** What the same program printed on this host, by row; what guests must print too. */
  readonly native: ReadonlyMap<string, RowResult>;
}

/** Rows whose sums depend on process numbers. */
const UNCOMPARED = new Set(['syscall', 'fork']);
const BENCH_LINE = /^BENCH (\S+) ([\d.]+) sum ([0-9a-f]+)/;
const INIT_SOURCE = fileURLToPath(new URL('init.c', import.meta.url));

/** What a guest is to run. */
export interface WorkloadOrder {
  /** The C file of the program: prints a line `BENCH name seconds sum checksum` for each row. */
  readonly source: string;
  readonly bits: Bits;
  /** How much of it to do; 1 is a few seconds of a real processor. */
  readonly scale: number;
  /** Rows of the program; undefined: all of them. */
  readonly kernelRows: readonly string[] | undefined;
  readonly programs: readonly ProgramRow[];
  /** How often rows run natively; the median counts. */
  readonly runs: number;
}

/** Compiles the program and the guest's first process, and runs all rows on this host.
 * @throws {Error} there is no such file, gcc cannot make programs of this width, or packages cannot be had */
export async function buildWorkload(order: WorkloadOrder): Promise<Workload> {
  const { source, bits, kernelRows, programs } = order;
  if (!existsSync(source)) throw new Error(`${source} is not there: name the workload with --bench-source FILE`);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-bench-'));
  try {
    const [bench, init] = [
      compile(source, bits, join(folder, 'bench')),
      compile(INIT_SOURCE, bits, join(folder, 'init')),
    ];
    const root = join(folder, 'root');
    if (programs.length > 0) await makeProgramRoot(bits === 64 ? 'amd64' : 'i386', root);
    const initrd = packGuest(init, bench, programs.length > 0 ? await entriesBelow(root) : []);
    const rows = [...runKernels(join(folder, 'bench'), order, kernelRows), ...runPrograms(root, order)];
    return { bits, initrd, native: new Map(rows) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a line of the program says, if it is one of a row. */
export function parseRow(line: string): ({ readonly name: string } & RowResult) | undefined {
  const [, name, seconds, checksum] = BENCH_LINE.exec(line) ?? [];
  if (name === undefined || checksum === undefined) return undefined;
  return { name, seconds: Number(seconds), checksum };
}

/** Whether a guest's checksum is the right one. */
export function isRight(workload: Workload, row: string, checksum: string | undefined): boolean {
  return checksum !== undefined && (UNCOMPARED.has(row) || workload.native.get(row)?.checksum === checksum);
}

function compile(source: string, bits: Bits, program: string): Uint8Array {
  execFileSync('gcc', ['-O2', `-m${bits}`, '-static', '-w', '-o', program, source, '-lm'], { stdio: ['ignore', 2, 2] });
  return readFileSync(program);
}

type Row = [name: string, result: RowResult];

function runKernels(program: string, { scale, runs }: WorkloadOrder, rows: WorkloadOrder['kernelRows']): Row[] {
  const orders = rows === undefined ? [[`${scale}`]] : rows.map((row) => [`${scale}`, row]);
  const lines = Array.from({ length: runs }, () =>
    orders.flatMap((args) => execFileSync(program, args, { encoding: 'utf8' }).split('\n')),
  ).flat();
  const results = Map.groupBy(
    lines.map(parseRow).filter((row) => row !== undefined),
    ({ name }) => name,
  );
  return [...results].map(([name, found]) => [
    name,
    { checksum: found[0].checksum, seconds: median(found.map(({ seconds }) => seconds)) },
  ]);
}

function runPrograms(root: string, { programs, scale, runs }: WorkloadOrder): Row[] {
  return programs.map(({ name }) => {
    const results = Array.from({ length: runs }, () => runNatively(root, name, scale));
    const checksum = parseRow(results[0].output.trim())?.checksum;
    if (checksum === undefined) throw new Error(`${name} printed on this host: ${results[0].output}`);
    return [name, { checksum, seconds: median(results.map(({ seconds }) => seconds)) }];
  });
}

function packGuest(init: Uint8Array, bench: Uint8Array, root: readonly CpioEntry[]): Uint8Array {
  const program = (path: string, data: Uint8Array): CpioEntry => ({ path, mode: FILE_TYPE.file | 0o755, data });
  const folder = (path: string): CpioEntry => ({ path, mode: FILE_TYPE.folder | 0o755 });
  return packCpio([
    ...(root.length > 0 ? root : [folder('dev'), folder('proc')]),
    { path: 'dev/console', mode: FILE_TYPE.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    program('init', init),
    program('bench', bench),
  ]);
}
