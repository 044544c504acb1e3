import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VmGenerationId } from './vm-generation-id.ts';

const ID = Uint8Array.from({ length: 16 }, (_, n) => 0xf0 + n);

test('the identifier is read in pieces of any size and cannot be written', () => {
  const chip = new VmGenerationId(ID);
  chip.write();
  assert.deepEqual([chip.read(0, 1), chip.read(2, 2), chip.read(12, 4)], [0xf0, 0xf3f2, 0xfffefdfc]);
});

test('a copy keeps its own identifier and has news once', () => {
  const [original, copy] = [new VmGenerationId(ID), new VmGenerationId(ID.toReversed())];
  copy.restore(original.save());
  assert.equal(copy.read(0, 1), 0xff);
  assert.deepEqual([copy.takeNews(), copy.takeNews()], [true, false]);
  copy.restore(copy.save());
  assert.equal(copy.takeNews(), false);
});
