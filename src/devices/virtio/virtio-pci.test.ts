import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_ABSENT } from '../../machine/guest-memory.ts';
import { VirtioRng } from './rng.ts';
import { TestDriver } from './test-driver.case.ts';
import { VIRTIO_F } from './virtio-device.ts';

/** An entropy device that gives 1, 2, 3 …: the simplest one there is. */
function setUp() {
  let next = 0;
  return new TestDriver(new VirtioRng((target) => target.set(target.map(() => ++next))));
}

test('PCI configuration says what the device is and where its registers are', () => {
  const { card } = setUp();
  assert.equal(card.readConfig(0, 4), 0x10051af4);
  assert.equal(card.readConfig(0x2e, 2), 4);
  const found: [type: number, bar: number, offset: number][] = [];
  for (let at = card.readConfig(0x34, 1); at !== 0; at = card.readConfig(at + 1, 1)) {
    if (card.readConfig(at, 1) !== 9) continue;
    found.push([card.readConfig(at + 3, 1), card.readConfig(at + 4, 1), card.readConfig(at + 8, 4)]);
  }
  const expected = [
    [5, 0, 0],
    [1, 4, 0],
    [3, 4, 0x1000],
    [4, 4, 0x2000],
    [2, 4, 0x3000],
  ];
  assert.deepEqual(found, expected);
});

test('features that were not offered are refused', () => {
  const driver = setUp();
  driver.write(0x14, 1, 3);
  driver.write(0x08, 4, 1);
  driver.write(0x0c, 4, 1);
  driver.write(0x08, 4, 0);
  driver.write(0x0c, 4, 1);
  driver.write(0x14, 1, 11);
  assert.equal(driver.read(0x14, 1), 3);
});

test('a buffer is filled, given back and announced', () => {
  const driver = setUp().start();
  const head = driver.send(0, 3, 2);
  assert.deepEqual(driver.used(0), [{ head, length: 5, written: Uint8Array.of(1, 2, 3, 4, 5) }]);
  assert.equal(driver.slot.level, true);
  assert.deepEqual([driver.read(0x1000, 1), driver.read(0x1000, 1)], [1, 0]);
  assert.equal(driver.slot.level, false);
});

test('with MSI-X a queue sends its own message', () => {
  const driver = setUp();
  const { card, slot } = driver;
  driver.start();
  slot.mmio.write(0xfe100000 + 16, 4, 0xfee00000);
  slot.mmio.write(0xfe100000 + 16 + 8, 4, 0x55);
  slot.mmio.write(0xfe100000 + 16 + 12, 4, 0);
  let at = card.readConfig(0x34, 1);
  while (card.readConfig(at, 1) !== 0x11) at = card.readConfig(at + 1, 1);
  card.writeConfig(at + 2, 2, 0x8000);
  driver.write(0x16, 2, 0);
  driver.write(0x1a, 2, 1);
  driver.send(0, 1);
  assert.deepEqual([slot.sent, slot.level], [[0x55], false]);
  driver.write(0x1a, 2, 2);
  assert.equal(driver.read(0x1a, 2), 0xffff);
});

test('a driver that wants no interrupts gets none', () => {
  const driver = setUp().start();
  driver.view.setUint16(driver.queueBase(0) + 0x2000, 1, true);
  driver.send(0, 1);
  assert.equal(driver.slot.level, false);
});

test('with event indices the driver is told at the entry it named', () => {
  const driver = setUp().start(VIRTIO_F.eventIndex);
  driver.setUsedEvent(0, 1);
  driver.send(0, 1);
  assert.equal(driver.slot.level, false);
  driver.send(0, 1);
  assert.equal(driver.slot.level, true);
  assert.equal(driver.availEvent(0), 2);
});

test('buffers made available before DRIVER_OK are used after it', () => {
  const driver = setUp().start();
  driver.write(0x14, 1, 0);
  driver.write(0x14, 1, 3);
  driver.write(0x08, 4, 1);
  driver.write(0x0c, 4, 1);
  driver.write(0x14, 1, 11);
  driver.setUpQueue(0);
  driver.send(0, 4);
  assert.deepEqual(driver.used(0), []);
  driver.write(0x14, 1, 15);
  assert.equal(driver.used(0).length, 1);
});

