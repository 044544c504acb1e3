import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CR0, FLAG, SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { deliverException } from './exceptions.ts';
import { GuestPageIn } from './port.ts';
import { ACCESS, atLevel, GDT, IDT, TestCpu, TSS } from './test-cpu.case.ts';

const NEW = 0x9000;
const OLD_SELECTOR = 0x40;
const NEW_SELECTOR = 0x60;
const SEGMENTS_AT = 0x48;

/** The new task: level 3 code 24 at 1234h, stack 32. */
function machine(): TestCpu {
  const cpu = new TestCpu().protect();
  cpu.describe(8, { access: ACCESS.code }).describe(16, { access: ACCESS.data });
  cpu.describe(24, { access: atLevel(ACCESS.code, 3) }).describe(32, { access: atLevel(ACCESS.data, 3) });
  cpu.describe(OLD_SELECTOR, { access: 0x8b, base: TSS, limit: 0x67, flags: 0 });
  cpu.describe(NEW_SELECTOR, { access: 0x89, base: NEW, limit: 0x67, flags: 0 });
  cpu.state.setSegment(SEG.TR, { selector: OLD_SELECTOR, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
  cpu.state.setSegment(SEG.CS, { ...cpu.state.segment(SEG.CS), selector: 8 });
  for (let index = 0; index < 8; index++) {
    cpu.state.setGpr(index, BigInt(index === 4 ? 0x8000 : 0x1000 + index));
    cpu.write(NEW + 0x28 + 4 * index, BigInt(0x2000 + index), 4);
  }
  cpu.write(NEW + 0x20, 0x1234n, 4).write(NEW + 0x24, 0x202n, 4);
  for (const [index, selector] of [35, 27, 35, 35, 0, 0].entries()) {
    cpu.write(NEW + SEGMENTS_AT + 4 * index, BigInt(selector), 2);
  }
  return cpu;
}

const busy = (cpu: TestCpu, selector: number) => (cpu.read(GDT + selector + 5, 1) & 2) !== 0;
const jump = (cpu: TestCpu, selector = NEW_SELECTOR) =>
  cpu.fault(() => cpu.helpers.call('farJump', BigInt(selector | (32 << 16)), 0n));
const call = (cpu: TestCpu, selector = NEW_SELECTOR) =>
  cpu.fault(() => cpu.helpers.call('farCall', BigInt(selector | (32 << 16)), 0n));

describe('task switch', () => {
  it('by JMP saves the old task, loads the new one and moves the busy bit', () => {
    const cpu = machine();
    assert.equal(jump(cpu), '');
    assert.equal(cpu.rip, 0x1234);
    assert.equal(cpu.state.gpr(0), 0x2000n);
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    assert.equal(cpu.state.eflags, 0x202);
    assert.equal(cpu.selector(SEG.TR), NEW_SELECTOR);
    assert.deepEqual([busy(cpu, OLD_SELECTOR), busy(cpu, NEW_SELECTOR)], [false, true]);
    assert.deepEqual(
      [cpu.read(TSS + 0x20, 4), cpu.read(TSS + 0x28, 4), cpu.read(TSS + SEGMENTS_AT + 4, 2)],
      [0x5000, 0x1000, 8],
    );
    assert.notEqual(cpu.state.low(STATE.cr0) & CR0.TS, 0);
  });

  it('to a task that lets interrupts in asks for a look at them', () => {
    for (const [flags, expected] of [
      [0x202n, true],
      [0x002n, false],
    ] as const) {
      const cpu = machine();
      cpu.write(NEW + 0x24, flags, 4);
      assert.equal(jump(cpu), '');
      assert.equal(cpu.port.log.includes('event'), expected);
    }
  });

  it('by CALL nests, and IRET comes back', () => {
    const cpu = machine();
    assert.equal(call(cpu), '');
    assert.equal(cpu.state.eflags, 0x202 | FLAG.NT);
    assert.equal(cpu.read(NEW, 2), OLD_SELECTOR);
    assert.deepEqual([busy(cpu, OLD_SELECTOR), busy(cpu, NEW_SELECTOR)], [true, true]);
    assert.equal(
      cpu.fault(() => cpu.helpers.call('iret', 32n, 0n)),
      '',
    );
    assert.equal(cpu.rip, 0x5000);
    assert.equal(cpu.selector(SEG.TR), OLD_SELECTOR);
    assert.deepEqual([busy(cpu, OLD_SELECTOR), busy(cpu, NEW_SELECTOR)], [true, false]);
    assert.equal(cpu.read(NEW + 0x24, 4), 0x202);
  });

  it('through a task gate, by an exception with error code', () => {
    const cpu = machine().gate(IDT + 8 * 8, 0x85, NEW_SELECTOR, 0);
    deliverException(cpu.context, VECTOR_OF.DF, 0);
    assert.equal(cpu.rip, 0x1234);
    assert.deepEqual(cpu.stack(1), [0]);
    assert.equal(cpu.state.gpr(4), 0x2000n);
    assert.equal(cpu.read(NEW, 2), OLD_SELECTOR);
  });

  for (const [why, access, limit, fault] of [
    ['a busy TSS', 0x8b, 0x67, '#GP(60)'],
    ['a TSS that is not present', 0x09, 0x67, '#NP(60)'],
    ['a TSS that is too small', 0x89, 0x66, '#TS(60)'],
    ['an LDT', 0x82, 0x67, '#GP(60)'],
  ] as const) {
    it(`to ${why} raises ${fault}`, () => {
      const cpu = machine().describe(NEW_SELECTOR, { access, base: NEW, limit, flags: 0 });
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('farJump', BigInt(NEW_SELECTOR | (32 << 16)), 0n)),
        fault,
      );
    });
  }

  it('with a bad segment faults in the new task', () => {
    const cpu = machine()
      .gate(IDT + 8 * 10, 0x8e, 8, 0x6000)
      .write(NEW + SEGMENTS_AT, 0x3f8n, 2);
    cpu.write(NEW + 4, 0x7000n, 4).write(NEW + 8, 16n, 2);
    assert.equal(jump(cpu), '');
    assert.equal(cpu.rip, 0x6000);
    assert.deepEqual(cpu.stack(3), [0x3f8, 0x1234, 27]);
    assert.equal(cpu.selector(SEG.TR), NEW_SELECTOR);
  });

  it('to a TSS whose T bit is set raises #DB in the new task', () => {
    const cpu = machine()
      .gate(IDT + 8, 0x8e, 8, 0x6000)
      .write(NEW + 0x64, 1n, 2);
    cpu.write(NEW + 4, 0x7000n, 4).write(NEW + 8, 16n, 2);
    assert.equal(jump(cpu), '');
    assert.equal(cpu.rip, 0x6000);
    assert.equal(cpu.stack(1)[0], 0x1234);
    assert.equal(cpu.state.u64(STATE.dr6), 0xffff8ff0n);
  });

  it('to a 16-bit TSS loads words and null FS and GS', () => {
    const cpu = machine().describe(NEW_SELECTOR, { access: 0x81, base: 0xa000, limit: 0x2b, flags: 0 });
    cpu.write(0xa00e, 0x4321n, 2).write(0xa010, 0x202n, 2);
    for (let index = 0; index < 8; index++) cpu.write(0xa012 + 2 * index, BigInt(0x3000 + index), 2);
    for (const [index, selector] of [16, 8, 16, 16].entries()) cpu.write(0xa022 + 2 * index, BigInt(selector), 2);
    assert.equal(jump(cpu), '');
    assert.deepEqual([cpu.rip, cpu.state.gpr(3), cpu.selector(SEG.FS)], [0x4321, 0x3003n, 0]);
  });

  it('restores the old task when its last step meets an absent page', () => {
    const cpu = machine().describe(0x68, { access: 0x82, base: 0xb000, limit: 0xff, flags: 0 });
    cpu.write(NEW + 0x60, 0x68n, 2).write(NEW + SEGMENTS_AT, 7n, 2);
    cpu.port.absent.add(0xb);
    assert.throws(() => jump(cpu), GuestPageIn);
    assert.deepEqual([cpu.rip, cpu.selector(SEG.TR), busy(cpu, NEW_SELECTOR)], [0x5000, OLD_SELECTOR, false]);
    cpu.port.absent.clear();
    for (const [index, byte] of [0xff, 0xff, 0, 0, 0, 0xf3, 0xcf, 0].entries())
      cpu.write(0xb000 + index, BigInt(byte), 1);
    assert.equal(jump(cpu), '');
    assert.equal(cpu.selector(SEG.ES), 7);
  });

  it('to the running task itself is taken back whole when a page is absent', () => {
    const cpu = machine().describe(OLD_SELECTOR, { access: 0x89, base: TSS, limit: 0x67, flags: 0 });
    cpu.describe(0x68, { access: 0x82, base: 0xb000, limit: 0xff, flags: 0 });
    cpu
      .write(TSS + 0x20, 0x4444n, 4)
      .write(TSS + 0x24, 2n, 4)
      .write(TSS + 0x60, 0x68n, 2);
    cpu
      .write(TSS + SEGMENTS_AT, 4n, 2)
      .write(TSS + SEGMENTS_AT + 4, 8n, 2)
      .write(TSS + SEGMENTS_AT + 8, 16n, 2);
    cpu.port.absent.add(0xb);
    assert.throws(() => jump(cpu, OLD_SELECTOR), GuestPageIn);
    assert.deepEqual([cpu.rip, cpu.read(TSS + 0x20, 4), busy(cpu, OLD_SELECTOR)], [0x5000, 0x4444, false]);
    cpu.port.absent.clear();
    for (const [index, byte] of [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0].entries())
      cpu.write(0xb000 + index, BigInt(byte), 1);
    assert.equal(jump(cpu, OLD_SELECTOR), '');
    assert.equal(cpu.rip, 0x4444);
  });
});
