import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MACHINES } from './machines.ts';
import { PROGRAM_ROWS, type ProgramRow } from './programs/rows.ts';
import type { Bits } from './workload.ts';

/** What to measure. */
export interface BenchOptions {
  readonly source: string;
  readonly widths: readonly Bits[];
  /** Words of {@link MACHINES}. */
  readonly machines: readonly string[];
  /** Rows of the compiled workload; undefined: all of them. */
  readonly kernelRows: readonly string[] | undefined;
  /** Rows that are programs of Debian. */
  readonly programs: readonly ProgramRow[];
  readonly scale: number;
  readonly runs: number;
  readonly memoryBytes: number;
  /** For one guest. */
  readonly timeoutSeconds: number;
  /** Paths of kernels to use in place of Debian's. */
  readonly kernels: Readonly<Record<Bits, string | undefined>>;
  /** Whether less is measured than there is. */
  readonly partial: boolean;
  /** Whether the results are kept. */
  readonly save: boolean;
}

const DEFAULT_PEERS = ['vitrine', 'qemu', 'v86'];

/** The text of `--help`. */
export const HELP = `node bench/bench.ts [options]
  --bench-source FILE  the workload's C source (or VITRINE_BENCH_SOURCE; default ../shared/bench/bench.c beside the project)
  --bits 64,32         widths of the guests (32 needs gcc-multilib)
  --peers LIST         of ${Object.keys(MACHINES).join(',')} (${DEFAULT_PEERS.join(',')}); those that are absent are left out
  --browser            also Vitrine in a worker of Chromium
  --only LIST          rows, or kernels (the compiled workload) or programs (of Debian); all where absent
  --scale N            how much of each row (1)
  --repetitions N      how often; medians are printed (3)
  --quick              a tenth of each row, once
  --memory MIB         of each guest (768)
  --timeout SECONDS    for each guest (1800)
  --save               keep the results of less than a whole run too, under bench/results with "partial" in their names
  --kernel64 FILE, --kernel32 FILE    Linux kernels in place of those of Debian's packages
Runs one guest after the other, never two at once: leave the machine alone meanwhile.
Example: npm run bench -- --quick --bits 64 --only sieve,shell-loop`;

/** What `--quick` stands for. */
const QUICK_SCALE = 0.1;
const DEFAULT_REPETITIONS = 3;
const DEFAULT_SOURCE = fileURLToPath(new URL('../../shared/bench/bench.c', import.meta.url));
const WHOLE = { bits: '64,32', peers: DEFAULT_PEERS.join(',') };
const OPTIONS = {
  help: { type: 'boolean', default: false },
  'bench-source': { type: 'string', default: process.env.VITRINE_BENCH_SOURCE ?? DEFAULT_SOURCE },
  bits: { type: 'string', default: WHOLE.bits },
  peers: { type: 'string', default: WHOLE.peers },
  browser: { type: 'boolean', default: false },
  only: { type: 'string' },
  scale: { type: 'string' },
  repetitions: { type: 'string' },
  quick: { type: 'boolean', default: false },
  memory: { type: 'string', default: '768' },
  timeout: { type: 'string', default: '1800' },
  save: { type: 'boolean', default: false },
  kernel64: { type: 'string' },
  kernel32: { type: 'string' },
} as const;

/** Reads the options of the command line.
 * @returns undefined when help is asked for  @throws {Error} there is no such option or value */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help) return undefined;
  const { only, scale, repetitions, quick, bits, peers } = values;
  const partial = quick || [only, scale, repetitions].some(Boolean) || bits !== WHOLE.bits || peers !== WHOLE.peers;
  return {
    source: values['bench-source'],
    widths: values.bits.split(',').map(parseBits),
    machines: [...values.peers.split(',').map(parseMachine), ...(values.browser ? ['chromium'] : [])],
    ...parseRows(values.only?.split(',')),
    scale: parsePositive('--scale', values.scale ?? `${values.quick ? QUICK_SCALE : 1}`),
    runs: Math.ceil(parsePositive('--repetitions', values.repetitions ?? `${values.quick ? 1 : DEFAULT_REPETITIONS}`)),
    memoryBytes: Math.ceil(parsePositive('--memory', values.memory)) * 2 ** 20,
    timeoutSeconds: parsePositive('--timeout', values.timeout),
    kernels: { 32: values.kernel32, 64: values.kernel64 },
    partial,
    save: values.save || !partial,
  };
}

function parseBits(word: string): Bits {
  if (word !== '32' && word !== '64') throw new Error(`--bits: ${word} is neither 32 nor 64`);
  return word === '32' ? 32 : 64;
}

/** @param words names of rows, `kernels` and `programs`; undefined: everything */
function parseRows(words: readonly string[] | undefined): Pick<BenchOptions, 'kernelRows' | 'programs'> {
  if (words === undefined) return { kernelRows: undefined, programs: PROGRAM_ROWS };
  const programs = PROGRAM_ROWS.filter(({ name }) => words.includes(name) || words.includes('programs'));
  const kernelRows = words.filter((word) => word !== 'programs' && !programs.some(({ name }) => name === word));
  return { kernelRows: kernelRows.includes('kernels') ? undefined : kernelRows, programs };
}

function parseMachine(word: string): string {
  if (MACHINES[word] === undefined) throw new Error(`--peers: ${word} is none of ${Object.keys(MACHINES).join(', ')}`);
  return word;
}

function parsePositive(option: string, word: string): number {
  const value = Number(word);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new Error(`${option}: ${word} is not a positive number`);
  return value;
}
