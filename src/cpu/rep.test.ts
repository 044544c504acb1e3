import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CR0, FLAG, RIGHTS, SEG, STATE } from '../isa/registers.ts';
import type { CpuEnvironment } from './environment.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { TLB } from './tlb.ts';
import { Vcpu } from './vcpu.ts';

/** Two pages in it have one place in the TLB. */
const RAM_BYTES = TLB.entries * 4096 + (2 << 20);
const PATTERN = Uint8Array.from({ length: RAM_BYTES }, (_, at) => at % 251);
const CODE = 0x1000;
const HLT = 0xf4;
const [RAX, RCX, RSI, RDI] = [0, 1, 6, 7];

interface Registers {
  readonly eax?: number;
  readonly ecx: number;
  readonly esi?: number;
  readonly edi: number;
  readonly down?: boolean;
  /** Last byte of ES. */
  readonly limit?: number;
}

/** A processor in flat 32-bit code without paging, at `code` and a HLT; memory holds a pattern of period 251. */
function flatMode(
  code: readonly number[],
  { eax = 0, ecx, esi = 0, edi, down, limit = 0xffffffff }: Registers,
  environment: CpuEnvironment = NO_DEVICES,
) {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, environment, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
  const ram = new Uint8Array(memory.buffer, layout.ram, RAM_BYTES);
  ram.set(PATTERN);
  ram.set([...code, HLT], CODE);
  const { state } = vcpu;
  state.setU64(STATE.cr0, BigInt(CR0.ET | CR0.PE));
  const rights = RIGHTS.present | RIGHTS.notSystem | RIGHTS.accessed | RIGHTS.writable | RIGHTS.big | RIGHTS.granular;
  const flat = { base: 0n, limit: 0xffffffff };
  state.setSegment(SEG.CS, { ...flat, selector: 8, rights: rights | RIGHTS.code });
  for (const segment of [SEG.SS, SEG.DS, SEG.ES]) state.setSegment(segment, { ...flat, selector: 16, rights });
  state.setSegment(SEG.ES, { ...flat, limit, selector: 16, rights });
  for (const [register, value] of [
    [RAX, eax],
    [RCX, ecx],
    [RSI, esi],
    [RDI, edi],
  ])
    state.setGpr32(register, value);
  state.eflags = down ? FLAG.DF : 0;
  state.setU64(STATE.rip, BigInt(CODE));
  vcpu.contextChanged();
  return { vcpu, ram };
}

/** What copying element by element makes of the pattern. */
function copiedOneByOne(ram: Uint8Array, { ecx, esi = 0, edi, down }: Registers, bytes: number): Uint8Array {
  const copy = ram.slice();
  for (let n = 0; n < ecx; n++) {
    const at = n * (down ? -bytes : bytes);
    copy.set(copy.slice(esi + at, esi + at + bytes), edi + at);
  }
  return copy;
}

test('an interrupted REP has done as many iterations as instructions were counted', () => {
  const count = 10_000;
  const { vcpu, ram } = flatMode([0xf3, 0xaa], { eax: 0x5a, ecx: count, edi: 0x20010 });
  for (let slices = 1; slices * 777 < count; slices++) {
    assert.deepEqual(vcpu.run(777), { kind: 'budget' });
    assert.equal(vcpu.retired, slices * 777);
    assert.equal(vcpu.state.gpr32(RCX), count - slices * 777);
    assert.equal(vcpu.state.gpr32(RDI), 0x20010 + slices * 777);
    assert.equal(vcpu.state.u64(STATE.rip), BigInt(CODE));
  }
  assert.deepEqual(vcpu.run(777), { kind: 'halted' });
  assert.equal(vcpu.retired, count + 1);
  assert.ok(ram.subarray(0x20010, 0x20010 + count).every((byte) => byte === 0x5a));
  assert.notEqual(ram[0x20010 + count], 0x5a);
});

const COPIES: readonly (Registers & { readonly name: string })[] = [
  { name: 'apart', ecx: 5000, esi: 0x20123, edi: 0x40456 },
  { name: 'onto the following element', ecx: 3000, esi: 0x20000, edi: 0x20004 },
  { name: 'onto its own middle', ecx: 3000, esi: 0x20ffd, edi: 0x217fe },
  { name: 'onto lower addresses that overlap', ecx: 3000, esi: 0x20010, edi: 0x2000d },
  { name: 'onto itself', ecx: 3000, esi: 0x20010, edi: 0x20010 },
  { name: 'downwards', ecx: 3000, esi: 0x30000, edi: 0x30ffe, down: true },
];

for (const copy of COPIES) {
  test(`REP MOVSD ${copy.name} is copying one by one`, () => {
    const { vcpu, ram } = flatMode([0xf3, 0xa5], copy);
    const expected = copiedOneByOne(ram, copy, 4);
    assert.deepEqual(vcpu.run(100_000), { kind: 'halted' });
    assert.equal(vcpu.retired, copy.ecx + 1);
    assert.equal(Buffer.compare(ram, expected), 0);
    const moved = copy.ecx * (copy.down ? -4 : 4);
    assert.equal(vcpu.state.gpr32(RSI), (copy.esi ?? 0) + moved);
    assert.equal(vcpu.state.gpr32(RDI), copy.edi + moved);
  });
}

