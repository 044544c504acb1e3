import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../machine/manual-clock.ts';
import { TestNet } from '../machine/test-net.case.ts';
import { captured, pcapHeader } from './pcap.ts';

test('a capture has a header and every frame that was taken, with its time', () => {
  const [net, clock] = [new TestNet(), new ManualClock()];
  const pieces: Uint8Array[] = [];
  const port = captured(net, clock, 3_000_000_000n, (bytes) => pieces.push(bytes));
  const seen: Uint8Array[] = [];
  let hasRoom = true;
  port.onFrame((frame) => {
    if (hasRoom) seen.push(frame);
    return hasRoom;
  });
  clock.advanceTo(5n);
  assert.equal(port.send(Uint8Array.of(1, 2)), true);
  net.open = false;
  assert.equal(port.send(Uint8Array.of(9)), false);
  net.arrive(Uint8Array.of(3));
  hasRoom = false;
  net.arrive(Uint8Array.of(4));
  assert.deepEqual(seen, [Uint8Array.of(3)]);
  assert.deepEqual(
    pieces.map((bytes) => [...bytes]),
    [
      [3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 2],
      [3, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3],
    ],
  );
  assert.deepEqual([...pcapHeader().subarray(0, 8)], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
});
