import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instructionTable } from './instruction-table.ts';
import { ROWS } from './rows.ts';

test('every row has a line, and the tested ones are counted', () => {
  const table = instructionTable((row) => row.family === 'crypto');
  const lines = table.split('\n').filter((line) => line.startsWith('| `'));
  assert.equal(lines.length, ROWS.length);
  assert.ok(table.includes(`7 of ${ROWS.length} encodings are tested.`));
  assert.ok(table.includes('| `66 0F 38 DC /r` | `AESENC Vdq,Wdq` | all | aes | yes |'));
  assert.ok(table.includes('| `06` | `PUSH ES` | 16, 32 |  |  |'));
});
