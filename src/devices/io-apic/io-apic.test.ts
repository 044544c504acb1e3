import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InterruptMessage } from '../../base/interrupt-message.ts';
import { IoApic } from './io-apic.ts';

class Bench {
  readonly messages: InterruptMessage[] = [];
  readonly apic = new IoApic((message) => this.messages.push(message));

  read(register: number): number {
    this.apic.write(0x00, 4, register);
    return this.apic.read(0x10, 4);
  }

  write(register: number, value: number): void {
    this.apic.write(0x00, 4, register);
    this.apic.write(0x10, 4, value);
  }

  route(pin: number, low: number, high = 0): void {
    this.write(0x11 + 2 * pin, high);
    this.write(0x10 + 2 * pin, low);
  }
}

test('ID, version and arbitration registers read as the data sheet says', () => {
  const bench = new Bench();
  bench.write(0, 0xff000000);
  assert.equal(bench.read(0), 0x0f000000);
  assert.equal(bench.read(1), 0x00170020);
  assert.equal(bench.read(2), 0x0f000000);
  assert.equal(bench.read(0x99), 0);
});

test('a narrow read of a register gives its low bytes', () => {
  const bench = new Bench();
  assert.equal(bench.read(1), 0x00170020);
  assert.equal(bench.apic.read(0x10, 1), 0x20);
  assert.equal(bench.apic.read(0x10, 2), 0x0020);
});

test('all entries are masked at power-on', () => {
  const bench = new Bench();
  for (let pin = 0; pin < 24; pin++) {
    assert.equal(bench.read(0x10 + 2 * pin), 0x10000);
    bench.apic.inputs[pin].set(true);
  }
  assert.deepEqual(bench.messages, []);
});

test('an edge sends one message with the fields of its entry', () => {
  const bench = new Bench();
  bench.route(2, 0x0930, 0x03000000);
  bench.apic.inputs[2].set(true);
  bench.apic.inputs[2].set(true);
  bench.apic.inputs[2].set(false);
  assert.deepEqual(bench.messages, [
    { vector: 0x30, deliveryMode: 1, destination: 3, destinationMode: 'logical', triggerMode: 'edge' },
  ]);
  bench.apic.inputs[2].set(true);
  assert.equal(bench.messages.length, 2);
});

test('an edge on a masked pin is lost', () => {
  const bench = new Bench();
  bench.route(4, 0x10034);
  bench.apic.inputs[4].set(true);
  bench.route(4, 0x00034);
  assert.deepEqual(bench.messages, []);
});

test('a level interrupts once until its EOI and again while it stays asserted', () => {
  const bench = new Bench();
  bench.route(10, 0xa051);
  bench.apic.inputs[10].set(true);
  assert.equal(bench.messages.length, 1);
  assert.equal(bench.messages[0].triggerMode, 'level');
  assert.equal(bench.read(0x10 + 20), 0xe051);
  bench.apic.inputs[10].set(false);
  bench.apic.inputs[10].set(true);
  assert.equal(bench.messages.length, 1);
  bench.apic.endOfInterrupt(0x52);
  assert.equal(bench.messages.length, 1, 'the EOI of another vector');
  bench.apic.endOfInterrupt(0x51);
  assert.equal(bench.messages.length, 2);
  bench.apic.inputs[10].set(false);
  bench.apic.write(0x40, 4, 0x51);
  assert.equal(bench.messages.length, 2);
  assert.equal(bench.read(0x10 + 20), 0xa051);
});

test('a masked level interrupts when it is unmasked', () => {
  const bench = new Bench();
  bench.route(9, 0x18040);
  bench.apic.inputs[9].set(true);
  assert.deepEqual(bench.messages, []);
  bench.route(9, 0x08040);
  assert.equal(bench.messages.length, 1);
});

test('remote IRR is read-only and is cleared by making the entry edge-triggered', () => {
  const bench = new Bench();
  bench.route(9, 0x08040);
  bench.apic.inputs[9].set(true);
  bench.route(9, 0x18040);
  assert.equal(bench.read(0x22) & 0x4000, 0x4000);
  bench.route(9, 0x10040);
  assert.equal(bench.read(0x22) & 0x4000, 0);
  bench.route(9, 0x1c040);
  assert.equal(bench.read(0x22) & 0x4000, 0);
});

test('a restored I/O APIC sends nothing by itself and goes on with remote IRR and levels', () => {
  const first = new Bench();
  first.route(10, 0x8051);
  first.apic.inputs[10].set(true);
  const second = new Bench();
  second.apic.restore(first.apic.save());
  assert.deepEqual(second.messages, []);
  assert.deepEqual(second.apic.save(), first.apic.save());
  second.apic.endOfInterrupt(0x51);
  assert.equal(second.messages.length, 1);
  assert.notDeepEqual(first.apic.save().entries, undefined);
});

test('a saved record does not change with the chip', () => {
  const bench = new Bench();
  const saved = bench.apic.save();
  bench.route(0, 0x123);
  assert.equal(saved.entries[0].low, 0x10000);
});

test('a record of another version is refused', () => {
  assert.throws(() => new Bench().apic.restore({ version: 7 }), /version 7/);
});

test('no access of any value, size or offset throws, and reads are unsigned', () => {
  const bench = new Bench();
  for (let i = 0; i < 20000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    bench.apic.write([0, 0x10, 0x40, value & 0xfff][i & 3], [1, 2, 4][i % 3], i & 1 ? value : value & 0x3f);
    bench.apic.inputs[value % 24].set((value & 0x100) !== 0);
    const read = bench.apic.read([0, 0x10, value & 0xfff][i % 3], 4);
    assert.ok(Number.isInteger(read) && read >= 0 && read <= 0xffffffff);
    bench.messages.length = 0;
  }
});
