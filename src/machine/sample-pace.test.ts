import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './manual-clock.ts';
import { SamplePace } from './sample-pace.ts';

const RATE = 44_100;

test('samples taken when they are due do not drift', () => {
  const clock = new ManualClock();
  clock.advanceTo(12_345n);
  const pace = new SamplePace(clock);
  pace.begin();
  let taken = 0;
  for (let turn = 0; turn < 1000; turn++) {
    clock.advanceTo(pace.deadlineNanos(44, RATE));
    assert.equal(pace.due(RATE), 44);
    pace.take(44);
    taken += 44;
  }
  assert.equal(clock.nowNanos() - 12_345n, BigInt(Math.ceil((taken * 1e9) / RATE)));
});

test('a pace that is restored goes on', () => {
  const clock = new ManualClock();
  const [first, second] = [new SamplePace(clock), new SamplePace(clock)];
  clock.advanceTo(1_000_000_000n);
  first.take(100);
  second.restore(first.save());
  assert.equal(second.due(RATE), RATE - 100);
  second.begin();
  assert.equal(second.due(RATE), 0);
});
