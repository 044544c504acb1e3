import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MemoryStore } from '../src/cpu/memory-store.case.ts';
import { EvaluatorRunner, InterpreterRunner } from './oracle/engines.ts';
import { describe, judge } from './oracle/judge.ts';
import { readVectorFile, type Vector } from './oracle/vectors.ts';

const VECTORS = new URL('vectors/', import.meta.url);
/** The evaluator is slow: it does every so many cases, at a place that changes from file to file. */
const EVALUATOR_SHARE = 10;
/** Each case is compiled on its own: every so many cases are enough for a test. All of them: VITRINE_JIT_SHARE=1. */
const JIT_SHARE = Number(process.env.VITRINE_JIT_SHARE ?? 8);
const NOT_TRANSLATED = 'segments with a base are interpreted';
/** Differences told for a file. */
const SHOWN = 5;

const files = readdirSync(VECTORS).map((name) => ({ name, ...readVectorFile(readFileSync(new URL(name, VECTORS))) }));

function assertAgreement(runner: EvaluatorRunner | InterpreterRunner, vectors: readonly Vector[]): void {
  const wrong: string[] = [];
  for (const vector of vectors) {
    const found = judge(runner, vector);
    if (found.length > 0) wrong.push(`${describe(vector.test)}: ${found.join('; ')}`);
  }
  assert.equal(wrong.length, 0, `${wrong.length} differ:\n${wrong.slice(0, SHOWN).join('\n')}`);
}

test('at least 100,000 recorded cases tell what a processor did', () => {
  const count = files.reduce((sum, { vectors }) => sum + vectors.length, 0);
  assert.ok(count >= 100_000, `${count} cases`);
});

test('every user-mode family is recorded in 16-, 32- and 64-bit code', () => {
  const names = new Set(files.map(({ name }) => name));
  for (const family of ['alu', 'data', 'shift', 'bits', 'control', 'stack', 'string', 'x87', 'mmx', 'sse', 'sse2']) {
    for (const bits of [16, 32, 64]) assert.ok(names.has(`${family}-${bits}`), `${family}-${bits}`);
  }
});

const store = new MemoryStore();
const interpreter = new InterpreterRunner(undefined, store);
for (const { name, processor, vectors } of files) {
  test(`the interpreter does what ${processor} did: ${name}`, () => assertAgreement(interpreter, vectors));
}

test('handlers that were made for all cases can be kept', async () => {
  await interpreter.keepHandlers();
  assert.ok((store.kept?.length ?? 0) > 0);
});

const MANY_HANDLERS = 1000;

function takeOver(): InterpreterRunner {
  const runner = new InterpreterRunner(undefined, store);
  assert.ok(runner.handlerCount > MANY_HANDLERS);
  return runner;
}

let kept: InterpreterRunner | undefined;
for (const { name, processor, vectors } of files) {
  test(`handlers that were kept do what ${processor} did: ${name}`, () => {
    kept ??= takeOver();
    assertAgreement(kept, vectors);
  });
}

const jit = new InterpreterRunner({ hotAfter: 0 });
for (const [at, { name, processor, vectors }] of files.entries()) {
  const share = vectors.filter((_, i) => i % JIT_SHARE === at % JIT_SHARE);
  test(`translated code does what ${processor} did: ${name}`, { skip: name.endsWith('-16') && NOT_TRANSLATED }, () =>
    assertAgreement(jit, share),
  );
}

const evaluator = new EvaluatorRunner();
for (const [at, { name, processor, vectors }] of files.entries()) {
  const share = vectors.filter((_, i) => i % EVALUATOR_SHARE === at % EVALUATOR_SHARE);
  test(`the evaluator does what ${processor} did: ${name}`, () => assertAgreement(evaluator, share));
}

test('a wrong flag, register or byte of memory is noticed', () => {
  const file = files.find(({ name }) => name === 'alu-64');
  const vector = file?.vectors.find(({ outcome }) => outcome.vector === 3 && outcome.memory.length > 0);
  assert.ok(vector);
  const { outcome } = vector;
  const changed = (change: Partial<Vector['outcome']>): Vector => ({ ...vector, outcome: { ...outcome, ...change } });
  assert.deepEqual(judge(interpreter, vector), []);
  assert.notDeepEqual(judge(interpreter, changed({ flags: outcome.flags ^ 1 })), []);
  assert.notDeepEqual(judge(interpreter, changed({ gpr: outcome.gpr.map((value) => value ^ 1n) })), []);
  assert.notDeepEqual(judge(interpreter, changed({ memory: outcome.memory.slice(1) })), []);
});
