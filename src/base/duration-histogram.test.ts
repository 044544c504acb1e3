import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DurationHistogram } from './duration-histogram.ts';

test('quantiles are at most an eighth above the true ones', () => {
  const histogram = new DurationHistogram();
  for (let n = 1; n <= 1000; n++) histogram.add(n / 100);
  for (const part of [0.5, 0.9, 0.99]) {
    const found = histogram.quantileMillis(part);
    assert.ok(found >= part * 10 && found <= part * 10 * 1.125, `${part}: ${found}`);
  }
  assert.equal(histogram.quantileMillis(1), 10);
  assert.equal(histogram.longestMillis, 10);
  assert.equal(histogram.count, 1000);
});

test('nothing has no duration', () => {
  assert.equal(new DurationHistogram().quantileMillis(0.99), 0);
});

test('what is too short to measure counts', () => {
  const histogram = new DurationHistogram();
  histogram.add(0);
  assert.equal(histogram.count, 1);
  assert.equal(histogram.quantileMillis(0.5), 0);
});
