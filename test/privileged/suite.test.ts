import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Case, type Result, readResults } from './cases.ts';
import { FAULT_CASES } from './cases-faults.ts';
import { PAGING_CASES } from './cases-paging.ts';
import { TRANSFER_CASES } from './cases-transfers.ts';
import { DISAGREEMENTS, NOT_YET } from './disagreements.ts';
import { differences, type Image, image32 } from './image.ts';
import { runOnInterpreter } from './run-interpreter.ts';
import { runOnQemu } from './run-qemu.ts';

const CASES: readonly Case[] = [...FAULT_CASES, ...TRANSFER_CASES, ...PAGING_CASES];

function resultsOf(output: string): Map<number, Result> {
  return new Map(readResults(output).map((result) => [result.number, result]));
}

function differenceOf(image: Image, results: ReadonlyMap<number, Result>, number: number): string {
  const result = results.get(number);
  return result ? differences(image, result) : 'it does not end';
}

describe('privileged suite on the interpreter', () => {
  const image = image32(CASES);
  const results = resultsOf(runOnInterpreter(image));
  for (const [number, { name, place }] of CASES.entries()) {
    it(`${place}: ${name}`, { todo: NOT_YET[name] }, () => {
      assert.equal(differenceOf(image, results, number), '');
    });
  }

  it('has no two cases of one name', () => {
    assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length);
  });
});

describe('privileged suite under QEMU', () => {
  const cases = CASES.filter(({ name }) => !DISAGREEMENTS[name]?.leftOut);
  const image = image32(cases);
  const output = runOnQemu(image, 'qemu-system-i386');

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
