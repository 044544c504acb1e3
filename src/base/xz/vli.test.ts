import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VliReader } from './vli.ts';
import { XzInvalid } from './xz-invalid.ts';

const reader = (...bytes: number[]) => new VliReader(Uint8Array.from(bytes), 'a test');

it('integers of one to eight bytes are read one after the other', () => {
  const fields = reader(0, 0x7f, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f);
  assert.deepEqual([fields.vli(), fields.vli(), fields.vli(), fields.vli()], [0, 127, 128, Number.MAX_SAFE_INTEGER]);
  assert.equal(fields.at, 12);
  assert.equal(reader(1, 2, 3, 0xff).u32(), 0xff030201);
});

it('integers that are cut off, too long or beyond 2^53 are refused', () => {
  for (const bytes of [[], [0x80], [0x80, 0], Array(10).fill(0xff), [...Array(7).fill(0xff), 0x10]])
    assert.throws(() => reader(...bytes).vli(), XzInvalid);
});
