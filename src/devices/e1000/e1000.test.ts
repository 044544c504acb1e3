import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onesSum } from '../../base/checksums.ts';
import { PAGE_ABSENT } from '../../machine/guest-memory.ts';
import { hasValidChecksum } from '../../machine/net-offload.ts';
import { BROADCAST, TestNet, testFrame } from '../../machine/test-net.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { E1000 } from './e1000.ts';
import { INT, REG } from './registers.ts';

const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OTHER = [2, 2, 2, 2, 2, 2];
const [TX_RING, RX_RING, BUFFERS] = [0x10000, 0x20000, 0x40000];
const ENTRIES = 16;
/** End of packet, and report status. */
const EOP_RS = 0x09;

function setUp(mac = MAC) {
  const [net, slot] = [new TestNet(), new TestSlot()];
  const card = new E1000(net, Uint8Array.from(mac), slot);
  const [memory] = slot.place(card);
  const read = (offset: number) => slot.mmio.read((memory ?? 0) + offset, 4);
  const write = (offset: number, value: number) => slot.mmio.write((memory ?? 0) + offset, 4, value);
  const view = new DataView(slot.ram.buffer);
  return { net, slot, card, read, write, view };
}

type Setup = ReturnType<typeof setUp>;

function startTransmitter({ write }: Setup): void {
  write(REG.tdbal, TX_RING);
  write(REG.tdlen, ENTRIES * 16);
  write(REG.tctl, 2);
}

/** Enables the receiver with 2048-byte buffers, stripping the FCS. @param rctl more bits of RCTL */
function startReceiver({ write, view }: Setup, rctl = 0): void {
  for (let i = 0; i < ENTRIES; i++) view.setUint32(RX_RING + i * 16, BUFFERS + i * 2048, true);
  write(REG.rdbal, RX_RING);
  write(REG.rdlen, ENTRIES * 16);
  write(REG.rdt, ENTRIES - 1);
  write(REG.rctl, 0x04000002 | rctl);
}

/** Writes a transmit descriptor: its last two words. */
function put({ view, slot }: Setup, index: number, data: Uint8Array, low: number, high = 0): void {
  const gpa = BUFFERS + 0x20000 + index * 0x2000;
  slot.ram.set(data, gpa);
  view.setUint32(TX_RING + index * 16, gpa, true);
  view.setUint32(TX_RING + index * 16 + 4, 0, true);
  view.setUint32(TX_RING + index * 16 + 8, low, true);
  view.setUint32(TX_RING + index * 16 + 12, high, true);
}

test('the EEPROM has the address and a right sum, by EERD and bit by bit', () => {
  const { read, write } = setUp();
  const byEerd = (word: number) => {
    write(REG.eerd, (word << 8) | 1);
    assert.equal(read(REG.eerd) & 0x10, 0x10);
    return read(REG.eerd) >>> 16;
  };
  const words = Array.from({ length: 64 }, (_, word) => byEerd(word));
  assert.equal(words.reduce((sum, word) => sum + word, 0) & 0xffff, 0xbaba);
  assert.deepEqual(words.slice(0, 3), [0x5452, 0x1200, 0x5634]);
  const clock = (bit: number) => {
    write(REG.eecd, 2 | (bit << 2));
    write(REG.eecd, 3 | (bit << 2));
    return (read(REG.eecd) >> 3) & 1;
  };
  for (const word of [0, 1, 2, 10, 63]) {
    write(REG.eecd, 0x40);
    assert.equal(read(REG.eecd) & 0x180, 0x180);
    for (let bit = 8; bit >= 0; bit--) clock(((0x180 | word) >> bit) & 1);
    let value = 0;
    for (let bit = 0; bit < 16; bit++) value = (value << 1) | clock(0);
    assert.equal(value, words[word]);
  }
});

test('the PHY is an M88E1011 with its link up', () => {
  const { read, write } = setUp();
  const phy = (register: number) => {
    write(REG.mdic, (2 << 26) | (1 << 21) | (register << 16));
    return read(REG.mdic);
  };
  assert.deepEqual([phy(2) & 0xffff, phy(3) & 0xffff, phy(1) & 0x24], [0x0141, 0x0c20, 0x24]);
  write(REG.mdic, (2 << 26) | (3 << 21));
  assert.equal(read(REG.mdic) >>> 28, 5);
  write(REG.ims, INT.lsc);
  write(REG.mdic, (1 << 26) | (1 << 21) | 0x1200);
  assert.equal(read(REG.icr), INT.lsc);
});

