import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { X86Filter } from './x86-filter.ts';
import { instructions } from './xz.case.ts';

function filtered(bytes: readonly number[], startOffset = 0): number[] {
  const target = Uint8Array.from(bytes);
  new X86Filter(target, startOffset).run(target.length);
  return [...target];
}

describe('the x86 filter', () => {
  it('makes the address of a call or jump relative to the next instruction', () => {
    assert.deepEqual(filtered([0x90, 0xe8, 0x16, 0, 0, 0]), [0x90, 0xe8, 0x10, 0, 0, 0]);
    assert.deepEqual(filtered([0xe9, 1, 0, 0, 0]), [0xe9, 0xfc, 0xff, 0xff, 0xff]);
    assert.deepEqual(filtered([0xe9, 1, 0, 0, 0], 0xffff_fff0), [0xe9, 0x0c, 0, 0, 0]);
  });

  it('leaves what is no address as it is', () => {
    for (const bytes of [
      [0xe8, 1, 2, 3, 4],
      [0xe8, 1, 0, 0],
      [0xe7, 1, 0, 0, 0, 0xea, 1, 0, 0, 0],
    ])
      assert.deepEqual(filtered(bytes), bytes);
  });

  it('leaves an address with two opcodes before it as it is', () => {
    const bytes = [0xe8, 0xe8, 0xe8, 0, 0x10, 0x10, 0];
    assert.deepEqual(filtered(bytes), bytes);
  });

  it('keeps the highest byte of the word of an opcode before it from being that of an address', () => {
    // The first opcode's word ends in 01. Minus 7, that would be 00: inverted and minus 7 again, it is FE.
    assert.deepEqual(filtered([0x90, 0xe8, 0xe8, 0, 0, 1, 0]), [0x90, 0xe8, 0xe8, 0xff, 0xff, 0xfe, 0]);
  });

  it('does the same piece by piece', () => {
    const whole = filtered([...instructions(5000)]);
    for (const pieceBytes of [1, 2, 3, 5, 7, 64, 4096]) {
      const target = instructions(5000);
      const filter = new X86Filter(target, 0);
      for (let end = 0; end < target.length; end += pieceBytes) filter.run(end);
      filter.run(target.length);
      assert.deepEqual([...target], whole);
    }
  });
});
