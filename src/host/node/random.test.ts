import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomSeed } from './random.ts';

test('seeds have 64 bits that differ each time', () => {
  const seeds = Array.from({ length: 64 }, randomSeed);
  assert.equal(new Set(seeds).size, seeds.length);
  assert.ok(seeds.some((seed) => seed >= 1n << 62n) && seeds.every((seed) => seed >= 0n && seed < 1n << 64n));
});
