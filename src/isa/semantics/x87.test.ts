import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DATA, X87Machine } from '../../../test/float/x87-machine.ts';
import { CR0, STATE, VECTOR_OF } from '../registers.ts';

const ONE = 0x3fff8000000000000000n;
const TWO = 0x40008000000000000000n;
const INDEFINITE = 0xffffc000000000000000n;
const RAX = 0;
const RDX = 2;
const FLD1 = [0xd9, 0xe8];
const FLDZ = [0xd9, 0xee];
const FADD_ST0_ST1 = [0xd8, 0xc1];
const FDIVP = [0xde, 0xf9];
const FSTP_M80 = [0xdb, 0x3b];
const FWAIT = [0x9b];
const FXSAVE = [0x0f, 0xae, 0x03];
const FXRSTOR = [0x0f, 0xae, 0x0b];
const XSAVE = [0x0f, 0xae, 0x23];
const XRSTOR = [0x0f, 0xae, 0x2b];

const NEXT = { kind: 'next' } as const;
const fault = (vector: number) => ({ kind: 'fault', vector, errorCode: 0 }) as const;

function runAll(machine: X87Machine, ...instructions: number[][]): void {
  for (const code of instructions) assert.deepEqual(machine.run(...code), NEXT);
}

describe('x87 exceptions', () => {
  it('an unmasked exception is raised by the next waiting instruction', () => {
    const m = new X87Machine();
    m.state.setU32(STATE.fcw, 0x37b);
    runAll(m, FLD1, FLDZ, FDIVP);
    assert.equal(m.state.u32(STATE.fsw) & 0x8084, 0x8084);
    assert.equal(m.st(0), 0n, 'neither stored nor popped');
    assert.deepEqual(m.run(...FWAIT), fault(VECTOR_OF.MF));
    assert.deepEqual(m.run(...FLD1), fault(VECTOR_OF.MF));
    runAll(m, [0xdb, 0xe2], FWAIT);
  });

  it('with CR0.NE clear FERR# is asserted, and the instruction waits unless IGNNE# is', () => {
    for (const ignored of [false, true]) {
      const m = new X87Machine();
      m.ignoresErrors = ignored;
      m.state.setU64(STATE.cr0, BigInt(CR0.PE));
      m.state.setU32(STATE.fcw, 0x37b);
      runAll(m, FLD1, FLDZ, FDIVP);
      runAll(m, FLD1);
      assert.equal(m.fpuErrors, 1);
      assert.equal(m.state.u32(STATE.top), ignored ? 5 : 6, 'it has pushed only if the error is ignored');
    }
  });

  it('CR0.TS makes instructions raise #NM, and FWAIT with CR0.MP only', () => {
    const m = new X87Machine();
    m.state.setU32(STATE.fpuFault, VECTOR_OF.NM);
    m.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.NE | CR0.TS));
    assert.deepEqual(m.run(...FLD1), fault(VECTOR_OF.NM));
    assert.deepEqual(m.run(...FXSAVE), fault(VECTOR_OF.NM));
    assert.deepEqual(m.run(...FWAIT), NEXT);
    m.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.NE | CR0.TS | CR0.MP));
    assert.deepEqual(m.run(...FWAIT), fault(VECTOR_OF.NM));
  });

  it('an empty register is a stack underflow that gives the indefinite', () => {
    const m = new X87Machine();
    runAll(m, FLD1, FADD_ST0_ST1);
    assert.equal(m.st(0), INDEFINITE);
    assert.equal(m.state.u32(STATE.fsw), 0x41);
  });

  it('the ninth push overflows the stack', () => {
    const m = new X87Machine();
    for (let i = 0; i < 9; i++) runAll(m, FLD1);
    assert.equal(m.st(0), INDEFINITE);
    assert.equal(m.st(1), ONE);
    assert.equal(m.state.u32(STATE.fsw), 0x241);
  });

  it('a store that faults leaves stack and memory as they were', () => {
    const m = new X87Machine();
    runAll(m, FLD1);
    m.state.setGpr(3, DATA + 0xff8n);
    assert.deepEqual(m.run(...FSTP_M80), fault(VECTOR_OF.PF));
    assert.equal(m.data.getBigUint64(0xff8, true), 0n);
    assert.equal(m.st(0), ONE);
    assert.equal(m.state.u32(STATE.top), 7);
  });
});