test('an indirect table makes up a chain', () => {
  const driver = setUp().start();
  const [base, table] = [driver.queueBase(0), 0x80000];
  driver.putDescriptor(base, 0, { gpa: table, length: 32, flags: 4, next: 0 });
  driver.putDescriptor(table, 0, { gpa: 0x81000, length: 2, flags: 3, next: 1 });
  driver.putDescriptor(table, 1, { gpa: 0x82000, length: 1, flags: 2, next: 0 });
  driver.putAvailable(0, 0);
  driver.notify(0);
  assert.deepEqual([driver.slot.ram[0x81001], driver.slot.ram[0x82000]], [2, 3]);
});

/** Chains no device may follow: descriptors by index. */
const BROKEN: readonly [string, readonly [number, { gpa: number; length: number; flags: number; next: number }][]][] = [
  ['a loop', [[0, { gpa: 0x80000, length: 1, flags: 3, next: 0 }]]],
  ['a next descriptor past the end', [[0, { gpa: 0x80000, length: 1, flags: 3, next: 64 }]]],
  ['an indirect table of odd size', [[0, { gpa: 0x80000, length: 17, flags: 4, next: 0 }]]],
  ['more bytes than any driver sends', [[0, { gpa: 0x80000, length: 0xffffffff, flags: 2, next: 0 }]]],
  [
    'a readable buffer after a writable one',
    [
      [0, { gpa: 0x80000, length: 1, flags: 3, next: 1 }],
      [1, { gpa: 0x80000, length: 1, flags: 0, next: 0 }],
    ],
  ],
];

for (const [what, descriptors] of BROKEN) {
  test(`${what} makes the device need a reset, after which it works`, () => {
    const driver = setUp().start();
    for (const [index, descriptor] of descriptors) driver.putDescriptor(driver.queueBase(0), index, descriptor);
    driver.putAvailable(0, 0);
    driver.notify(0);
    assert.equal(driver.read(0x14, 1) & 64, 64);
    assert.deepEqual(driver.used(0), []);
    driver.start().send(0, 1);
    assert.equal(driver.used(0).length, 1);
  });
}

test('a buffer outside RAM is swallowed', () => {
  const driver = setUp().start();
  driver.putDescriptor(driver.queueBase(0), 0, { gpa: 0x7fffffff0000, length: 16, flags: 2, next: 0 });
  driver.putAvailable(0, 0);
  driver.notify(0);
  assert.equal(driver.used(0)[0].length, 16);
});

test('absent pages are waited for, and nothing is done twice', async () => {
  const driver = setUp().start();
  driver.offer(0, [3]);
  driver.slot.pageFlags.fill(PAGE_ABSENT);
  driver.notify(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(driver.used(0)[0].written, Uint8Array.of(1, 2, 3));
  assert.ok(driver.slot.broughtIn.length >= 3);
});

test('the legacy interface lays the queue out by its page', () => {
  const { slot } = setUp();
  const [ports, view] = [0xc000, new DataView(slot.ram.buffer)];
  slot.ports.write(ports + 0x12, 1, 3);
  slot.ports.write(ports + 0x0e, 2, 0);
  assert.equal(slot.ports.read(ports + 0x0c, 2), 8);
  slot.ports.write(ports + 0x08, 4, 0x10);
  slot.ports.write(ports + 0x12, 1, 7);
  view.setUint32(0x10000, 0x20000, true);
  view.setUint32(0x10008, 2, true);
  view.setUint16(0x1000c, 2, true);
  view.setUint16(0x10000 + 8 * 16 + 2, 1, true);
  slot.ports.write(ports + 0x10, 2, 0);
  assert.deepEqual([slot.ram[0x20000], slot.ram[0x20001]], [1, 2]);
  assert.equal(view.getUint16(0x11002, true), 1);
  assert.deepEqual([slot.level, slot.ports.read(ports + 0x13, 1), slot.level], [true, 1, false]);
});

test('registers are reached through configuration space too', () => {
  const { card } = setUp();
  card.writeConfig(0x44, 1, 4);
  card.writeConfig(0x48, 4, 0x14);
  card.writeConfig(0x4c, 4, 1);
  card.writeConfig(0x50, 1, 3);
  assert.equal(card.readConfig(0x50, 1), 3);
  card.writeConfig(0x48, 4, 0xfffffff0);
  assert.equal(card.readConfig(0x50, 4), 0);
});

test('a restored device goes on where the saved one was', () => {
  const [a, b] = [setUp().start(), setUp()];
  a.send(0, 1);
  a.used(0);
  a.offer(0, [2]);
  b.slot.ram.set(a.slot.ram);
  b.card.restore(a.card.save());
  assert.equal(b.slot.level, true);
  b.slot.clock.advanceTo(b.slot.clock.nowNanos());
  assert.equal(b.view.getUint16(b.queueBase(0) + 0x3002, true), 2);
});
