import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SEG, SHADOW, STATE } from '../../isa/registers.ts';
import { ACCESS, atLevel, GDT, LDT, TestCpu } from './test-cpu.case.ts';

const LDT_SELECTOR = 0x70;

function machine(cpl = 0): TestCpu {
  const cpu = new TestCpu().protect(cpl);
  cpu.describe(8, { access: ACCESS.code }).describe(16, { access: ACCESS.data, base: 0x12345678, limit: 0x12 });
  cpu.describe(24, { access: atLevel(ACCESS.code, 3) }).describe(32, { access: atLevel(ACCESS.data, 3) });
  cpu.describe(0x48, { access: ACCESS.executeOnly }).describe(0x50, { access: 0x13 });
  cpu.describe(0x58, { access: ACCESS.readOnly }).describe(0x60, { access: ACCESS.conforming });
  cpu.describe(0x68, { access: 0x89, base: 0x3000, limit: 0x67, flags: 0 });
  cpu.describe(LDT_SELECTOR, { access: 0x82, base: LDT, limit: 0x1f, flags: 0 });
  return cpu.describe(12, { access: ACCESS.data });
}

const load = (cpu: TestCpu, index: number, selector: number) =>
  cpu.faultUnchanged(() => cpu.helpers.call('loadSegment', BigInt(index), BigInt(selector)));

describe('loading a segment register', () => {
  it('takes base, limit and rights from the descriptor and marks it accessed', () => {
    const cpu = machine().describe(16, { access: 0x92, base: 0x12345678, limit: 0x12 });
    cpu.helpers.call('loadSegment', BigInt(SEG.DS), 16n);
    assert.deepEqual(cpu.state.segment(SEG.DS), { selector: 16, base: 0x12345678n, limit: 0x12fff, rights: 0xc093 });
    assert.equal(cpu.read(GDT + 16 + 5, 1), 0x93);
  });

  for (const [why, cpl, index, selector, fault] of [
    ['DS with null', 3, SEG.DS, 3, ''],
    ['DS beyond the table', 0, SEG.DS, 0x400, '#GP(400)'],
    ['DS with execute-only code', 0, SEG.DS, 0x48, '#GP(48)'],
    ['DS with readable code', 0, SEG.DS, 8, ''],
    ['DS with conforming code from level 3', 3, SEG.DS, 0x63, ''],
    ['DS with data of more privilege', 3, SEG.DS, 16, '#GP(10)'],
    ['DS with a weaker RPL', 0, SEG.DS, 19, '#GP(10)'],
    ['DS with a segment not present', 0, SEG.DS, 0x50, '#NP(50)'],
    ['DS with a TSS', 0, SEG.DS, 0x68, '#GP(68)'],
    ['DS from the LDT without one', 0, SEG.DS, 12, '#GP(c)'],
    ['SS with null', 0, SEG.SS, 0, '#GP(0)'],
    ['SS with another level', 0, SEG.SS, 32, '#GP(20)'],
    ['SS with another RPL', 0, SEG.SS, 17, '#GP(10)'],
    ['SS with read-only data', 0, SEG.SS, 0x58, '#GP(58)'],
    ['SS with code', 0, SEG.SS, 8, '#GP(8)'],
    ['SS with a segment not present', 0, SEG.SS, 0x50, '#SS(50)'],
  ] as const) {
    it(`${why} ${fault === '' ? 'works' : `raises ${fault}`}`, () => {
      const cpu = machine(cpl);
      cpu.state.setSegment(SEG.LDTR, { selector: 0, base: 0n, limit: 0, rights: 0 });
      const result = load(cpu, index, selector);
      if (fault === '') assert.match(result, /^, state changed/);
      else assert.equal(result, fault);
    });
  }

  it('of SS holds interrupts off', () => {
    const cpu = machine();
    cpu.helpers.call('loadSegment', BigInt(SEG.SS), 16n);
    assert.equal(cpu.state.u32(STATE.shadow), SHADOW.stackSegment);
  });

  it('in 64-bit mode SS may be null below level 3, with RPL = CPL', () => {
    const cpu = new TestCpu().long(0);
    assert.equal(load(cpu, SEG.SS, 3), '#GP(0)');
    assert.equal(
      cpu.fault(() => cpu.helpers.call('loadSegment', BigInt(SEG.SS), 0n)),
      '',
    );
    assert.equal(load(new TestCpu().long(3), SEG.SS, 3), '#GP(0)');
  });

  it('in real mode keeps the hidden limit', () => {
    const cpu = new TestCpu();
    cpu.state.setSegment(SEG.DS, { selector: 0, base: 0n, limit: 0xffffffff, rights: 0xc093 });
    cpu.helpers.call('loadSegment', BigInt(SEG.DS), 0x1234n);
    assert.deepEqual(cpu.state.segment(SEG.DS), {
      selector: 0x1234,
      base: 0x12340n,
      limit: 0xffffffff,
      rights: 0xc093,
    });
  });

  it('in V86 mode gives 64 KiB at level 3', () => {
    const cpu = machine(3);
    cpu.state.eflags = 0x20002;
    cpu.helpers.call('loadSegment', BigInt(SEG.DS), 0x1234n);
    assert.deepEqual(cpu.state.segment(SEG.DS), { selector: 0x1234, base: 0x12340n, limit: 0xffff, rights: 0xf3 });
  });
});

