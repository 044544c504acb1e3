import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SoundQueue } from './sound-queue.ts';

/** Stereo whose left samples count from `first` on, the right ones their negatives. */
function counting(first: number, frames: number): Int16Array {
  return Int16Array.from({ length: frames * 2 }, (_, i) => (i % 2 ? -1 : 1) * (first + (i >> 1)));
}

/** The next samples of the left channel, as they were. */
function pull(queue: SoundQueue, frames: number): number[] {
  const [left, right] = [new Float32Array(frames), new Float32Array(frames)];
  queue.pull(left, right);
  assert.deepEqual(
    [...right],
    [...left].map((sample) => 0 - sample),
  );
  return [...left].map((sample) => sample * 0x8000);
}

const count = (first: number, frames: number) => Array.from({ length: frames }, (_, i) => first + i);

test('sound is played in order once enough has been gathered', () => {
  const queue = new SoundQueue();
  queue.push(counting(1, 1000));
  assert.deepEqual(pull(queue, 128), new Array(128).fill(0));
  queue.push(counting(1001, 1400));
  assert.deepEqual(pull(queue, 128), count(1, 128));
  assert.deepEqual(pull(queue, 2000), count(129, 2000));
});

test('when nothing is left there is silence until enough has been gathered again', () => {
  const queue = new SoundQueue();
  queue.push(counting(1, 2400));
  assert.deepEqual(pull(queue, 2500), [...count(1, 2400), ...new Array(100).fill(0)]);
  queue.push(counting(5000, 128));
  assert.deepEqual(pull(queue, 128), new Array(128).fill(0));
  queue.push(counting(5128, 2400));
  assert.deepEqual(pull(queue, 128), count(5000, 128));
});

test('a short sound is played too', () => {
  const queue = new SoundQueue();
  queue.push(counting(1, 10));
  for (let pulled = 128; pulled < 2400; pulled += 128) assert.deepEqual(pull(queue, 128), new Array(128).fill(0));
  assert.deepEqual(pull(queue, 128).slice(0, 11), [...count(1, 10), 0]);
});

test('of what is too much the oldest is dropped', () => {
  const queue = new SoundQueue();
  queue.push(counting(1, 3000));
  queue.push(counting(3001, 3000));
  assert.deepEqual(pull(queue, 3), [1201, 1202, 1203]);
  queue.push(counting(10_000, 9000));
  assert.deepEqual(pull(queue, 4801), [...count(14_200, 4800), 0]);
});
