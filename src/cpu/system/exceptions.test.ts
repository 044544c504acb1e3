import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CR4, FLAG, SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { DeliveryPageIn, deliverException, deliverInterrupt, deliverNmi, deliverRest } from './exceptions.ts';
import { GuestPageIn, TripleFault } from './port.ts';
import { ACCESS, atLevel, GDT, IDT, TestCpu, TSS } from './test-cpu.case.ts';

const HANDLER = 0x6000;
const GATE_32 = 0x8e;
const TRAP_32 = 0x8f;

/** Flat segments in the GDT: 8 code 0, 16 data 0, 24 code 3, 32 data 3; a TSS with stack 16:7000. */
function machine(cpl: number): TestCpu {
  const cpu = new TestCpu().protect(cpl);
  cpu.describe(8, { access: ACCESS.code }).describe(16, { access: ACCESS.data });
  cpu.describe(24, { access: atLevel(ACCESS.code, 3) }).describe(32, { access: atLevel(ACCESS.data, 3) });
  if (cpl === 3) {
    cpu.state.setSegment(SEG.CS, { ...cpu.state.segment(SEG.CS), selector: 27 });
    cpu.state.setSegment(SEG.SS, { ...cpu.state.segment(SEG.SS), selector: 35 });
  }
  cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
  cpu.write(TSS + 4, 0x7000n, 4).write(TSS + 8, 16n, 2);
  return cpu;
}

describe('exceptions in protected mode', () => {
  it('a fault at level 0 pushes EFLAGS with RF, CS, EIP and its error code', () => {
    const cpu = machine(0).gate(IDT + 8 * 13, GATE_32, 8, HANDLER);
    cpu.state.eflags = 0x202;
    deliverException(cpu.context, VECTOR_OF.GP, 0x28, { rip: 0x5001n });
    assert.deepEqual(cpu.stack(4), [0x28, 0x5001, 8, 0x10202]);
    assert.equal(cpu.rip, HANDLER);
    assert.equal(cpu.state.eflags, 2);
  });

  it('a trap gate leaves IF, and an interrupt has no error code and no RF', () => {
    const cpu = machine(0).gate(IDT + 8 * 0x20, TRAP_32, 8, HANDLER);
    cpu.state.eflags = 0x302;
    deliverInterrupt(cpu.context, 0x20);
    assert.deepEqual(cpu.stack(3), [0x5000, 8, 0x302]);
    assert.equal(cpu.state.eflags, 0x202);
  });

  it('an event at level 3 switches to the stack of the TSS', () => {
    const cpu = machine(3).gate(IDT + 8 * 0x20, GATE_32, 8, HANDLER);
    deliverInterrupt(cpu.context, 0x20);
    assert.deepEqual(cpu.stack(5), [0x5000, 27, 2, 0x8000, 35]);
    assert.equal(cpu.state.gpr(4), 0x7000n - 20n);
    assert.equal(cpu.selector(SEG.SS), 16);
    assert.equal(cpu.selector(SEG.CS), 8);
    assert.equal(cpu.state.u32(STATE.cpl), 0);
  });

  it('a 16-bit gate pushes words and loads a 16-bit offset', () => {
    const cpu = machine(0).gate(IDT + 8 * 0x20, 0x86, 8, 0x12346000);
    cpu.state.eflags = 0x40202;
    deliverInterrupt(cpu.context, 0x20);
    assert.deepEqual(cpu.stack(3, 2), [0x5000, 8, 0x202]);
    assert.equal(cpu.rip, 0x6000);
  });

  it('from V86 mode the data segments are pushed and become null', () => {
    const cpu = machine(3).gate(IDT + 8 * 0x20, GATE_32, 8, HANDLER);
    cpu.state.eflags = 0x20202;
    for (const index of [SEG.ES, SEG.CS, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
      cpu.state.setSegment(index, { selector: 0x100 + index, base: 0n, limit: 0xffff, rights: 0xf3 });
    }
    deliverInterrupt(cpu.context, 0x20);
    assert.deepEqual(cpu.stack(9), [0x5000, 0x101, 0x20202, 0x8000, 0x102, 0x100, 0x103, 0x104, 0x105]);
    assert.equal(cpu.selector(SEG.DS), 0);
    assert.equal(cpu.state.u32(STATE.eflags) & FLAG.VM, 0);
  });

  it('a missing gate raises #GP with IDT bit, and EXT for what is not INT n', () => {
    const cpu = machine(0).gate(IDT + 8 * 13, GATE_32, 8, HANDLER);
    deliverInterrupt(cpu.context, 0x21);
    assert.deepEqual(cpu.stack(1), [0x21 * 8 + 3]);
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x21n, 0n)),
      '#GP(10a)',
    );
  });

  it('INT n to a gate of more privilege is #GP, an exception passes', () => {
    const cpu = machine(3).gate(IDT + 8 * 3, GATE_32, 8, HANDLER);
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('breakpointInterrupt', 0n, 0n)),
      '#GP(1a)',
    );
    deliverException(cpu.context, VECTOR_OF.BP);
    assert.equal(cpu.rip, HANDLER);
  });

  it('a gate that is not present is #NP, a code segment that is not present too', () => {
    const cpu = machine(0)
      .gate(IDT + 8 * 0x30, 0x0e, 8, HANDLER)
      .gate(IDT + 8 * 0x31, GATE_32, 0x48, HANDLER);
    cpu.describe(0x48, { access: 0x1b });
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x30n, 0n)),
      '#NP(182)',
    );
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x31n, 0n)),
      '#NP(48)',
    );
  });

  it('a bad stack in the TSS is #TS, one beyond its limit #SS, each with its selector', () => {
    const cpu = machine(3).gate(IDT + 8 * 0x30, atLevel(GATE_32, 3), 8, HANDLER);
    cpu.write(TSS + 8, 35n, 2);
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x30n, 0n)),
      '#TS(20)',
    );
    cpu.write(TSS + 8, 0x48n, 2).describe(0x48, { access: ACCESS.data, limit: 0xff, flags: 4 });
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x30n, 0n)),
      '#SS(48)',
    );
    cpu.write(TSS + 8, 0x50n, 2).describe(0x50, { access: 0x13 });
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', 0x30n, 0n)),
      '#SS(50)',
    );
  });

  it('a page fault sets CR2', () => {
    const cpu = machine(0).gate(IDT + 8 * 14, GATE_32, 8, HANDLER);
    deliverException(cpu.context, VECTOR_OF.PF, 6, { address: 0x1234n });
    assert.equal(cpu.state.u64(STATE.cr2), 0x1234n);
    assert.equal(cpu.stack(1)[0], 6);
  });
});

