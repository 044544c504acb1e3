import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { SplitMix64 } from '../base/random.ts';
import {
  CR0,
  CR4,
  EFER,
  FLAG,
  FLAT_RIGHTS,
  RIGHTS,
  SEG,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  SYSRET_FLAGS,
} from '../isa/registers.ts';
import type { CpuEnvironment } from './environment.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { restoreRegisters, saveRegisters } from './state-record.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 4 << 20;
const CODE = 0x1000;
const TABLES = 0x10000;
const PRESENT_WRITABLE = 3;
const PRESENT_WRITABLE_USER = 7;
const LARGE = 0x80;
const [RAX, RCX, RDX, RSP, R11] = [0, 1, 2, 4, 11];
const SYSCALL = [0x0f, 0x05];
const SYSRETQ = [0x48, 0x0f, 0x07];
const IRETQ = [0x48, 0xcf];
const UD2 = [0x0f, 0x0b];
const NOP = 0x90;
const RDTSC = [0x0f, 0x31];
const CASES = 100;

/** Identity map of the lowest 4 MiB: 2 MiB for everyone, and 2 MiB for the supervisor alone. */
function mapTables(ram: DataView): void {
  for (const [level, entry] of [TABLES + 0x1000, TABLES + 0x2000].entries()) {
    ram.setUint32(TABLES + level * 0x1000, entry | PRESENT_WRITABLE_USER, true);
  }
  ram.setUint32(TABLES + 0x2000, LARGE | PRESENT_WRITABLE_USER, true);
  ram.setUint32(TABLES + 0x2008, (1 << 21) | LARGE | PRESENT_WRITABLE, true);
}

/** A processor in 64-bit code of a level, about to execute `code`. */
function longMode(code: readonly number[], level: number, environment: CpuEnvironment = NO_DEVICES): Vcpu {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, environment, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
  new Uint8Array(memory.buffer, layout.ram, RAM_BYTES).set(code, CODE);
  mapTables(new DataView(memory.buffer, layout.ram, RAM_BYTES));
  const { state } = vcpu;
  state.setU64(STATE.cr0, BigInt(CR0.ET | CR0.PE | CR0.PG));
  state.setU64(STATE.cr3, BigInt(TABLES));
  state.setU64(STATE.cr4, BigInt(CR4.PAE));
  state.setU64(STATE.efer, BigInt(EFER.LME | EFER.LMA | EFER.SCE));
  const flat = { selector: 8 | level, base: 0n, limit: 0xffffffff };
  state.setSegment(SEG.CS, { ...flat, rights: FLAT_RIGHTS.code64 | (level << RIGHTS.dplShift) });
  state.setSegment(SEG.SS, { ...flat, rights: FLAT_RIGHTS.data | (level << RIGHTS.dplShift) });
  state.setU32(STATE.cpl, level);
  state.setU64(STATE.rip, BigInt(CODE));
  return vcpu;
}

/** A descriptor of a flat segment, by its rights. */
function descriptor(rights: number): bigint {
  return (BigInt(((rights & 0xf000) << 8) | 0xf0000 | ((rights & 0xff) << 8)) << 32n) | 0xffffn;
}

/** Entries of the GDT: code and stack of level 0 and of level 3, a code segment of 32 bits, and one that was not accessed. */
const GDT_ENTRIES = [
  0n,
  descriptor(FLAT_RIGHTS.code64),
  descriptor(FLAT_RIGHTS.data),
  descriptor(FLAT_RIGHTS.code64 | (3 << RIGHTS.dplShift)),
  descriptor(FLAT_RIGHTS.data | (3 << RIGHTS.dplShift)),
  descriptor(FLAT_RIGHTS.code32 | (3 << RIGHTS.dplShift)),
  descriptor(FLAT_RIGHTS.code64 & ~RIGHTS.accessed),
  descriptor(FLAT_RIGHTS.data & ~RIGHTS.granular),
];
const GDT = 0x220000;
const IDT = 0x221000;
const TSS = 0x222000;
const STACK = 0x230000;
const INNER_STACK = 0x238000;
const HANDLER = CODE + 0x200;

