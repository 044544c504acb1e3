import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteQueue } from './byte-queue.ts';

test('bytes leave in the order they came, across the end of the ring', () => {
  const queue = new ByteQueue(3);
  for (let i = 0; i < 10; i++) {
    assert.ok(queue.push(i));
    assert.ok(queue.push(i + 100));
    assert.equal(queue.shift(), i);
    assert.equal(queue.shift(), i + 100);
  }
  assert.equal(queue.shift(), undefined);
});

test('a full queue refuses bytes at both ends', () => {
  const queue = new ByteQueue(2);
  queue.load([1, 2, 3]);
  assert.equal(queue.push(9), false);
  assert.equal(queue.unshift(9), false);
  assert.equal(queue.space, 0);
  assert.deepEqual([...queue.toBytes()], [1, 2]);
});

test('a byte put back leaves first', () => {
  const queue = new ByteQueue(4);
  queue.push(2);
  queue.unshift(1);
  assert.deepEqual([...queue.toBytes()], [1, 2]);
  queue.clear();
  assert.equal(queue.length, 0);
});
