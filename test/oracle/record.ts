/** Asks the host's processor about fresh cases and judges the engines by its answers. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Form } from '../../src/isa/encode-forms.ts';
import { ROWS } from '../../src/isa/rows.ts';
import { type CaseRunner, EvaluatorRunner, InterpreterRunner } from './engines.ts';
import {
  type Generated,
  generateCase,
  generateRaw,
  generateSequence,
  hasFeature,
  sequenceForms,
  userForms,
} from './generate.ts';
import { type Bits, Random } from './initial-state.ts';
import { describe, judge } from './judge.ts';
import { hostProcessor, NativeOracle } from './native.ts';
import { type Vector, writeVectorFile } from './vectors.ts';

const VECTORS = new URL('../vectors/', import.meta.url);
/** Sequences, and pieces of random bytes, tried for each mode beside the default number of cases per form. */
const EXTRA_PER_MODE = 4000;
/** Differences shown for a file and engine. */
const SHOWN = 10;
const RUNNERS: Readonly<Record<string, () => CaseRunner>> = {
  evaluator: () => new EvaluatorRunner(),
  interpreter: () => new InterpreterRunner(),
  /** Each case is compiled on its own, which takes long: for few cases. 16-bit code is interpreted, as its segments have bases. */
  translated: () => new InterpreterRunner({ hotAfter: 0 }),
};

const HELP = `npm run vectors [-- OPTIONS]: asks the host's processor about fresh cases and judges the engines by its answers.
What the host lacks is skipped, with the reason.

  --seed N         of the cases (1)
  --per-form N     cases for each form of an instruction (20)
  --engines LIST   of ${Object.keys(RUNNERS).join(',')} (evaluator,interpreter)
  --only LIST      of families (all)
  --write          the answers replace test/vectors, with --only those of its families
`;

interface Options {
  readonly seed: number;
  readonly perForm: number;
  readonly engines: readonly string[];
  readonly only: readonly string[];
  readonly write: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      'per-form': { type: 'string', default: '20' },
      engines: { type: 'string', default: 'evaluator,interpreter' },
      only: { type: 'string', default: '' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit();
  }
  return {
    seed: Number(values.seed),
    perForm: Number(values['per-form']),
    engines: values.engines.split(',').filter((name) => name !== ''),
    only: values.only.split(',').filter((name) => name !== ''),
    write: values.write,
  };
}

/** Cases by the name of the file that they go into. */
function generateAll(bits: Bits, all: readonly Form[], options: Options): Map<string, Generated[]> {
  const files = new Map<string, Generated[]>();
  const random = new Random(options.seed * 3 + bits);
  const add = (name: string, made: Generated | undefined) => {
    if (made === undefined) return;
    const list = files.get(name);
    if (list === undefined) files.set(name, [made]);
    else list.push(made);
  };
  const wanted = (family: string) => options.only.length === 0 || options.only.includes(family);
  for (const form of all.filter(({ row }) => wanted(row.family))) {
    for (let n = 0; n < options.perForm; n++) add(`${form.row.family}-${bits}`, generateCase(form, random));
  }
  const pool = sequenceForms(all);
  const more = (EXTRA_PER_MODE * options.perForm) / 20;
  for (let n = 0; n < more && wanted('sequence'); n++) add(`sequence-${bits}`, generateSequence(pool, random));
  for (let n = 0; n < more && wanted('raw'); n++) add(`raw-${bits}`, generateRaw(bits, random));
  return files;
}

function judgeAll(name: string, runner: CaseRunner, vectors: readonly Vector[]): number {
  let wrong = 0;
  for (const vector of vectors) {
    const found = judge(runner, vector);
    if (found.length === 0) continue;
    if (++wrong <= SHOWN) console.log(`${name}: ${describe(vector.test)}: ${found.join('; ')}`);
  }
  return wrong;
}

function reportMissing(features: ReadonlySet<string>): void {
  const missing = new Set(ROWS.filter((row) => !hasFeature(row, features)).map(({ feature }) => feature));
  for (const feature of missing) console.log(`skipped: the host's processor has no ${feature}`);
}

function main(): void {
  const options = readOptions();
  const host = hostProcessor();
  if (host === undefined) {
    console.log('skipped: the host is not Linux on x86-64');
    return;
  }
  const oracle = new NativeOracle();
  reportMissing(host.features);
  const modes: readonly Bits[] = oracle.runs16Bit ? [64, 32, 16] : [64, 32];
  if (!oracle.runs16Bit) console.log('skipped: the kernel has no modify_ldt, so 16-bit code cannot run');
  const runners = options.engines.map((name) => ({ name, runner: RUNNERS[name]() }));
  if (options.write && options.only.length === 0) clearVectors();
  let total = 0;
  let wrong = 0;
  for (const bits of modes) {
    for (const [name, cases] of generateAll(bits, userForms(bits, host.features), options)) {
      const vectors = oracle.run(cases.map(({ test }) => test));
      if (options.write) writeFileSync(new URL(name, VECTORS), writeVectorFile({ processor: host.name, vectors }));
      for (const engine of runners) wrong += judgeAll(`${name} on ${engine.name}`, engine.runner, vectors);
      total += vectors.length;
    }
  }
  oracle.dispose();
  console.log(`${total} cases on ${host.name}, judged on ${options.engines.join(' and ')}: ${wrong} differ`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

function clearVectors(): void {
  mkdirSync(VECTORS, { recursive: true });
  for (const name of readdirSync(VECTORS)) rmSync(new URL(name, VECTORS));
}

main();