test('a packet in two buffers is sent, and its descriptors are done', () => {
  const setup = setUp();
  const { net, slot, read, write, view } = setup;
  const frame = testFrame(OTHER, 100);
  startTransmitter(setup);
  write(REG.ims, INT.txdw);
  put(setup, 0, frame.subarray(0, 30), 30);
  put(setup, 1, frame.subarray(30), 70 | (EOP_RS << 24));
  write(REG.tdt, 2);
  assert.deepEqual(net.sent, [frame]);
  assert.deepEqual([view.getUint8(TX_RING + 12), view.getUint8(TX_RING + 16 + 12), read(REG.tdh)], [0, 1, 2]);
  assert.equal(slot.level, true);
  assert.equal(read(REG.icr), INT.txdw | INT.txqe);
  assert.equal(slot.level, false);
  assert.deepEqual([read(REG.gptc), read(REG.gptc)], [1, 0]);
});

test('a checksum of a legacy descriptor goes where it says', () => {
  const setup = setUp();
  startTransmitter(setup);
  const frame = testFrame(OTHER, 60);
  frame.fill(0, 50, 52);
  put(setup, 0, frame, 60 | (50 << 16) | ((EOP_RS | 4) << 24), 34 << 8);
  setup.write(REG.tdt, 1);
  assert.equal(onesSum(setup.net.sent[0], 34, 60), 0xffff);
});

