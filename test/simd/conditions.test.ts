import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CR0, CR4, STATE, VECTOR_OF, X87_EXPONENT } from '../../src/isa/registers.ts';
import { ROWS } from '../../src/isa/rows.ts';
import { SEMANTICS } from '../../src/isa/semantics/index.ts';
import { DATA, MXCSR_RESET, SimdMachine } from './machine.ts';

const FAMILIES = ['mmx', 'sse', 'sse2', 'sse3', 'sse4', 'crypto'];
/** PADDB XMM1,XMM2 and PADDB MM1,MM2. */
const PADDB_XMM = '66 0f fc ca';
const PADDB_MMX = '0f fc ca';

test('every row of the MMX, SSE and AES families has semantics', () => {
  const missing = ROWS.filter((row) => FAMILIES.includes(row.family) && SEMANTICS[row.semantics] === undefined);
  assert.deepEqual(
    missing.map((row) => row.text),
    [],
  );
});

for (const [name, vector] of [
  ['#UD', VECTOR_OF.UD],
  ['#NM', VECTOR_OF.NM],
] as const) {
  test(`SSE raises ${name} where the context says so, and changes nothing`, () => {
    const machine = new SimdMachine();
    machine.setXmm(1, 0x1111n);
    machine.setXmm(2, 0x2222n);
    machine.state.setU32(STATE.simdFault, vector);
    assert.equal(machine.step(PADDB_XMM), vector);
    assert.equal(machine.xmm(1), 0x1111n);
  });
}

test('MMX raises #NM under CR0.TS and #UD under CR0.EM', () => {
  const machine = new SimdMachine();
  machine.state.setU32(STATE.fpuFault, VECTOR_OF.NM);
  assert.equal(machine.step(PADDB_MMX), VECTOR_OF.NM);
  machine.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.EM));
  assert.equal(machine.step(PADDB_MMX), VECTOR_OF.UD);
});

test('MMX raises #MF while an x87 exception is pending, SSE does not', () => {
  const machine = new SimdMachine();
  machine.state.setU32(STATE.fsw, 0x80);
  assert.equal(machine.step(PADDB_MMX), VECTOR_OF.MF);
  assert.equal(machine.step(PADDB_XMM), 'next');
});

test('an MMX result lies in an x87 register with exponent FFFF; TOP is 0 and no register empty', () => {
  const machine = new SimdMachine();
  const { state } = machine;
  state.setU32(STATE.top, 5);
  state.setU32(STATE.ftw, 0);
  state.setGpr(0, 0x1122334455667788n);
  assert.equal(machine.step('48 0f 6e d8'), 'next'); // MOVQ MM3,RAX
  assert.equal(state.view.getBigUint64(state.x87Offset(3), true), 0x1122334455667788n);
  assert.equal(state.view.getUint16(state.x87Offset(3) + X87_EXPONENT, true), 0xffff);
  assert.equal(state.u32(STATE.top), 0);
  assert.equal(state.u32(STATE.ftw), 0xff);
  assert.equal(machine.step('0f 77'), 'next'); // EMMS
  assert.equal(state.u32(STATE.ftw), 0);
});

test('an instruction of SSE leaves bits 128 and up of the register alone', () => {
  const machine = new SimdMachine();
  const { state } = machine;
  state.view.setBigUint64(state.vectorOffset(1) + 16, 0xabcdn, true);
  machine.step('66 0f ef c9'); // PXOR XMM1,XMM1
  assert.equal(state.view.getBigUint64(state.vectorOffset(1) + 16, true), 0xabcdn);
});

test('a misaligned operand of 16 bytes raises #GP, but not with the unaligned moves', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, 5n);
  machine.state.setGpr(3, DATA + 8n);
  assert.equal(machine.step('0f 28 03'), VECTOR_OF.GP); // MOVAPS XMM0,[RBX]
  assert.equal(machine.step('66 0f fe 03'), VECTOR_OF.GP); // PADDD XMM0,[RBX]
  assert.equal(machine.step('0f 29 03'), VECTOR_OF.GP); // MOVAPS [RBX],XMM0
  assert.equal(machine.xmm(0), 5n);
  assert.ok(machine.memory.every((byte) => byte === 0));
  assert.equal(machine.step('0f 11 03'), 'next'); // MOVUPS [RBX],XMM0
  assert.equal(machine.memory[8], 5);
});

test('MASKMOVDQU stores the chosen bytes alone, and none when one of them would fault', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, 0x0f0e0d0c0b0a09080706050403020100n);
  machine.setXmm(1, 0x80000000000000000000000000008080n);
  machine.memory.fill(0xee);
  machine.state.setGpr(7, DATA + 0xff8n);
  assert.equal(machine.step('66 0f f7 c1'), 'next');
  assert.deepEqual([...machine.memory.subarray(0xff8, 0xffb)], [0, 1, 0xee]);
  assert.equal(machine.memory[0x1007], 15);
  machine.memory.fill(0xee);
  machine.readOnlyFrom = 0x1000;
  assert.equal(machine.step('66 0f f7 c1'), VECTOR_OF.PF);
  assert.ok(machine.memory.every((byte) => byte === 0xee));
});

test('LDMXCSR refuses reserved bits with #GP', () => {
  const machine = new SimdMachine();
  const view = new DataView(machine.memory.buffer);
  view.setUint32(0, 0x10000, true);
  assert.equal(machine.step('0f ae 13'), VECTOR_OF.GP);
  assert.equal(machine.state.u32(STATE.mxcsr), MXCSR_RESET);
  view.setUint32(0, 0xffbf, true);
  assert.equal(machine.step('0f ae 13'), 'next');
  assert.equal(machine.state.u32(STATE.mxcsr), 0xffbf);
  assert.equal(machine.step('0f ae 5b 04'), 'next'); // STMXCSR [RBX+4]
  assert.equal(view.getUint32(4, true), 0xffbf);
});

test('an unmasked exception raises #XM, is told in MXCSR and leaves the destination', () => {
  const machine = new SimdMachine();
  machine.state.setU32(STATE.mxcsr, MXCSR_RESET & ~(1 << 10)); // OM clear
  machine.setXmmDouble(0, 1e308);
  assert.equal(machine.step('f2 0f 58 c0'), VECTOR_OF.XM); // ADDSD XMM0,XMM0
  assert.equal(machine.xmmDouble(0), 1e308);
  assert.equal(machine.state.u32(STATE.mxcsr) & 0x3f, 0x08);
});

test('without CR4.OSXMMEXCPT an unmasked exception raises #UD', () => {
  const machine = new SimdMachine();
  machine.state.setU64(STATE.cr4, BigInt(CR4.OSFXSR));
  machine.state.setU32(STATE.mxcsr, 0);
  assert.equal(machine.step('f2 0f 5e c0'), VECTOR_OF.UD); // DIVSD XMM0,XMM0: 0 / 0
  assert.equal(machine.state.u32(STATE.mxcsr), 1);
});
