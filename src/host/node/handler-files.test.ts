import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HandlerFiles } from './handler-files.ts';

describe('kept handlers', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-handlers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Makes all files as if they had been used an hour ago. */
  function age(): void {
    for (const name of readdirSync(folder))
      utimesSync(join(folder, name), Date.now() / 1000 - 3600, Date.now() / 1000 - 3600);
  }

  it('are found again by the kind of memory', () => {
    new HandlerFiles(folder).save('32', Uint8Array.of(1, 2));
    const files = new HandlerFiles(folder);
    assert.deepEqual([...(files.load('32') ?? [])], [1, 2]);
    assert.equal(files.load('64'), undefined);
  });

  it('go when others have been used since', () => {
    const files = new HandlerFiles(folder);
    for (const kind of ['used', 'idle']) files.save(kind, Uint8Array.of(1));
    age();
    files.load('used');
    for (let other = 0; other < 7; other++) files.save(`other${other}`, Uint8Array.of(2));
    assert.ok(files.load('used'));
    assert.equal(files.load('idle'), undefined);
  });
});
