import assert from 'node:assert/strict';
import { it } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { zstdFrameLength } from './zstd-frame.ts';

it('the length of a Zstandard frame is told whatever follows it', () => {
  const contents = [0, 1, 300, 70_000, 300_000].map((length) => new Uint8Array(length).map((_, i) => (i * i) >> 5));
  for (const content of [...contents, new Uint8Array(500_000)]) {
    for (const checksum of [0, 1]) {
      const frame = zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: checksum } });
      assert.equal(zstdFrameLength(Buffer.concat([frame, frame, Uint8Array.of(1, 2, 3)])), frame.length);
      assert.equal(zstdFrameLength(frame.subarray(0, -1)), undefined);
    }
  }
  assert.equal(zstdFrameLength(new Uint8Array(100)), undefined);
});
