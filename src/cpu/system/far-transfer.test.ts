import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SEG, STATE } from '../../isa/registers.ts';
import { ACCESS, atLevel, GDT, TestCpu, TSS } from './test-cpu.case.ts';

/** Gates at 0x60 and up lead to code 8 (level 0). */
function machine(cpl = 0): TestCpu {
  const cpu = new TestCpu().protect(cpl);
  cpu.describe(8, { access: ACCESS.code }).describe(16, { access: ACCESS.data });
  cpu.describe(24, { access: atLevel(ACCESS.code, 3) }).describe(32, { access: atLevel(ACCESS.data, 3) });
  cpu.describe(0x48, { access: ACCESS.conforming }).describe(0x50, { access: 0x1b });
  cpu.state.setSegment(SEG.CS, { ...cpu.state.segment(SEG.CS), selector: cpl === 3 ? 27 : 8 });
  cpu.state.setSegment(SEG.SS, { ...cpu.state.segment(SEG.SS), selector: cpl === 3 ? 35 : 16 });
  cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
  return cpu.write(TSS + 4, 0x7000n, 4).write(TSS + 8, 16n, 2);
}

const far = (selector: number, size = 32) => BigInt(selector | (size << 16));
const jump = (cpu: TestCpu, selector: number, offset = 0x6000n) =>
  cpu.fault(() => cpu.helpers.call('farJump', far(selector), offset));
const call = (cpu: TestCpu, selector: number, offset = 0x6000n, size = 32) =>
  cpu.fault(() => cpu.helpers.call('farCall', far(selector, size), offset));
const ret = (cpu: TestCpu, extra = 0, size = 32) =>
  cpu.fault(() => cpu.helpers.call('farReturn', BigInt(size), BigInt(extra)));

describe('far jump', () => {
  it('to code of the same level loads CS with its RPL', () => {
    const cpu = machine(3);
    assert.equal(jump(cpu, 24), '');
    assert.equal(cpu.selector(SEG.CS), 27);
    assert.equal(cpu.rip, 0x6000);
  });

  it('to conforming code of more privilege keeps the level', () => {
    const cpu = machine(3);
    assert.equal(jump(cpu, 0x48), '');
    assert.equal(cpu.selector(SEG.CS), 0x4b);
    assert.equal(cpu.state.u32(STATE.cpl), 3);
  });

  for (const [why, cpl, selector, offset, fault] of [
    ['null', 0, 3, 0n, '#GP(0)'],
    ['beyond the table', 0, 0x400, 0n, '#GP(400)'],
    ['data', 0, 16, 0n, '#GP(10)'],
    ['code of more privilege', 3, 8, 0n, '#GP(8)'],
    ['code of less privilege', 0, 27, 0n, '#GP(18)'],
    ['code not present', 0, 0x50, 0n, '#NP(50)'],
    ['an LDT without LDTR', 0, 12, 0n, '#GP(c)'],
    ['an offset beyond the limit', 0, 0x58, 0x1000n, '#GP(0)'],
    ['an empty descriptor', 0, 0x80, 0n, '#GP(80)'],
  ] as const) {
    it(`to ${why} raises ${fault}`, () => {
      const cpu = machine(cpl).describe(0x58, { access: ACCESS.code, limit: 0xfff, flags: 4 });
      cpu.state.setSegment(SEG.LDTR, { selector: 0, base: 0n, limit: 0, rights: 0 });
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('farJump', far(selector), offset)),
        fault,
      );
    });
  }

  it('in real mode loads the base and keeps the limit', () => {
    const cpu = new TestCpu();
    cpu.state.setSegment(SEG.CS, { ...cpu.state.segment(SEG.CS), limit: 0xffffffff });
    assert.equal(jump(cpu, 0x1234, 0x12345n), '');
    assert.equal(cpu.state.segment(SEG.CS).base, 0x12340n);
    assert.equal(cpu.state.segment(SEG.CS).limit, 0xffffffff);
  });

  it('through a call gate takes the offset of the gate, and does not change privilege', () => {
    const cpu = machine(0).gate(GDT + 0x60, 0x8c, 8, 0x12345);
    assert.equal(jump(cpu, 0x60), '');
    assert.equal(cpu.rip, 0x12345);
    const user = machine(3).gate(GDT + 0x60, 0xec, 8, 0x12345);
    assert.equal(jump(user, 0x60), '#GP(8)');
  });
});

