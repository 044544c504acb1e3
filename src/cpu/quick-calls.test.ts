import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../base/random.ts';
import { CR0, CR4, EFER, FLAG, FLAT_RIGHTS, RIGHTS, SEG, STATE, SYSRET_FLAGS } from '../isa/registers.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { saveRegisters } from './state-record.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 4 << 20;
const CODE = 0x1000;
const TABLES = 0x10000;
const PRESENT_WRITABLE_USER = 7;
const LARGE = 0x80;
const [RCX, R11] = [1, 11];
const SYSCALL = [0x0f, 0x05];
const SYSRETQ = [0x48, 0x0f, 0x07];
const CASES = 100;

/** Identity map of the lowest 4 MiB, for everyone. */
function mapTables(ram: DataView): void {
  for (const [level, entry] of [TABLES + 0x1000, TABLES + 0x2000].entries()) {
    ram.setUint32(TABLES + level * 0x1000, entry | PRESENT_WRITABLE_USER, true);
  }
  for (let n = 0; n < 2; n++) ram.setUint32(TABLES + 0x2000 + 8 * n, (n << 21) | LARGE | PRESENT_WRITABLE_USER, true);
}

/** A processor in 64-bit code of a level, about to execute `code`. */
function longMode(code: readonly number[], level: number): Vcpu {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, NO_DEVICES, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
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
  const { state } = vcpu;
  const helped = Object.keys(vcpu.engine.counts.system).length > 0;
  return {
    helped,
    registers: saveRegisters(state),
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
      assert.deepEqual([one.registers, one.derived], [other.registers, other.derived], `case ${n}`);
      assert.ok(other.helped);
      if (!one.helped) quick++;
    }
    if (level === 3 && code === SYSRETQ) assert.equal(quick, 0);
    else assert.ok(quick > CASES / 20, `${quick} of ${CASES} were quick`);
  });
}