describe('faults while an event is delivered', () => {
  it('a contributory one after another is a double fault with error code 0', () => {
    const cpu = machine(0).gate(IDT + 8 * 8, GATE_32, 8, HANDLER);
    deliverException(cpu.context, VECTOR_OF.NP, 0x18);
    assert.deepEqual(cpu.stack(3), [0, 0x5000, 8]);
    assert.equal(cpu.rip, HANDLER);
  });

  it('a page fault after a contributory one is delivered itself, the other way round is a double fault', () => {
    const cpu = machine(0)
      .gate(IDT + 8 * 8, GATE_32, 8, HANDLER)
      .gate(IDT + 8 * 14, GATE_32, 8, HANDLER + 4);
    cpu.gate(IDT + 8 * 13, GATE_32, 8, HANDLER + 8);
    cpu.port.notMapped.add((IDT >> 12) + 0);
    assert.throws(() => deliverException(cpu.context, VECTOR_OF.GP, 0), TripleFault);
    cpu.port.notMapped.clear();
    cpu.gate(IDT + 8 * 14, 0, 0, 0);
    deliverException(cpu.context, VECTOR_OF.PF, 0);
    assert.equal(cpu.rip, HANDLER);
  });

  it('a benign exception gives way to the second', () => {
    const cpu = machine(0).gate(IDT + 8 * 13, GATE_32, 8, HANDLER);
    deliverException(cpu.context, VECTOR_OF.UD);
    assert.deepEqual(cpu.stack(2), [6 * 8 + 3, 0x5000]);
  });

  it('a double fault that cannot be delivered shuts down', () => {
    const cpu = machine(0);
    assert.throws(() => deliverException(cpu.context, VECTOR_OF.GP, 0), TripleFault);
  });

  it('an absent page takes nothing away, so that delivery is repeated', () => {
    const cpu = machine(3).gate(IDT + 8 * 0x20, GATE_32, 8, HANDLER);
    cpu.port.absent.add(6);
    assert.throws(() => deliverInterrupt(cpu.context, 0x20), GuestPageIn);
    assert.equal(cpu.rip, 0x5000);
    assert.equal(cpu.state.u32(STATE.cpl), 3);
    cpu.port.absent.clear();
    deliverInterrupt(cpu.context, 0x20);
    assert.equal(cpu.rip, HANDLER);
  });

  it('a delivery that had become a double fault goes on as one once the page is there', () => {
    const cpu = machine(3).gate(IDT + 8 * 8, GATE_32, 8, HANDLER);
    cpu.port.absent.add(6);
    const deliver = () => deliverException(cpu.context, VECTOR_OF.GP, 0);
    assert.throws(deliver, (error) => {
      assert.ok(error instanceof DeliveryPageIn);
      assert.equal(error.rest.event.vector, VECTOR_OF.DF);
      cpu.port.absent.clear();
      deliverRest(cpu.context, error.rest);
      return true;
    });
    assert.equal(cpu.rip, HANDLER);
  });
});

