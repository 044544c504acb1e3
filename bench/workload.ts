import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CpioEntry, FILE_TYPE, packCpio } from '../src/base/cpio.ts';

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

/** Compiles the program and the guest's first process, and runs the program on this host.
 * @param source the C file of the program: prints a line `BENCH name seconds sum checksum` for each row
 * @param scale how much of it to do; 1 is a few seconds of a real processor
 * @param rows the rows to run natively, or all of them
 * @throws {Error} there is no such file, or gcc cannot make programs of this width */
export function buildWorkload(source: string, bits: Bits, scale: number, rows?: readonly string[]): Workload {
  if (!existsSync(source)) throw new Error(`${source} is not there: name the workload with --bench-source FILE`);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-bench-'));
  try {
    const [bench, init] = [
      compile(source, bits, join(folder, 'bench')),
      compile(INIT_SOURCE, bits, join(folder, 'init')),
    ];
    return { bits, initrd: packGuest(init, bench), native: runNatively(join(folder, 'bench'), scale, rows) };
  } finally {
    rmSync(folder, { recursive: true });
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

function runNatively(program: string, scale: number, rows?: readonly string[]): Map<string, RowResult> {
  const runs = rows === undefined ? [[String(scale)]] : rows.map((row) => [String(scale), row]);
  const lines = runs.flatMap((args) => execFileSync(program, args, { encoding: 'utf8' }).split('\n'));
  const results = lines.map(parseRow).filter((row) => row !== undefined);
  return new Map(results.map(({ name, ...result }) => [name, result]));
}

function packGuest(init: Uint8Array, bench: Uint8Array): Uint8Array {
  const program = (path: string, data: Uint8Array): CpioEntry => ({ path, mode: FILE_TYPE.file | 0o755, data });
  return packCpio([
    { path: 'dev', mode: FILE_TYPE.folder | 0o755 },
    { path: 'dev/console', mode: FILE_TYPE.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    program('init', init),
    program('bench', bench),
  ]);
}