describe('FXSAVE and XSAVE', () => {
  function filled(): X87Machine {
    const m = new X87Machine();
    runAll(m, FLD1, FLD1);
    m.setSt(0, TWO);
    m.setXmm(15, 0x1234_5678_9abc_def0n);
    m.state.setU32(STATE.mxcsr, 0x1fa0);
    return m;
  }

  function assertFilled(m: X87Machine): void {
    assert.equal(m.st(0), TWO);
    assert.equal(m.st(1), ONE);
    assert.equal(m.state.u32(STATE.ftw), 0xc0);
    assert.equal(m.xmm(15), 0x1234_5678_9abc_def0n);
    assert.equal(m.state.u32(STATE.mxcsr), 0x1fa0);
  }

  function spoil(m: X87Machine): void {
    runAll(m, [0xdb, 0xe3]);
    m.setSt(0, INDEFINITE);
    m.setXmm(15, 0n);
    m.state.setU32(STATE.mxcsr, 0x1f80);
  }

  it('FXRSTOR brings back what FXSAVE has saved', () => {
    const m = filled();
    runAll(m, FXSAVE);
    assert.equal(m.data.getUint16(2, true), 6 << 11, 'FSW has TOP');
    assert.equal(m.data.getUint8(4), 0xc0, 'the tag word is abridged');
    assert.equal(m.data.getUint32(28, true), 0xffff, 'MXCSR_MASK');
    spoil(m);
    runAll(m, FXRSTOR);
    assertFilled(m);
  });

  it('XRSTOR brings back what XSAVE has saved', () => {
    const m = filled();
    m.state.setGpr(RAX, 3n);
    m.state.setGpr(RDX, 0n);
    runAll(m, XSAVE);
    assert.equal(m.data.getBigUint64(512, true), 3n);
    spoil(m);
    runAll(m, XRSTOR);
    assertFilled(m);
  });

  it('XRSTOR gives a component that the header lacks its initial state', () => {
    const m = filled();
    m.state.setGpr(RAX, 3n);
    runAll(m, XSAVE);
    m.data.setBigUint64(512, 0n, true);
    runAll(m, XRSTOR);
    assert.equal(m.state.u32(STATE.ftw), 0);
    assert.equal(m.state.u32(STATE.fcw), 0x37f);
    assert.equal(m.xmm(15), 0n);
    assert.equal(m.state.u32(STATE.mxcsr), 0x1fa0, 'MXCSR is loaded all the same');
  });

  it('XSAVE leaves components alone that are not asked for', () => {
    const m = filled();
    m.state.setGpr(RAX, 2n);
    runAll(m, XSAVE);
    assert.equal(m.data.getBigUint64(512, true), 2n);
    assert.equal(m.data.getUint16(0, true), 0, 'no FCW');
    assert.equal(m.data.getBigUint64(160 + 15 * 16, true), 0x1234_5678_9abc_def0n);
  });

  it('misaligned images, reserved MXCSR bits and foreign headers are #GP(0), and nothing is loaded', () => {
    const m = filled();
    m.state.setGpr(3, DATA + 8n);
    assert.deepEqual(m.run(...FXSAVE), fault(VECTOR_OF.GP));
    m.state.setGpr(3, DATA + 16n);
    assert.deepEqual(m.run(...XSAVE), fault(VECTOR_OF.GP));
    m.state.setGpr(3, DATA);
    m.state.setGpr(RAX, 3n);
    m.data.setUint32(24, 0x10000, true);
    assert.deepEqual(m.run(...FXRSTOR), fault(VECTOR_OF.GP));
    assert.deepEqual(m.run(...XRSTOR), fault(VECTOR_OF.GP));
    m.data.setUint32(24, 0, true);
    m.data.setBigUint64(512, 4n, true);
    assert.deepEqual(m.run(...XRSTOR), fault(VECTOR_OF.GP));
    assertFilled(m);
  });

  it('XSAVE is #UD without CR4.OSXSAVE', () => {
    const m = filled();
    m.state.setU64(STATE.cr4, 0n);
    assert.deepEqual(m.run(...XSAVE), fault(VECTOR_OF.UD));
  });
});
