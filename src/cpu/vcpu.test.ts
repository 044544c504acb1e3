import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CR0, RIGHTS, SEG, STATE } from '../isa/registers.ts';
import type { CpuEnvironment } from './environment.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 2 << 20;
const CODE = 0x1000;

/** A processor in real mode about to execute `code`; the vector table is all zero, so that exceptions lead to 0:0. */
function realMode(code: readonly number[], devices: Partial<CpuEnvironment> = {}): { vcpu: Vcpu; ram: Uint8Array } {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, { ...NO_DEVICES, ...devices }, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
  const ram = new Uint8Array(memory.buffer, layout.ram, RAM_BYTES);
  ram.set(code, CODE);
  vcpu.state.setU64(STATE.cr0, BigInt(CR0.ET));
  vcpu.state.setSegment(1, { ...vcpu.state.segment(1), selector: 0, base: 0n });
  vcpu.state.setU64(STATE.rip, BigInt(CODE));
  vcpu.contextChanged();
  return { vcpu, ram };
}

test('nothing is executed behind HLT', () => {
  const { vcpu } = realMode([0xf4, 0x40, 0x40]); // hlt; inc ax; inc ax
  assert.deepEqual(vcpu.run(100), { kind: 'halted' });
  assert.equal(vcpu.retired, 1);
  assert.equal(vcpu.state.gpr32(0), 0);
  assert.equal(vcpu.state.u64(STATE.rip), BigInt(CODE + 1));
});

test('code behind an OUT that closes the A20 gate is fetched without that address line', () => {
  const { vcpu, ram } = realMode([0xe6, 0x92, 0xf4], { portWrite: () => vcpu.setA20Mask(~(1n << 20n)) }); // out 92h, al; hlt
  ram.copyWithin(CODE + (1 << 20), CODE, CODE + 3);
  ram.set([0x40, 0x40], CODE); // what lies there when A20 is closed: inc ax, twice; then
  ram.set([0x40, 0xf4], CODE + 2); // inc ax; hlt
  vcpu.state.setSegment(1, { ...vcpu.state.segment(1), base: 1n << 20n });
  vcpu.contextChanged();
  assert.deepEqual(vcpu.run(100), { kind: 'halted' });
  assert.equal(vcpu.state.gpr32(0), 1);
});

test('a guest that can only fault spends its budget', () => {
  const { vcpu, ram } = realMode([0x0f, 0x0b]); // ud2
  ram.set([0x0f, 0x0b], 0);
  assert.deepEqual(vcpu.run(1000), { kind: 'budget' });
  assert.equal(vcpu.retired, 1000);
});

test('a triple fault in the middle of a slice loses no instructions from the count', () => {
  const { vcpu } = realMode([0x40, 0x40, 0xcd, 0x20, 0x40]); // inc ax; inc ax; int 20h
  vcpu.state.setU32(STATE.idtrLimit, 0);
  assert.deepEqual(vcpu.run(100), { kind: 'shutdown', reason: 'tripleFault', code: 0 });
  assert.equal(vcpu.retired, 2);
});

test('REP STOSB that overwrites itself goes on with what it has written', () => {
  // mov di, 1008h; mov cx, 4; mov al, 40h; rep stosb; hlt: the first byte stored makes INC AX of the REP prefix
  const { vcpu } = realMode([0xbf, 0x08, 0x10, 0xb9, 0x04, 0x00, 0xb0, 0x40, 0xf3, 0xaa, 0xf4]);
  assert.deepEqual(vcpu.run(6), { kind: 'budget' });
  assert.equal(vcpu.state.gpr32(1), 3);
  assert.equal(vcpu.state.u64(STATE.rip), BigInt(CODE + 10));
});

