import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { Timers } from '../timers.ts';
import { Sender } from './sender.ts';

const MSS = 1000;

/** @returns a sender, and the lengths of what it sends */
function setUp() {
  const clock = new ManualClock();
  const link = { hasRoom: true, sent: [] as number[], gaveUp: false };
  const wire = {
    get hasRoom() {
      return link.hasRoom;
    },
    transmit: (_sequence: number, _offset: number, length: number) => void link.sent.push(length),
    gaveUp: () => {
      link.gaveUp = true;
    },
  };
  const sender = new Sender(wire, new Timers(clock), { first: 1, mss: MSS, window: 100_000 });
  const wait = (millis: number) => clock.advanceTo(clock.nowNanos() + BigInt(millis) * 1_000_000n);
  return { sender, link, wait };
}

it('neither sends nor slows down while the link has no room, and goes on when it has', () => {
  const { sender, link, wait } = setUp();
  sender.write(new Uint8Array(20 * MSS), MSS);
  assert.deepEqual(link.sent, new Array(10).fill(MSS));
  link.hasRoom = false;
  wait(10_000);
  assert.equal(link.sent.length, 10);
  link.hasRoom = true;
  sender.acknowledge(1 + 10 * MSS, 100_000, [], true);
  sender.pump(MSS);
  assert.deepEqual(link.sent, new Array(20).fill(MSS));
});

it('sends what was lost once more when the link has room again', () => {
  const { sender, link, wait } = setUp();
  sender.write(new Uint8Array(MSS), MSS);
  link.hasRoom = false;
  wait(1000);
  link.hasRoom = true;
  sender.pump(MSS);
  sender.pump(MSS);
  assert.deepEqual(link.sent, [MSS, MSS]);
});

it('gives up in the end where the link never has room again', () => {
  const { sender, link, wait } = setUp();
  link.hasRoom = false;
  sender.write(new Uint8Array(MSS), MSS);
  for (let minute = 0; minute < 20; minute++) wait(60_000);
  assert.deepEqual([link.sent, link.gaveUp], [[], true]);
});
