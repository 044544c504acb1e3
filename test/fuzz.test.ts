import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAMILIES } from './fuzz/instructions.ts';
import { runFuzz } from './fuzz/run-fuzz.ts';

/** CI and those who have time set VITRINE_FUZZ_SECONDS. */
const SECONDS = Number(process.env.VITRINE_FUZZ_SECONDS ?? 20);
const SEED = 20260128;
/** Cases of a planted fault that are enough to find it, on any machine. */
const PLANT_SECONDS = 120;

test('hostile code breaks neither the processor nor the PC, and two engines agree about it', async () => {
  const { findings, cases, families } = await runFuzz({ seconds: SECONDS, seed: SEED });
  assert.deepEqual(findings, []);
  assert.ok(cases > 0);
  assert.deepEqual(
    FAMILIES.filter((family) => families.get(family) === 0),
    [],
  );
});

/** Cases that once found something. */
const KNOWN = [
  // A switch of tasks that shuts the processor down counted when it had to wait for a page, and did not otherwise.
  { seed: 20261123, only: 3446 },
];

for (const { seed, only } of KNOWN) {
  test(`case ${only} of seed ${seed} finds nothing any more`, async () => {
    const { findings, cases } = await runFuzz({ seconds: PLANT_SECONDS, seed, only });
    assert.deepEqual(findings, []);
    assert.equal(cases, 1);
  });
}

test('an engine that adds wrongly is found', async () => {
  const { findings } = await runFuzz({ seconds: PLANT_SECONDS, seed: SEED, plant: 'adc', stopAtFinding: true });
  assert.match(findings[0]?.text ?? '', /interpreter .*\n.*evaluator/);
});

test('an error that escapes from the processor is found with the case that has it', async () => {
  const { findings } = await runFuzz({ seconds: PLANT_SECONDS, seed: SEED, plant: 'throw', stopAtFinding: true });
  assert.match(findings[0]?.text ?? '', /a fault that was planted/);
  assert.match(findings[0]?.reproduce ?? '', new RegExp(`^--seed ${SEED} --case \\d+`));
});