function ramOf({ engine }: Vcpu): DataView {
  const { ram } = engine.machineCode.machine.layout;
  return new DataView(engine.machineCode.machine.memory.buffer, ram, RAM_BYTES);
}

/** Tables as a system has them; now and then one of their entries is odd. */
function layTables(random: SplitMix64, vcpu: Vcpu): void {
  const { state } = vcpu;
  const ram = ramOf(vcpu);
  GDT_ENTRIES.forEach((entry, n) => {
    ram.setBigUint64(GDT + 8 * n, entry, true);
  });
  for (let vector = 0; vector < 32; vector++) {
    const kind = Number(random.next() & 15n);
    const selector = BigInt(kind === 0 ? 0x18 : kind === 1 ? 0x30 : 8);
    const type = kind === 2 ? 0x8cn : kind === 3 ? 0x0en : kind < 8 ? 0x8fn : 0x8en;
    const stackEntry = kind === 4 ? 1n : 0n;
    const offset = kind === 5 ? 0x8000_0000_0000n : BigInt(HANDLER);
    const low = (offset & 0xffffn) | (selector << 16n) | (stackEntry << 32n) | (type << 40n);
    ram.setBigUint64(IDT + 16 * vector, low | (((offset >> 16n) & 0xffffn) << 48n), true);
    ram.setBigUint64(IDT + 16 * vector + 8, offset >> 32n, true);
  }
  ram.setBigUint64(TSS + 4, BigInt(INNER_STACK) + (random.next() & 0xfn), true);
  ram.setBigUint64(TSS + 36, BigInt(INNER_STACK + 0x800), true);
  state.setU64(STATE.gdtrBase, BigInt(GDT));
  state.setU32(STATE.gdtrLimit, 8 * GDT_ENTRIES.length - 1);
  state.setU64(STATE.idtrBase, BigInt(IDT));
  state.setU32(STATE.idtrLimit, 32 * 16 - 1);
  state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: 0x67, rights: 0x8b });
}

/** A processor in flat 32-bit code of a level without paging, about to execute `code`. */
function flatMode(code: readonly number[], level: number): Vcpu {
  const vcpu = longMode(code, level);
  const { state } = vcpu;
  state.setU64(STATE.cr0, BigInt(CR0.ET | CR0.PE));
  state.setU64(STATE.cr4, 0n);
  state.setU64(STATE.efer, 0n);
  const flat = { selector: 8 | level, base: 0n, limit: 0xffffffff };
  const dpl = level << RIGHTS.dplShift;
  state.setSegment(SEG.CS, { ...flat, rights: FLAT_RIGHTS.code32 | dpl });
  for (const segment of [SEG.SS, SEG.DS, SEG.ES]) {
    state.setSegment(segment, { ...flat, selector: 0x10 | level, rights: FLAT_RIGHTS.data | dpl });
  }
  return vcpu;
}

/** As {@link layTables}, for 32-bit code. */
function layFlatTables(random: SplitMix64, vcpu: Vcpu): void {
  const { state } = vcpu;
  const ram = ramOf(vcpu);
  const level3 = 3 << RIGHTS.dplShift;
  const entries = [
    ...[0n, descriptor(FLAT_RIGHTS.code32), descriptor(FLAT_RIGHTS.data)],
    ...[descriptor(FLAT_RIGHTS.code32 | level3), descriptor(FLAT_RIGHTS.data | level3)],
    ...[descriptor(FLAT_RIGHTS.data) | (0x12_3456n << 16n), descriptor(FLAT_RIGHTS.code32 & ~RIGHTS.accessed)],
    descriptor((FLAT_RIGHTS.data | level3) & ~RIGHTS.granular),
  ];
  entries.forEach((entry, n) => {
    ram.setBigUint64(GDT + 8 * n, entry, true);
  });
  for (let vector = 0; vector < 32; vector++) {
    const selector = BigInt(pick(random, [8, 8, 0x18, 0x30]));
    const type = pick(random, [0x8en, 0x8fn, 0x86n, 0x0en]);
    const entry = BigInt(HANDLER) | (selector << 16n) | (type << 40n);
    ram.setBigUint64(IDT + 8 * vector, entry, true);
  }
  ram.setUint32(TSS + 4, INNER_STACK + Number(random.next() & 0xffn), true);
  ram.setUint32(TSS + 8, pick(random, [0x10, 0x10, 0x28, 0x12]), true);
  state.setU64(STATE.gdtrBase, BigInt(GDT));
  state.setU32(STATE.gdtrLimit, pick(random, [0x3f, 0x3f, 0x17]));
  state.setU64(STATE.idtrBase, BigInt(IDT));
  state.setU32(STATE.idtrLimit, 32 * 8 - 1);
  state.setSegment(SEG.TR, { selector: 0x40, base: BigInt(TSS), limit: pick(random, [0x67, 0x67, 8]), rights: 0x8b });
}

