import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CR4, FLAG, SEG, STATE } from '../../isa/registers.ts';
import { ACCESS, atLevel, TestCpu, TSS } from './test-cpu.case.ts';

function machine(cpl = 0): TestCpu {
  const cpu = new TestCpu().protect(cpl);
  cpu.describe(8, { access: ACCESS.code }).describe(16, { access: ACCESS.data });
  cpu.describe(24, { access: atLevel(ACCESS.code, 3) }).describe(32, { access: atLevel(ACCESS.data, 3) });
  cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
  return cpu;
}

const iret = (cpu: TestCpu, size = 32) => cpu.fault(() => cpu.helpers.call('iret', BigInt(size), 0n));

describe('IRET in protected mode', () => {
  it('at the same level takes EIP, CS and the flags, with IOPL at level 0', () => {
    const cpu = machine().push([0x1234, 8, 0x243ed7]);
    assert.equal(iret(cpu), '');
    assert.equal(cpu.rip, 0x1234);
    assert.equal(cpu.state.gpr(4), 0x8000n);
    assert.equal(cpu.state.eflags, 0x243ed7);
  });

  it('at level 3 with IOPL 0 leaves IF and IOPL', () => {
    const cpu = machine(3).push([0x1234, 27, 0x3202]);
    cpu.state.setSegment(SEG.CS, { ...cpu.state.segment(SEG.CS), selector: 27 });
    assert.equal(iret(cpu), '');
    assert.equal(cpu.state.eflags, 2);
  });

  it('to an outer level takes ESP and SS, and drops segments of the inner level', () => {
    const cpu = machine().push([0x1234, 27, 0x202, 0x7777, 35]);
    cpu.state.setSegment(SEG.DS, { ...cpu.state.segment(SEG.DS), rights: 0xc0f3 });
    assert.equal(iret(cpu), '');
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    assert.equal(cpu.state.gpr(4), 0x7777n);
    assert.equal(cpu.selector(SEG.SS), 35);
    assert.equal(cpu.selector(SEG.ES), 0);
    assert.equal(cpu.selector(SEG.DS), 16);
  });

  it('to a 16-bit stack changes SP alone', () => {
    const cpu = machine().push([0x1234, 27, 0x202, 0x12345678, 0x4b]);
    cpu.describe(0x48, { access: atLevel(ACCESS.data, 3), flags: 0 });
    assert.equal(iret(cpu), '');
    assert.equal(cpu.state.gpr(4), 0x5678n);
    const high = machine();
    high.state.setGpr(4, 0x98000n);
    high.push([0x1234, 27, 0x202, 0x12345678, 0x4b]).describe(0x48, { access: atLevel(ACCESS.data, 3), flags: 0 });
    assert.equal(iret(high), '');
    assert.equal(high.state.gpr(4), 0x95678n);
  });

  for (const [why, items, fault] of [
    ['a null CS', [0, 0, 2], '#GP(0)'],
    ['a CS of more privilege', [0, 8, 2], '#GP(8)'],
    ['a data segment as CS', [0, 35, 2], '#GP(20)'],
    ['a CS beyond the table', [0, 0x403, 2], '#GP(400)'],
    ['EIP beyond CS', [0x1000, 0x53, 2], '#GP(0)'],
    ['a CS that is not present', [0, 0x5b, 2], '#NP(58)'],
  ] as const) {
    it(`${why} raises ${fault}`, () => {
      const cpu = machine(3);
      cpu.describe(0x50, { access: atLevel(ACCESS.code, 3), limit: 0xfff, flags: 4 });
      cpu.describe(0x58, { access: atLevel(0x1b, 3) });
      cpu.push(items);
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('iret', 32n, 0n)),
        fault,
      );
    });
  }

  for (const [why, ss, fault] of [
    ['a null SS', 0, '#GP(0)'],
    ['an SS of another level', 16, '#GP(10)'],
    ['an SS with another RPL', 32, '#GP(20)'],
    ['code as SS', 27, '#GP(18)'],
    ['an SS that is not present', 0x4b, '#SS(48)'],
  ] as const) {
    it(`to an outer level with ${why} raises ${fault}`, () => {
      const cpu = machine().describe(0x48, { access: atLevel(0x13, 3) });
      cpu.push([0x1234, 27, 0x202, 0x7777, ss]);
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('iret', 32n, 0n)),
        fault,
      );
    });
  }

  it('to V86 mode loads all segments as real-mode ones', () => {
    const cpu = machine().push([0x100, 0x2000, 0x23202, 0xfffe, 0x3000, 1, 2, 3, 4]);
    assert.equal(iret(cpu), '');
    assert.deepEqual(
      [SEG.CS, SEG.SS, SEG.ES, SEG.DS, SEG.FS, SEG.GS].map((s) => cpu.selector(s)),
      [0x2000, 0x3000, 1, 2, 3, 4],
    );
    assert.equal(cpu.state.segment(SEG.SS).base, 0x30000n);
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    assert.equal(cpu.state.gpr(4), 0xfffen);
  });
});

