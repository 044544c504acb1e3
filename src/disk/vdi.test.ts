import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMAGE, memoryHost } from './block-device.case.ts';
import { openDisk } from './open.ts';
import { createVdi } from './vdi.ts';

const MiB = 1 << 20;
const MAP_AT = 512;
const ALLOCATED_AT = 0x184;

/** An image whose blocks are full of their numbers from 1 on, the first of which has no place any more. */
async function imageWithGap() {
  const host = memoryHost();
  const file = await host.files.create(IMAGE);
  await createVdi(file, { sizeBytes: 4 * MiB }, host);
  await file.close();
  const disk = await openDisk(IMAGE, { format: 'vdi' }, host);
  for (let block = 0; block < 3; block++) await disk.write(block * MiB, new Uint8Array(MiB).fill(block + 1));
  await disk.close();
  host.files.contents.get(IMAGE)?.write(MAP_AT, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  const allocated = () => host.files.contents.get(IMAGE)?.bytes()[ALLOCATED_AT];
  return { disk: await openDisk(IMAGE, { format: 'vdi' }, host), host, allocated };
}

test('a place without a block is a leak, which a repair closes', async () => {
  const { disk, host, allocated } = await imageWithGap();
  const found = await disk.driver.check?.('none');
  assert.deepEqual([found?.corruptions, found?.leaks], [0, 1]);
  assert.deepEqual(found?.messages, ['ERROR: allocated blocks mismatch, is 3, should be 2']);
  assert.equal((await disk.driver.check?.('leaks'))?.leaksFixed, 1);
  assert.equal((await disk.driver.check?.('none'))?.leaks, 0);
  assert.equal(allocated(), 2);
  await disk.close();
  assert.equal(host.files.contents.get(IMAGE)?.bytes().length, 1024 + 2 * MiB);
  const again = await openDisk(IMAGE, { format: 'vdi' }, host);
  for (const [block, byte] of [0, 2, 3, 0].entries()) {
    const bytes = new Uint8Array(MiB);
    await again.read(block * MiB, bytes);
    assert.ok(
      bytes.every((value) => value === byte),
      `block ${block}`,
    );
  }
});

test('new blocks go behind all places that were ever taken', async () => {
  const { disk, host, allocated } = await imageWithGap();
  await disk.write(3 * MiB, new Uint8Array(MiB).fill(9));
  await disk.close();
  assert.equal(allocated(), 4);
  assert.equal(host.files.contents.get(IMAGE)?.bytes()[1024 + 3 * MiB], 9);
});
