import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MirroredDisk, memoryHost } from '../block-device.case.ts';
import { openFolder } from './open-folder.ts';
import { memoryFolder } from './tree.ts';

const root = memoryFolder({ 'HELLO.TXT': new TextEncoder().encode('hello') }, 0);

for (const kind of ['floppy', 'disk'] as const) {
  it(`a folder as a ${kind} takes writes, and forgets them`, async () => {
    const host = memoryHost();
    const disk = await openFolder(kind, root, 'LABEL', host);
    const before = new Uint8Array(disk.sizeBytes);
    await disk.read(0, before);
    assert.ok(new TextDecoder().decode(before).includes('HELLO   TXT'));
    const mirrored = new MirroredDisk(disk, 1, before.slice());
    for (let step = 0; step < 60; step++) await mirrored.step();
    await mirrored.verify();
    await disk.close();
    const again = await openFolder(kind, root, 'LABEL', host);
    await new MirroredDisk(again, 1, before).verify();
    await again.close();
  });
}

it('a folder as a disc is only read', async () => {
  const disc = await openFolder('cdrom', root, 'LABEL', memoryHost());
  assert.equal(disc.readOnly, true);
  await disc.close();
});
