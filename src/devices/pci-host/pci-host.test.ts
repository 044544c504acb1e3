import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PciBus } from '../../machine/pci.ts';
import { PciConfigPorts } from './config-ports.ts';
import { I440fx } from './i440fx.ts';
import { Piix3 } from './piix3.ts';
import { ResetControl } from './reset-control.ts';
import { SystemControlPortA } from './system-control.ts';

function setUp() {
  const bus = new PciBus();
  bus.attach(0, 0, new I440fx({ setAttributes: () => {} }));
  const levels = new Array<boolean>(16).fill(false);
  const piix3 = new Piix3(levels.map((_, irq) => ({ set: (level: boolean) => (levels[irq] = level) })));
  bus.attach(1, 0, piix3);
  const asserted = () => levels.flatMap((level, irq) => (level ? [irq] : []));
  return { ports: new PciConfigPorts(bus), piix3, asserted };
}

test('the address register selects function and register', () => {
  const { ports } = setUp();
  ports.write(0, 4, 0x80000000);
  assert.equal(ports.read(4, 4), 0x12378086);
  assert.equal(ports.read(6, 2), 0x1237);
  assert.equal(ports.read(5, 1), 0x80);
  ports.write(0, 4, 0x8000080b);
  assert.equal(ports.read(0, 4), 0x80000808);
  assert.equal(ports.read(7, 1), 0x06);
});

test('what is not there reads as ones', () => {
  const { ports } = setUp();
  for (const address of [0x00000000, 0x80010000, 0x8000f800, 0x80000100]) {
    ports.write(0, 4, address);
    ports.write(4, 4, 0);
    assert.equal(ports.read(4, 4), 0xffffffff, address.toString(16));
    assert.equal(ports.read(4, 2), 0xffff);
  }
});

test('only a dword reaches the address register', () => {
  const { ports } = setUp();
  ports.write(0, 4, 0x80000800);
  ports.write(0, 1, 0);
  ports.write(0, 2, 0);
  ports.write(2, 2, 0);
  assert.equal(ports.read(0, 1), 0xff);
  assert.equal(ports.read(0, 4), 0x80000800);
});

test('the address register survives save and restore', () => {
  const [a, b] = [setUp(), setUp()];
  a.ports.write(0, 4, 0x80000800);
  b.ports.restore(a.ports.save());
  assert.equal(b.ports.read(4, 4), 0x70008086);
});

test('shadow registers remember what firmware wrote', () => {
  const { ports } = setUp();
  ports.write(0, 4, 0x80000058);
  ports.write(5, 1, 0xff);
  assert.equal(ports.read(5, 1), 0x30);
});

test('a PCI interrupt reaches the ISA interrupt it is steered to', () => {
  const { piix3, asserted } = setUp();
  piix3.pirqs[0].set(true);
  assert.deepEqual(asserted(), []);
  piix3.writeConfig(0x60, 4, 0x0b0b0a0a);
  assert.deepEqual(asserted(), [10]);
  piix3.pirqs[3].set(true);
  assert.deepEqual(asserted(), [10, 11]);
  piix3.writeConfig(0x60, 1, 11);
  piix3.pirqs[3].set(false);
  assert.deepEqual(asserted(), [11]);
  piix3.writeConfig(0x60, 1, 0x80);
  assert.deepEqual(asserted(), []);
});

test('PCI interrupts cannot be steered to the timer, the keyboard, the cascade, the clock or the coprocessor', () => {
  const { piix3, asserted } = setUp();
  piix3.pirqs[0].set(true);
  for (const irq of [0, 1, 2, 8, 13]) {
    piix3.writeConfig(0x60, 1, irq);
    assert.deepEqual(asserted(), []);
  }
});

test('restored steering drives the lines', () => {
  const [a, b] = [setUp(), setUp()];
  a.piix3.writeConfig(0x61, 1, 5);
  b.piix3.pirqs[1].set(true);
  b.piix3.restore(a.piix3.save());
  assert.deepEqual(b.asserted(), [5]);
});

test('reset control resets when its bit rises, and only then', () => {
  let resets = 0;
  const control = new ResetControl(() => resets++);
  control.write(0, 1, 0x02);
  assert.equal(resets, 0);
  control.write(0, 1, 0x06);
  assert.equal(resets, 1);
  control.write(0, 1, 0x06);
  assert.equal(resets, 1);
  assert.equal(control.read(), 0x06);
  const other = new ResetControl(() => resets++);
  other.restore(control.save());
  assert.equal(other.read(), 0x06);
  assert.equal(resets, 1);
});

test('system control port A opens the A20 gate and resets on a rising bit', () => {
  const log: string[] = [];
  const make = () => new SystemControlPortA({ set: (level) => log.push(`a20 ${level}`) }, () => log.push('reset'));
  const port = make();
  port.write(0, 1, 0x02);
  port.write(0, 1, 0x03);
  port.write(0, 1, 0x01);
  assert.deepEqual(log, ['a20 true', 'a20 true', 'reset', 'a20 false']);
  port.write(0, 1, 0x02);
  make().restore(port.save());
  assert.equal(log.at(-1), 'a20 true');
  assert.equal(port.read(), 2);
});
