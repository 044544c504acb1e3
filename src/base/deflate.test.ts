import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { gunzip, isGzip } from './deflate.ts';

const PLAIN = Uint8Array.from({ length: 5_000_000 }, (_, i) => i >> 8);

test('a gzip file is told and unpacked', async () => {
  const packed = new Uint8Array(gzipSync(PLAIN));
  assert.ok(isGzip(packed));
  assert.ok(!isGzip(PLAIN));
  assert.deepEqual(await gunzip(packed, PLAIN.length), PLAIN);
});

test('a gzip file that holds more than is allowed is refused', async () => {
  const packed = new Uint8Array(gzipSync(PLAIN));
  for (const most of [PLAIN.length - 1, 100]) await assert.rejects(gunzip(packed, most), /more than \d+ bytes/);
});

test('a damaged gzip file is refused', async () => {
  const packed = new Uint8Array(gzipSync(PLAIN));
  packed[packed.length - 6] ^= 1;
  await assert.rejects(gunzip(packed, PLAIN.length), TypeError);
  await assert.rejects(gunzip(packed.slice(0, -20), PLAIN.length), TypeError);
});
