import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FEATURES } from './cpuid.ts';
import { ROWS } from './rows.ts';

test('CPUID has a bit for every feature that a row names', () => {
  const names = new Set(FEATURES.map(({ name }) => name));
  const missing = ROWS.filter(({ feature }) => feature !== '' && !names.has(feature));
  assert.deepEqual(
    missing.map(({ text }) => text),
    [],
  );
});

test('no two features share a name or a bit', () => {
  const bits = FEATURES.map(({ leaf, subleaf, register, bit }) => `${leaf}.${subleaf}.${register}.${bit}`);
  assert.equal(new Set(bits).size, FEATURES.length);
  assert.equal(new Set(FEATURES.map(({ name }) => name)).size, FEATURES.length);
});
