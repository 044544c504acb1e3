/** The same code on the interpreter and on the BigInt evaluator. */

import { VECTOR_OF } from '../../src/isa/registers.ts';
import { ROWS } from '../../src/isa/rows.ts';
import { type CaseRunner, EvaluatorRunner, InterpreterRunner } from '../oracle/engines.ts';
import { generateCase, generateSequence, userForms } from '../oracle/generate.ts';
import { type Bits, PROFILES, type Random } from '../oracle/initial-state.ts';
import type { Outcome, TestCase } from '../oracle/vectors.ts';
import { expect } from './finding.ts';
import type { CaseReport } from './hostile-processor.ts';

const BITS: readonly Bits[] = [16, 32, 64];
/** Every feature, as rows and as Linux spell them. */
const FEATURES = new Set([...ROWS.map((row) => row.feature), 'pni', 'sse4_1', 'sse4_2', 'clflush']);
const FORMS = new Map(BITS.map((bits) => [bits, userForms(bits, FEATURES)]));
/** Whether a fetch: the two engines' worlds differ in how they report that. */
const FETCH_OR_PRESENT = 0x11;
/** Cases of one batch: an instruction is cheap beside the making of a processor. */
const BATCH = 20;

interface Planned {
  readonly test: TestCase;
  readonly families: readonly string[];
}

/** One to four random instructions, or bytes. */
function planCase(bits: Bits, random: Random): Planned | undefined {
  const all = FORMS.get(bits) ?? [];
  const kind = random.below(8);
  if (kind === 0) {
    const code = Array.from({ length: 15 }, () => random.below(256));
    return { test: { bits, profile: random.pick(PROFILES), seed: random.next(), code }, families: ['bytes'] };
  }
  const made = kind === 1 ? generateSequence(all, random) : generateCase(random.pick(all), random);
  return made && { test: made.test, families: made.instructions.map(({ row }) => row.family) };
}

/** The outcome; none of code that does not end, which the engines give up at different points. */
function outcome(runner: CaseRunner, test: TestCase): Outcome | undefined {
  try {
    return runner.run(test);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the case does not end')) return undefined;
    throw error;
  }
}

/** What is compared, as text. */
function parts(end: Outcome): Record<string, string> {
  const errorCode = end.vector === VECTOR_OF.PF ? end.errorCode & ~FETCH_OR_PRESENT : end.errorCode;
  const texts = { ...end, errorCode, fx: Buffer.from(end.fx).toString('hex') };
  const hex = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value);
  return Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, JSON.stringify(value, hex)]));
}

function describe({ bits, profile, seed, code }: TestCase): string {
  return `${bits}-bit code ${Buffer.from(code).toString('hex')}, profile ${profile}, state ${seed}`;
}

/** Runs cases on two engines and compares what they have done. */
export class Differential {
  readonly #interpreter = new InterpreterRunner();
  readonly #evaluator = new EvaluatorRunner();

  /** @throws {Finding} the engines differ */
  run(random: Random): CaseReport {
    const bits = random.pick(BITS);
    const families = new Map<string, number>();
    for (let n = 0; n < BATCH; n++) {
      const planned = planCase(bits, random);
      if (planned === undefined) continue;
      for (const family of planned.families) families.set(family, (families.get(family) ?? 0) + 1);
      this.#compare(planned.test);
    }
    return { mode: `both engines, ${bits}-bit`, retired: BATCH, families, handlers: 0 };
  }

  #compare(test: TestCase): void {
    const ends = [outcome(this.#interpreter, test), outcome(this.#evaluator, test)];
    if (ends[0] === undefined || ends[1] === undefined) return;
    const [interpreted, evaluated] = [parts(ends[0]), parts(ends[1])];
    const names = Object.keys(interpreted).filter((n) => interpreted[n] !== evaluated[n]);
    const lines = names.map((n) => `${n}: interpreter ${interpreted[n]}\n${n}: evaluator   ${evaluated[n]}`);
    expect(lines.length === 0, () => [describe(test), ...lines].join('\n'));
  }
}
