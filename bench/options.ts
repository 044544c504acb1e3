import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MACHINES } from './machines.ts';
import type { Bits } from './workload.ts';

/** What to measure. */
export interface BenchOptions {
  readonly source: string;
  readonly widths: readonly Bits[];
  /** Words of {@link MACHINES}. */
  readonly machines: readonly string[];
  /** Rows of the workload; all of them where absent. */
  readonly rows?: readonly string[];
  readonly scale: number;
  readonly runs: number;
  readonly memoryBytes: number;
  /** For one guest. */
  readonly timeoutSeconds: number;
  /** Paths of kernels to use in place of Debian's. */
  readonly kernels: Readonly<Record<Bits, string | undefined>>;
}

/** The text of `--help`. */
export const HELP = `node bench/bench.ts [options]
  --bench-source FILE  the workload's C source (or VITRINE_BENCH_SOURCE; default ../shared/bench/bench.c beside the project)
  --bits 64,32         widths of the guests (32 needs gcc-multilib)
  --machines LIST      of ${Object.keys(MACHINES).join(',')} (all); those that are absent are left out
  --rows LIST          rows of the workload (all)
  --scale N            how much of each row (1)
  --runs N             how often; medians are printed (1)
  --memory MIB         of each guest (512)
  --timeout SECONDS    for each guest (900)
  --kernel64 FILE, --kernel32 FILE    Linux kernels in place of those of Debian's packages
Runs one guest after the other, never two at once: leave the machine alone meanwhile.`;

const DEFAULT_SOURCE = fileURLToPath(new URL('../../shared/bench/bench.c', import.meta.url));
const OPTIONS = {
  help: { type: 'boolean', default: false },
  'bench-source': { type: 'string', default: process.env.VITRINE_BENCH_SOURCE ?? DEFAULT_SOURCE },
  bits: { type: 'string', default: '64,32' },
  machines: { type: 'string', default: Object.keys(MACHINES).join(',') },
  rows: { type: 'string' },
  scale: { type: 'string', default: '1' },
  runs: { type: 'string', default: '1' },
  memory: { type: 'string', default: '512' },
  timeout: { type: 'string', default: '900' },
  kernel64: { type: 'string' },
  kernel32: { type: 'string' },
} as const;

/** Reads the options of the command line.
 * @returns undefined when help is asked for  @throws {Error} there is no such option or value */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help) return undefined;
  return {
    source: values['bench-source'],
    widths: values.bits.split(',').map(parseBits),
    machines: values.machines.split(',').map(parseMachine),
    rows: values.rows?.split(','),
    scale: parsePositive('--scale', values.scale),
    runs: Math.ceil(parsePositive('--runs', values.runs)),
    memoryBytes: Math.ceil(parsePositive('--memory', values.memory)) * 2 ** 20,
    timeoutSeconds: parsePositive('--timeout', values.timeout),
    kernels: { 32: values.kernel32, 64: values.kernel64 },
  };
}

function parseBits(word: string): Bits {
  if (word !== '32' && word !== '64') throw new Error(`--bits: ${word} is neither 32 nor 64`);
  return word === '32' ? 32 : 64;
}

function parseMachine(word: string): string {
  if (MACHINES[word] === undefined)
    throw new Error(`--machines: ${word} is none of ${Object.keys(MACHINES).join(', ')}`);
  return word;
}

function parsePositive(option: string, word: string): number {
  const value = Number(word);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new Error(`${option}: ${word} is not a positive number`);
  return value;
}
