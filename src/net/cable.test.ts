import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameReceiver } from '../machine/interfaces.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import { type CableOptions, cableTo } from './cable.ts';
import { ETHERTYPE, get16, put16 } from './ethernet.ts';

const FRAMES = 1000;

/** @returns a cable, and how many frames have come out of its ends */
function setUp(options: CableOptions) {
  const clock = new ManualClock();
  const seen = { near: 0, far: 0 };
  const last = { near: 0, far: 0 };
  let fromFar: FrameReceiver = () => {};
  const far = {
    send(frame: Uint8Array) {
      last.far = typeAt12(frame);
      return ++seen.far > 0;
    },
    onFrame: (receive: FrameReceiver) => {
      fromFar = receive;
    },
  };
  const near = cableTo(far, clock, options, 1n);
  near.onFrame((frame) => {
    last.near = typeAt12(frame);
    seen.near++;
  });
  return { clock, seen, last, near, sendFromFar: (frame: Uint8Array) => fromFar(frame) };
}

/** A frame's type, or the VLAN of its tag. */
function typeAt12(frame: Uint8Array): number {
  const type = get16(frame, 12);
  return type === ETHERTYPE.vlan ? get16(frame, 14) : type;
}

/** A frame with a tag. */
function taggedFrame(vlan: number): Uint8Array {
  const frame = testFrame(BROADCAST, 64);
  put16(frame, 12, ETHERTYPE.vlan);
  put16(frame, 14, vlan);
  put16(frame, 16, 0x88b5);
  return frame;
}

test('a cable to a VLAN puts its tag on, takes it off, and keeps others out', () => {
  const { seen, last, near, sendFromFar } = setUp({ vlan: 10, tagged: [20] });
  near.send(testFrame(BROADCAST, 60));
  assert.equal(last.far, 10);
  near.send(taggedFrame(20));
  assert.equal(last.far, 20);
  near.send(taggedFrame(30));
  assert.equal(seen.far, 2);
  sendFromFar(taggedFrame(10));
  assert.equal(last.near, 0x88b5);
  sendFromFar(taggedFrame(20));
  assert.equal(last.near, 20);
  sendFromFar(taggedFrame(30));
  sendFromFar(testFrame(BROADCAST, 60));
  assert.equal(seen.near, 2);
});

test('a cable to no VLAN carries frames without tags alone', () => {
  const { seen, near, sendFromFar } = setUp({});
  near.send(taggedFrame(10));
  sendFromFar(taggedFrame(10));
  assert.deepEqual(seen, { near: 0, far: 0 });
  near.send(testFrame(BROADCAST, 60));
  assert.deepEqual(seen, { near: 0, far: 1 });
});

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
