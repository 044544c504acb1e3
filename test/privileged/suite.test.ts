import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Result, readResults } from './cases.ts';
import { DISAGREEMENTS } from './disagreements.ts';
import { HALVES } from './halves.ts';
import { differences, type Image } from './image.ts';
import { handlersFor, runOnEngine } from './run-engine.ts';
import { runOnQemu } from './run-qemu.ts';

function resultsOf(output: string): Map<number, Result> {
  return new Map(readResults(output).map((result) => [result.number, result]));
}

function differenceOf(image: Image, results: ReadonlyMap<number, Result>, number: number): string {
  const result = results.get(number);
  return result ? differences(image, result) : 'it does not end';
}

/** Handlers made anew and kept ones, translation at first sight, and of what is entered again and again. */
const ENGINES = [
  { engine: 'the interpreter' },
  { engine: 'handlers that were kept', keeps: true },
  { engine: 'code translated at once', jit: { hotAfter: 0 } },
  { engine: 'code translated when hot', jit: { hotAfter: 3 } },
];

for (const half of HALVES) {
  for (const { engine, jit, keeps } of ENGINES) {
    describe(`privileged suite of ${half.name} on ${engine}`, async () => {
      const image = half.image(half.cases);
      const handlers = keeps ? await handlersFor(image) : undefined;
      const results = resultsOf(runOnEngine(image, jit, handlers));
      for (const [number, { name, place }] of half.cases.entries()) {
        it(`${place}: ${name}`, () => {
          assert.equal(differenceOf(image, results, number), '');
        });
      }
    });
  }

  describe(`privileged suite of ${half.name}`, () => {
    it('has no two cases of one name', () => {
      assert.equal(new Set(half.cases.map(({ name }) => name)).size, half.cases.length);
    });
  });

  describe(`privileged suite of ${half.name} under QEMU`, () => {
    const cases = half.cases.filter(({ name }) => !DISAGREEMENTS[name]?.leftOut);
    const image = half.image(cases);
    const output = runOnQemu(image, half.qemu);

    it('ends every case as the manual says, but for the disagreements listed', { skip: output === undefined }, () => {
      const results = resultsOf(output ?? '');
      const differing = cases
        .map(({ name }, number) => ({ name, difference: differenceOf(image, results, number) }))
        .filter(({ difference }) => difference !== '');
      const unlisted = differing.filter(({ name }) => !DISAGREEMENTS[name]);
      assert.deepEqual(unlisted, []);
      const names = new Set(differing.map(({ name }) => name));
      const needless = cases.filter(({ name }) => DISAGREEMENTS[name] && !names.has(name)).map(({ name }) => name);
      assert.deepEqual(needless, [], 'disagreements that do not occur');
    });
  });
}
