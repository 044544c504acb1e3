import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { X87Machine } from '../../../test/float/x87-machine.ts';
import { CR0, STATE } from '../registers.ts';

const FLD1 = [0xd9, 0xe8];
const FLDZ = [0xd9, 0xee];
const FNSTENV = [0xd9, 0x33];
const FLDENV = [0xd9, 0x23];
const FNSAVE = [0xdd, 0x33];
const FRSTOR = [0xdd, 0x23];
const NARROW = 0x66;
const ONE = 0x3fff8000000000000000n;

function run(machine: X87Machine, ...instructions: number[][]): void {
  for (const code of instructions) assert.deepEqual(machine.run(...code), { kind: 'next' });
}

/** A machine with 1.0 below 0.0, and pointers that fill all their bits. */
function prepared(): X87Machine {
  const m = new X87Machine();
  run(m, FLD1, FLDZ);
  m.state.setU64(STATE.fip, 0x1234_5678n);
  m.state.setU64(STATE.fdp, 0x9abc_def0n);
  m.state.setU32(STATE.fop, 0x7ff);
  return m;
}

function words(m: X87Machine, bytes: 2 | 4): string[] {
  return Array.from({ length: 7 }, (_, i) =>
    (bytes === 2 ? m.data.getUint16(2 * i, true) : m.data.getUint32(4 * i, true)).toString(16),
  );
}

describe('x87 environment', () => {
  it('has the 32-bit protected-mode form', () => {
    const m = prepared();
    run(m, FNSTENV);
    const expected = ['ffff037f', 'ffff3000', 'ffff1fff', '12345678', '7ff0000', '9abcdef0', 'ffff0000'];
    assert.deepEqual(words(m, 4), expected);
  });

  it('has the 16-bit protected-mode form', () => {
    const m = prepared();
    run(m, [NARROW, ...FNSTENV]);
    assert.deepEqual(words(m, 2), ['37f', '3000', '1fff', '5678', '0', 'def0', '0']);
  });

  it('has addresses split in the 32-bit real-mode form', () => {
    const m = prepared();
    m.state.setU64(STATE.cr0, BigInt(CR0.NE));
    run(m, FNSTENV);
    const expected = ['ffff037f', 'ffff3000', 'ffff1fff', 'ffff5678', '12347ff', 'ffffdef0', '9abc000'];
    assert.deepEqual(words(m, 4), expected);
  });

  it('has 20-bit addresses in the 16-bit real-mode form', () => {
    const m = prepared();
    m.state.setU64(STATE.cr0, BigInt(CR0.NE));
    run(m, [NARROW, ...FNSTENV]);
    assert.deepEqual(words(m, 2), ['37f', '3000', '1fff', '5678', '47ff', 'def0', 'c000']);
  });

  for (const [name, mode, prefix] of [
    ['32-bit real-mode', CR0.NE, []],
    ['32-bit protected-mode', CR0.PE | CR0.NE, []],
  ] as const) {
    it(`comes back from its ${name} form`, () => {
      const m = prepared();
      m.state.setU64(STATE.cr0, BigInt(mode));
      run(m, [...prefix, ...FNSTENV], [0xdb, 0xe3], [...prefix, ...FLDENV]);
      assert.equal(m.state.u64(STATE.fip), 0x1234_5678n);
      assert.equal(m.state.u64(STATE.fdp), 0x9abc_def0n);
      assert.equal(m.state.u32(STATE.fop), 0x7ff);
      assert.equal(m.state.u32(STATE.top), 6);
      assert.equal(m.state.u32(STATE.ftw), 0xc0);
    });
  }

  it('FNSTENV masks all exceptions afterwards', () => {
    const m = prepared();
    m.state.setU32(STATE.fcw, 0x340);
    run(m, FNSTENV);
    assert.equal(m.state.u32(STATE.fcw), 0x37f);
    assert.equal(m.data.getUint16(0, true), 0x340);
  });

  it('FNSAVE initialises the unit, and FRSTOR brings all back', () => {
    const m = prepared();
    run(m, FNSAVE);
    assert.equal(m.state.u32(STATE.ftw), 0);
    assert.equal(m.state.u32(STATE.top), 0);
    run(m, FRSTOR);
    assert.equal(m.st(0), 0n);
    assert.equal(m.st(1), ONE);
    assert.equal(m.state.u32(STATE.ftw), 0xc0);
  });
});
