import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataRect, UpdateWriter } from './update-message.ts';

const RECT = { x: 1, y: 2, width: 3, height: 4 };
const HEAD = [0, 1, 0, 2, 0, 3, 0, 4];

test('an update tells how many rectangles there are, and of each the place, the encoding and the data', () => {
  const rects = [dataRect(RECT, 1, Uint8Array.of(7, 8)), dataRect(RECT, -239)];
  const expected = [0, 0, 0, 2, ...HEAD, 0, 0, 0, 1, 7, 8, ...HEAD, 0xff, 0xff, 0xff, 0x11];
  assert.deepEqual([...new UpdateWriter().write(rects)], expected);
});

test('the memory of an update is used again once it is released, and not before', () => {
  const updates = new UpdateWriter();
  const first = updates.write([dataRect(RECT, 0, new Uint8Array(100))]);
  const second = updates.write([dataRect(RECT, 0, new Uint8Array(10).fill(1))]);
  assert.notEqual(second.buffer, first.buffer);
  updates.release(first);
  updates.release(second);
  const third = updates.write([dataRect(RECT, 0, new Uint8Array(50).fill(2))]);
  assert.equal(third.buffer, first.buffer);
  assert.deepEqual([...third.subarray(16)], Array(50).fill(2));
  const fourth = updates.write([dataRect(RECT, 0, new Uint8Array(50).fill(3))]);
  assert.notEqual(fourth.buffer, first.buffer);
});