test('a large segment is cut as its context says', () => {
  const setup = setUp();
  startTransmitter(setup);
  const headers = [...OTHER, ...MAC, 8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2];
  const tcp = [0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
  const frame = Uint8Array.from([...headers, ...tcp, ...new Uint8Array(2500).fill(7)]);
  put(setup, 0, new Uint8Array(0), 0x25000000, (54 << 8) | (1000 << 16));
  const ring = new DataView(setup.slot.ram.buffer);
  ring.setUint32(TX_RING, 14 | (24 << 8) | (33 << 16), true);
  ring.setUint32(TX_RING + 4, 34 | (50 << 8), true);
  put(setup, 1, frame, frame.length | (1 << 20) | ((0x20 | EOP_RS | 4) << 24), 3 << 8);
  setup.write(REG.tdt, 2);
  assert.deepEqual(
    setup.net.sent.map(({ length }) => length - 54),
    [1000, 1000, 500],
  );
  assert.ok(setup.net.sent.every(hasValidChecksum));
});

test('checksums of a context are put into a packet that is not cut', () => {
  const setup = setUp();
  startTransmitter(setup);
  const frame = testFrame(OTHER, 100);
  frame.fill(0, 24, 26);
  frame.fill(0, 50, 52);
  put(setup, 0, new Uint8Array(0), 0x20000000);
  const ring = new DataView(setup.slot.ram.buffer);
  ring.setUint32(TX_RING, 14 | (24 << 8) | (33 << 16), true);
  ring.setUint32(TX_RING + 4, 34 | (50 << 8), true);
  put(setup, 1, frame, 100 | (1 << 20) | ((0x20 | EOP_RS) << 24), 3 << 8);
  setup.write(REG.tdt, 2);
  const [sent] = setup.net.sent;
  assert.deepEqual([onesSum(sent, 14, 34), onesSum(sent, 34, 100)], [0xffff, 0xffff]);
});

test('a frame is padded, written to memory and announced', () => {
  const setup = setUp();
  const { net, slot, read, write, view } = setup;
  startReceiver(setup);
  write(REG.ims, INT.rxt0);
  net.arrive(testFrame(MAC, 40));
  assert.deepEqual(slot.ram.subarray(BUFFERS, BUFFERS + 40), testFrame(MAC, 40));
  assert.deepEqual([view.getUint16(RX_RING + 8, true), view.getUint8(RX_RING + 12)], [60, 7]);
  assert.deepEqual([slot.level, read(REG.rdh), read(REG.gprc)], [true, 1, 1]);
});

test('addresses are filtered', () => {
  const setup = setUp();
  const { net, read, write } = setup;
  startReceiver(setup);
  const taken = (to: readonly number[]) => {
    net.arrive(testFrame(to, 60));
    return read(REG.gprc) === 1;
  };
  const multicast = [1, 0, 0x5e, 0, 0, 0xfb];
  assert.deepEqual([MAC, OTHER, BROADCAST, multicast].map(taken), [true, false, false, false]);
  write(REG.mta + (0xfb0 >> 5) * 4, 1 << (0xfb0 & 31));
  write(REG.rctl, 0x04008002);
  assert.deepEqual([OTHER, BROADCAST, multicast].map(taken), [false, true, true]);
  write(REG.rctl, 0x0400000a);
  assert.deepEqual([OTHER, BROADCAST].map(taken), [true, false]);
  write(REG.ral + 8, 0x02020202);
  write(REG.ral + 12, 0x80000202);
  write(REG.rctl, 0x04000002);
  assert.equal(taken(OTHER), true);
});

test('frames wait for descriptors, and what is too many is left to the other end and no error', () => {
  const setup = setUp();
  const { net, read, write } = setup;
  startReceiver(setup);
  const taken = Array.from({ length: 100 }, () => net.arrive(testFrame(MAC, 60))).filter(Boolean).length;
  assert.equal(taken, 64 + ENTRIES - 1);
  assert.equal(read(REG.gprc), ENTRIES - 1);
  assert.deepEqual([read(REG.icr) & INT.rxo, read(REG.mpc), read(REG.tpr)], [0, 0, taken]);
  write(REG.rdt, ENTRIES - 3);
  assert.equal(read(REG.gprc), ENTRIES - 2);
});

test('an interrupt comes no sooner after the last than ITR says', () => {
  const setup = setUp();
  const { slot, read, write } = setup;
  write(REG.itr, 1000);
  write(REG.ims, INT.lsc);
  write(REG.ics, INT.lsc);
  assert.equal(slot.level, true);
  read(REG.icr);
  write(REG.ics, INT.lsc);
  assert.equal(slot.level, false);
  slot.clock.advanceTo(256_000n);
  assert.equal(slot.level, true);
});

test('absent pages are waited for, and nothing is sent twice', async () => {
  const setup = setUp();
  startTransmitter(setup);
  startReceiver(setup);
  put(setup, 0, testFrame(OTHER, 60), 60 | (EOP_RS << 24));
  setup.slot.pageFlags.fill(PAGE_ABSENT);
  setup.write(REG.tdt, 1);
  setup.net.arrive(testFrame(MAC, 60));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(setup.net.sent, [testFrame(OTHER, 60)]);
  assert.equal(setup.read(REG.gprc), 1);
});

test('many descriptors are done in turns', () => {
  const setup = setUp();
  const { net, slot, write, view } = setup;
  write(REG.tdbal, TX_RING);
  write(REG.tdlen, 4096 * 16);
  write(REG.tctl, 2);
  for (let i = 0; i < 1000; i++) view.setBigUint64(TX_RING + i * 16 + 8, BigInt(60 | (EOP_RS << 24)), true);
  write(REG.tdt, 1000);
  assert.equal(net.sent.length, 256);
  slot.clock.advanceTo(10_000_000n);
  assert.equal(net.sent.length, 1000);
});

test('a software reset keeps the address and forgets the rest', () => {
  const setup = setUp();
  startReceiver(setup);
  setup.write(REG.ctrl, 1 << 26);
  assert.deepEqual([setup.read(REG.rctl), setup.read(REG.ral), setup.read(REG.status) & 2], [0, 0x12005452, 2]);
});

test('the software semaphore can be taken', () => {
  const { read, write } = setUp();
  assert.equal(read(REG.swsm), 0);
  write(REG.swsm, 2);
  assert.equal(read(REG.swsm), 2);
});

test('registers are reached through I/O space', () => {
  const { slot } = setUp();
  slot.ports.write(0xc100, 4, REG.ral);
  assert.equal(slot.ports.read(0xc104, 4), 0x12005452);
});

test('a restored card goes on', () => {
  const [a, b] = [setUp(), setUp()];
  startTransmitter(a);
  put(a, 0, testFrame(OTHER, 60).subarray(0, 20), 20);
  put(a, 1, testFrame(OTHER, 60).subarray(20), 40 | (EOP_RS << 24));
  a.write(REG.tdt, 1);
  b.slot.ram.set(a.slot.ram);
  b.card.restore(a.card.save());
  b.write(REG.tdt, 2);
  assert.deepEqual(b.net.sent, [testFrame(OTHER, 60)]);
});

test('a restored card with another address has it in its EEPROM, and takes it when it is reset', () => {
  const [a, b] = [setUp(), setUp(OTHER)];
  b.card.restore(a.card.save());
  b.write(REG.eerd, 1);
  assert.deepEqual([b.read(REG.eerd) >>> 16, b.read(REG.ral)], [0x0202, 0x12005452]);
  b.write(REG.ctrl, 1 << 26);
  assert.equal(b.read(REG.ral), 0x02020202);
});
