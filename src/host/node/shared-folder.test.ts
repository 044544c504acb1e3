import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { NodeSharedFolder } from './shared-folder.ts';

const READ = { read: true, write: false, truncate: false, append: false };
const WRITE = { ...READ, write: true };
const code = (expected: string) => (error: Error & { code?: string }) => error.code === expected;

describe('NodeSharedFolder', () => {
  const outside = mkdtempSync(join(tmpdir(), 'vitrine-share-'));
  const root = join(outside, 'root');
  mkdirSync(join(root, 'folder'), { recursive: true });
  writeFileSync(join(outside, 'secret'), 'secret');
  writeFileSync(join(root, 'folder', 'file'), 'content');
  symlinkSync('..', join(root, 'up'));
  symlinkSync('../secret', join(root, 'link'));
  const shared = new NodeSharedFolder(root);
  after(() => rmSync(outside, { recursive: true }));

  it('reads and writes files, and tells of them', () => {
    const file = shared.create(['new'], WRITE, 0o640);
    assert.equal(file.write(2, Uint8Array.of(1, 2, 3)), 3);
    const bytes = new Uint8Array(10);
    assert.equal(file.read(1, bytes), 4);
    file.close();
    assert.deepEqual([...bytes.subarray(0, 4)], [0, 1, 2, 3]);
    const facts = shared.facts(['new']);
    assert.deepEqual([facts.kind, facts.sizeBytes, facts.mode & 0o777], ['file', 5, 0o640]);
    shared.change(['new'], { sizeBytes: 1, mode: 0o4600, modifiedNanos: 5_000_000_000n });
    const changed = shared.facts(['new']);
    assert.deepEqual([changed.sizeBytes, changed.mode & 0o7777, changed.modifiedNanos], [1, 0o600, 5_000_000_000n]);
    shared.rename(['new'], ['folder', 'newer']);
    assert.deepEqual(shared.list(['folder']).sort(), ['file', 'newer']);
    shared.removeFile(['folder', 'newer']);
    assert.throws(() => shared.facts(['folder', 'newer']), code('ENOENT'));
  });

  it('never follows a symbolic link', () => {
    assert.equal(shared.facts(['link']).kind, 'link');
    assert.equal(shared.readLink(['link']), '../secret');
    assert.throws(() => shared.open(['link'], READ), code('ELOOP'));
    assert.throws(() => shared.change(['link'], { mode: 0o777 }), code('ELOOP'));
    assert.throws(() => shared.change(['link'], { sizeBytes: 0 }), code('ELOOP'));
    assert.throws(() => shared.list(['up']), code('ELOOP'));
    for (const attempt of [
      () => shared.facts(['up', 'secret']),
      () => shared.open(['up', 'secret'], READ),
      () => shared.create(['up', 'planted'], WRITE, 0o600),
      () => shared.removeFile(['up', 'secret']),
      () => shared.rename(['folder', 'file'], ['up', 'moved']),
      () => shared.link(['up', 'secret'], ['mine']),
    ]) {
      assert.throws(attempt, code('ENOTDIR'));
    }
    shared.change(['link'], { modifiedNanos: 1_000_000_000n });
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
    assert.equal(existsSync(join(outside, 'planted')), false);
  });

  it('keeps names that are no text', () => {
    shared.makeFolder(['\xff\xfe'], 0o755);
    assert.ok(shared.list([]).includes('\xff\xfe'));
    shared.removeFolder(['\xff\xfe']);
  });

  it('makes links and tells how full the disk is', () => {
    shared.makeSymbolicLink(['to'], '/anywhere');
    assert.equal(shared.readLink(['to']), '/anywhere');
    shared.link(['folder', 'file'], ['again']);
    assert.equal(shared.facts(['again']).links, 2);
    assert.equal(shared.facts(['again']).identity, shared.facts(['folder', 'file']).identity);
    assert.ok(shared.space().blocks > 0);
  });

  it('needs a folder', () => {
    assert.throws(() => new NodeSharedFolder(join(outside, 'secret')), code('ENOTDIR'));
    assert.throws(() => new NodeSharedFolder(join(outside, 'nowhere')), code('ENOENT'));
  });
});
