import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskQueue } from '../../machine/disk-queue.ts';
import { TestDisk } from '../../machine/test-disk.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VirtioBlock } from './block.ts';
import { TestDriver } from './test-driver.case.ts';

const F_FLUSH = 1n << 9n;
const F_CONFIG_WCE = 1n << 11n;
const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];

function setUp({ readOnly = false, sizeBytes = 4 << 20 } = {}) {
  const disk = new TestDisk(sizeBytes, readOnly);
  for (let i = 0; i < disk.bytes.length; i++) disk.bytes[i] = (i >> 9) ^ i;
  const slot = new TestSlot(8 << 20);
  const driver = new TestDriver(new VirtioBlock(new DiskQueue(disk, slot.hostWork), 'serial-7'), slot);
  return { disk, driver, slot };
}

function header(type: number, sector: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setUint32(0, type, true);
  bytes.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(bytes.buffer);
}

function extents(...rows: readonly (readonly [sector: number, sectors: number])[]): Uint8Array {
  const words = rows.flatMap(([sector, sectors]) => [sector, 0, sectors, 0]);
  return new Uint8Array(Uint32Array.from(words).buffer);
}

test('the configuration has the capacity and the limits', () => {
  const { driver } = setUp();
  assert.equal(driver.read(0x2000, 4), 8192);
  assert.equal(driver.read(0x2000 + 12, 4), 510);
  assert.equal(driver.read(0x2000 + 20, 4), 512);
});

test('sectors are read into the buffers of a request', async () => {
  const { driver, disk, slot } = setUp();
  driver.start(F_FLUSH).send(0, header(IN, 3), 100, 924, 1);
  assert.deepEqual(driver.used(0), []);
  await slot.settle();
  const [{ length, written }] = driver.used(0);
  assert.equal(length, 1025);
  assert.deepEqual(written.subarray(0, 1024), disk.bytes.subarray(1536, 2560));
  assert.equal(written[1024], 0);
});

test('sectors are written, without a flush that nobody asked for', async () => {
  const { driver, disk, slot } = setUp();
  driver.start(F_FLUSH).send(0, header(OUT, 1), new Uint8Array(1024).fill(7), 1);
  await slot.settle();
  assert.equal(driver.used(0)[0].written[0], 0);
  assert.deepEqual([disk.bytes[511], disk.bytes[512], disk.bytes[1535]], [disk.bytes[511], 7, 7]);
  assert.deepEqual(disk.log, ['write 512+1024']);
});

test('a large request is made in pieces of a mebibyte', async () => {
  const { driver, disk, slot } = setUp();
  driver.start(F_FLUSH).send(0, header(IN, 0), (3 << 20) - 512, 1);
  await slot.settle();
  assert.deepEqual(driver.used(0)[0].written.subarray(0, (3 << 20) - 512), disk.bytes.subarray(0, (3 << 20) - 512));
  assert.deepEqual(disk.log, ['read 0+1048576', 'read 1048576+1048576', 'read 2097152+1048064']);
});

test('a driver without flush, or without a cache, finds its writes on stable storage', async () => {
  const { driver, disk, slot } = setUp();
  driver.start().send(0, header(OUT, 0), new Uint8Array(512), 1);
  await slot.settle();
  driver.start(F_FLUSH | F_CONFIG_WCE);
  driver.write(0x2000 + 32, 1, 0);
  driver.send(0, header(OUT, 0), new Uint8Array(512), 1);
  await slot.settle();
  driver.write(0x2000 + 32, 1, 1);
  driver.send(0, header(OUT, 0), new Uint8Array(512), 1);
  await slot.settle();
  assert.deepEqual(disk.log, ['write 0+512', 'flush', 'write 0+512', 'flush', 'write 0+512']);
});

/** Requests and how they end: type, sector, data, status. */
const ENDINGS: readonly [string, number, number, readonly (Uint8Array | number)[], number][] = [
  ['a flush', FLUSH, 0, [], 0],
  ['a read past the end', IN, 8191, [1024], 1],
  ['a read of half a sector', IN, 0, [256], 1],
  ['an address beyond all numbers', IN, 2 ** 52, [512], 1],
  ['an unknown type', 99, 0, [], 2],
  ['a discard', DISCARD, 0, [extents([1, 2])], 0],
  ['a discard past the end', DISCARD, 0, [extents([8190, 3])], 1],
  ['a discard of nothing', DISCARD, 0, [], 1],
  ['a write of zeros', WRITE_ZEROES, 0, [extents([1, 2], [5, 1])], 0],
];

