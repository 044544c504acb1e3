import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROADCAST, TestNet, testFrame } from '../../machine/test-net.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { Ne2000Pci } from './ne2000-pci.ts';

const MAC = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
const OTHER = [2, 2, 2, 2, 2, 2];
const PORTS = 0xc000;
const [FIRST, LAST] = [0x46, 0x60];

function setUp(mac = MAC) {
  const [net, slot] = [new TestNet(), new TestSlot()];
  const card = new Ne2000Pci(net, Uint8Array.from(mac), slot);
  slot.place(card);
  const read = (offset: number, size = 1) => slot.ports.read(PORTS + offset, size);
  const write = (offset: number, value: number, size = 1) => slot.ports.write(PORTS + offset, size, value);
  const remote = (command: number, from: number, count: number) => {
    write(0x08, from & 0xff);
    write(0x09, from >> 8);
    write(0x0a, count & 0xff);
    write(0x0b, count >> 8);
    write(0x00, command);
  };
  const readMany = (size: number, bytes: number) => {
    const target = new Uint8Array(bytes);
    return target.subarray(0, slot.ports.readMany(PORTS + 0x10, size, target));
  };
  const writeMany = (size: number, bytes: readonly number[]) =>
    slot.ports.writeMany(PORTS + 0x10, size, Uint8Array.from(bytes));
  const readMemory = (from: number, count: number) => {
    remote(0x0a, from, count);
    return Uint8Array.from({ length: count }, () => read(0x10));
  };
  return { net, slot, card, read, write, remote, readMemory, readMany, writeMany };
}

/** Sets up the receive ring, the address and the filter, and starts the card. */
function start({ write }: ReturnType<typeof setUp>, rcr = 0x04): void {
  for (const [register, value] of [
    [0x00, 0x21],
    [0x0e, 0x48],
    [0x0c, rcr],
    [0x0d, 0],
    [0x01, FIRST],
    [0x02, LAST],
    [0x03, FIRST],
    [0x0f, 0x7f],
    [0x00, 0x61],
    ...MAC.map((byte, index) => [1 + index, byte]),
    [0x07, FIRST],
    [0x00, 0x22],
  ]) {
    write(register, value);
  }
}

test('the PROM has each byte of the address twice, and the sign of an NE2000', () => {
  const { readMemory } = setUp();
  const prom = readMemory(0, 32);
  assert.deepEqual(
    [...prom.subarray(0, 12)],
    MAC.flatMap((byte) => [byte, byte]),
  );
  assert.deepEqual([...prom.subarray(28)], [0x57, 0x57, 0x57, 0x57]);
});

test('bytes that are read while the chip moves words are every other one: those of the address, of the PROM', () => {
  const { readMemory, write } = setUp();
  write(0x0e, 0x49);
  const prom = readMemory(0, 16);
  assert.deepEqual([...prom.subarray(0, 6)], MAC);
  assert.deepEqual([...prom.subarray(14)], [0x57, 0x57]);
});

test('memory is written and read through the data port, in any width', () => {
  const { read, write, remote } = setUp();
  remote(0x12, 0x4000, 8);
  write(0x10, 0x04030201, 4);
  write(0x10, 0x0605, 2);
  assert.equal(read(0x07) & 0x40, 0);
  write(0x10, 0x0807, 2);
  assert.equal(read(0x07) & 0x40, 0x40);
  remote(0x0a, 0x4000, 8);
  assert.deepEqual([read(0x10, 4), read(0x10, 2), read(0x10), read(0x10)], [0x04030201, 0x0605, 7, 8]);
});

test('a frame is sent from memory', () => {
  const setup = setUp();
  const { net, slot, read, write, remote } = setup;
  start(setup);
  remote(0x12, 0x4000, 60);
  for (const byte of testFrame(OTHER, 60)) write(0x10, byte);
  write(0x07, 0xff);
  write(0x04, 0x40);
  write(0x05, 60);
  write(0x06, 0);
  write(0x00, 0x26);
  assert.deepEqual(net.sent, [testFrame(OTHER, 60)]);
  assert.deepEqual([read(0x04) & 1, read(0x07), read(0x00) & 4, slot.level], [1, 2, 0, true]);
});

