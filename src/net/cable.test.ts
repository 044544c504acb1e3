import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameReceiver } from '../machine/interfaces.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import { badCable, type CableOptions } from './cable.ts';

const FRAMES = 1000;

/** @returns a cable, and how many frames have come out of its ends */
function setUp(options: CableOptions) {
  const clock = new ManualClock();
  const seen = { near: 0, far: 0 };
  let fromFar: FrameReceiver = () => {};
  const far = {
    send: () => ++seen.far > 0,
    onFrame: (receive: FrameReceiver) => {
      fromFar = receive;
    },
  };
  const near = badCable(far, clock, options, 1n);
  near.onFrame(() => void seen.near++);
  return { clock, seen, near, sendFromFar: (frame: Uint8Array) => fromFar(frame) };
}

test('a bad cable delays frames of both directions', () => {
  const { clock, seen, near, sendFromFar } = setUp({ delayMillis: 50 });
  near.send(testFrame(BROADCAST, 60));
  sendFromFar(testFrame(BROADCAST, 60));
  clock.advanceTo(49_000_000n);
  assert.deepEqual(seen, { near: 0, far: 0 });
  clock.advanceTo(51_000_000n);
  assert.deepEqual(seen, { near: 1, far: 1 });
});

test('a bad cable loses its share of the frames of both directions', () => {
  const { seen, near, sendFromFar } = setUp({ loss: 0.1 });
  for (let count = 0; count < FRAMES; count++) {
    near.send(testFrame(BROADCAST, 60));
    sendFromFar(testFrame(BROADCAST, 60));
  }
  for (const count of [seen.near, seen.far]) assert.ok(count > 0.85 * FRAMES && count < 0.95 * FRAMES, `${count}`);
});
