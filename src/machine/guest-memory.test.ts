import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RamDma, readGuest, writeGuest } from './dma.ts';
import {
  PAGE_ABSENT,
  PAGE_BYTES,
  PAGE_CODE,
  PAGE_SCREEN,
  PAGE_TRACKED,
  PCI_HOLE_GPA,
  pcRamRegions,
  RamMemory,
} from './guest-memory.ts';
import { NotRam, PageAbsent } from './interfaces.ts';

const REGIONS = [
  { gpa: 0, length: 4 * PAGE_BYTES, hostOffset: 0 },
  { gpa: 0x100000000, length: 2 * PAGE_BYTES, hostOffset: 4 * PAGE_BYTES },
];

/** Six pages of RAM at offset 100 of a buffer, with a log of what the hooks hear. */
function setUp(flag = 0) {
  const bytes = new Uint8Array(100 + 6 * PAGE_BYTES);
  const flags = new Uint8Array(0x100002).fill(flag);
  const log: string[] = [];
  const host = { bytes, pageFlags: flags, ramOffset: 100 };
  const memory = new RamMemory(host, REGIONS, {
    codeWrite: (gpa, length) => log.push(`code ${gpa}+${length}`),
    firstWrite: (gpa, told) => log.push(`first ${gpa}:${told}`),
  });
  return { bytes, flags, log, memory };
}

test('an address is found through its region', () => {
  const { bytes, memory } = setUp();
  memory.forWrite(0x100000002, 1)[0] = 7;
  assert.equal(bytes[100 + 4 * PAGE_BYTES + 2], 7);
  assert.equal(memory.forRead(0x100000000, 3)[2], 7);
  assert.equal(memory.endGpa, 0x100000000 + 2 * PAGE_BYTES);
});

test('a range that leaves its region is not RAM', () => {
  const { memory } = setUp();
  for (const [gpa, length] of [
    [4 * PAGE_BYTES - 1, 2],
    [-1, 1],
    [0x80000000, 1],
    [0, -1],
    [Number.NaN, 1],
    [0, Number.NaN],
  ]) {
    assert.throws(() => memory.forRead(gpa, length), NotRam);
    assert.throws(() => memory.forWrite(gpa, length), NotRam);
    assert.throws(() => memory.requirePresent(gpa, length), NotRam);
  }
  assert.equal(memory.forRead(4 * PAGE_BYTES - 1, 1).length, 1);
});

test('the first absent page of a range is named and no hook has run', () => {
  const { flags, log, memory } = setUp(PAGE_TRACKED | PAGE_CODE);
  flags[2] |= PAGE_ABSENT;
  const names2 = (error: unknown) => error instanceof PageAbsent && error.gpa === 2 * PAGE_BYTES;
  assert.throws(() => memory.forWrite(PAGE_BYTES, 3 * PAGE_BYTES), names2);
  assert.throws(() => memory.forRead(3 * PAGE_BYTES - 1, 1), names2);
  assert.throws(() => memory.requirePresent(0, 3 * PAGE_BYTES), names2);
  assert.doesNotThrow(() => memory.requirePresent(0, 2 * PAGE_BYTES));
  assert.deepEqual(log, []);
  assert.equal(memory.forRead(0, 2 * PAGE_BYTES).length, 2 * PAGE_BYTES);
});

test('a write to translated code is told with its exact range', () => {
  const { flags, log, memory } = setUp();
  flags[1] = PAGE_CODE;
  memory.forWrite(0, PAGE_BYTES);
  memory.forRead(PAGE_BYTES, 10);
  memory.forWrite(PAGE_BYTES - 2, 4);
  assert.deepEqual(log, [`code ${PAGE_BYTES - 2}+4`]);
  assert.equal(flags[1], PAGE_CODE);
});

test('only the first write to a tracked or screen page is told', () => {
  const { flags, log, memory } = setUp();
  flags[0] = PAGE_TRACKED | PAGE_SCREEN;
  flags[1] = PAGE_SCREEN | PAGE_CODE;
  memory.forRead(0, 2 * PAGE_BYTES);
  assert.deepEqual(log, []);
  memory.forWrite(PAGE_BYTES - 1, 2);
  memory.forWrite(PAGE_BYTES - 1, 1);
  assert.deepEqual(log, [`first 0:12`, `first ${PAGE_BYTES}:8`, `code ${PAGE_BYTES - 1}+2`]);
  assert.deepEqual([...flags.subarray(0, 2)], [0, PAGE_CODE]);
});

test('a transfer across pages and holes reads ones and loses writes outside RAM', () => {
  const { memory } = setUp();
  const source = Uint8Array.from({ length: 2 * PAGE_BYTES }, (_, i) => (i % 251) + 1);
  writeGuest(memory, 3 * PAGE_BYTES + 5, source);
  const target = new Uint8Array(source.length);
  readGuest(memory, 3 * PAGE_BYTES + 5, target);
  assert.deepEqual(target.subarray(0, PAGE_BYTES - 5), source.subarray(0, PAGE_BYTES - 5));
  assert.ok(target.subarray(PAGE_BYTES - 5).every((byte) => byte === 0xff));
});

test('DMA gives the same memory when every page is absent and tracked at first', async () => {
  const plain = setUp();
  const paged = setUp(PAGE_ABSENT | PAGE_TRACKED);
  const broughtIn: number[] = [];
  const pageIn = async (gpa: number) => {
    broughtIn.push(gpa);
    paged.flags[Math.floor(gpa / PAGE_BYTES)] &= ~PAGE_ABSENT;
  };
  const never = async () => assert.fail('nothing is absent');
  const source = Uint8Array.from({ length: 5000 }, (_, i) => i);
  for (const dma of [new RamDma(plain.memory, never), new RamDma(paged.memory, pageIn)]) {
    await dma.write(0xfff, source);
    const target = new Uint8Array(5000);
    await dma.read(0xfff, target);
    assert.deepEqual(target, source);
  }
  assert.deepEqual(paged.bytes, plain.bytes);
  assert.deepEqual(broughtIn, [0, 4096, 8192]);
  assert.deepEqual(paged.log, ['first 0:4', 'first 4096:4', 'first 8192:4']);
});

test('the RAM of a PC leaves out the VGA window and continues at 4 GiB', () => {
  assert.deepEqual(pcRamRegions(0x8000000), [
    { gpa: 0, length: 0xa0000, hostOffset: 0 },
    { gpa: 0xc0000, length: 0x8000000 - 0xc0000, hostOffset: 0xc0000 },
  ]);
  const six = pcRamRegions(6 * 2 ** 30);
  assert.deepEqual(six[2], { gpa: 2 ** 32, length: 3 * 2 ** 30, hostOffset: PCI_HOLE_GPA });
  assert.equal(six[1].gpa + six[1].length, PCI_HOLE_GPA);
});

test('RAM that is not whole pages is refused', () => {
  const host = { bytes: new Uint8Array(), pageFlags: new Uint8Array(), ramOffset: 0 };
  const hooks = { codeWrite: () => {}, firstWrite: () => {} };
  for (const region of [
    { gpa: 1, length: PAGE_BYTES },
    { gpa: 0, length: 100 },
    { gpa: 0, length: 0 },
  ]) {
    assert.throws(() => new RamMemory(host, [{ ...region, hostOffset: 0 }], hooks), RangeError);
  }
});
