import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FEATURES } from '../../isa/cpuid.ts';
import { CR0, CR4, EFER, FLAG, SEG, STATE } from '../../isa/registers.ts';
import { cpuidRegisters } from './cpuid.ts';
import { MSR } from './msr-numbers.ts';
import { CR8_AS_MSR } from './port.ts';
import { enterLong64, enterProtected32 } from './reset.ts';
import { TestCpu } from './test-cpu.case.ts';

const PG = BigInt(CR0.PG);
const writeCr = (cpu: TestCpu, number: number, value: bigint) =>
  cpu.fault(() => cpu.helpers.call('writeCr', BigInt(number), value));

describe('control registers', () => {
  for (const [why, value] of [
    ['paging without protection', PG | 16n],
    ['NW without CD', BigInt(CR0.NW) | 17n],
    ['bits above 31', (1n << 32n) | 17n],
  ] as const) {
    it(`CR0 with ${why} is #GP(0)`, () => {
      const cpu = new TestCpu().protect();
      assert.equal(
        cpu.faultUnchanged(() => cpu.helpers.call('writeCr', 0n, value)),
        '#GP(0)',
      );
    });
  }

  it('paging with EFER.LME turns long mode on, and needs PAE and no 64-bit CS', () => {
    const cpu = new TestCpu().protect();
    cpu.state.setU64(STATE.efer, BigInt(EFER.LME));
    assert.equal(writeCr(cpu, 0, PG | 17n), '#GP(0)');
    assert.equal(writeCr(cpu, 4, BigInt(CR4.PAE)), '');
    assert.equal(writeCr(cpu, 0, PG | 17n), '');
    assert.equal(cpu.state.u64(STATE.efer), BigInt(EFER.LME | EFER.LMA));
    assert.equal(writeCr(cpu, 4, 0n), '#GP(0)');
    assert.equal(
      cpu.fault(() => cpu.helpers.call('wrmsr', BigInt(MSR.EFER), 0n)),
      '#GP(0)',
    );
    assert.equal(writeCr(cpu, 0, 17n), '');
    assert.equal(cpu.state.u64(STATE.efer), BigInt(EFER.LME));
  });

  it('64-bit code cannot turn paging off', () => {
    assert.equal(writeCr(new TestCpu().long(), 0, 17n), '#GP(0)');
  });

  it('PAE paging loads four pointers and refuses reserved bits', () => {
    const cpu = new TestCpu().protect();
    cpu.state.setU64(STATE.cr3, 0x6000n);
    cpu.write(0x6000, 0x7001n, 8).write(0x6008, 0x8007n, 8);
    writeCr(cpu, 4, BigInt(CR4.PAE));
    assert.equal(
      cpu.faultUnchanged(() => cpu.helpers.call('writeCr', 0n, PG | 17n)),
      '#GP(0)',
    );
    cpu.write(0x6008, 0x8001n, 8);
    assert.equal(writeCr(cpu, 0, PG | 17n), '');
    assert.equal(cpu.state.u64(STATE.pdpte1), 0x8001n);
    cpu.write(0x6020, 1n | (1n << 45n), 8);
    assert.equal(writeCr(cpu, 3, 0x6020n), '#GP(0)');
    assert.equal(cpu.state.u64(STATE.cr3), 0x6000n);
  });

  it('CR4 refuses bits that CPUID does not offer, and PCIDs outside long mode or with a used CR3', () => {
    const cpu = new TestCpu().protect();
    assert.equal(writeCr(cpu, 4, 1n << 13n), '#GP(0)');
    assert.equal(writeCr(cpu, 4, BigInt(CR4.PCIDE)), '#GP(0)');
    const long = new TestCpu().long();
    long.state.setU64(STATE.cr3, 0x1001n);
    assert.equal(writeCr(long, 4, BigInt(CR4.PCIDE | CR4.PAE)), '#GP(0)');
    long.state.setU64(STATE.cr3, 0x1000n);
    assert.equal(writeCr(long, 4, BigInt(CR4.PCIDE | CR4.PAE)), '');
    assert.equal(writeCr(long, 3, (1n << 63n) | 0x2001n), '');
    assert.equal(long.state.u64(STATE.cr3), 0x2001n);
  });

  it('CR3 in long mode refuses bits beyond the physical address', () => {
    assert.equal(writeCr(new TestCpu().long(), 3, 1n << 40n), '#GP(0)');
    assert.equal(writeCr(new TestCpu().long(), 3, 1n << 63n), '#GP(0)');
  });

  it('CR3 keeps global translations, CR4.PGE does not', () => {
    const cpu = new TestCpu().protect();
    writeCr(cpu, 3, 0x1000n);
    writeCr(cpu, 4, BigInt(CR4.PGE));
    assert.deepEqual(cpu.port.log, ['flush notGlobal', 'flush all']);
  });

  it('LMSW sets PE and cannot clear it', () => {
    const cpu = new TestCpu();
    cpu.helpers.call('lmsw', 0xfff1n, 0n);
    cpu.helpers.call('lmsw', 8n, 0n);
    assert.equal(cpu.state.low(STATE.cr0) & 0xf, 9);
  });

  it('CR8 is the task priority of the APIC', () => {
    const cpu = new TestCpu().long();
    cpu.port.apic.set(CR8_AS_MSR, 0n);
    assert.equal(writeCr(cpu, 8, 16n), '#GP(0)');
    assert.equal(writeCr(cpu, 8, 9n), '');
    assert.equal(cpu.helpers.call('readCr8', 0n, 0n), 9n);
  });

  it('XCR0 must have x87 and nothing beyond SSE', () => {
    const cpu = new TestCpu();
    const set = (register: bigint, value: bigint) => cpu.fault(() => cpu.helpers.call('xsetbv', register, value));
    assert.deepEqual([set(0n, 3n), set(0n, 2n), set(0n, 7n), set(1n, 1n)], ['', '#GP(0)', '#GP(0)', '#GP(0)']);
  });
});

