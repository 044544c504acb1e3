import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multicastHash } from './multicast-hash.ts';

/** The CRC-32 of Ethernet, made the usual way: reflected. Its bits are those of the filter's in reverse. */
function reflectedCrc(bytes: readonly number[]): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return crc >>> 0;
}

test('the bit is made of the first six bits of the CRC as they go over the wire', () => {
  for (const address of [
    [1, 0, 0x5e, 0, 0, 1],
    [0x33, 0x33, 0xff, 0x12, 0x34, 0x56],
    [1, 0x80, 0xc2, 0, 0, 0],
  ]) {
    const crc = reflectedCrc(address);
    const first = [0, 1, 2, 3, 4, 5].reduce((value, bit) => value * 2 + ((crc >>> bit) & 1), 0);
    assert.equal(multicastHash(Uint8Array.from(address)), first);
  }
});
