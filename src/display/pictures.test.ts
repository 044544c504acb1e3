import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import type { Frame } from './interfaces.ts';
import { encodePng, encodePpm } from './pictures.ts';

const FRAME: Frame = { width: 2, height: 2, pixels: Uint32Array.of(0xff0000ff, 0xff00ff00, 0xffff0000, 0xff123456) };
const RGB = [255, 0, 0, 0, 255, 0, 0, 0, 255, 0x56, 0x34, 0x12];

test('a PPM has the pixels behind its header', () => {
  const bytes = encodePpm(FRAME);
  const header = new TextEncoder().encode('P6\n2 2\n255\n');
  assert.deepEqual([...bytes], [...header, ...RGB]);
});

test('a PNG has chunks with the picture as filtered rows', async () => {
  const bytes = await encodePng(FRAME);
  const view = new DataView(bytes.buffer);
  assert.deepEqual([...bytes.subarray(1, 4)], [0x50, 0x4e, 0x47]);
  assert.deepEqual([view.getUint32(16), view.getUint32(20), bytes[24], bytes[25]], [2, 2, 8, 2]);
  assert.equal(view.getUint32(29), 0xfdd49a73, 'the CRC-32 of this header');
  const rows = inflateSync(bytes.subarray(41, 41 + view.getUint32(33)));
  const second = RGB.slice(6).map((value, i) => (value - RGB[i]) & 0xff);
  assert.deepEqual([...rows], [2, ...RGB.slice(0, 6), 2, ...second]);
});