describe('debug registers', () => {
  it('4 and 5 stand for 6 and 7, unless CR4.DE is set', () => {
    const cpu = new TestCpu();
    cpu.helpers.call('writeDr', 5n, 0xffffdfffn);
    assert.equal(cpu.helpers.call('readDr', 7n, 0n), 0xffff07ffn);
    cpu.state.setU64(STATE.dr7, 0x400n);
    cpu.helpers.call('writeDr', 4n, 0n);
    assert.equal(cpu.helpers.call('readDr', 6n, 0n), 0xffff0ff0n);
    cpu.state.setU64(STATE.cr4, BigInt(CR4.DE));
    assert.equal(
      cpu.fault(() => cpu.helpers.call('readDr', 4n, 0n)),
      '#UD(0)',
    );
  });

  it('general detect raises #DB with BD', () => {
    const cpu = new TestCpu();
    cpu.helpers.call('writeDr', 7n, 0x2000n);
    assert.equal(
      cpu.fault(() => cpu.helpers.call('readDr', 0n, 0n)),
      '#DB(0)',
    );
    assert.equal(cpu.state.u64(STATE.dr6), 0xffff2ff0n);
    assert.equal(cpu.state.u64(STATE.dr7), 0x400n);
  });

  it('upper bits in 6 and 7 are #GP(0)', () => {
    const cpu = new TestCpu();
    assert.equal(
      cpu.fault(() => cpu.helpers.call('writeDr', 7n, 1n << 32n)),
      '#GP(0)',
    );
  });
});

describe('model-specific registers', () => {
  const read = (cpu: TestCpu, index: number) => cpu.helpers.call('rdmsr', BigInt(index), 0n);
  const write = (cpu: TestCpu, index: number, value: bigint) =>
    cpu.fault(() => cpu.helpers.call('wrmsr', BigInt(index), value));

  it('that do not exist are #GP(0), as are writes to constants', () => {
    const cpu = new TestCpu();
    assert.equal(
      cpu.fault(() => read(cpu, 0x12345)),
      '#GP(0)',
    );
    assert.equal(write(cpu, MSR.ARCH_CAPABILITIES, 0n), '#GP(0)');
    assert.equal(
      cpu.fault(() => read(cpu, MSR.PRED_CMD)),
      '#GP(0)',
    );
    assert.equal(
      cpu.fault(() => read(cpu, 0x808)),
      '#GP(0)',
    );
  });

  for (const [index, good, bad] of [
    [MSR.FS_BASE, 0xffff800000000000n, 0x800000000000n],
    [MSR.LSTAR, 0x7fffffffffffn, 0x800000000000n],
    [MSR.PAT, 0x0001020406050706n & ~0x20000000000n, 2n],
    [MSR.MTRR_DEF_TYPE, 0xc06n, 0xc07n],
    [MSR.MTRR_PHYSBASE0, 0x80000006n, 1n << 40n],
    [MSR.TSC_AUX, 5n, 1n << 32n],
    [MSR.SYSENTER_ESP, 0x1000n, 1n << 60n],
    [MSR.EFER, BigInt(EFER.SCE | EFER.NXE), 2n],
  ] as const) {
    it(`0x${index.toString(16)} keeps a good value and refuses a bad one`, () => {
      const cpu = new TestCpu();
      assert.equal(write(cpu, index, good), '');
      assert.equal(write(cpu, index, bad), '#GP(0)');
      assert.equal(read(cpu, index), good);
    });
  }

  it('TSC_ADJUST and TSC move together', () => {
    const cpu = new TestCpu();
    cpu.port.time = 1000n;
    write(cpu, MSR.TSC, 1500n);
    assert.equal(read(cpu, MSR.TSC_ADJUST), 500n);
    write(cpu, MSR.TSC_ADJUST, 100n);
    assert.equal(read(cpu, MSR.TSC), 1100n);
  });

  it('are saved and restored', () => {
    const cpu = new TestCpu();
    write(cpu, MSR.MTRR_DEF_TYPE, 0xc06n);
    const record = cpu.helpers.save();
    cpu.helpers.reset();
    assert.equal(read(cpu, MSR.MTRR_DEF_TYPE), 0n);
    cpu.helpers.restore(record);
    assert.equal(read(cpu, MSR.MTRR_DEF_TYPE), 0xc06n);
  });
});

