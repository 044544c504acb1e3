import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readServedFile } from '../../net/served-files.ts';
import { bootFolder } from './boot-folder.ts';

test('files of the folder are handed out, and nothing else', async (t) => {
  const outside = mkdtempSync(join(tmpdir(), 'vitrine-boot-'));
  t.after(() => rmSync(outside, { recursive: true }));
  const folder = join(outside, 'boot');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'sub', 'file'), 'boot me');
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync('../secret', join(folder, 'link'));
  const read = (name: string) => readServedFile(bootFolder(folder), name, 100);
  for (const name of ['sub/file', '/sub/file', 'sub\\file'])
    assert.equal(new TextDecoder().decode(await read(name)), 'boot me');
  for (const name of ['', 'sub', 'none', '../secret', 'link', '\0']) assert.equal(await read(name), undefined, name);
  assert.equal(await readServedFile(bootFolder(folder), 'sub/file', 6), undefined);
  const file = (await bootFolder(folder)('sub/file')) ?? assert.fail('there is none');
  assert.deepEqual([file.sizeBytes, String(await file.read(5, 2))], [7, '109,101']);
  await assert.rejects(file.read(5, 3));
  file.close();
});