const DERIVED = [
  ...[STATE.codeKey, STATE.modeKey, STATE.codeLimit, STATE.linearMask],
  ...[STATE.tlb, STATE.tlbAcClear, STATE.tlbAcSet, STATE.alignmentChecked],
];

/** What one instruction makes of a state. @param quick without the system helper, where that is possible */
function after(code: readonly number[], level: number, prepare: (vcpu: Vcpu) => void, quick: boolean) {
  const vcpu = longMode(code, level);
  prepare(vcpu);
  vcpu.contextChanged();
  if (!quick) vcpu.state.setU32(STATE.quickCalls, 0);
  vcpu.run(1);
  return { helped: Object.keys(vcpu.engine.counts.system).length > 0, ...lookAt(vcpu) };
}

/** All that quick and slow ways must agree on. */
function lookAt(vcpu: Vcpu) {
  const { state } = vcpu;
  const segments = new Uint8Array(state.view.buffer, state.base + SEGMENTS, 8 * SEGMENT_BYTES);
  return {
    registers: saveRegisters(state),
    segments: segments.slice(),
    stacks: new Uint8Array(ramOf(vcpu).buffer, ramOf(vcpu).byteOffset + STACK, 0x10000).slice(),
    derived: DERIVED.map((field) => (field.bytes === 8 ? state.u64(field) : state.u32(field))),
  };
}

/** Bits that change what follows, some of the time. */
function randomContext(random: SplitMix64, vcpu: Vcpu): void {
  const { state } = vcpu;
  const bits = Number(random.next() & 0xffn);
  if (bits & 1) state.setU64(STATE.cr0, state.u64(STATE.cr0) | BigInt(CR0.AM));
  if (bits & 2) state.setU64(STATE.cr4, state.u64(STATE.cr4) | BigInt(CR4.SMAP));
  if (bits & 4) state.setU64(STATE.efer, state.u64(STATE.efer) & ~BigInt(EFER.SCE));
  state.setU64(STATE.star, random.next());
  state.setU64(STATE.lstar, BigInt(CODE + 0x100));
  state.setU64(STATE.sfmask, random.next() & 0xffffffffn);
  // Code of level 3 may keep AC, under which SMAP lets the supervisor fetch and read.
  state.eflags = Number(random.next() & BigInt(SYSRET_FLAGS & ~FLAG.TF)) | 2;
}

const INSTRUCTIONS = [
  { name: 'SYSCALL', code: SYSCALL, level: 3 },
  { name: 'SYSRET', code: SYSRETQ, level: 0 },
  { name: 'SYSRET above level 0', code: SYSRETQ, level: 3 },
];