describe('CPUID', () => {
  const text = (...words: number[]) =>
    words.map((word) => String.fromCharCode(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24)).join('');

  it('names vendor, brand and hypervisor', () => {
    const { context } = new TestCpu();
    const [, ebx, ecx, edx] = cpuidRegisters(context, 0, 0);
    assert.equal(text(ebx, edx, ecx), 'GenuineIntel');
    assert.match(
      text(...[2, 3, 4].flatMap((part) => cpuidRegisters(context, 0x80000000 + part, 0))),
      /^Vitrine virtual CPU\0/,
    );
    const [, b, c, d] = cpuidRegisters(context, 0x40000000, 0);
    assert.equal(text(b, c, d), 'VitrineVitri');
  });

  it('shows every feature at its bit, those that depend on state when they are on', () => {
    const cpu = new TestCpu().long();
    cpu.state.setU64(STATE.cr4, BigInt(CR4.OSXSAVE));
    for (const { name, leaf, subleaf, register, bit } of FEATURES) {
      const answer = cpuidRegisters(cpu.context, leaf, subleaf)[['eax', 'ebx', 'ecx', 'edx'].indexOf(register)];
      assert.equal((answer >>> bit) & 1, 1, name);
    }
    cpu.port.apic.set(0x1b, 0n);
    cpu.state.setU64(STATE.cr4, 0n);
    assert.equal(cpuidRegisters(cpu.context, 1, 0)[3] & (1 << 9), 0);
    assert.equal(cpuidRegisters(cpu.context, 1, 0)[2] & (1 << 27), 0);
  });

  it('covers x86-64-v2', () => {
    const names = new Set(FEATURES.map(({ name }) => name));
    for (const name of ['cmov', 'cx8', 'fxsr', 'sse2', 'cx16', 'lahf', 'popcnt', 'sse3', 'sse41', 'sse42', 'ssse3']) {
      assert.ok(names.has(name), name);
    }
  });

  it('tells the ratio of TSC and APIC timer', () => {
    const cpu = new TestCpu();
    const context = { ...cpu.context, options: { tscHz: 1e9, apicTimerHz: 25e6 } };
    assert.deepEqual(cpuidRegisters(context, 0x15, 0), [1, 40, 25e6, 0]);
  });

  it('writes whole registers', () => {
    const cpu = new TestCpu();
    cpu.state.setGpr(0, 0xffffffff00000000n);
    cpu.helpers.call('cpuid', 0n, 0n);
    assert.equal(cpu.state.gpr(0), 0x16n);
  });
});

describe('reset and entry states', () => {
  it('power-on starts at FFFFFFF0h in real mode', () => {
    const cpu = new TestCpu();
    assert.deepEqual([cpu.state.segment(SEG.CS).base, cpu.rip], [0xffff0000n, 0xfff0]);
    assert.deepEqual([cpu.state.low(STATE.cr0), cpu.state.eflags], [0x60000010, 2]);
    assert.equal(cpu.state.u64(STATE.a20Mask), 0xffffffffffffffffn);
  });

  it('a loader enters 32-bit and 64-bit code', () => {
    const cpu = new TestCpu();
    enterProtected32(cpu.context, { rip: 0x100000n, registers: { 0: 0x2badb002n }, code: 8, data: 16 });
    assert.deepEqual([cpu.rip, cpu.state.gpr(0), cpu.state.segment(SEG.CS).rights], [0x100000, 0x2badb002n, 0xc09b]);
    enterLong64(cpu.context, { rip: 0x200n, registers: { 6: 5n }, code: 16, data: 24, cr3: 0x1000n });
    assert.deepEqual([cpu.rip, cpu.state.u64(STATE.efer), cpu.state.segment(SEG.CS).rights], [0x200, 0x500n, 0xa09b]);
  });
});

