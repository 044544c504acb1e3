import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rom } from './rom.ts';

test('a ROM is read in every size and keeps its content when written', () => {
  const rom = new Rom(new Uint8Array([9, 1, 2, 3, 0xf4]).subarray(1));
  rom.write();
  assert.deepEqual([rom.length, rom.read(0, 1), rom.read(2, 2), rom.read(0, 4)], [4, 1, 0xf403, 0xf4030201]);
});
