import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ROWS } from '../src/isa/rows.ts';
import { testedInstructionTable, testedRows } from './instructions/tested-rows.ts';

const TABLE = new URL('../docs/instructions.md', import.meta.url);

test('docs/instructions.md says which encodings are tested', (t) => {
  const tested = testedRows();
  t.diagnostic(`${tested.size} of ${ROWS.length} encodings are executed by vectors or by the privileged suite`);
  const advice = 'the table is out of date: run node test/instructions/write-table.ts';
  assert.ok(readFileSync(TABLE, 'utf8') === testedInstructionTable(tested), advice);
});
