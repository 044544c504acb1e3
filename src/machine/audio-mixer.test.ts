import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AudioMixer } from './audio-mixer.ts';

const RATE = 1000;

function setUp() {
  const played: number[] = [];
  const mixer = new AudioMixer({ rateHz: RATE, play: (samples) => played.push(...samples) });
  return { mixer, played };
}

/** Frames that say the same on both sides. */
const both = (...values: number[]) => Int16Array.from(values.flatMap((value) => [value, value]));
const lefts = (samples: readonly number[]) => samples.filter((_, i) => i % 2 === 0);

test('one voice at the rate of the sink is passed on a frame late', () => {
  const { mixer, played } = setUp();
  const voice = mixer.voice();
  voice.play(Int16Array.of(100, -100, 200, -200, 300, -300), RATE);
  assert.deepEqual(played, [0, 0, 100, -100, 200, -200]);
});

test('sound of half the rate is interpolated', () => {
  const { mixer, played } = setUp();
  mixer.voice().play(both(100, 200), RATE / 2);
  assert.deepEqual(lefts(played), [0, 50, 100, 150]);
});

test('sound of twice the rate is thinned out', () => {
  const { mixer, played } = setUp();
  mixer.voice().play(both(1, 2, 3, 4, 5, 6), RATE * 2);
  assert.equal(lefts(played).length, 3);
});

test('the pieces that sound comes in make no difference', () => {
  const [whole, pieces] = [setUp(), setUp()];
  const frames = both(...Array.from({ length: 100 }, (_, i) => Math.round(1000 * Math.sin(i))));
  whole.mixer.voice().play(frames, 739);
  const voice = pieces.mixer.voice();
  for (let at = 0; at < frames.length; at += 14) voice.play(frames.subarray(at, at + 14), 739);
  assert.deepEqual(pieces.played, whole.played);
});

test('two voices are added up and clipped', () => {
  const { mixer, played } = setUp();
  const [one, other] = [mixer.voice(), mixer.voice()];
  other.play(both(0), RATE);
  one.play(both(20000, 20000, -20000, 0), RATE);
  other.play(both(10000, 20000, -20000, 0), RATE);
  assert.deepEqual(lefts(played), [0, 0, 30000, 32767, -32768]);
});

test('a voice that stopped is not waited for', () => {
  const { mixer, played } = setUp();
  const [one, other] = [mixer.voice(), mixer.voice()];
  one.play(both(1, 1), RATE);
  other.play(both(2), RATE);
  other.play(both(2, 2), RATE);
  one.stop();
  assert.equal(lefts(played).length, 2 + 3);
});

test('a voice that plays nothing holds the others up for a quarter of a second', () => {
  const { mixer, played } = setUp();
  const [one, other] = [mixer.voice(), mixer.voice()];
  one.play(both(1), RATE);
  const before = lefts(played).length;
  other.play(both(...new Array<number>(1000).fill(5)), RATE);
  assert.equal(lefts(played).length, before + 1000 - 250);
});
