import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onesSum } from '../base/checksums.ts';
import { completeChecksum, hasValidChecksum, segmentTcp } from './net-offload.ts';

/** An Ethernet frame with IPv4 or IPv6, TCP with FIN, PSH, ACK and CWR, and `length` bytes of payload. */
function tcpFrame(version: 4 | 6, length: number, tag: number[] = []): Uint8Array {
  const total = (version === 4 ? 40 : 60) + length;
  const ip =
    version === 4
      ? [0x45, 0, total >> 8, total, 0, 9, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]
      : [0x60, 0, 0, 0, (total - 40) >> 8, total - 40, 6, 64, ...new Array(31).fill(0xfe), 1];
  const tcp = [0, 80, 0, 81, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0x50, 0x99, 1, 0, 0, 0, 0, 0];
  const type = version === 4 ? [8, 0] : [0x86, 0xdd];
  const data = Array.from({ length }, (_, i) => i * 7);
  return Uint8Array.from([...new Array(12).fill(2), ...tag, ...type, ...ip, ...tcp, ...data]);
}

test('the sum is that of RFC 1071, with a byte of zeros behind an odd end', () => {
  assert.equal(onesSum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8), 0xddf2);
  assert.equal(onesSum(Uint8Array.of(0x12, 0x34, 0x56), 0, 3), 0x6834);
});

for (const [what, version, tag] of [
  ['IPv4', 4, []],
  ['IPv6', 6, []],
  ['tagged IPv4', 4, [0x81, 0, 0, 5]],
] as const) {
  test(`a large ${what} segment is cut into valid frames with the same payload`, () => {
    const frame = tcpFrame(version, 3001, [...tag]);
    const headers = frame.length - 3001;
    const parts = segmentTcp(frame, 1000);
    assert.deepEqual(
      parts.map((part) => part.length - headers),
      [1000, 1000, 1000, 1],
    );
    assert.ok(parts.every(hasValidChecksum));
    const payload = parts.flatMap((part) => [...part.subarray(headers)]);
    assert.deepEqual(payload, [...frame.subarray(headers)]);
    const tcp = headers - 20;
    const sequence = parts.map((part) => new DataView(part.buffer).getUint32(tcp + 4));
    assert.deepEqual(sequence, [0xffffff00, 0x2e8, 0x6d0, 0xab8]);
    assert.deepEqual(
      parts.map((part) => part[tcp + 13]),
      [0x90, 0x10, 0x10, 0x19],
    );
  });
}

test('identifications of IPv4 count up and header sums are right', () => {
  for (const [index, part] of segmentTcp(tcpFrame(4, 50), 20).entries()) {
    assert.equal(part[19], 9 + index);
    assert.equal(onesSum(part, 14, 34), 0xffff);
  }
});

test('what is no TCP comes back as it is', () => {
  for (const bytes of [[], [1, 2, 3], new Array(60).fill(0)]) {
    const frame = Uint8Array.from(bytes);
    assert.deepEqual(segmentTcp(frame, 100), [frame]);
    assert.equal(hasValidChecksum(frame), false);
  }
  const cut = tcpFrame(4, 100).subarray(0, 40);
  assert.deepEqual(segmentTcp(cut, 10), [cut]);
  assert.equal(segmentTcp(tcpFrame(4, 100), 0).length, 1);
});

test('a checksum is completed where the driver says, and nowhere else', () => {
  const frame = Uint8Array.of(9, 9, 0x12, 0x34, 0, 0);
  completeChecksum(frame, 2, 4);
  assert.deepEqual([...frame], [9, 9, 0x12, 0x34, 0xed, 0xcb]);
  completeChecksum(frame, 2, 5);
  assert.deepEqual([...frame], [9, 9, 0x12, 0x34, 0xed, 0xcb]);
});
