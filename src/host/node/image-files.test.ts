import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ImageInUse } from '../../disk/interfaces.ts';
import { NodeImageStore } from './image-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'vitrine-image-files-'));
const inFolder = (name: string) => join(folder, name);
const store = new NodeImageStore();

after(() => rmSync(folder, { recursive: true }));

describe('image files of the host', () => {
  it('keep holes, and read zeros past the end', async () => {
    const file = await store.create(inFolder('holes'));
    await file.truncate(1 << 30);
    await file.write(1 << 29, Uint8Array.of(1, 2, 3));
    await file.flush();
    const bytes = new Uint8Array(4).fill(9);
    await file.read((1 << 29) + 1, bytes);
    assert.deepEqual([...bytes], [2, 3, 0, 0]);
    await file.read((1 << 30) - 2, bytes.fill(9));
    assert.deepEqual([...bytes], [0, 0, 0, 0]);
    await file.close();
    assert.ok(statSync(inFolder('holes')).blocks * 512 < 1 << 20);
  });

  it('leave nothing of a temporary file', async () => {
    const file = await store.temporary();
    await file.write(5, Uint8Array.of(7));
    assert.equal(file.sizeBytes, 6);
    await file.close();
  });

  it('are found beside the image that refers to them', () => {
    assert.equal(store.resolve('/a/b/top.qcow2', 'base.raw'), '/a/b/base.raw');
    assert.equal(store.resolve('/a/b/top.qcow2', '/c/base.raw'), '/c/base.raw');
  });
});

describe('the lock of an image file', () => {
  it('admits one writer by whatever name', async () => {
    writeFileSync(inFolder('one'), 'content');
    symlinkSync('one', inFolder('link'));
    const file = await store.open(inFolder('one'), {});
    await assert.rejects(store.open(inFolder('link'), {}), ImageInUse);
    await assert.rejects(store.create(inFolder('one')), ImageInUse);
    await assert.rejects(store.open(inFolder('one'), { readOnly: true }), ImageInUse);
    await (await store.open(inFolder('one'), { readOnly: true, shared: true })).close();
    assert.equal(readFileSync(inFolder('one'), 'utf8'), 'content');
    await file.close();
    assert.equal(existsSync(inFolder('one.lock')), false);
    await (await store.open(inFolder('link'), {})).close();
  });

  it('names the process that has it', async () => {
    const file = await store.create(inFolder('named'));
    await assert.rejects(store.open(inFolder('named'), {}), new RegExp(`in use by process ${process.pid}`));
    await file.close();
  });

  it('is taken over from a process that is gone', async () => {
    const module = new URL('image-files.ts', import.meta.url).href;
    const script = `
      const { NodeImageStore } = await import(${JSON.stringify(module)});
      await new NodeImageStore().create(${JSON.stringify(inFolder('left'))});
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(child.signal, 'SIGKILL');
    assert.ok(existsSync(inFolder('left.lock')));
    await (await store.open(inFolder('left'), { readOnly: true })).close();
    await (await store.open(inFolder('left'), {})).close();
    assert.equal(existsSync(inFolder('left.lock')), false);
  });

  it('is not taken from a process of another host, which cannot be asked', async () => {
    writeFileSync(inFolder('far'), '');
    writeFileSync(inFolder('far.lock'), '1:1 boot space elsewhere\n');
    await assert.rejects(store.open(inFolder('far'), {}), /process 1:1 on elsewhere/);
  });

  it('goes to one of many who want it at once', async () => {
    writeFileSync(inFolder('wanted'), '');
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => store.open(inFolder('wanted'), {})));
    const won = tries.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(won.length, 1);
    await won[0]?.close();
  });
});
