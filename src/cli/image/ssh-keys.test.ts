import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { readSshKeys } from './ssh-keys.ts';

it('keys come from all files, without comments and empty lines', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  writeFileSync(first, '# mine\nssh-ed25519 AAAA me\r\n\nssh-rsa BBBB me\n');
  writeFileSync(second, 'ssh-ed25519 CCCC you');
  assert.deepEqual(await readSshKeys([first, second]), [
    'ssh-ed25519 AAAA me',
    'ssh-rsa BBBB me',
    'ssh-ed25519 CCCC you',
  ]);
  assert.deepEqual(await readSshKeys(), []);
});
