import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DebugExit } from './debug-exit.ts';

test('a write ends the machine with its value; a read does not', () => {
  const exits: number[] = [];
  const chip = new DebugExit((value) => exits.push(value));
  assert.equal(chip.read(), 0);
  chip.write(0, 4, 0xfffffffe);
  assert.deepEqual(exits, [0xfffffffe]);
  chip.restore(chip.save());
});