describe('IRET in real and V86 mode', () => {
  it('in real mode takes all 16-bit flags', () => {
    const cpu = new TestCpu();
    cpu.state.setGpr(4, 0x8000n);
    cpu.push([0x10, 0x1234, 0x7fd7], 2);
    assert.equal(iret(cpu, 16), '');
    assert.equal(cpu.state.segment(SEG.CS).base, 0x12340n);
    assert.equal(cpu.state.eflags, 0x7fd7);
  });

  function v86(iopl: number): TestCpu {
    const cpu = machine(3);
    cpu.state.eflags = 0x20002 | (iopl << 12);
    return cpu;
  }

  it('in V86 mode with IOPL 3 changes IF and not IOPL', () => {
    const cpu = v86(3).push([0x10, 0x1234, 0x0202], 2);
    assert.equal(iret(cpu, 16), '');
    assert.equal(cpu.state.eflags, 0x23202);
  });

  it('in V86 mode with IOPL below 3 is #GP, under VME it sets VIF unless an interrupt is pending', () => {
    const cpu = v86(0).push([0x10, 0x1234, 0x0202], 2);
    assert.equal(iret(cpu, 16), '#GP(0)');
    cpu.state.setU64(STATE.cr4, BigInt(CR4.VME));
    cpu.state.eflags |= FLAG.VIP;
    assert.equal(iret(cpu, 16), '#GP(0)');
    cpu.state.eflags &= ~FLAG.VIP;
    assert.equal(iret(cpu, 16), '');
    assert.equal(cpu.state.eflags, 0x20002 | FLAG.VIF);
    assert.equal(iret(cpu, 32), '#GP(0)');
  });
});

describe('IRET in long mode', () => {
  function long(cpl = 0): TestCpu {
    const cpu = new TestCpu().long(cpl);
    cpu.describe(8, { access: ACCESS.code, flags: 0xa }).describe(16, { access: ACCESS.data });
    cpu.describe(24, { access: atLevel(ACCESS.code, 3), flags: 0xa });
    return cpu.describe(32, { access: atLevel(ACCESS.data, 3) }).describe(40, { access: atLevel(ACCESS.code, 3) });
  }

  it('takes SS and RSP at the same level too, where SS may be null', () => {
    const cpu = long().push([0x1234, 8, 0x202, 0x7770, 0], 8);
    assert.equal(iret(cpu, 64), '');
    assert.equal(cpu.state.gpr(4), 0x7770n);
    assert.equal(cpu.selector(SEG.SS), 0);
  });

  it('to level 3, in 64-bit and in compatibility mode', () => {
    const cpu = long().push([0x1234, 27, 0x202, 0x7770, 35], 8);
    assert.equal(iret(cpu, 64), '');
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    const compatible = long().push([0x1234, 43, 0x202, 0x7770, 35], 8);
    assert.equal(iret(compatible, 64), '');
    assert.equal(compatible.selector(SEG.CS), 43);
  });

  it('a null SS for level 3 or compatibility mode, a RIP that is not canonical, and NT raise #GP(0)', () => {
    assert.equal(iret(long().push([0x1234, 27, 0x202, 0x7770, 3], 8), 64), '#GP(0)');
    const cpu = long().push([0, 8, 0x202, 0x7770, 0], 8);
    cpu.write(Number(cpu.state.gpr(4)), 1n << 47n, 8);
    assert.equal(iret(cpu, 64), '#GP(0)');
    const nested = long().push([0x1234, 8, 0x202, 0x7770, 0], 8);
    nested.state.eflags |= FLAG.NT;
    assert.equal(iret(nested, 64), '#GP(0)');
  });

  it('to level 3 leaves the base of a null FS as its MSR has set it', () => {
    const cpu = long().push([0x1234, 27, 0x202, 0x7770, 35], 8);
    cpu.helpers.call('loadSegment', BigInt(SEG.FS), 0n);
    cpu.helpers.call('wrmsr', 0xc0000100n, 0x7f0012340000n);
    assert.equal(iret(cpu, 64), '');
    assert.equal(cpu.state.segment(SEG.FS).base, 0x7f0012340000n);
  });

  it('ignores VM', () => {
    const cpu = long().push([0x1234, 8, 0x20202, 0x7770, 0], 8);
    assert.equal(iret(cpu, 64), '');
    assert.equal(cpu.state.eflags, 0x202);
  });
});
