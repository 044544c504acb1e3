import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CR0, STATE } from '../isa/registers.ts';
import { type HandlerStore, partsOf } from './handler-library.ts';
import { layOutMemory } from './memory-layout.ts';
import { MemoryStore, noTurn } from './memory-store.case.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 2 << 20;
const CODE = 0x1000;
const HLT = 0xf4;
/** ModRM bytes: AX, AX; [SI], AX; [BX+SI], AX. */
const OPERANDS = [0xc0, 0x04, 0x00];
/** ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, each in its four forms with ModRM and two with AX and an immediate. */
const ARITHMETIC = Array.from({ length: 8 }, (_, n) => n * 8).flatMap((opcode) => [
  ...[0, 1, 2, 3].flatMap((form) => OPERANDS.flatMap((modrm) => [opcode + form, modrm])),
  ...[opcode + 4, 0x11, opcode + 5, 0x22, 0x11],
]);
/** As many forms of instructions as a library wants to grow by. */
const MANY_FORMS = [0xb8, 0x34, 0x12, ...ARITHMETIC, HLT];

/** As {@link ARITHMETIC}, of 32 bits. */
const WIDE = Array.from({ length: 8 }, (_, n) => n * 8).flatMap((opcode) => [
  ...[1, 3].flatMap((form) => OPERANDS.flatMap((modrm) => [0x66, opcode + form, modrm])),
  ...[0x66, opcode + 5, 0x44, 0x33, 0x22, 0x11],
]);

/** Runs code in real mode to its HLT. @returns the processor, and what it came to */
function run(code: readonly number[], handlers: HandlerStore) {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, NO_DEVICES, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9, handlers });
  new Uint8Array(memory.buffer, layout.ram, RAM_BYTES).set(code, CODE);
  vcpu.state.setU64(STATE.cr0, BigInt(CR0.ET));
  vcpu.state.setSegment(1, { ...vcpu.state.segment(1), selector: 0, base: 0n });
  vcpu.state.setU64(STATE.rip, BigInt(CODE));
  vcpu.contextChanged();
  assert.deepEqual(vcpu.run(1000), { kind: 'halted' });
  return { machineCode: vcpu.engine.machineCode, ax: vcpu.state.gpr32(0), retired: vcpu.retired };
}

test('handlers that were kept are not made again, and do the same', async () => {
  const store = new MemoryStore();
  const first = run(MANY_FORMS, store);
  assert.ok(first.machineCode.handlers.made.length > 100);
  await first.machineCode.keepHandlers(noTurn);
  assert.equal(first.machineCode.handlers.made.length, 0);
  const second = run(MANY_FORMS, store);
  assert.equal(second.machineCode.handlers.made.length, 0);
  assert.deepEqual([second.ax, second.retired], [first.ax, first.retired]);
});

test('what calls nothing is kept as one function', async () => {
  const store = new MemoryStore();
  await run(MANY_FORMS, store).machineCode.keepHandlers(noTurn);
  const [{ wasm }] = partsOf(store.kept ?? new Uint8Array(0));
  const text = new TextDecoder('latin1').decode(wasm);
  assert.match(text, /handlers\d/);
  assert.doesNotMatch(text, /ADD:[\d.]+reg\.reg/);
  assert.match(text, /ADD:[\d.]+mem\.reg/, 'one with a segment calls what finds its address');
});

test('a library grows by what is new, and only when that is much', async () => {
  const store = new MemoryStore();
  await run(MANY_FORMS, store).machineCode.keepHandlers(noTurn);
  const { kept } = store;
  const few = run([0x40, ...MANY_FORMS], store); // inc ax
  assert.equal(few.machineCode.handlers.made.length, 1);
  await few.machineCode.keepHandlers(noTurn);
  assert.equal(store.kept, kept);
  const more = run([...MANY_FORMS.slice(0, -1), ...WIDE, HLT], store);
  assert.ok(more.machineCode.handlers.made.length > 50);
  await more.machineCode.keepHandlers(noTurn);
  const last = run([...MANY_FORMS.slice(0, -1), ...WIDE, HLT], store);
  assert.equal(last.machineCode.handlers.made.length, 0);
  assert.deepEqual([last.ax, last.retired], [more.ax, more.retired]);
});

test('a library that is cut off is made anew', async () => {
  const store = new MemoryStore();
  const { machineCode, ax } = run(MANY_FORMS, store);
  await machineCode.keepHandlers(noTurn);
  const whole = store.kept ?? new Uint8Array(0);
  for (const length of [whole.length - 10, 6]) {
    store.kept = whole.subarray(0, length);
    const again = run(MANY_FORMS, store);
    assert.equal(again.ax, ax);
    assert.ok(again.machineCode.handlers.made.length > 100);
  }
});