for (const { name, code, level } of INSTRUCTIONS) {
  test(`${name} does the same with and without the system helper`, () => {
    const random = new SplitMix64(17n);
    let quick = 0;
    for (let n = 0; n < CASES; n++) {
      const seed = random.next();
      const prepare = (vcpu: Vcpu) => {
        const own = new SplitMix64(seed);
        randomContext(own, vcpu);
        vcpu.state.setGpr(RCX, own.next() & 0x8000_0000_0000_ffffn);
        vcpu.state.setGpr(R11, own.next() & ~BigInt(seed & 1n ? FLAG.TF | FLAG.AC : 0));
      };
      const one = after(code, level, prepare, true);
      const other = after(code, level, prepare, false);
      assert.deepEqual({ ...one, helped: true }, { ...other, helped: true }, `case ${n}`);
      assert.ok(other.helped);
      if (!one.helped) quick++;
    }
    if (level === 3 && code === SYSRETQ) assert.equal(quick, 0);
    else assert.ok(quick > CASES / 20, `${quick} of ${CASES} were quick`);
  });
}

/** One of some values, more often the first. */
function pick<T>(random: SplitMix64, values: readonly T[]): T {
  const bits = Number(random.next() & 0xffffn);
  return (bits & 7) < 5 ? values[0] : values[(bits >> 3) % values.length];
}

/** What IRET finds on the stack: mostly what a handler returns to. */
function layFrame(random: SplitMix64, vcpu: Vcpu): void {
  const outward = (random.next() & 1n) === 1n;
  const [codes, stacks] = outward
    ? [
        [0x1b, 0x2b, 0x18, 9],
        [0x23, 0x20, 3],
      ]
    : [
        [8, 0x30, 0x0c, 0x3b],
        [0x10, 0, 0x38],
      ];
  const flags =
    Number(random.next() & BigInt(SYSRET_FLAGS | FLAG.RF)) & ~pick(random, [FLAG.TF | FLAG.NT | FLAG.AC, 0]);
  const frame = [
    BigInt(CODE + 0x100) | (pick(random, [0n, 0n, 1n]) << 62n),
    BigInt(pick(random, codes)) | 0xabcd_0000n,
    BigInt(flags),
    random.next(),
    BigInt(pick(random, stacks)),
  ];
  const at = STACK + 0x100 + Number(random.next() & 0xffn);
  frame.forEach((item, n) => {
    ramOf(vcpu).setBigUint64(at + 8 * n, item, true);
  });
  vcpu.state.setGpr(RSP, BigInt(at));
  const data = { selector: 0x10, base: random.next() & 0xffffn, limit: 0xffff };
  for (const segment of [SEG.DS, SEG.ES, SEG.FS, SEG.GS]) {
    const dpl = pick(random, [3, 3, 0]);
    const rights = pick(random, [0, FLAT_RIGHTS.data]) | (dpl << RIGHTS.dplShift);
    vcpu.state.setSegment(segment, { ...data, rights });
  }
}

/** Two processors that execute `code` in states that are prepared alike, one by the quick ways. @returns how often it was quick */
function compareWays(
  make: () => Vcpu,
  cases: number,
  prepare: (own: SplitMix64, vcpu: Vcpu) => void,
  wasQuick: (vcpu: Vcpu) => boolean,
): number {
  const random = new SplitMix64(23n);
  const both = [true, false].map((isQuick) => ({ isQuick, vcpu: make() }));
  const fresh = saveRegisters(both[0].vcpu.state);
  let quick = 0;
  for (let n = 0; n < cases; n++) {
    const seed = random.next();
    const [one, other] = both.map(({ isQuick, vcpu }) => {
      restoreRegisters(vcpu.state, fresh);
      new Uint8Array(ramOf(vcpu).buffer, ramOf(vcpu).byteOffset + GDT, 0x20000).fill(0);
      vcpu.contextChanged();
      prepare(new SplitMix64(seed), vcpu);
      vcpu.engine.mode.update();
      if (!isQuick) vcpu.state.setU32(STATE.quickCalls, 0);
      vcpu.run(1);
      if (isQuick && wasQuick(vcpu)) quick++;
      return lookAt(vcpu);
    });
    assert.deepEqual(one, other, `case ${n}`);
  }
  return quick;
}