test('REP MOVSD between pages that have one place in the TLB looks each of them up but few times', () => {
  const copy = { ecx: 8192, esi: 0x20010, edi: 0x20020 + TLB.entries * 4096 };
  const { vcpu, ram } = flatMode([0xf3, 0xa5], copy);
  const expected = copiedOneByOne(ram, copy, 4);
  assert.deepEqual(vcpu.run(100_000), { kind: 'halted' });
  assert.equal(Buffer.compare(ram, expected), 0);
  assert.ok(vcpu.state.u64(STATE.tlbMisses) < 100n);
});

test('REP STOSD of unequal bytes and of equal bytes fills with the value', () => {
  for (const eax of [0x12345678, 0x77777777]) {
    const { vcpu, ram } = flatMode([0xf3, 0xab], { eax, ecx: 4000, edi: 0x20003 });
    assert.deepEqual(vcpu.run(100_000), { kind: 'halted' });
    const view = new DataView(ram.buffer, ram.byteOffset);
    for (let n = 0; n < 4000; n++) assert.equal(view.getUint32(0x20003 + 4 * n, true), eax);
    assert.equal(view.getUint8(0x20002), 0x20002 % 251);
    assert.equal(view.getUint8(0x20003 + 16000), (0x20003 + 16000) % 251);
  }
});

/** A chip of which bytes 0, 1, 2 … are read: at once as many as lie in front of a multiple of 500. */
function countingChip() {
  const [given, accesses]: [number[], number[]] = [[], []];
  const environment: CpuEnvironment = {
    ...NO_DEVICES,
    portRead: (_port, bytes) => {
      accesses.push(bytes);
      for (let n = 0; n < bytes; n++) given.push(given.length & 0xff);
      return given.slice(-bytes).reduceRight((value, byte) => value * 0x100 + byte, 0);
    },
    portReadMany: (_port, bytes, target) => {
      const inFront = 500 - (given.length % 500) - bytes;
      const length = Math.min(target.length, Math.max(0, inFront));
      for (let n = 0; n < length; n++) {
        target[n] = given.length & 0xff;
        given.push(target[n]);
      }
      return length;
    },
    portWrite: (_port, bytes, value) => {
      accesses.push(bytes);
      for (let n = 0; n < bytes; n++) given.push((value >>> (8 * n)) & 0xff);
    },
    portWriteMany: (_port, _bytes, source) => {
      given.push(...source);
      return source.length;
    },
  };
  return { environment, accesses, given };
}

test('REP INSW gets from a chip that gives many what it gets one by one, wherever it is interrupted', () => {
  for (const down of [false, true]) {
    const { environment, accesses } = countingChip();
    const { vcpu, ram } = flatMode([0x66, 0xf3, 0x6d], { ecx: 5000, edi: 0x30ffe, down }, environment);
    for (let slice = 1; slice <= 3; slice++) {
      vcpu.run(700);
      assert.equal(vcpu.state.gpr32(RCX), 5000 - 700 * slice);
    }
    assert.deepEqual(vcpu.run(100_000), { kind: 'halted' });
    assert.equal(vcpu.retired, 5001);
    for (let n = 0; n < 10000; n++) {
      const at = down ? 0x30ffe - (n & ~1) + (n & 1) : 0x30ffe + n;
      assert.equal(ram[at], n & 0xff);
    }
    assert.ok(down ? accesses.length === 5000 : accesses.length < 200);
  }
});

test('REP INSW fills a segment up to its limit, then faults with what is done committed', () => {
  const { environment, given } = countingChip();
  const { vcpu } = flatMode([0x66, 0xf3, 0x6d], { ecx: 5000, edi: 0x30001, limit: 0x30fff }, environment);
  assert.equal(vcpu.run(3000).kind, 'shutdown');
  assert.equal(given.length, 0xffe);
  assert.equal(vcpu.state.gpr32(RDI), 0x30fff);
  assert.equal(vcpu.state.gpr32(RCX), 5000 - 0x7ff);
});

test('REP OUTSD gives a chip that takes many what it gives one by one', () => {
  const { environment, accesses, given } = countingChip();
  const { vcpu, ram } = flatMode([0xf3, 0x6f], { ecx: 3000, esi: 0x20003, edi: 0 }, environment);
  assert.deepEqual(vcpu.run(100_000), { kind: 'halted' });
  assert.equal(vcpu.state.gpr32(RSI), 0x20003 + 12000);
  assert.deepEqual(Uint8Array.from(given), ram.slice(0x20003, 0x20003 + 12000));
  assert.ok(accesses.length < 100);
});
