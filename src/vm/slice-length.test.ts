import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLICE_MILLIS, SliceLength } from './slice-length.ts';

/** Runs slices at a speed, in instructions a second. */
function runSlices(slice: SliceLength, speed: number): void {
  for (let n = 0; n < 100; n++) slice.ran(slice.instructions, (slice.instructions / speed) * 1e9);
}

test('a slice comes to last as long as it should', () => {
  const slice = new SliceLength();
  runSlices(slice, 1e9);
  assert.ok(Math.abs(slice.instructions - SLICE_MILLIS * 1e6) < 10);
});

test('a slice that has become the shortest grows again', () => {
  const slice = new SliceLength();
  runSlices(slice, 100);
  assert.equal(slice.instructions, 1000);
  runSlices(slice, 1e8);
  assert.ok(Math.abs(slice.instructions - SLICE_MILLIS * 1e5) < 10);
});

test('a run that ended at once says nothing', () => {
  const slice = new SliceLength();
  const before = slice.instructions;
  slice.ran(10, 1e6);
  assert.equal(slice.instructions, before);
});
