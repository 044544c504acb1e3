import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IMAGE, MirroredDisk, makeImage } from './block-device.case.ts';
import { DiskError } from './interfaces.ts';
import { openDisk } from './open.ts';

const RAW = {
  name: 'raw',
  async create(host: Parameters<typeof openDisk>[2], sizeBytes: number) {
    const file = await host.files.create(IMAGE);
    await file.write(0, new Uint8Array(sizeBytes).fill(5));
    await file.close();
  },
};
const SIZE = (1 << 20) + 512;

/** A disk over an image full of fives. */
async function makeOverlay(overlay: true | string) {
  const { host } = await makeImage(RAW, SIZE);
  const open = () => openDisk(IMAGE, { overlay }, host);
  return { host, open, expected: new Uint8Array(SIZE).fill(5) };
}

describe('an overlay', () => {
  it('takes all writes, and is gone at the end when it is temporary', async () => {
    const { host, open, expected } = await makeOverlay(true);
    const mirrored = new MirroredDisk(await open(), 1, expected.slice());
    for (let step = 0; step < 100; step++) await mirrored.step();
    await mirrored.verify();
    await mirrored.disk.close();
    assert.deepEqual(host.files.contents.get(IMAGE)?.bytes(), expected);
    assert.deepEqual([...host.files.contents.keys()], [IMAGE]);
    const again = await open();
    await new MirroredDisk(again, 1, expected).verify();
    await again.close();
  });

  it('is kept under its name, and continued', async () => {
    const { host, open, expected } = await makeOverlay('kept');
    let mirrored = new MirroredDisk(await open(), 2, expected.slice());
    for (let round = 0; round < 3; round++) {
      for (let step = 0; step < 50; step++) await mirrored.step();
      await mirrored.disk.close();
      mirrored = new MirroredDisk(await open(), 3 + round, mirrored.expected);
      await mirrored.verify();
    }
    await mirrored.disk.close();
    const alone = await openDisk('kept', { readOnly: true }, host);
    await new MirroredDisk(alone, 0, mirrored.expected).verify();
    await alone.close();
    assert.deepEqual(host.files.contents.get(IMAGE)?.bytes(), expected);
  });

  it('lets many use one image at a time', async () => {
    const { open } = await makeOverlay(true);
    const [first, second] = [await open(), await open()];
    await first.write(0, new Uint8Array(512).fill(1));
    const sector = new Uint8Array(512);
    await second.read(0, sector);
    assert.equal(sector[0], 5);
    await first.close();
    await second.close();
  });

  it('that is in use is refused', async () => {
    const { open } = await makeOverlay('kept');
    const first = await open();
    await assert.rejects(open(), DiskError);
    await first.close();
  });
});
