import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_ABSENT } from '../../machine/guest-memory.ts';
import { multicastHash } from '../../machine/multicast-hash.ts';
import { BROADCAST, TestNet, testFrame } from '../../machine/test-net.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { REG } from './registers.ts';
import { Rtl8139 } from './rtl8139.ts';

const MAC = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
const OTHER = [2, 2, 2, 2, 2, 2];
const PORTS = 0xc000;
const RING = 0x20000;
const [ROK, TOK] = [1, 4];

function setUp(mac = MAC) {
  const [net, slot] = [new TestNet(), new TestSlot()];
  const card = new Rtl8139(net, Uint8Array.from(mac), slot);
  slot.place(card);
  const read = (offset: number, size: number) => slot.ports.read(PORTS + offset, size);
  const write = (offset: number, size: number, value: number) => slot.ports.write(PORTS + offset, size, value);
  return { net, slot, card, read, write, view: new DataView(slot.ram.buffer) };
}

/** Enables both directions. @param rcr what is received: by default own and broadcast frames, wrapping at 8 KiB */
function start({ write }: ReturnType<typeof setUp>, rcr = 0x0a): void {
  write(REG.cr, 1, 0x0c);
  write(REG.rbstart, 4, RING);
  write(REG.rcr, 4, rcr);
  write(REG.imr, 2, 0xffff);
}

/** Reads the EEPROM. */
function words({ read, write }: ReturnType<typeof setUp>, ...addresses: readonly number[]): number[] {
  const clock = (bit: number) => {
    write(REG.cr9346, 1, 0x88 | (bit << 1));
    write(REG.cr9346, 1, 0x8c | (bit << 1));
    return read(REG.cr9346, 1) & 1;
  };
  const word = (address: number) => {
    write(REG.cr9346, 1, 0x80);
    for (let bit = 8; bit >= 0; bit--) clock(((0x180 | address) >> bit) & 1);
    return Array.from({ length: 16 }, () => clock(0)).reduce((value, bit) => value * 2 + bit, 0);
  };
  return addresses.map(word);
}

test('the EEPROM has the signature and the address', () => {
  assert.deepEqual(words(setUp(), 0, 7, 8, 9), [0x8129, 0x5452, 0xab00, 0xefcd]);
});

test('a frame is sent from each descriptor, and the card says so', () => {
  const setup = setUp();
  const { net, slot, read, write } = setup;
  start(setup);
  for (let index = 0; index < 4; index++) {
    slot.ram.set(testFrame(OTHER, 60 + index), 0x10000 + index * 0x800);
    write(REG.tsad + index * 4, 4, 0x10000 + index * 0x800);
    write(REG.tsd + index * 4, 4, 60 + index);
  }
  assert.deepEqual(
    net.sent,
    [60, 61, 62, 63].map((length) => testFrame(OTHER, length)),
  );
  assert.equal(read(REG.tsd, 4) & 0xa000, 0xa000);
  assert.equal(read(REG.allStatus, 2), 0xf00f);
  assert.deepEqual([slot.level, read(REG.isr, 2)], [true, TOK]);
  write(REG.isr, 2, 0xffff);
  assert.deepEqual([slot.level, read(REG.isr, 2)], [false, 0]);
});

test('a frame is received with its header, and the buffer is empty when it was read', () => {
  const setup = setUp();
  const { net, slot, read, write, view } = setup;
  start(setup);
  assert.equal(read(REG.cr, 1) & 1, 1);
  net.arrive(testFrame(MAC, 61));
  assert.deepEqual([view.getUint16(RING, true), view.getUint16(RING + 2, true)], [0x4001, 65]);
  assert.deepEqual(slot.ram.subarray(RING + 4, RING + 65), testFrame(MAC, 61));
  assert.deepEqual([read(REG.cr, 1) & 1, read(REG.cbr, 2), read(REG.isr, 2)], [0, 72, ROK]);
  write(REG.capr, 2, 72 - 16);
  assert.equal(read(REG.cr, 1) & 1, 1);
});