test('frames are put into the ring, round its end, and left to the other end while it is full, which is no error', () => {
  const setup = setUp();
  const { net, slot, read, write, readMemory } = setup;
  start(setup);
  net.arrive(testFrame(MAC, 300));
  assert.deepEqual([slot.level, read(0x07)], [true, 1]);
  assert.deepEqual([...readMemory(FIRST * 256, 4)], [1, FIRST + 2, 304 & 0xff, 304 >> 8]);
  assert.deepEqual(readMemory(FIRST * 256 + 4, 300), testFrame(MAC, 300));
  write(0x03, FIRST + 1);
  const arrive = () => net.arrive(testFrame(MAC, 300));
  for (let i = 0; i < 12; i++) assert.equal(arrive(), true);
  write(0x03, FIRST + 10);
  net.arrive(testFrame(MAC, 1000));
  assert.equal(readMemory((LAST - 1) * 256, 256).length, 256);
  while (arrive());
  assert.equal(read(0x07) & 0x10, 0);
  write(0x03, FIRST + 20);
  assert.equal(arrive(), true);
});

test('addresses are filtered', () => {
  const setup = setUp();
  const { net, read, write } = setup;
  const taken = (to: readonly number[]) => {
    write(0x07, 0xff);
    net.arrive(testFrame(to, 60));
    return (read(0x07) & 1) === 1;
  };
  start(setup, 0);
  assert.deepEqual([MAC, OTHER, BROADCAST, [1, 0, 0, 0, 0, 1]].map(taken), [true, false, false, false]);
  write(0x0c, 0x14);
  assert.deepEqual([OTHER, BROADCAST].map(taken), [true, true]);
});

test('nothing arrives at a card that is stopped, and reset stops it', () => {
  const setup = setUp();
  start(setup);
  setup.read(0x1f);
  setup.net.arrive(testFrame(MAC, 60));
  assert.equal(setup.read(0x07), 0x80);
});

test('a restored card goes on', () => {
  const [a, b] = [setUp(), setUp()];
  start(a);
  a.net.arrive(testFrame(MAC, 60));
  b.card.restore(a.card.save());
  assert.equal(b.slot.level, true);
  assert.deepEqual(b.readMemory(FIRST * 256 + 4, 60), testFrame(MAC, 60));
});

test('a restored card with another address has it in its PROM, and keeps the one that its driver uses', () => {
  const [a, b] = [setUp(), setUp(OTHER)];
  start(a);
  b.card.restore(a.card.save());
  assert.deepEqual([...b.readMemory(0, 4)], [2, 2, 2, 2]);
  b.net.arrive(testFrame(MAC, 60));
  assert.equal(b.read(0x07) & 1, 1);
});

test('many words are moved at once up to the last of a transfer, which raises the interrupt', () => {
  const card = setUp();
  start(card);
  card.write(0x0e, 0x49);
  card.remote(0x12, 0x4000, 10);
  assert.equal(card.writeMany(2, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), 8);
  assert.equal(card.read(0x07) & 0x40, 0);
  card.write(0x10, 0x0a09, 2);
  assert.equal(card.read(0x07) & 0x40, 0x40);
  card.write(0x07, 0x40);
  card.remote(0x0a, 0x4000, 10);
  assert.deepEqual([...card.readMany(2, 10)], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(card.read(0x10, 2), 0x0a09);
  assert.equal(card.read(0x07) & 0x40, 0x40);
});

test('many words are moved at once up to the end of the ring, behind which its start comes', () => {
  const card = setUp();
  start(card);
  card.write(0x0e, 0x49);
  card.remote(0x12, FIRST * 256, 4);
  card.write(0x10, 0x04030201, 4);
  card.remote(0x12, LAST * 256 - 4, 4);
  card.write(0x10, 0x0d0c0b0a, 4);
  card.remote(0x0a, LAST * 256 - 4, 100);
  assert.deepEqual([...card.readMany(2, 80)], [0x0a, 0x0b]);
  assert.equal(card.read(0x10, 2), 0x0d0c);
  assert.deepEqual([...card.readMany(2, 4)], [1, 2, 3, 4]);
});

test('nothing is moved at once by bytes on a card set to words, to the PROM, behind the memory, or through another register', () => {
  const card = setUp();
  start(card);
  card.write(0x0e, 0x49);
  card.remote(0x0a, 0x4000, 100);
  assert.equal(card.readMany(1, 50).length, 0);
  assert.equal(card.slot.ports.readMany(PORTS + 0x08, 2, new Uint8Array(8)), 0);
  card.remote(0x12, 0, 100);
  assert.equal(card.writeMany(2, [1, 2, 3, 4]), 0);
  card.remote(0x0a, 0xbffc, 100);
  assert.equal(card.readMany(2, 50).length, 2);
  card.remote(0x0a, 0xc000, 100);
  assert.equal(card.readMany(2, 50).length, 0);
});