describe('exceptions in real mode', () => {
  it('take the far pointer of the vector table and push no error code', () => {
    const cpu = new TestCpu();
    cpu.state.setU64(STATE.idtrBase, 0n);
    cpu.state.setSegment(SEG.SS, { ...cpu.state.segment(SEG.SS), base: 0x10000n, selector: 0x1000 });
    cpu.state.setGpr(4, 0n);
    cpu.state.eflags = 0x302;
    cpu.write(13 * 4, 0x20003456n, 4);
    deliverException(cpu.context, VECTOR_OF.GP, 0, { rip: 0x1234n });
    assert.equal(cpu.state.gpr(4), 0xfffan);
    assert.deepEqual(cpu.stack(3, 2), [0x1234, 0xf000, 0x302]);
    assert.equal(cpu.state.segment(SEG.CS).base, 0x20000n);
    assert.equal(cpu.rip, 0x3456);
    assert.equal(cpu.state.eflags, 2);
  });

  it('beyond the limit of the table they end in shutdown', () => {
    const cpu = new TestCpu();
    cpu.state.setU32(STATE.idtrLimit, 3);
    assert.throws(() => deliverException(cpu.context, VECTOR_OF.UD), TripleFault);
  });
});

describe('exceptions in long mode', () => {
  function long(cpl: number): TestCpu {
    const cpu = new TestCpu().long(cpl);
    cpu.describe(8, { access: ACCESS.code, flags: 0xa });
    cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
    cpu.write(TSS + 4, 0x7008n, 8).write(TSS + 36, 0x9008n, 8);
    return cpu;
  }

  it('push five qwords on an aligned stack, with SS null at a new level', () => {
    const cpu = long(3).gate(IDT + 16 * 14, GATE_32, 8, HANDLER);
    deliverException(cpu.context, VECTOR_OF.PF, 4, { address: 0x10n });
    assert.deepEqual(cpu.stack(6, 8), [4, 0x5000, 11, 0x10002, 0x8000, 19]);
    assert.equal(cpu.state.gpr(4), 0x7000n - 48n);
    assert.equal(cpu.selector(SEG.SS), 0);
    assert.equal(cpu.state.u32(STATE.cpl), 0);
  });

  it('at the same level stay on the stack, or take the one that the gate names', () => {
    const cpu = long(0)
      .gate(IDT + 16 * 32, GATE_32, 8, HANDLER)
      .gate(IDT + 16 * 33, GATE_32, 8, HANDLER, 1);
    deliverInterrupt(cpu.context, 32);
    assert.equal(cpu.state.gpr(4), 0x8000n - 40n);
    assert.equal(cpu.selector(SEG.SS), 16);
    deliverInterrupt(cpu.context, 33);
    assert.equal(cpu.state.gpr(4), 0x9000n - 40n);
  });

  it('need a 64-bit code segment, a canonical stack and a gate of 64 bits', () => {
    const cpu = long(3).gate(IDT + 16 * 32, atLevel(GATE_32, 3), 24, HANDLER);
    cpu.describe(24, { access: ACCESS.code });
    const int = (vector: bigint) => cpu.faultUnchanged(() => cpu.helpers.call('softwareInterrupt', vector, 0n));
    assert.equal(int(32n), '#GP(18)');
    cpu.gate(IDT + 16 * 32, atLevel(GATE_32, 3), 8, HANDLER).write(TSS + 4, 1n << 60n, 8);
    assert.equal(int(32n), '#SS(0)');
    cpu.gate(IDT + 16 * 32, atLevel(0x86, 3), 8, HANDLER);
    assert.equal(int(32n), '#GP(102)');
  });
});

