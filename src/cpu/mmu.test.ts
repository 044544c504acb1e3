import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEG, STATE } from '../isa/registers.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { CONTEXT, FILL_LOG, TLB, TLB_BYTES, TLB_FLAG } from './tlb.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 8 << 20;
const PAGE_BYTES = 4096;
const [READ, WRITE] = [0, 1];
const VALUE = 1n;
/** Fewer accesses than the log remembers, and more. */
const COUNTS = [10, FILL_LOG.entries + 50];

/** A processor without paging, whose RAM is accessed as by instructions, and what its TLB holds. */
function bench() {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const { engine, state } = new Vcpu(machine, NO_DEVICES, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
  const { mmu, view, machineCode } = engine;
  const entryOf = (page: number) => state.u32(STATE.tlbArea) + CONTEXT.supervisor * TLB_BYTES + page * TLB.bytes;
  const holds = (page: number, tag: number) =>
    view.getBigUint64(entryOf(page) + tag, true) === BigInt(page * PAGE_BYTES);
  return {
    load: (page: number) => mmu.slowLoad(state.base, BigInt(page * PAGE_BYTES), 1, READ, SEG.DS),
    store: (page: number) => mmu.slowStore(state.base, BigInt(page * PAGE_BYTES), 1, WRITE, SEG.DS, VALUE),
    makeGlobal: (page: number) => view.setUint8(entryOf(page) + TLB.flags, TLB_FLAG.global | TLB_FLAG.writable),
    flush: (keepGlobal: boolean) => mmu.flushTlbs(state.base, keepGlobal ? 1 : 0),
    watch: (page: number) => machineCode.watchPageAgain(page),
    engine,
    isReadable: (page: number) => holds(page, TLB.readTag),
    isWritable: (page: number) => holds(page, TLB.writeTag),
  };
}

for (const count of COUNTS) {
  test(`after ${count} fills, a flush leaves global pages alone`, () => {
    const { load, flush, makeGlobal, isReadable } = bench();
    const pages = Array.from({ length: count }, (_, n) => n + 1);
    for (const page of pages) load(page);
    for (const page of [1, count]) makeGlobal(page);
    for (let again = 0; again < 2; again++) {
      flush(true);
      assert.deepEqual(pages.filter(isReadable), [1, count]);
    }
    flush(false);
    assert.deepEqual(pages.filter(isReadable), []);
  });

  test(`a page is watched again though ${count} others were written meanwhile`, () => {
    const { store, watch, isWritable } = bench();
    store(1);
    assert.ok(isWritable(1));
    for (let again = 0; again < 3; again++) {
      watch(1);
      assert.ok(!isWritable(1));
      store(1);
      for (let page = 2; page < 2 + count; page++) store(page);
      assert.ok(isWritable(1) && isWritable(2));
    }
  });
}

test('a saved state that leads outside of RAM, or is of no context, is not believed', () => {
  const { engine, isReadable } = bench();
  const { data, code } = engine.saveTranslations();
  const tag = BigInt(PAGE_BYTES);
  const supervisor = CONTEXT.supervisor;
  const forged = [
    [supervisor, tag, 1e6, 1],
    [supervisor, tag, -1, 1],
    [CONTEXT.slow, tag, 1, 1],
    [-1, tag, 1, 1],
  ] as const;
  const log = engine.state.u32(STATE.tlbArea) + FILL_LOG.offset;
  const memory = Buffer.from(engine.view.buffer as ArrayBuffer);
  const others = () => [memory.subarray(0, log), memory.subarray(log + FILL_LOG.ring)];
  for (const page of forged) {
    const before = others().map((part) => Buffer.from(part));
    engine.restoreTranslations({ data: { ...data, pages: [page] }, code });
    assert.ok(others().every((part, i) => part.equals(before[i])));
  }
  engine.restoreTranslations({ data: { ...data, pages: [[supervisor, tag, 1, 1]] }, code });
  assert.ok(isReadable(1));
});

test('a flush drops what was restored', () => {
  const { engine, load, flush, isReadable } = bench();
  load(7);
  const saved = engine.saveTranslations();
  flush(true);
  engine.restoreTranslations(saved);
  assert.ok(isReadable(7));
  flush(true);
  assert.ok(!isReadable(7));
});
