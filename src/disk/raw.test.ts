import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeBlockDevice, type FormatCase, IMAGE, makeImage } from './block-device.case.ts';

const RAW: FormatCase = {
  name: 'raw',
  format: 'raw',
  async create(host, sizeBytes) {
    const file = await host.files.create(IMAGE);
    await file.truncate(sizeBytes);
    await file.close();
  },
  resizes: true,
};

describeBlockDevice(RAW);
describeBlockDevice({ ...RAW, name: 'raw whose content tells its format', format: undefined });

it('a raw file that ends inside a sector is continued by zeros', async () => {
  const { host, open } = await makeImage(RAW, 1000);
  host.files.contents.get(IMAGE)?.write(0, new Uint8Array(1000).fill(1));
  const disk = await open();
  assert.equal(disk.sizeBytes, 1024);
  const bytes = new Uint8Array(1024);
  await disk.read(0, bytes);
  assert.deepEqual([bytes[999], bytes[1000]], [1, 0]);
  await disk.close();
});
