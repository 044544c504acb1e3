import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_ABSENT } from '../../machine/guest-memory.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VirtioBalloon } from './balloon.ts';
import { TestDriver } from './test-driver.case.ts';

function setUp() {
  const slot = new TestSlot();
  const balloon = new VirtioBalloon(slot.memory);
  return { slot, balloon, driver: new TestDriver(balloon, slot).start(2n) };
}

const pages = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer);

test('the guest is asked for pages, and says what it has given', () => {
  const { driver, balloon, slot } = setUp();
  balloon.setTarget(8 << 20);
  assert.equal(driver.read(0x2000, 4), 2048);
  assert.equal(slot.level, true);
  assert.equal(driver.read(0x1000, 1), 2);
  driver.write(0x2004, 4, 100);
  assert.equal(balloon.actualBytes, 409600);
});

test('what was asked for before the driver resets the device is still wanted', () => {
  const slot = new TestSlot();
  const balloon = new VirtioBalloon(slot.memory);
  const driver = new TestDriver(balloon, slot);
  balloon.setTarget(8 << 20);
  driver.start(2n);
  assert.equal(driver.read(0x2000, 4), 2048);
});

test('pages given away are cleared; what is no page of RAM is ignored', () => {
  const { driver, slot } = setUp();
  slot.ram.fill(0xaa, 0xa0000, 0xa3000);
  slot.pageFlags[0xa2] = PAGE_ABSENT;
  driver.send(0, pages(0xa1, 0xa2, 0xffffffff));
  assert.deepEqual([slot.ram[0xa0fff], slot.ram[0xa1000], slot.ram[0xa1fff], slot.ram[0xa2000]], [0xaa, 0, 0, 0xaa]);
  driver.send(1, pages(0xa1));
  assert.equal(driver.used(0).length + driver.used(1).length, 2);
});

test('statistics come when they are asked for', () => {
  const { driver, balloon } = setUp();
  const report = new Uint8Array(20);
  new DataView(report.buffer).setUint16(0, 4, true);
  new DataView(report.buffer).setBigUint64(2, 12345n, true);
  new DataView(report.buffer).setUint16(10, 5, true);
  driver.send(2, report);
  assert.deepEqual(driver.used(2), []);
  assert.equal(balloon.statistics.get(4), 12345n);
  balloon.requestStatistics();
  assert.equal(driver.used(2).length, 1);
});

test('statistics are asked for once the page of the ring has come', async () => {
  const { driver, balloon, slot } = setUp();
  driver.send(2, new Uint8Array(10));
  const ring = (driver.queueBase(2) + 0x3000) / 4096;
  slot.pageFlags[ring] = PAGE_ABSENT;
  balloon.requestStatistics();
  await slot.settle();
  assert.deepEqual(slot.broughtIn, [ring * 4096]);
  assert.equal(driver.used(2).length, 1);
});