test('IRET does the same with and without the system helper', () => {
  let helped = 0;
  let outward = 0;
  const quick = compareWays(
    () => longMode(IRETQ, 0),
    10 * CASES,
    (own, vcpu) => {
      randomContext(own, vcpu);
      vcpu.state.eflags &= ~pick(own, [FLAG.NT | FLAG.AC, 0]);
      layTables(own, vcpu);
      layFrame(own, vcpu);
      vcpu.state.setU32(STATE.gdtrLimit, pick(own, [0x3f, 0x3f, 0x3f, 0x17, 0xf]));
      vcpu.state.setU32(STATE.nmiBlocked, pick(own, [0, 0, 0, 1]));
    },
    ({ engine, state }) => {
      const before = helped;
      helped = engine.counts.system.iret ?? 0;
      if (helped === before) outward += state.u32(STATE.cpl) === 3 ? 1 : 0;
      return helped === before;
    },
  );
  assert.ok(outward > CASES / 5 && quick - outward > CASES / 5, `${quick} were quick, ${outward} of them outward`);
});

for (const level of [0, 3]) {
  test(`events at level ${level} are delivered the same with and without the quick way`, () => {
    let delivered: { mock: { calls: { result?: number }[] } } | undefined;
    const quick = compareWays(
      () => longMode(UD2, level),
      10 * CASES,
      (own, vcpu) => {
        delivered ??= mock.method(vcpu.engine.mmu, 'deliverQuickly');
        randomContext(own, vcpu);
        layTables(own, vcpu);
        vcpu.state.setGpr(RSP, BigInt(STACK) + (own.next() & 0xfffn) + 0x100n);
        // Once slowly: the TLBs know what the second time needs.
        const before = saveRegisters(vcpu.state);
        vcpu.run(1);
        restoreRegisters(vcpu.state, before);
        vcpu.state.setU64(STATE.rip, BigInt(CODE));
      },
      () => delivered?.mock.calls.at(-1)?.result === 1,
    );
    assert.ok(quick > 3 * CASES, `${quick} were quick`);
  });
}

/** Whether the last instruction did without a system helper: to be asked for each instruction. */
function helperWatch(): (vcpu: Vcpu) => boolean {
  let helped = 0;
  return ({ engine }) => {
    const before = helped;
    helped = Object.values(engine.counts.system).reduce((sum, count) => sum + count, 0);
    return helped === before;
  };
}

/** What IRET finds on the stack of 32-bit code. */
function layFlatFrame(random: SplitMix64, vcpu: Vcpu): void {
  const outward = (random.next() & 1n) === 1n;
  const [codes, stacks] = outward
    ? [
        [0x1b, 0x1b, 0x2b, 0x18],
        [0x23, 0x23, 0x20, 0x3b],
      ]
    : [[8, 8, 0x30, 0x0c], [0]];
  const flags =
    Number(random.next() & BigInt(SYSRET_FLAGS | FLAG.RF)) & ~pick(random, [FLAG.TF | FLAG.NT | FLAG.AC, 0]);
  const frame = [CODE + 0x100, pick(random, codes), flags, Number(random.next() & 0xffffffffn), pick(random, stacks)];
  const at = STACK + 0x100 + Number(random.next() & 0xffn);
  frame.forEach((item, n) => {
    ramOf(vcpu).setUint32(at + 4 * n, item, true);
  });
  vcpu.state.setGpr(RSP, BigInt(at));
  vcpu.state.setU32(STATE.nmiBlocked, pick(random, [0, 0, 1]));
  for (const segment of [SEG.DS, SEG.ES, SEG.FS, SEG.GS]) {
    const flat = segment === SEG.DS || segment === SEG.ES ? { base: 0n, limit: 0xffffffff } : { base: 0x77n, limit: 5 };
    const dpl = pick(random, [3, 3, 0]) << RIGHTS.dplShift;
    vcpu.state.setSegment(segment, { selector: 0x13, ...flat, rights: FLAT_RIGHTS.data | dpl });
  }
}