test('code that was overwritten is found anew, and all other code where it was', () => {
  // call 3000h; mov byte [3000h], 40h (inc ax); call 3000h; hlt
  const { vcpu, ram } = realMode([0xe8, 0xfd, 0x1f, 0xc6, 0x06, 0x00, 0x30, 0x40, 0xe8, 0xf5, 0x1f, 0xf4]);
  ram.set([0xc3, 0xc3], 0x3000); // ret; ret
  const key = vcpu.state.u32(STATE.codeKey);
  assert.deepEqual(vcpu.run(100), { kind: 'halted' });
  assert.equal(vcpu.state.gpr32(0), 1);
  assert.equal(vcpu.state.u32(STATE.codeKey), key);
});

test('code in device memory is decoded anew once its page was written', () => {
  const device = new Uint8Array([0x40, 0xf4]); // inc eax; hlt
  const { vcpu } = realMode([0xc6, 0x05, 0x00, 0x00, 0x20, 0x00, 0x48, 0xf4], {
    mmioRead: (gpa) => device[gpa - RAM_BYTES] ?? 0xff,
    mmioWrite: (gpa, _bytes, value) => device.fill(value, gpa - RAM_BYTES, gpa - RAM_BYTES + 1),
  }); // mov byte [200000h], 48h; hlt
  const { state } = vcpu;
  const flat = { selector: 8, base: 0n, limit: 0xffffffff };
  const data = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed | RIGHTS.big;
  state.setU64(STATE.cr0, BigInt(CR0.ET | CR0.PE));
  state.setSegment(SEG.CS, { ...flat, rights: data | RIGHTS.code });
  for (const segment of [SEG.ES, SEG.SS, SEG.DS]) state.setSegment(segment, { ...flat, rights: data });
  vcpu.contextChanged();
  const runAt = (rip: number) => {
    state.setU64(STATE.rip, BigInt(rip));
    state.setU32(STATE.halted, 0);
    vcpu.run(10);
    return state.gpr32(0);
  };
  assert.equal(runAt(RAM_BYTES), 1);
  assert.equal(runAt(RAM_BYTES), 2);
  runAt(CODE);
  assert.equal(runAt(RAM_BYTES), 1, 'DEC EAX now');
});

test('a budget of more than 32 bits is not cut short', () => {
  const { vcpu } = realMode([...new Array<number>(10).fill(0x40), 0xf4]); // inc ax, ten times; hlt
  assert.deepEqual(vcpu.run(2 ** 32 + 3), { kind: 'halted' });
  assert.equal(vcpu.retired, 11);
});

test('an interrupt that comes with the end of a slice right behind STI waits for one instruction', () => {
  let pending = false;
  const { vcpu } = realMode([0xfb, 0x40, 0x40], {
    interruptPending: () => pending,
    acknowledgeInterrupt: () => {
      pending = false;
      return 0x20;
    },
  }); // sti; inc ax; inc ax
  vcpu.run(1);
  assert.equal(vcpu.acceptsInterrupts, true);
  pending = true;
  vcpu.run(1);
  assert.deepEqual([vcpu.state.gpr32(0), pending], [1, true], 'INC AX is executed first');
  vcpu.run(1);
  assert.deepEqual([vcpu.state.gpr32(0), pending], [1, false]);
});

test('an interrupt that waited is taken one instruction behind STI', () => {
  let pending = true;
  const { vcpu } = realMode([0xfb, 0x40, 0x40, 0x40], {
    interruptPending: () => pending,
    acknowledgeInterrupt: () => {
      pending = false;
      return 0x20;
    },
  }); // sti; inc ax, three times
  vcpu.run(3);
  assert.deepEqual([vcpu.state.gpr32(0), pending], [1, false]);
});

test('an instruction that is too long leaves nothing behind in the next page when its code goes', () => {
  const { vcpu, ram } = realMode([]);
  ram.fill(0x66, 0x1fff, 0x2010);
  vcpu.state.setU64(STATE.rip, 0x1fffn);
  vcpu.contextChanged();
  vcpu.run(1);
  const { cache } = vcpu.engine;
  assert.equal(cache.blocksNear(0x2000).length, 1);
  assert.ok(cache.invalidate(0x2000, 1));
  assert.deepEqual(cache.blocksNear(0x1000), []);
  assert.deepEqual(cache.blocksNear(0x2000), []);
});
