import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Msi } from './msi.ts';
import { Msix } from './msix.ts';
import { type PciCapability, PciConfigSpace } from './pci.ts';

const HEADER = { vendor: 0x1af4, device: 0x1041, revision: 1, classCode: 0x020000 };
const CONTROL = 0x42;

function setUp<Source extends { capability: PciCapability }>(
  make: (sink: { message: (address: number, data: number) => void }) => Source,
) {
  const sent: [address: number, data: number][] = [];
  const source = make({ message: (address, data) => sent.push([address, data]) });
  return { source, sent, config: new PciConfigSpace({ ...HEADER, capabilities: [source.capability] }) };
}

test('MSI sends what the guest has set up, in as many messages as it granted, and nothing while it is off', () => {
  const { source, sent, config } = setUp((sink) => new Msi(2, sink));
  source.signal(0);
  assert.equal(config.readConfig(CONTROL, 2), 0x84);
  config.writeConfig(0x44, 4, 0xfee01003);
  config.writeConfig(0x4c, 2, 0x4043);
  config.writeConfig(CONTROL, 2, 0x0011);
  source.signal(1);
  source.signal(2);
  assert.deepEqual(sent, [
    [0xfee01000, 0x4043],
    [0xfee01000, 0x4042],
  ]);
});

test('a message to anything but a local APIC is lost', () => {
  const { source, sent, config } = setUp((sink) => new Msi(0, sink));
  config.writeConfig(CONTROL, 2, 1);
  config.writeConfig(0x44, 4, 0x1000);
  source.signal(0);
  config.writeConfig(0x44, 4, 0xfee00000);
  config.writeConfig(0x48, 4, 1);
  source.signal(0);
  assert.deepEqual(sent, []);
});

function setUpMsix() {
  const made = setUp((sink) => new Msix(3, 1, sink));
  for (const vector of [0, 1, 2]) {
    made.source.write(vector * 16, 4, 0xfee00000);
    made.source.write(vector * 16 + 8, 4, 0x40 + vector);
  }
  return made;
}

test('the MSI-X capability names the range and the number of vectors', () => {
  const { config } = setUpMsix();
  assert.deepEqual(
    [config.readConfig(0x40, 4), config.readConfig(0x44, 4), config.readConfig(0x48, 4)],
    [0x00020011, 1, 0x801],
  );
});

test('a masked vector waits in the pending bits until it is unmasked', () => {
  const { source, sent, config } = setUpMsix();
  config.writeConfig(CONTROL, 2, 0x8000);
  source.signal(1);
  assert.deepEqual([sent, source.read(0x800, 4)], [[], 2]);
  source.write(16 + 12, 4, 0);
  assert.deepEqual([sent, source.read(0x800, 4)], [[[0xfee00000, 0x41]], 0]);
  source.signal(1);
  assert.equal(sent.length, 2);
});

test('the function mask holds every vector back', () => {
  const { source, sent, config } = setUpMsix();
  for (const vector of [0, 1, 2]) source.write(vector * 16 + 12, 4, 0);
  config.writeConfig(CONTROL, 2, 0xc000);
  for (const vector of [2, 0, 7, -1]) source.signal(vector);
  assert.deepEqual(sent, []);
  config.writeConfig(CONTROL, 2, 0x8000);
  assert.deepEqual(sent, [
    [0xfee00000, 0x40],
    [0xfee00000, 0x42],
  ]);
});

test('a restored table sends as the saved one did', () => {
  const [a, b] = [setUpMsix(), setUp((sink) => new Msix(3, 1, sink))];
  a.config.writeConfig(CONTROL, 2, 0x8000);
  a.source.signal(2);
  b.source.restore(a.source.save());
  b.config.restore(a.config.save());
  b.source.write(2 * 16 + 12, 4, 0);
  assert.deepEqual(b.sent, [[0xfee00000, 0x42]]);
});