const FLAT_INSTRUCTIONS = [
  { name: 'SYSENTER', code: [0x0f, 0x34], level: 3 },
  { name: 'SYSEXIT', code: [0x0f, 0x35], level: 0 },
  { name: 'IRETD', code: [0xcf], level: 0 },
  { name: 'MOV to DS', code: [0x8e, 0xd8], level: 0 },
  { name: 'MOV to GS', code: [0x8e, 0xe8], level: 0 },
  { name: 'POP to ES', code: [0x07], level: 0 },
  { name: 'MOV to SS', code: [0x8e, 0xd0], level: 0, never: true },
  { name: 'MOV to FS at level 3', code: [0x8e, 0xe0], level: 3, never: true },
];

for (const { name, code, level, never } of FLAT_INSTRUCTIONS) {
  test(`${name} in flat 32-bit code does the same with and without the system helper`, () => {
    const quick = compareWays(
      () => flatMode(code, level),
      5 * CASES,
      (own, vcpu) => {
        const { state } = vcpu;
        state.eflags =
          Number(own.next() & BigInt(pick(own, [SYSRET_FLAGS & ~(FLAG.TF | FLAG.AC | FLAG.NT), SYSRET_FLAGS]))) | 2;
        layFlatTables(own, vcpu);
        layFlatFrame(own, vcpu);
        state.setU64(STATE.sysenterCs, BigInt(pick(own, [0x60, 0x60, 0])));
        state.setU64(STATE.sysenterEsp, own.next());
        state.setU64(STATE.sysenterEip, BigInt(CODE + 0x100) | (own.next() << 32n));
        for (const [register, value] of [
          [RCX, STACK],
          [RDX, CODE + 0x100],
        ])
          state.setGpr(register, BigInt(value));
        const selector = pick(own, [0x10, 0x23, 0x10, 0x28, 0x30, 0x3b, 0, 3, 0x14, 0x1b, 0x48]);
        if (name !== 'IRETD') ramOf(vcpu).setUint32(Number(state.gpr(RSP)), selector, true);
        state.setGpr(RAX, BigInt(selector));
      },
      helperWatch(),
    );
    if (never) assert.equal(quick, 0);
    else assert.ok(quick > CASES / 2, `${quick} were quick`);
  });
}

for (const level of [0, 3]) {
  test(`events at level ${level} of flat 32-bit code are delivered the same with and without the quick way`, () => {
    let delivered: { mock: { calls: { result?: number }[] } } | undefined;
    const quick = compareWays(
      () => flatMode(UD2, level),
      10 * CASES,
      (own, vcpu) => {
        delivered ??= mock.method(vcpu.engine.mmu, 'deliverQuickly');
        layFlatTables(own, vcpu);
        vcpu.state.eflags = Number(own.next() & BigInt(SYSRET_FLAGS & ~FLAG.TF)) | 2;
        vcpu.state.setGpr(RSP, BigInt(STACK) + (own.next() & 0xfffn) + 0x100n);
      },
      () => delivered?.mock.calls.at(-1)?.result === 1,
    );
    assert.ok(quick > 2 * CASES, `${quick} were quick`);
  });
}

test('RDTSC gives the time of its own instruction, with and without the system helper', () => {
  const code = [NOP, NOP, NOP, ...RDTSC, NOP];
  for (const [nanos, rate, least] of [
    [5000n, 2.5, 0n],
    [5000n, 0.1, 5002n],
    [0n, 10, 0n],
  ] as const) {
    const [quick, helped] = [true, false].map((isQuick) => {
      const pace = { instructions: 1, nanos, nanosPerInstruction: rate, leastNanos: least };
      let retired = () => 0;
      const now = () => {
        const shown = nanos + BigInt(Math.floor((retired() - 1) * rate));
        return shown > least ? shown : least;
      };
      const environment = { ...NO_DEVICES, nowNanos: now, pace: () => (isQuick ? pace : undefined) };
      const vcpu = longMode(code, 0, environment);
      retired = () => vcpu.retired;
      vcpu.contextChanged();
      vcpu.engine.retired = 1000;
      vcpu.run(code.length - 1);
      assert.equal(vcpu.engine.counts.system.rdtsc ?? 0, isQuick ? 0 : 1);
      return saveRegisters(vcpu.state);
    });
    assert.deepEqual(quick, helped);
  }
});
