import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Device } from '../../machine/interfaces.ts';
import { DualPic8259 } from './dual-pic8259.ts';

interface Bench {
  readonly pics: DualPic8259;
  readonly intr: { level: boolean };
}

function bench(): Bench {
  const intr = { level: false };
  return { pics: new DualPic8259({ set: (level) => (intr.level = level) }), intr };
}

function program(pic: Device, icw2: number, icw3: number, icw4 = 0x01): void {
  pic.write(0, 1, 0x11);
  for (const word of [icw2, icw3, icw4]) pic.write(1, 1, word);
  pic.write(1, 1, 0x00);
}

function programmed(icw4 = 0x01): Bench {
  const made = bench();
  program(made.pics.master, 0x20, 0x04, icw4);
  program(made.pics.slave, 0x28, 0x02, 0x01);
  return made;
}

function raise(pics: DualPic8259, ...irqs: number[]): void {
  for (const irq of irqs) pics.inputs[irq].set(true);
}

function readIrr(pic: Device): number {
  pic.write(0, 1, 0x0a);
  return pic.read(0, 1);
}

function readIsr(pic: Device): number {
  pic.write(0, 1, 0x0b);
  return pic.read(0, 1);
}

test('an unprogrammed pair requests nothing', () => {
  const { pics, intr } = bench();
  raise(pics, 0, 1, 9);
  assert.equal(intr.level, false);
});

test('the request of highest priority is acknowledged first and holds back lower ones until its EOI', () => {
  const { pics, intr } = programmed();
  raise(pics, 4, 1);
  assert.equal(pics.acknowledge(), 0x21);
  assert.equal(intr.level, false);
  assert.equal(readIsr(pics.master), 0x02);
  assert.equal(readIrr(pics.master), 0x10);
  pics.master.write(0, 1, 0x20);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x24);
});

test('a request above the level in service interrupts it', () => {
  const { pics, intr } = programmed();
  raise(pics, 4);
  pics.acknowledge();
  raise(pics, 0);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x20);
  assert.equal(readIsr(pics.master), 0x11);
});

test('a masked request is remembered, not delivered, and arrives when unmasked', () => {
  const { pics, intr } = programmed();
  pics.master.write(1, 1, 0x08);
  raise(pics, 3);
  assert.equal(intr.level, false);
  assert.equal(readIrr(pics.master), 0x08);
  pics.master.write(1, 1, 0x00);
  assert.equal(intr.level, true);
  assert.equal(pics.master.read(1, 1), 0x00);
});

test('an edge makes one request only; the line must fall and rise again', () => {
  const { pics, intr } = programmed();
  raise(pics, 3);
  pics.acknowledge();
  pics.master.write(0, 1, 0x63);
  assert.equal(intr.level, false);
  pics.inputs[3].set(false);
  pics.inputs[3].set(true);
  assert.equal(intr.level, true);
});

test('ICW1 forgets edges: a line that is still high does not request again', () => {
  const { pics, intr } = programmed();
  raise(pics, 3);
  program(pics.master, 0x20, 0x04);
  assert.equal(intr.level, false);
});

test('an edge is remembered when its line falls before the acknowledge', () => {
  const { pics, intr } = programmed();
  raise(pics, 11);
  pics.inputs[11].set(false);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x2b);
});

test('a request that vanishes before the acknowledge is answered with IRQ7 and nothing in service', () => {
  const { pics } = programmed();
  pics.elcr.write(0, 1, 0x08);
  raise(pics, 3);
  pics.inputs[3].set(false);
  assert.equal(pics.acknowledge(), 0x27);
  assert.equal(readIsr(pics.master), 0);
});

test('a slave request that vanishes takes the cascade request with it', () => {
  const { pics, intr } = programmed();
  raise(pics, 11);
  assert.equal(intr.level, true);
  pics.slave.write(1, 1, 0x08);
  assert.equal(intr.level, false);
  assert.equal(pics.acknowledge(), 0x27);
});

test('a slave interrupt is in service in both chips and needs both EOIs', () => {
  const { pics, intr } = programmed();
  raise(pics, 8, 12);
  assert.equal(pics.acknowledge(), 0x28);
  assert.equal(readIsr(pics.master), 0x04);
  assert.equal(readIsr(pics.slave), 0x01);
  pics.slave.write(0, 1, 0x60);
  assert.equal(intr.level, false, 'the master still has IR2 in service');
  pics.master.write(0, 1, 0x62);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x2c);
});

test('special fully nested mode lets a higher slave request through', () => {
  const { pics, intr } = programmed(0x11);
  raise(pics, 12);
  assert.equal(pics.acknowledge(), 0x2c);
  raise(pics, 9);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x29);
});

