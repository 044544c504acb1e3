import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FlashFile } from './flash-file.ts';
import { NodeImageStore } from './image-files.ts';

test('what changes in a flash chip is in its file once that is closed, and nothing else is written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-flash-'));
  const path = join(folder, 'vars.fd');
  await writeFile(path, new Uint8Array(0x2000).fill(0xff));
  const flash = await FlashFile.open(await new NodeImageStore().open(path, {}));
  await writeFile(path, new Uint8Array(0x2000).fill(0x11));
  for (const offset of [0x100, 0x102]) {
    flash.content[offset] = 0;
    flash.written(offset, 1);
  }
  await flash.close();
  const bytes = await readFile(path);
  assert.deepEqual([...bytes.subarray(0xff, 0x104)], [0x11, 0, 0xff, 0, 0x11]);
  await rm(folder, { recursive: true });
});

test('a file that is larger than any flash chip is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-flash-'));
  const path = join(folder, 'vars.fd');
  await writeFile(path, new Uint8Array(9 << 20));
  const file = await new NodeImageStore().open(path, { readOnly: true });
  await assert.rejects(FlashFile.open(file), /9437184 bytes are more than 8388608/);
  await file.close();
  await rm(folder, { recursive: true });
});
