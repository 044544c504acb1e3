import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATE, VECTOR_OF } from '../isa/registers.ts';
import { EvaluatorEngine } from './evaluator-engine.ts';
import type { CodeMode } from './handlers.ts';
import { GuestFault } from './system/port.ts';

const MODE: CodeMode = { bits: 64, stackSize: 64, flatData: true, flatStack: true, flatCode: true };
const CODE = 0x1000n;
const END_OF_MEMORY = 0x2000n;

/** An engine at `code`, with one page of memory behind it and system helpers that answer with their first argument. */
function engineAt(code: readonly number[]): EvaluatorEngine {
  const memory = new Uint8Array(Number(END_OF_MEMORY));
  memory.set(code, Number(CODE));
  const check = (address: bigint, bytes: number) => {
    if (address + BigInt(bytes) > END_OF_MEMORY) throw new GuestFault(VECTOR_OF.PF, 6);
    return Number(address);
  };
  const engine = new EvaluatorEngine({
    load: (address, bytes) => BigInt(memory[check(address, bytes)]),
    store: (address, bytes, value) =>
      memory.fill(Number(value & 0xffn), check(address, bytes), Number(address) + bytes),
    fetch: (address) => memory[check(address, 1)],
    system: (_name, a) => a,
  });
  engine.state.setU64(STATE.rip, CODE);
  return engine;
}

test('an instruction moves RIP behind itself', () => {
  const engine = engineAt([0x48, 0xff, 0xc0]); // inc rax
  assert.deepEqual(engine.step(MODE), { kind: 'next' });
  assert.equal(engine.state.gpr(0), 1n);
  assert.equal(engine.state.u64(STATE.rip), CODE + 3n);
});

test('a jump moves RIP to its target', () => {
  const engine = engineAt([0xeb, 0x10]); // jmp +16
  assert.deepEqual(engine.step(MODE), { kind: 'next' });
  assert.equal(engine.state.u64(STATE.rip), CODE + 18n);
});

test('a fault of memory leaves registers and RIP as they were', () => {
  const engine = engineAt([0x50]); // push rax
  engine.state.setGpr(4, END_OF_MEMORY + 8n);
  assert.deepEqual(engine.step(MODE), { kind: 'fault', vector: VECTOR_OF.PF, errorCode: 6 });
  assert.equal(engine.state.gpr(4), END_OF_MEMORY + 8n);
  assert.equal(engine.state.u64(STATE.rip), CODE);
});

test('an exception that semantics raise is a fault with its vector', () => {
  const engine = engineAt([0xf6, 0xf1]); // div cl
  assert.deepEqual(engine.step(MODE), { kind: 'fault', vector: VECTOR_OF.DE, errorCode: 0 });
  assert.equal(engine.state.u64(STATE.rip), CODE);
});

test('bytes that are no instruction raise #UD', () => {
  const engine = engineAt([0x06]);
  assert.deepEqual(engine.step(MODE), { kind: 'fault', vector: VECTOR_OF.UD, errorCode: 0 });
});

test('a system helper gets its arguments and gives its result', () => {
  const engine = engineAt([0x0f, 0x32]); // rdmsr
  engine.state.setGpr(1, 0x1234n);
  assert.deepEqual(engine.step(MODE), { kind: 'next' });
  assert.equal(engine.state.gpr(0), 0x1234n);
});
