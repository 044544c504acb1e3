import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebAudio } from './web-audio.ts';

test('sound reaches every listener as it was, until it leaves', () => {
  const audio = new WebAudio();
  const heard: number[][] = [[], []];
  const [leave] = heard.map((samples) =>
    audio.attach({ send: (bytes) => samples.push(...new Int16Array(bytes.buffer)), waitingBytes: 0 }),
  );
  const samples = Int16Array.of(1, -2, 30000, -30000);
  audio.play(samples.subarray(0, 2));
  leave();
  audio.play(samples.subarray(2));
  samples.fill(0);
  assert.deepEqual(heard, [
    [1, -2],
    [1, -2, 30000, -30000],
  ]);
});

test('a listener whose connection is slow misses sound, and waits for no more than a tenth of a second of it', () => {
  const audio = new WebAudio();
  let waitingBytes = 0;
  audio.attach({
    send: (bytes) => {
      waitingBytes += bytes.length;
    },
    get waitingBytes() {
      return waitingBytes;
    },
  });
  const tenMillis = new Int16Array(480 * 2);
  for (let i = 0; i < 100; i++) audio.play(tenMillis);
  assert.equal(waitingBytes, 4800 * 4);
});
