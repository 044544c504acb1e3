import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MmioBus, PortBus } from './bus.ts';
import { WiredOr } from './irq.ts';
import { BusWindow, PciBus, PciConfigSpace } from './pci.ts';

const CHIP = { read: (offset: number) => offset, write: () => {} };

/** A function with one BAR of each kind, one capability and INTA#. */
function setUp() {
  const [ports, mmio] = [new PortBus(), new MmioBus()];
  const levels: boolean[] = [];
  const config = new PciConfigSpace(
    {
      vendor: 0x1af4,
      device: 0x1041,
      revision: 1,
      classCode: 0x020000,
      subsystem: 0x40,
      interruptPin: 1,
      bars: [
        { index: 0, kind: 'io', length: 0x20, window: new BusWindow(ports, 0x20, CHIP, 'ports', 1) },
        { index: 1, kind: 'memory32', length: 0x1000, window: new BusWindow(mmio, 0x1000, CHIP, 'small', 4) },
        {
          index: 4,
          kind: 'memory64',
          length: 0x4000,
          prefetchable: true,
          window: new BusWindow(mmio, 0x4000, CHIP, 'large', 4),
        },
      ],
      capabilities: [
        { id: 0x09, bytes: new Uint8Array([0x10, 1, 2, 3, 4]), writable: new Uint8Array(5) },
        { id: 0x11, bytes: new Uint8Array([0x00, 0x80]), writable: new Uint8Array([0x00, 0xc0]) },
      ],
    },
    { set: (level) => levels.push(level) },
  );
  return { ports, mmio, levels, config };
}

test('the header says what was asked for and is not writable', () => {
  const { config } = setUp();
  for (let offset = 0; offset < 0x10; offset += 4) if (offset !== 4) config.writeConfig(offset, 4, 0xffffffff);
  assert.equal(config.readConfig(0, 4), 0x10411af4);
  assert.equal(config.readConfig(8, 4), 0x02000001);
  assert.equal(config.readConfig(0x0e, 1), 0);
  assert.equal(config.readConfig(0x2e, 2), 0x40);
  assert.equal(config.readConfig(0x3d, 1), 1);
});

test('sizing a base address register gives its length and type', () => {
  const { config } = setUp();
  for (let offset = 0x10; offset < 0x28; offset += 4) config.writeConfig(offset, 4, 0xffffffff);
  const sizes = [0, 1, 2, 3, 4, 5].map((bar) => config.readConfig(0x10 + bar * 4, 4));
  assert.deepEqual(sizes, [0xffffffe1, 0xfffff000, 0, 0, 0xffffc00c, 0xffffffff]);
});

test('a range decodes where it was put while the command register lets it', () => {
  const { config, ports, mmio } = setUp();
  config.writeConfig(0x10, 4, 0xc000);
  config.writeConfig(0x14, 4, 0xfe000000);
  config.writeConfig(0x20, 4, 0x00004000);
  config.writeConfig(0x24, 4, 0x12);
  assert.deepEqual([ports.mappings.length, mmio.mappings.length], [0, 0]);
  config.writeConfig(4, 2, 3);
  assert.equal(ports.read(0xc01f, 1), 0x1f);
  assert.deepEqual(
    mmio.mappings.map((mapping) => mapping.base),
    [0xfe000000, 0x1200004000],
  );
  config.writeConfig(0x14, 4, 0xfd000000);
  assert.equal(mmio.read(0xfe000010, 1), 0xff);
  assert.equal(mmio.read(0xfd000010, 1), 0x10);
  config.writeConfig(4, 2, 1);
  assert.deepEqual([ports.mappings.length, mmio.mappings.length], [1, 0]);
});

test('addresses that cannot decode map nothing', () => {
  const { config, ports, mmio } = setUp();
  config.writeConfig(4, 2, 3);
  config.writeConfig(0x10, 4, 0xfffffff0);
  config.writeConfig(0x24, 4, 0xffffffff);
  assert.deepEqual([ports.mappings.length, mmio.mappings.length], [0, 0]);
});

test('capabilities are linked, dword-aligned, and writable only where they say', () => {
  const { config } = setUp();
  assert.equal(config.readConfig(6, 2) & 0x10, 0x10);
  const first = config.readConfig(0x34, 1);
  assert.equal(config.readConfig(first, 1), 0x09);
  assert.equal(config.readConfig(first + 2, 1), 0x10);
  const second = config.readConfig(first + 1, 1);
  assert.equal(second, 0x48);
  config.writeConfig(second, 4, 0xffffffff);
  assert.equal(config.readConfig(second, 4), 0xc0000011);
});

test('the interrupt pin follows the chip unless disabled', () => {
  const { config, levels } = setUp();
  config.interrupt(true);
  assert.equal(levels.at(-1), true);
  assert.equal(config.readConfig(6, 2) & 8, 8);
  config.writeConfig(4, 2, 0x400);
  assert.equal(levels.at(-1), false);
  config.writeConfig(4, 2, 0);
  assert.equal(levels.at(-1), true);
  config.interrupt(false);
  assert.equal(levels.at(-1), false);
});

test('bus mastering is what the command register says', () => {
  const { config } = setUp();
  assert.equal(config.busMaster, false);
  config.writeConfig(4, 1, 4);
  assert.equal(config.busMaster, true);
});

test('a restored configuration maps its ranges again', () => {
  const [a, b] = [setUp(), setUp()];
  a.config.writeConfig(0x14, 4, 0xfe000000);
  a.config.writeConfig(4, 2, 2);
  const atPowerOn = b.config.save();
  b.config.restore(a.config.save());
  assert.equal(b.mmio.read(0xfe000004, 1), 4);
  b.config.restore(atPowerOn);
  assert.equal(b.mmio.mappings.length, 0);
  assert.throws(() => b.config.restore({ version: 9 }), /version 9/);
});

test('a place on the bus holds one function', () => {
  const [bus, { config }] = [new PciBus(), setUp()];
  bus.attach(3, 1, config);
  assert.equal(bus.at(25), config);
  assert.equal(bus.at(24), undefined);
  assert.deepEqual(bus.places, [25]);
  assert.throws(() => bus.attach(3, 1, config), RangeError);
  assert.throws(() => bus.attach(32, 0, config), RangeError);
});

test('a shared line is asserted while any source asserts it', () => {
  const levels: boolean[] = [];
  const shared = new WiredOr({ set: (level) => levels.push(level) });
  const [a, b] = [shared.input(), shared.input()];
  a.set(true);
  a.set(true);
  b.set(true);
  a.set(false);
  assert.equal(levels.at(-1), true);
  b.set(false);
  b.set(false);
  assert.equal(levels.at(-1), false);
});