for (const [what, type, sector, data, status] of ENDINGS) {
  test(`${what} ends with status ${status}`, async () => {
    const { driver, slot } = setUp();
    driver.start(F_FLUSH).send(0, header(type, sector), ...data, 1);
    await slot.settle();
    assert.equal(driver.used(0)[0].written.at(-1), status);
  });
}

test('zeros are written where they were asked for', async () => {
  const { driver, disk, slot } = setUp();
  driver.start(F_FLUSH).send(0, header(WRITE_ZEROES, 0), extents([1, 2], [5, 1]), 1);
  await slot.settle();
  assert.deepEqual(disk.log, ['write 512+1024', 'write 2560+512']);
});

test('a failing disk and a read-only one give I/O errors', async () => {
  const [broken, fixed] = [setUp(), setUp({ readOnly: true })];
  broken.disk.broken = true;
  broken.driver.start(F_FLUSH).send(0, header(IN, 0), 512, 1);
  await broken.slot.settle();
  assert.equal(broken.driver.used(0)[0].written[512], 1);
  fixed.driver.start().send(0, header(OUT, 0), new Uint8Array(512), 1);
  await fixed.slot.settle();
  assert.equal(fixed.driver.used(0)[0].written[0], 1);
  assert.deepEqual(fixed.disk.log, []);
});

test('the serial number is told', async () => {
  const { driver } = setUp();
  const answer = driver.start().ask(0, header(GET_ID, 0), 20, 1);
  assert.equal(String.fromCharCode(...answer.subarray(0, 8)), 'serial-7');
});

test('many requests at once are all answered', async () => {
  const { driver, disk, slot } = setUp();
  driver.start(F_FLUSH);
  for (let i = 0; i < 20; i++) driver.offer(0, [header(IN, i), 512, 1]);
  driver.notify(0);
  driver.used(0);
  await slot.settle();
  assert.equal(driver.used(0).length, 20);
  assert.equal(disk.log.length, 20);
});

test('a request under way when the machine was saved is made again in the restored one', async () => {
  const [a, b] = [setUp(), setUp()];
  a.driver.start(F_FLUSH).send(0, header(IN, 3), 512, 1);
  const state = a.driver.card.save();
  b.slot.ram.set(a.slot.ram);
  b.driver.card.restore(state);
  b.slot.clock.advanceTo(0n);
  await b.slot.settle();
  assert.deepEqual(b.disk.log, ['read 1536+512']);
  const used = b.driver.queueBase(0) + 0x3000;
  assert.equal(b.driver.view.getUint16(used + 2, true), 1);
});

test('a result that comes after a reset leaves guest memory alone', async () => {
  const { driver, slot } = setUp();
  driver.start(F_FLUSH).send(0, header(IN, 3), 512, 1);
  driver.write(0x14, 1, 0);
  const before = slot.ram.slice();
  await slot.settle();
  assert.deepEqual(slot.ram, before);
});

test('what the host has at hand is read straight into guest memory, during the notification', async () => {
  const { driver, disk, slot } = setUp();
  const readNow = (offset: number, targets: readonly Uint8Array[]) => {
    let at = offset;
    for (const target of targets) {
      target.set(disk.bytes.subarray(at, at + target.length));
      at += target.length;
    }
    return true;
  };
  const now = Object.assign(disk, { readNow });
  driver.start(F_FLUSH).send(0, header(IN, 3), 100, 924, 1);
  assert.deepEqual(driver.used(0)[0].written.subarray(0, 1024), disk.bytes.subarray(1536, 2560));
  assert.deepEqual(disk.log, []);
  driver.offer(0, [header(OUT, 3), new Uint8Array(512).fill(9), 1]);
  driver.send(0, header(IN, 3), 512, 1);
  assert.deepEqual(driver.used(0), [], 'a write is under way');
  now.readNow = () => false;
  await slot.settle();
  assert.equal(driver.used(0)[1].written[0], 9);
});