describe('events', () => {
  it('an NMI blocks further ones until IRET', () => {
    const cpu = machine(0).gate(IDT + 8 * 2, GATE_32, 8, HANDLER);
    deliverNmi(cpu.context);
    assert.equal(cpu.state.u32(STATE.nmiBlocked), 1);
    cpu.helpers.call('iret', 32n, 0n);
    assert.equal(cpu.state.u32(STATE.nmiBlocked), 0);
    assert.equal(cpu.rip, 0x5000);
  });

  it('a debug exception records its reason and ends general detect; single-step is no fault', () => {
    const cpu = machine(0).gate(IDT + 8, GATE_32, 8, HANDLER);
    cpu.state.setU64(STATE.dr7, 0x2400n);
    deliverException(cpu.context, VECTOR_OF.DB, 0, { dr6: 0x4000 });
    assert.equal(cpu.state.u64(STATE.dr6), 0xffff4ff0n);
    assert.equal(cpu.state.u64(STATE.dr7), 0x400n);
    assert.equal(cpu.stack(3)[2], 2);
  });

  it('delivery ends a halt and the shadow of STI', () => {
    const cpu = machine(0).gate(IDT + 8 * 32, GATE_32, 8, HANDLER);
    cpu.state.setU32(STATE.halted, 1);
    cpu.state.setU32(STATE.shadow, 1);
    deliverInterrupt(cpu.context, 32);
    assert.equal(cpu.state.u32(STATE.halted) + cpu.state.u32(STATE.shadow), 0);
  });

  it('the accessed bit of the handler’s code segment is set', () => {
    const cpu = machine(0)
      .gate(IDT + 8 * 32, GATE_32, 0x48, HANDLER)
      .describe(0x48, { access: 0x9a });
    deliverInterrupt(cpu.context, 32);
    assert.equal(cpu.read(GDT + 0x48 + 5, 1), 0x9b);
  });
});

describe('INT n in V86 mode', () => {
  function v86(iopl: number, redirected: boolean): TestCpu {
    const cpu = machine(3).gate(IDT + 8 * 0x21, atLevel(GATE_32, 3), 8, HANDLER);
    cpu.state.eflags = 0x20202 | (iopl << 12);
    cpu.state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0xff, rights: 0x8b });
    cpu.write(TSS + 102, 0x88n, 2).write(TSS + 0x68 + 4, redirected ? 0n : 2n, 1);
    for (const index of [SEG.ES, SEG.CS, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
      cpu.state.setSegment(index, { selector: 0, base: 0n, limit: 0xffff, rights: 0xf3 });
    }
    return cpu.write(0x21 * 4, 0x01000010n, 4);
  }
  const int21 = (cpu: TestCpu) => cpu.fault(() => cpu.helpers.call('softwareInterrupt', 0x21n, 0n));

  it('goes through the IDT with IOPL 3, else it is #GP', () => {
    const cpu = v86(3, false);
    assert.equal(int21(cpu), '');
    assert.equal(cpu.rip, HANDLER);
    assert.equal(int21(v86(0, false)), '#GP(0)');
  });

  it('under VME goes to the task’s own handler where the map says so, with VIF for IF', () => {
    const cpu = v86(0, true);
    cpu.state.setU64(STATE.cr4, BigInt(CR4.VME));
    cpu.state.eflags |= FLAG.VIF;
    assert.equal(int21(cpu), '');
    assert.equal(cpu.rip, 0x10);
    assert.equal(cpu.state.segment(SEG.CS).base, 0x1000n);
    assert.deepEqual(cpu.stack(3, 2), [0x5000, 0, 0x3202]);
    assert.equal(cpu.state.eflags & (FLAG.VIF | FLAG.IF), FLAG.IF);
  });

  it('under VME with IOPL below 3 is #GP where the map does not redirect', () => {
    const cpu = v86(0, false);
    cpu.state.setU64(STATE.cr4, BigInt(CR4.VME));
    assert.equal(int21(cpu), '#GP(0)');
  });
});
