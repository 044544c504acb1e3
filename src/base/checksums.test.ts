import assert from 'node:assert/strict';
import { it } from 'node:test';
import { crc32 as reference } from 'node:zlib';
import { crc32, crc32c } from './checksums.ts';

const DIGITS = new TextEncoder().encode('123456789');

it('the CRCs of the digits are those of the catalogues', () => {
  assert.equal(crc32(DIGITS), 0xcbf43926);
  assert.equal(crc32c(DIGITS), 0xe3069283);
});

it('a CRC-32 is that of zlib, of any length, begin and part', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * i) >> 3);
  for (const [from, to] of [
    [0, 0],
    [0, 7],
    [1, 8],
    [3, 20],
    [5, 8197],
    [0, 8192],
    [7, 20_000],
  ] as const) {
    const part = bytes.subarray(from, to);
    assert.equal(crc32(part), reference(part));
    assert.equal(crc32(bytes.subarray(to), crc32(part)), reference(bytes.subarray(from)));
  }
});