describe('flags, system calls and ports', () => {
  it('POPF at level 3 leaves IOPL, and IF above IOPL', () => {
    const cpu = new TestCpu().protect(3);
    cpu.helpers.call('popFlags', 0x3202n, 32n);
    assert.equal(cpu.state.eflags, 2);
    cpu.state.eflags = 0x3002;
    cpu.helpers.call('popFlags', 0x202n, 32n);
    assert.equal(cpu.state.eflags, 0x3202);
  });

  it('CLI and STI act on VIF under PVI, and are #GP without', () => {
    const cpu = new TestCpu().protect(3);
    assert.equal(
      cpu.fault(() => cpu.helpers.call('cli', 0n, 0n)),
      '#GP(0)',
    );
    cpu.state.setU64(STATE.cr4, BigInt(CR4.PVI));
    cpu.helpers.call('sti', 0n, 0n);
    assert.equal(cpu.state.eflags, 2 | FLAG.VIF);
    cpu.state.eflags |= FLAG.VIP;
    assert.equal(
      cpu.fault(() => cpu.helpers.call('sti', 0n, 0n)),
      '#GP(0)',
    );
    cpu.helpers.call('cli', 0n, 0n);
    assert.equal(cpu.state.eflags, 2 | FLAG.VIP);
  });

  it('SYSCALL and SYSRET go to level 0 and back', () => {
    const cpu = new TestCpu().long(3);
    assert.equal(
      cpu.fault(() => cpu.helpers.call('syscall', 0n, 0n)),
      '#UD(0)',
    );
    cpu.state.setU64(STATE.efer, BigInt(EFER.LMA | EFER.LME | EFER.SCE));
    cpu.state.setU64(STATE.star, 0x0023001000000000n);
    cpu.state.setU64(STATE.lstar, 0xffffffff81000000n);
    cpu.state.setU64(STATE.sfmask, 0x200n);
    cpu.state.eflags = 0x202;
    cpu.helpers.call('syscall', 0n, 0n);
    assert.deepEqual([cpu.selector(SEG.CS), cpu.selector(SEG.SS), cpu.state.u32(STATE.cpl)], [0x10, 0x18, 0]);
    assert.deepEqual([cpu.state.gpr(1), cpu.state.gpr(11), cpu.state.eflags], [0x5000n, 0x202n, 2]);
    cpu.helpers.call('sysret', 64n, 0n);
    assert.deepEqual([cpu.selector(SEG.CS), cpu.selector(SEG.SS), cpu.state.u32(STATE.cpl)], [0x33, 0x2b, 3]);
    assert.deepEqual([cpu.rip, cpu.state.eflags], [0x5000, 0x202]);
  });

  it('SYSENTER and SYSEXIT need a code segment', () => {
    const cpu = new TestCpu().protect(3);
    assert.equal(
      cpu.fault(() => cpu.helpers.call('sysenter', 0n, 0n)),
      '#GP(0)',
    );
    cpu.state.setU64(STATE.sysenterCs, 0x60n);
    cpu.state.setU64(STATE.sysenterEip, 0x1234n);
    cpu.helpers.call('sysenter', 0n, 0n);
    assert.deepEqual([cpu.selector(SEG.CS), cpu.selector(SEG.SS), cpu.rip], [0x60, 0x68, 0x1234]);
    cpu.state.setGpr(2, 0x4321n);
    cpu.helpers.call('sysexit', 32n, 0n);
    assert.deepEqual([cpu.selector(SEG.CS), cpu.selector(SEG.SS), cpu.rip], [0x73, 0x7b, 0x4321]);
  });

  it('the I/O bitmap decides above IOPL', () => {
    const cpu = new TestCpu().protect(3);
    cpu.state.setSegment(SEG.TR, { selector: 0x40, base: 0x3000n, limit: 0x6f, rights: 0x8b });
    cpu.write(0x3066, 0x68n, 2).write(0x306a, 0xfen, 1);
    const read = (port: number, bytes: number) =>
      cpu.fault(() => cpu.helpers.call('portIn', BigInt(port), BigInt(bytes)));
    assert.deepEqual([read(16, 1), read(15, 1), read(16, 2), read(0x40, 1)], ['', '', '#GP(0)', '#GP(0)']);
    cpu.state.eflags = 0x3002;
    assert.equal(read(0x400, 4), '');
    cpu.state.eflags = 0x23002;
    assert.equal(read(0x400, 4), '#GP(0)');
  });
});