describe('LLDT and LTR', () => {
  it('LLDT loads a local table, from which segments come', () => {
    const cpu = machine();
    cpu.helpers.call('lldt', BigInt(LDT_SELECTOR), 0n);
    cpu.helpers.call('loadSegment', BigInt(SEG.DS), 12n);
    assert.equal(cpu.selector(SEG.DS), 12);
    assert.equal(load(cpu, SEG.DS, 0x24), '#GP(24)');
    cpu.helpers.call('lldt', 0n, 0n);
    assert.equal(load(cpu, SEG.DS, 12), '#GP(c)');
  });

  it('LTR marks the TSS busy, and a busy one is #GP', () => {
    const cpu = machine();
    cpu.helpers.call('ltr', 0x68n, 0n);
    assert.equal(cpu.read(GDT + 0x68 + 5, 1), 0x8b);
    assert.equal(cpu.state.segment(SEG.TR).rights, 0x8b);
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('ltr', 0x68n, 0n)),
      '#GP(68)',
    );
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('ltr', 0n, 0n)),
      '#GP(0)',
    );
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('lldt', 0x68n, 0n)),
      '#GP(68)',
    );
  });

  it('in long mode take 16 bytes with a canonical base', () => {
    const cpu = new TestCpu().long().describe(0x68, { access: 0x89, base: 0x3000, limit: 0x67, flags: 0 });
    cpu.write(GDT + 0x70, 0xffff8000n, 8);
    cpu.helpers.call('ltr', 0x68n, 0n);
    assert.equal(cpu.state.segment(SEG.TR).base, 0xffff800000003000n);
    cpu.describe(0x78, { access: 0x82, base: 0x3000, limit: 0x67, flags: 0 }).write(GDT + 0x80, 0x8000n, 8);
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('lldt', 0x78n, 0n)),
      '#GP(78)',
    );
  });
});

describe('LAR, LSL, VERR and VERW', () => {
  it('tell rights and limit of what may be seen', () => {
    const cpu = machine(3);
    const ask = (name: 'lar' | 'lsl' | 'verr' | 'verw', selector: number) =>
      cpu.helpers.call(name, BigInt(selector), 0n).toString(16);
    assert.deepEqual([ask('lar', 27), ask('lsl', 27)], ['100cffb00', '1ffffffff']);
    assert.deepEqual([ask('lar', 8), ask('lsl', 0), ask('lsl', 0x400), ask('lar', 0x60)], ['0', '0', '0', '100cf9f00']);
    assert.deepEqual([ask('verr', 35), ask('verw', 35), ask('verr', 27), ask('verw', 27)], ['1', '1', '1', '0']);
    assert.deepEqual([ask('verr', 16), ask('verr', 0x60), ask('verr', 0x68), ask('verr', 0)], ['0', '1', '0', '0']);
  });

  it('LAR sees gates that LSL does not', () => {
    const cpu = machine().gate(GDT + 0x80, 0x8c, 8, 0);
    assert.equal(cpu.helpers.call('lar', 0x80n, 0n), 0x100008c00n);
    assert.equal(cpu.helpers.call('lsl', 0x80n, 0n), 0n);
  });
});
