import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CR0, STATE } from '../isa/registers.ts';
import { PAGE_ABSENT } from '../machine/guest-memory.ts';
import { layOutMemory } from './memory-layout.ts';
import { NO_DEVICES } from './no-devices.case.ts';
import { GuestPageIn } from './system/port.ts';
import { EnginePort } from './system-port.ts';
import { Vcpu } from './vcpu.ts';

const RAM_BYTES = 1 << 20;
const OPTIONS = { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 };
const DIRECTORY = 0x2000;
const TABLE = 0x3000;
/** A page of the guest, and its entry in the page table. */
const PAGE = 0x5000;
const ENTRY = TABLE + 4 * (PAGE >> 12);
const PRESENT_WRITABLE = 3;

/** A processor with paging on and pages where they are physically; its port, RAM and page flags. */
function paged() {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 1 << 16);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: maximumPages, maximum: maximumPages });
  const { engine, state } = new Vcpu(
    { memory, layout, shared: false, memory64: false, maximumPages },
    NO_DEVICES,
    OPTIONS,
  );
  const ram = new DataView(memory.buffer, layout.ram, RAM_BYTES);
  ram.setUint32(DIRECTORY, TABLE | PRESENT_WRITABLE, true);
  for (let n = 0; n < 16; n++) ram.setUint32(TABLE + 4 * n, (n << 12) | PRESENT_WRITABLE, true);
  state.setU64(STATE.cr0, BigInt(CR0.ET | CR0.PE | CR0.PG));
  state.setU64(STATE.cr3, BigInt(DIRECTORY));
  const port = new EnginePort(engine, NO_DEVICES, OPTIONS);
  port.contextChanged();
  return { port, state, ram, flags: new Uint8Array(memory.buffer, layout.pageFlags, layout.pageCount) };
}

/** Stores that move the page which the second one goes to. */
const MOVING = [
  { address: BigInt(ENTRY), value: BigInt((PAGE + 0x1000) | PRESENT_WRITABLE) },
  { address: BigInt(PAGE), value: 0x1234n },
];

test('items over the page tables do not change where those behind them go', () => {
  const { port, ram, flags } = paged();
  flags[(PAGE >> 12) + 1] |= PAGE_ABSENT;
  port.storeAll(MOVING, 4, 'system');
  assert.equal(ram.getUint32(PAGE, true), 0x1234);
  assert.equal(ram.getUint32(ENTRY, true) & ~0xfff, PAGE + 0x1000);
});

test('nothing is stored where a page has to be brought in first', () => {
  const { port, ram, flags } = paged();
  flags[PAGE >> 12] |= PAGE_ABSENT;
  assert.throws(() => port.storeAll(MOVING, 4, 'system'), GuestPageIn);
  assert.equal(ram.getUint32(ENTRY, true) & ~0xfff, PAGE);
});

test('an item across two pages goes to both', () => {
  const { port, ram } = paged();
  ram.setUint32(ENTRY + 4, (PAGE + 0x3000) | PRESENT_WRITABLE, true);
  port.storeAll([{ address: BigInt(PAGE + 0xffe), value: 0x44332211n }], 4, 'system');
  assert.equal(ram.getUint16(PAGE + 0xffe, true), 0x2211);
  assert.equal(ram.getUint16(PAGE + 0x3000, true), 0x4433);
});

test('the tables are walked once for the accesses of the processor itself, and again when they have changed', () => {
  const { port, state, ram } = paged();
  const address = BigInt(PAGE + 8);
  const read = () => port.load(address, 4, 'system');
  ram.setUint32(PAGE + 8, 0x1111, true);
  ram.setUint32(PAGE + 0x1008, 0x2222, true);
  assert.equal(read(), 0x1111n);
  const walks = state.u64(STATE.tlbMisses);
  port.store(address, 4, 0x3333n, 'system');
  const walksForWrite = state.u64(STATE.tlbMisses) - walks;
  assert.equal(walksForWrite, 1n, 'the page was not dirty yet');
  port.storeAll([{ address, value: 0x4444n }], 4, 'system');
  assert.equal(read(), 0x4444n);
  assert.equal(state.u64(STATE.tlbMisses), walks + walksForWrite);
  ram.setUint32(ENTRY, (PAGE + 0x1000) | PRESENT_WRITABLE, true);
  port.invalidatePage(address);
  assert.equal(read(), 0x2222n);
});
