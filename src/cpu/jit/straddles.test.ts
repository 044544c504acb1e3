import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Straddles } from './straddles.ts';

const OFTEN = 4096;

function noteOften(straddles: Straddles, header: number, times: number, nowMs: number): number {
  let said = 0;
  for (let i = 0; i < times; i++) if (straddles.note(header, nowMs)) said++;
  return said;
}

test('a block that is often found in two pages within a short time is told once', () => {
  const straddles = new Straddles();
  assert.equal(noteOften(straddles, 64, OFTEN - 1, 1000), 0);
  assert.equal(noteOften(straddles, 96, 1, 1000), 0, 'blocks are counted apart');
  assert.equal(noteOften(straddles, 64, 100, 1010), 1);
});

test('a block that is seldom found in two pages is never told', () => {
  const straddles = new Straddles();
  for (let second = 1; second < 10; second++) assert.equal(noteOften(straddles, 64, OFTEN / 2, second * 1000), 0);
});