describe('far call', () => {
  it('pushes CS and EIP in its size', () => {
    const cpu = machine();
    assert.equal(call(cpu, 8), '');
    assert.deepEqual(cpu.stack(2), [0x5000, 8]);
    assert.equal(call(cpu, 8, 0x7000n, 16), '');
    assert.deepEqual(cpu.stack(2, 2), [0x6000, 8]);
  });

  it('through a gate to more privilege switches stacks and copies the parameters', () => {
    const cpu = machine(3)
      .gate(GDT + 0x60, 0xec, 8, 0x6000, 2)
      .push([0x111, 0x222]);
    assert.equal(call(cpu, 0x63), '');
    assert.deepEqual(cpu.stack(6), [0x5000, 27, 0x111, 0x222, 0x8000 - 8, 35]);
    assert.equal(cpu.state.u32(STATE.cpl), 0);
    assert.equal(cpu.selector(SEG.SS), 16);
  });

  it('through a 16-bit gate pushes words', () => {
    const cpu = machine(3)
      .gate(GDT + 0x60, 0xe4, 8, 0x6000, 1)
      .push([0x111], 2);
    assert.equal(call(cpu, 0x63), '');
    assert.deepEqual(cpu.stack(5, 2), [0x5000, 27, 0x111, 0x7ffe, 35]);
  });

  it('through a gate to the same level pushes in the size of the gate', () => {
    const cpu = machine(0).gate(GDT + 0x60, 0x84, 8, 0x6000);
    assert.equal(call(cpu, 0x60), '');
    assert.deepEqual(cpu.stack(2, 2), [0x5000, 8]);
  });

  for (const [why, access, selector, fault] of [
    ['a gate of more privilege', 0x8c, 0x60, '#GP(60)'],
    ['a gate that is not present', 0x6c, 0x60, '#NP(60)'],
    ['a gate to data', 0xec, 0x60, '#GP(10)'],
  ] as const) {
    it(`through ${why} raises ${fault}`, () => {
      const cpu = machine(3).gate(GDT + 0x60, access, 16, 0x6000);
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('farCall', far(selector), 0n)),
        fault,
      );
    });
  }

  it('to a stack that the TSS does not hold raises #TS', () => {
    const cpu = machine(3).gate(GDT + 0x60, 0xec, 8, 0x6000);
    cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 5, rights: 0x8b });
    assert.equal(call(cpu, 0x60), '#TS(40)');
  });

  it('in long mode goes through 16-byte gates to 64-bit code, with SS null', () => {
    const cpu = new TestCpu().long(3).describe(8, { access: ACCESS.code, flags: 0xa });
    cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
    cpu
      .write(TSS + 4, 0x7000n, 8)
      .gate(GDT + 0x60, 0xec, 8, 0x6000)
      .write(GDT + 0x68, 0n, 8);
    assert.equal(call(cpu, 0x60, 0n, 64), '');
    assert.deepEqual(cpu.stack(4, 8), [0x5000, 11, 0x8000, 19]);
    assert.equal(cpu.selector(SEG.SS), 0);
    const bad = new TestCpu()
      .long(0)
      .describe(8, { access: ACCESS.code })
      .gate(GDT + 0x60, 0x8c, 8, 0x6000);
    assert.equal(call(bad, 0x60, 0n, 64), '#GP(8)');
  });
});

describe('far return', () => {
  it('at the same level releases arguments', () => {
    const cpu = machine().push([0x1234, 8, 1, 2]);
    assert.equal(ret(cpu, 8), '');
    assert.equal(cpu.rip, 0x1234);
    assert.equal(cpu.state.gpr(4), 0x8000n);
  });

  it('to an outer level releases arguments of both stacks', () => {
    const cpu = machine().push([0x1234, 27, 1, 0x7700, 35]);
    assert.equal(ret(cpu, 4), '');
    assert.equal(cpu.state.gpr(4), 0x7704n);
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    assert.equal(cpu.selector(SEG.DS), 0);
  });

  it('to more privilege raises #GP', () => {
    assert.equal(ret(machine(3).push([0x1234, 8])), '#GP(8)');
  });

  it('beyond the stack raises #SS(0)', () => {
    const cpu = machine();
    cpu.state.setSegment(SEG.SS, { ...cpu.state.segment(SEG.SS), limit: 0x8003 });
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('farReturn', 32n, 0n)),
      '#SS(0)',
    );
  });

  it('in real mode takes words', () => {
    const cpu = new TestCpu();
    cpu.state.setGpr(4, 0xfffcn);
    cpu.write(0xfffc, 0x20001234n, 4);
    assert.equal(ret(cpu, 2, 16), '');
    assert.equal(cpu.state.gpr(4), 2n);
    assert.equal(cpu.state.segment(SEG.CS).base, 0x20000n);
  });
});
