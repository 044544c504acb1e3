import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onesSum } from '../../base/checksums.ts';
import { BROADCAST, TestNet, testFrame } from '../../machine/test-net.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VirtioNet } from './net.ts';
import { TestDriver } from './test-driver.case.ts';

const MAC = [0x52, 0x54, 0, 1, 2, 3];
const MERGEABLE = 1n << 15n;
const OTHER = [2, 2, 2, 2, 2, 2];

function setUp(mac = MAC) {
  const [net, slot] = [new TestNet(), new TestSlot()];
  const driver = new TestDriver(new VirtioNet(net, Uint8Array.from(mac), slot.clock), slot);
  return { net, slot, driver };
}

const packet = (header: readonly number[], frame: Uint8Array) => {
  const bytes = new Uint8Array(12 + frame.length);
  bytes.set(header);
  bytes.set(frame, 12);
  return bytes;
};

test('the configuration has the address and a link that is up', () => {
  const { driver } = setUp();
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map((at) => driver.read(0x2000 + at, 1)),
    [...MAC, 1],
  );
});

test('a frame is sent without its header', () => {
  const { driver, net } = setUp();
  const frame = testFrame(OTHER, 60);
  driver.start().send(1, packet([], frame).subarray(0, 20), packet([], frame).subarray(20));
  assert.deepEqual(net.sent, [frame]);
  assert.equal(driver.used(1).length, 1);
});

test('a checksum that the driver left out is put in', () => {
  const { driver, net } = setUp();
  const frame = testFrame(OTHER, 60);
  frame.fill(0, 50, 52);
  driver.start(1n).send(1, packet([1, 0, 0, 0, 0, 0, 34, 0, 16, 0], frame));
  assert.equal(onesSum(net.sent[0], 34, 60), 0xffff);
});

test('a frame that the other end has no room for is sent later', () => {
  const { driver, net, slot } = setUp();
  net.open = false;
  driver.start().send(1, packet([], testFrame(OTHER, 60)));
  driver.send(1, packet([], testFrame(OTHER, 61)));
  assert.equal(driver.used(1).length, 0);
  net.open = true;
  slot.clock.advanceTo(2_000_000n);
  assert.deepEqual(
    net.sent.map(({ length }) => length),
    [60, 61],
  );
  assert.equal(driver.used(1).length, 2);
});

test('a frame arrives in one buffer with its header', () => {
  const { driver, net } = setUp();
  driver.start().send(0, 12, 1518);
  net.arrive(testFrame(MAC, 100));
  const [{ length, written }] = driver.used(0);
  assert.equal(length, 112);
  assert.deepEqual([...written.subarray(0, 12)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual(written.subarray(12, 112), testFrame(MAC, 100));
});

test('a frame is spread over mergeable buffers, and waits while there are too few', () => {
  const { driver, net } = setUp();
  driver.start(MERGEABLE).send(0, 64);
  net.arrive(testFrame(MAC, 150));
  assert.deepEqual(driver.used(0), []);
  driver.send(0, 64);
  driver.send(0, 64);
  const used = driver.used(0);
  assert.deepEqual(
    used.map(({ length }) => length),
    [64, 64, 34],
  );
  assert.equal(used[0].written[10], 3);
  const all = used.flatMap(({ written, length }) => [...written.subarray(0, length)]);
  assert.deepEqual(all.slice(12), [...testFrame(MAC, 150)]);
});

test('frames for others are left out until the driver asks for them', () => {
  const { driver, net } = setUp();
  driver.start((1n << 17n) | (1n << 18n));
  for (let i = 0; i < 8; i++) driver.offer(0, [1530]);
  driver.notify(0);
  const seen = () => driver.used(0).length;
  const command = (...bytes: number[]) =>
    driver.ask(2, Uint8Array.of(...bytes.slice(0, 2)), Uint8Array.of(...bytes.slice(2)), 1)[0];
  net.arrive(testFrame(OTHER, 60));
  net.arrive(testFrame([1, 0, 0x5e, 0, 0, 1], 60));
  assert.equal(seen(), 0);
  net.arrive(testFrame(BROADCAST, 60));
  assert.equal(seen(), 1);
  assert.equal(command(0, 1, 1), 0);
  net.arrive(testFrame([1, 0, 0x5e, 0, 0, 1], 60));
  assert.equal(seen(), 1);
  assert.equal(command(1, 0, 1, 0, 0, 0, ...OTHER, 0, 0, 0, 0), 0);
  net.arrive(testFrame(OTHER, 60));
  assert.equal(seen(), 1);
  assert.equal(command(0, 0, 1), 0);
  net.arrive(testFrame([8, 8, 8, 8, 8, 8], 60));
  assert.equal(seen(), 1);
  assert.equal(command(1, 0, 255, 255, 255, 255), 1);
  assert.equal(command(9, 9, 9), 1);
});

test('the driver can take another address', () => {
  const { driver, net } = setUp();
  driver.start(1n << 17n).send(0, 1530);
  assert.equal(driver.ask(2, Uint8Array.of(1, 1), Uint8Array.from(OTHER), 1)[0], 0);
  net.arrive(testFrame(OTHER, 60));
  assert.equal(driver.used(0).length, 1);
  assert.equal(driver.read(0x2000, 1), 2);
});

test('frames that nobody has room for are lost beyond 256', () => {
  const { driver, net } = setUp();
  driver.start();
  for (let i = 0; i < 1000; i++) net.arrive(testFrame(MAC, 60));
  assert.equal((driver.card.save().core as { device: { waiting: unknown[] } }).device.waiting.length, 256);
});

test('malformed packets are given back unsent', () => {
  const { driver, net } = setUp();
  driver.start().send(1, new Uint8Array(5));
  driver.send(1, 30);
  assert.deepEqual(net.sent, []);
  assert.equal(driver.used(1).length, 2);
});

test('a restored card with another address tells of it, and takes frames for the old one until the driver knows', () => {
  const [a, b, same] = [setUp(), setUp(OTHER), setUp()];
  a.driver.start(1n << 17n).send(0, 1530);
  for (const { slot, driver } of [b, same]) {
    driver.start(1n << 17n).send(0, 1530);
    slot.ram.set(a.slot.ram);
    driver.card.restore(a.driver.card.save());
    slot.clock.advanceTo(slot.clock.nowNanos());
  }
  const [address, isr] = [0x2005, 0x1000];
  assert.deepEqual([same.driver.read(address, 1), same.driver.read(isr, 1)], [MAC[5], 0]);
  assert.deepEqual([b.driver.read(address, 1), b.driver.read(isr, 1)], [OTHER[5], 2]);
  b.net.arrive(testFrame(OTHER, 60));
  assert.equal(b.driver.used(0).length, 0);
  b.net.arrive(testFrame(MAC, 60));
  assert.equal(b.driver.used(0).length, 1);
  b.driver.start().send(0, 1530);
  b.net.arrive(testFrame(MAC, 60));
  assert.equal(b.driver.used(0).length, 0);
  b.net.arrive(testFrame(OTHER, 60));
  assert.equal(b.driver.used(0).length, 1);
});
