import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CapturableDisk } from './disk-capture.ts';
import type { BlockDevice } from './interfaces.ts';
import { CHUNK_BYTES } from './memory-capture.ts';

const SIZE = 3 * CHUNK_BYTES + 512;

/** A disk in memory that takes a turn for each request. */
function makeDisk(): { device: BlockDevice; bytes: Uint8Array } {
  const bytes = new Uint8Array(SIZE);
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const device: BlockDevice = {
    sizeBytes: SIZE,
    readOnly: false,
    read: async (offset, target) => {
      await turn();
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write: async (offset, source) => {
      await turn();
      bytes.set(source, offset);
    },
    flush: async () => {},
    discard: async (offset, length) => void bytes.fill(0, offset, offset + length),
    close: async () => {},
  };
  return { device, bytes };
}

test('a captured disk is read as it was though it is written and discarded meanwhile', async () => {
  const { device, bytes } = makeDisk();
  bytes.fill(1, CHUNK_BYTES);
  const before = bytes.slice();
  const disk = new CapturableDisk(device);
  const capture = disk.capture();
  const found = new Uint8Array(4 * CHUNK_BYTES);
  const writes = [disk.write(CHUNK_BYTES - 512, new Uint8Array(2048).fill(9)), disk.discard(SIZE - 512, 512)];
  for (const chunk of capture.chunks()) {
    const { mask, bytes: pages } = await capture.read(chunk);
    writes.push(disk.write(chunk, new Uint8Array(512).fill(7)));
    for (let page = 0, at = 0; page < 16; page++) {
      if (((mask >> page) & 1) === 0) continue;
      found.set(pages.subarray(at, at + 4096), chunk + page * 4096);
      at += 4096;
    }
  }
  await Promise.all(writes);
  capture.end();
  assert.deepEqual(found.subarray(0, SIZE), before);
  assert.equal(bytes[0], 7);
  assert.equal(bytes[CHUNK_BYTES + 1000], 9);
});