test('a driver that acknowledges frames it has not read is told of them again', () => {
  const setup = setUp();
  const { net, slot, read, write } = setup;
  start(setup);
  net.arrive(testFrame(MAC, 60));
  net.arrive(testFrame(MAC, 60));
  write(REG.capr, 2, 68 - 16);
  write(REG.isr, 2, ROK);
  assert.deepEqual([slot.level, read(REG.isr, 2)], [false, 0]);
  slot.clock.advanceTo(1_000_000n);
  assert.deepEqual([slot.level, read(REG.isr, 2)], [true, ROK]);
  write(REG.capr, 2, 2 * 68 - 16);
  write(REG.isr, 2, ROK);
  slot.clock.advanceTo(2_000_000n);
  assert.deepEqual([slot.level, read(REG.isr, 2)], [false, 0]);
});

test('the ring wraps, or a frame goes over its end', () => {
  for (const [rcr, at] of [
    [0x0a, 0],
    [0x8a, 8192],
  ]) {
    const setup = setUp();
    const { net, slot, read, write } = setup;
    start(setup, rcr);
    for (let i = 0; i < 6; i++) {
      net.arrive(testFrame(MAC, 1400));
      write(REG.capr, 2, (read(REG.cbr, 2) - 16) & 0xffff);
    }
    const used = 8192 - 5 * 1408;
    assert.equal(slot.ram[RING + at], testFrame(MAC, 1400)[used - 4]);
    assert.equal(read(REG.cbr, 2), (6 * 1408) % 8192);
  }
});

test('a full ring leaves frames to the other end until the driver has read, and that is no error', () => {
  const setup = setUp();
  start(setup);
  const arrive = () => setup.net.arrive(testFrame(MAC, 1400));
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(arrive), [true, true, true, true, true, false]);
  assert.deepEqual([setup.read(REG.isr, 2), setup.read(REG.cbr, 2)], [ROK, 5 * 1408]);
  setup.write(REG.capr, 2, 1408 - 16);
  assert.equal(arrive(), true);
});

test('addresses are filtered', () => {
  const setup = setUp();
  const { net, read, write } = setup;
  const multicast = [1, 0, 0x5e, 0, 0, 0xfb];
  const taken = (to: readonly number[]) => {
    const before = read(REG.cbr, 2);
    net.arrive(testFrame(to, 60));
    return read(REG.cbr, 2) !== before;
  };
  start(setup, 0x02);
  assert.deepEqual([MAC, OTHER, BROADCAST, multicast].map(taken), [true, false, false, false]);
  write(REG.rcr, 4, 0x0e);
  const hash = multicastHash(Uint8Array.from(multicast));
  write(REG.mar + (hash >> 3), 1, 1 << (hash & 7));
  assert.deepEqual([OTHER, BROADCAST, multicast].map(taken), [false, true, true]);
  write(REG.rcr, 4, 0x0f);
  assert.equal(taken(OTHER), true);
});

test('the address can be changed only when that is allowed', () => {
  const { read, write } = setUp();
  write(REG.idr, 4, 0);
  assert.equal(read(REG.idr, 1), 0x52);
  write(REG.cr9346, 1, 0xc0);
  write(REG.idr, 4, 0);
  assert.equal(read(REG.idr, 4), 0);
});

test('absent pages are waited for', async () => {
  const setup = setUp();
  start(setup);
  setup.slot.pageFlags.fill(PAGE_ABSENT);
  setup.write(REG.tsad, 4, 0x10000);
  setup.write(REG.tsd, 4, 60);
  setup.net.arrive(testFrame(MAC, 60));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(setup.net.sent.length, 1);
  assert.equal(setup.read(REG.isr, 2), ROK | TOK);
});

test('a restored card goes on', () => {
  const [a, b] = [setUp(), setUp()];
  start(a);
  b.card.restore(a.card.save());
  b.net.arrive(testFrame(MAC, 60));
  assert.equal(b.slot.level, true);
});

test('a restored card with another address has it in its EEPROM, and keeps the one that its driver uses', () => {
  const [a, b] = [setUp(), setUp(OTHER)];
  start(a);
  b.card.restore(a.card.save());
  assert.deepEqual(words(b, 7, 8, 9), [0x0202, 0x0202, 0x0202]);
  b.net.arrive(testFrame(MAC, 60));
  assert.equal(b.slot.level, true);
});
