import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRegionDump } from './region-dump.ts';

test('each region is a file of its own, in the order of their translation', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-regions-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const inner = join(folder, 'not', 'there', 'yet');
  const write = openRegionDump(inner);
  write('region_f000', 'one');
  write('region_f000', 'two');
  assert.deepEqual(readdirSync(inner).sort(), ['00001-region_f000.txt', '00002-region_f000.txt']);
  assert.equal(readFileSync(join(inner, '00002-region_f000.txt'), 'utf8'), 'two');
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => openRegionDump(join(folder, 'file')), /--dump-regions: found .*, expected a folder to write to/);
});
