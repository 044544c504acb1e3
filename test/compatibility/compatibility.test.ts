import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { projectRoot } from '../source-files.ts';
import { GUESTS } from './guests.ts';
import { type GuestResult, resultName } from './results.ts';

const PATIENCE = '6';
const TIMEOUT_MILLIS = 900_000;

describe('guests that boot quickly', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-compatibility-'));
  after(() => rmSync(folder, { recursive: true }));

  for (const { name, title, reaches, firmware, quick } of GUESTS) {
    if (!quick) continue;
    for (const kind of firmware) {
      it(`${title} under ${kind} firmware reaches: ${reaches}`, { timeout: TIMEOUT_MILLIS }, (t) => {
        const script = join(projectRoot, 'test/compatibility/run-guest.ts');
        spawnSync(process.execPath, [script, name, kind, folder, PATIENCE], { timeout: TIMEOUT_MILLIS });
        const file = join(folder, `${resultName(name, kind)}.json`);
        const { outcome, reason } = JSON.parse(readFileSync(file, 'utf8')) as GuestResult;
        if (outcome === 'skipped') return t.skip(reason ?? 'no reason given');
        assert.equal(outcome, 'works', reason ?? '');
      });
    }
  }
});
