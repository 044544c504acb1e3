import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalText } from './canonical-text.ts';
import { Hash64 } from './hash64.ts';

const hashOf = (...bytes: number[]) => new Hash64().add(Uint8Array.from(bytes)).value;

test('a hash is the same on every host', () => {
  assert.equal(new Hash64().value, 0xe9794d13fc5af175n);
  assert.equal(new Hash64().addText('vitrine').value, 0xf0f0e590e3b6add1n);
});

test('bytes, their order and their number make a difference', () => {
  const inputs = [[], [0], [0, 0], [0, 0, 0, 0], [1, 2, 3, 4, 5], [1, 2, 3, 5, 4], [5, 2, 3, 4, 1]];
  assert.equal(new Set(inputs.map((bytes) => hashOf(...bytes))).size, inputs.length);
});

test('where bytes lie in memory makes none', () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => i * 7);
  for (const offset of [1, 2, 3, 4]) {
    const moved = new Uint8Array(50).subarray(offset, offset + 40);
    moved.set(bytes);
    assert.equal(new Hash64().add(moved).value, new Hash64().add(bytes).value);
  }
});

test('equal records have equal texts, whatever the order of their fields', () => {
  const one = { a: 1, b: [2n, 'x', null, true], c: { d: Uint8Array.of(3, 4) }, absent: undefined };
  const other = { c: { d: Uint8Array.of(3, 4) }, b: [2n, 'x', null, true], a: 1 };
  assert.equal(canonicalText(one), canonicalText(other));
});

test('values that differ in kind alone have different texts', () => {
  const values = [1, 1n, '1', '1n', true, 'true', null, [1], { 1: 1 }, Uint8Array.of(1)];
  assert.equal(new Set(values.map(canonicalText)).size, values.length);
  assert.throws(() => canonicalText(new Map()), TypeError);
});
