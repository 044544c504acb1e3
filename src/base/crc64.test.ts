import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Crc64 } from './crc64.ts';

const DIGITS = new TextEncoder().encode('123456789');

it('the CRC-64 of the digits is that of the catalogues', () => {
  assert.equal(new Crc64().add(DIGITS).value, 0x995dc9bbdf1939fan);
  assert.equal(new Crc64().value, 0n);
});

it('a CRC-64 is the same in pieces, wherever they begin', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * i) >> 3);
  const { value } = new Crc64().add(bytes);
  for (const cut of [0, 1, 2, 3, 4, 5, 8191, 8192, 8193, 19_999])
    assert.equal(new Crc64().add(bytes.subarray(0, cut)).add(bytes.subarray(cut)).value, value);
});
