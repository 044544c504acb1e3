import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_ABSENT, PAGE_TRACKED, RamMemory } from '../../machine/guest-memory.ts';
import { PageAbsent } from '../../machine/interfaces.ts';
import { FwCfg } from './fw-cfg.ts';
import { FwCfgItems } from './items.ts';

const RAM_BYTES = 0x10000;

/** A device with three items over 64 KiB of RAM. `flag` is set on every page. */
function setUp(flag = 0) {
  const bytes = new Uint8Array(RAM_BYTES);
  const flags = new Uint8Array(16).fill(flag);
  const host = { bytes, pageFlags: flags, ramOffset: 0 };
  const hooks = { codeWrite: () => {}, firstWrite: () => {} };
  const items = new FwCfgItems();
  const chip = new FwCfg(items, new RamMemory(host, [{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], hooks));
  items.addFile('etc/one', Uint8Array.of(1, 2, 3));
  items.addFile(
    'etc/two',
    Uint8Array.from({ length: 9000 }, (_, i) => i),
  );
  return { bytes, flags, items, chip };
}

function readBytes(chip: FwCfg, key: number, count: number): number[] {
  chip.write(0, 2, key);
  return Array.from({ length: count }, () => chip.read(1, 1));
}

/** Puts a DMA descriptor at `at`. */
function describe(bytes: Uint8Array, at: number, control: number, length: number, address: bigint): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(at, control);
  view.setUint32(at + 4, length);
  view.setBigUint64(at + 8, address);
}

/** Starts DMA as a guest does: the descriptor's address, big-endian, high half first. */
function start(chip: FwCfg, at: number): void {
  const swapped = new DataView(new ArrayBuffer(4));
  swapped.setUint32(0, at);
  chip.write(4, 4, 0);
  chip.write(8, 4, swapped.getUint32(0, true));
}

test('the signature and the DMA feature are found', () => {
  const { chip } = setUp();
  assert.equal(String.fromCharCode(...readBytes(chip, 0, 4)), 'QEMU');
  assert.deepEqual(readBytes(chip, 1, 4), [3, 0, 0, 0]);
  assert.equal(chip.read(4, 4), 0x554d4551);
  assert.equal(chip.read(8, 4), 0x47464320);
});

test('the directory names every file with its size and key', () => {
  const { chip } = setUp();
  const entries = Buffer.from(readBytes(chip, 0x19, 4 + 2 * 64));
  assert.equal(entries.readUInt32BE(0), 2);
  assert.equal(entries.readUInt32BE(4 + 64), 9000);
  const key = entries.readUInt16BE(4 + 64 + 4);
  assert.equal(entries.toString('ascii', 4 + 64 + 8, 4 + 64 + 16), 'etc/two\0');
  assert.deepEqual(readBytes(chip, key, 3), [0, 1, 2]);
});

test('reading past an item gives zeros, and selecting starts again', () => {
  const { chip } = setUp();
  assert.deepEqual(readBytes(chip, 0x20, 5), [1, 2, 3, 0, 0]);
  assert.deepEqual(readBytes(chip, 0x20, 2), [1, 2]);
  assert.deepEqual(readBytes(chip, 0x7777, 2), [0, 0]);
});

test('a replaced file keeps its key', () => {
  const { chip, items } = setUp();
  items.addFile('etc/one', Uint8Array.of(9));
  assert.deepEqual(readBytes(chip, 0x20, 2), [9, 0]);
});

test('a name that does not fit is refused', () => {
  assert.throws(() => setUp().items.addFile('x'.repeat(56), new Uint8Array()), RangeError);
});

test('DMA selects, reads across pages, and pads with zeros', () => {
  const { bytes, chip } = setUp();
  bytes.fill(0xaa, 0x1000);
  describe(bytes, 0x100, (0x21 << 16) | 0x0a, 9010, 0x1ff0n);
  start(chip, 0x100);
  assert.deepEqual([...bytes.subarray(0x100, 0x104)], [0, 0, 0, 0]);
  assert.deepEqual(
    bytes.subarray(0x1ff0, 0x1ff0 + 9000),
    Uint8Array.from({ length: 9000 }, (_, i) => i),
  );
  assert.deepEqual([...bytes.subarray(0x1ff0 + 9000, 0x1ff0 + 9011)], [...new Array(10).fill(0), 0xaa]);
});

test('DMA skips, and goes on where the byte port stands', () => {
  const { bytes, chip } = setUp();
  readBytes(chip, 0x21, 3);
  describe(bytes, 0, 0x04, 4, 0n);
  start(chip, 0);
  describe(bytes, 0, 0x02, 2, 0x40n);
  start(chip, 0);
  assert.deepEqual([...bytes.subarray(0x40, 0x42)], [7, 8]);
  assert.equal(chip.read(1, 1), 9);
});

test('DMA that writes an item or leaves memory reports an error', () => {
  for (const [control, length, address] of [
    [0x10, 4, 0n],
    [0x02, 4, BigInt(RAM_BYTES - 2)],
    [0x02, 0xffffffff, 0n],
    [0x02, 4, 0xffffffffffffffffn],
  ] as const) {
    const { bytes, chip } = setUp();
    describe(bytes, 0x20, control, length, address);
    start(chip, 0x20);
    assert.deepEqual([...bytes.subarray(0x20, 0x24)], [0, 0, 0, 1]);
    assert.equal(bytes[RAM_BYTES - 1], 0);
  }
});

test('a descriptor outside RAM does nothing', () => {
  const { bytes, chip } = setUp();
  start(chip, 0x40000000);
  chip.write(4, 4, 0xffffffff);
  chip.write(8, 4, 0xffffffff);
  assert.ok(bytes.every((byte) => byte === 0));
});

test('DMA ends the same when every page is absent and tracked at first', () => {
  const [plain, paged] = [setUp(), setUp(PAGE_ABSENT | PAGE_TRACKED)];
  for (const { bytes } of [plain, paged]) describe(bytes, 0xff8, (0x21 << 16) | 0x0a, 9000, 0x2ff0n);
  start(plain.chip, 0xff8);
  paged.chip.write(0, 2, 0x20);
  const broughtIn: number[] = [];
  for (;;) {
    try {
      start(paged.chip, 0xff8);
      break;
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      assert.equal(paged.chip.save().selected, 0x20);
      paged.flags[error.gpa / 4096] &= ~PAGE_ABSENT;
      broughtIn.push(error.gpa / 4096);
    }
  }
  assert.deepEqual(broughtIn, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(paged.bytes, plain.bytes);
  assert.deepEqual(paged.chip.save(), plain.chip.save());
});

test('the read position survives save and restore', () => {
  const [a, b] = [setUp(), setUp()];
  readBytes(a.chip, 0x21, 5);
  b.chip.restore(a.chip.save());
  assert.equal(b.chip.read(1, 1), 5);
});
