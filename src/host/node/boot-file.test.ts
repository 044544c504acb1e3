import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readBootFile } from '../../vm/boot-file.ts';
import { openBootFile } from './boot-file.ts';

function makeFile(t: TestContext, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-boot-file-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'kernel');
  writeFileSync(path, content);
  return path;
}

async function textOf(file: ReturnType<typeof openBootFile>): Promise<string> {
  return new TextDecoder().decode(await readBootFile(file));
}

describe('a file to boot', () => {
  it('is read again each time, and does not keep what it has read', async (t) => {
    const path = makeFile(t, 'kernel');
    const file = openBootFile(path);
    const [first, again] = [await readBootFile(file), await readBootFile(file)];
    assert.deepEqual(first, Buffer.from('kernel'));
    assert.deepEqual(Buffer.from(again), Buffer.from('kernel'));
    assert.notEqual(first.buffer, again.buffer);
  });

  it('is what it was when another takes its name, or it is removed', async (t) => {
    const path = makeFile(t, 'kernel');
    const file = openBootFile(path);
    await textOf(file);
    writeFileSync(`${path}.new`, 'another');
    renameSync(`${path}.new`, path);
    assert.equal(await textOf(file), 'kernel');
    rmSync(path);
    assert.equal(await textOf(file), 'kernel');
  });

  it('is as it is now when it was changed in place', async (t) => {
    const path = makeFile(t, 'kernel');
    const file = openBootFile(path);
    await textOf(file);
    writeFileSync(path, 'changed kernel');
    assert.equal(await textOf(file), 'changed kernel');
  });

  it('is kept where it is a pipe', { skip: process.platform === 'win32' && 'there are no named pipes' }, async (t) => {
    const path = `${makeFile(t, '')}.pipe`;
    execFileSync('mkfifo', [path]);
    spawn('sh', ['-c', 'printf kernel > "$0"', path]);
    const file = openBootFile(path);
    assert.equal(await textOf(file), 'kernel');
    assert.equal(await textOf(file), 'kernel');
  });

  it('is no folder', (t) => {
    assert.throws(() => openBootFile(join(makeFile(t, ''), '..')), { code: 'EISDIR' });
  });
});