test('automatic EOI leaves nothing in service, and rotates when told to', () => {
  const { pics } = programmed(0x03);
  pics.master.write(0, 1, 0x80);
  raise(pics, 1, 3);
  assert.equal(pics.acknowledge(), 0x21);
  assert.equal(readIsr(pics.master), 0);
  assert.equal(pics.acknowledge(), 0x23);
  raise(pics, 0);
  pics.inputs[4].set(true);
  assert.equal(pics.acknowledge(), 0x24, 'after IR3, IR4 is the highest priority');
});

test('rotation on EOI makes the level just served the lowest', () => {
  const { pics } = programmed();
  raise(pics, 4);
  pics.acknowledge();
  pics.master.write(0, 1, 0xa0);
  raise(pics, 3, 5);
  assert.equal(pics.acknowledge(), 0x25);
});

test('set priority chooses the lowest level', () => {
  const { pics } = programmed();
  pics.master.write(0, 1, 0xc4);
  raise(pics, 0, 5);
  assert.equal(pics.acknowledge(), 0x25);
});

test('special mask mode lets lower levels through while the level in service is masked', () => {
  const { pics, intr } = programmed();
  raise(pics, 1);
  pics.acknowledge();
  pics.master.write(1, 1, 0x02);
  raise(pics, 6);
  assert.equal(intr.level, false);
  pics.master.write(0, 1, 0x68);
  assert.equal(intr.level, true);
  assert.equal(pics.acknowledge(), 0x26);
  pics.master.write(0, 1, 0x20);
  assert.equal(readIsr(pics.master), 0x02, 'a non-specific EOI passes over the masked level');
});

test('a poll takes the request into service and names it', () => {
  const { pics } = programmed();
  raise(pics, 5);
  pics.master.write(0, 1, 0x0c);
  assert.equal(pics.master.read(0, 1), 0x85);
  assert.equal(readIsr(pics.master), 0x20);
  pics.master.write(0, 1, 0x0c);
  assert.equal(pics.master.read(0, 1), 0);
});

test('a level-sensitive input requests again after its EOI until the line falls', () => {
  const { pics, intr } = programmed();
  pics.elcr.write(1, 1, 0xff);
  assert.equal(pics.elcr.read(1, 1), 0xde, 'IRQ8 and IRQ13 cannot be level-sensitive');
  raise(pics, 11);
  assert.equal(pics.acknowledge(), 0x2b);
  pics.slave.write(0, 1, 0x20);
  pics.master.write(0, 1, 0x20);
  assert.equal(intr.level, true);
  pics.inputs[11].set(false);
  assert.equal(intr.level, false);
});

test('without a slave named in ICW3 the master answers IR2 itself; a slave of another address leaves the bus floating', () => {
  const { pics } = bench();
  program(pics.master, 0x20, 0x00);
  program(pics.slave, 0x28, 0x02);
  raise(pics, 9);
  assert.equal(pics.acknowledge(), 0x22);
  program(pics.master, 0x20, 0x04);
  program(pics.slave, 0x28, 0x05);
  raise(pics, 10);
  assert.equal(pics.acknowledge(), 0xff);
});

test('the state restored in the middle of service and initialisation behaves as the original', () => {
  const first = programmed();
  raise(first.pics, 4);
  first.pics.acknowledge();
  raise(first.pics, 14);
  first.pics.slave.write(0, 1, 0x11);
  first.pics.slave.write(1, 1, 0x70);
  const second = bench();
  second.pics.slave.restore(first.pics.slave.save());
  second.pics.elcr.restore(first.pics.elcr.save());
  second.pics.master.restore(first.pics.master.save());
  for (const { pics } of [first, second]) {
    pics.slave.write(1, 1, 0x02);
    pics.slave.write(1, 1, 0x01);
    pics.inputs[15].set(true);
    pics.slave.write(1, 1, 0);
    assert.equal(pics.acknowledge(), 0x77);
    assert.equal(readIsr(pics.master), 0x14);
  }
  assert.deepEqual(second.pics.master.save(), first.pics.master.save());
});

test('restoring announces a waiting request on INTR', () => {
  const first = programmed();
  raise(first.pics, 4);
  const second = bench();
  second.pics.master.restore(first.pics.master.save());
  assert.equal(second.intr.level, true);
});

test('a record of another version is refused', () => {
  const { pics } = bench();
  for (const chip of [pics.master, pics.elcr]) assert.throws(() => chip.restore({ version: 99 }), /version 99/);
});

test('no write of any value, size or offset throws, and reads stay bytes', () => {
  const { pics } = programmed();
  for (let i = 0; i < 20000; i++) {
    const chip = [pics.master, pics.slave, pics.elcr][i % 3];
    chip.write((i * 7) % 5, [1, 2, 4][i % 3], Math.imul(i, 0x9e3779b1) >>> 0);
    pics.inputs[(i * 5) & 15].set((i & 3) !== 0);
    const value = chip.read(i & 3, 1);
    assert.ok(value >= 0 && value <= 0xff);
    if (i % 11 === 0) assert.ok(pics.acknowledge() <= 0xff);
  }
});
