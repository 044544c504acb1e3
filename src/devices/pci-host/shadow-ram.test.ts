import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RamMemory } from '../../machine/guest-memory.ts';
import { I440fx } from './i440fx.ts';
import { SHADOW_GPA, ShadowRam } from './shadow-ram.ts';

const RAM_BYTES = 0x100000;
const ISA_BYTE = 0xea;

function setUp() {
  const ram = new Uint8Array(RAM_BYTES);
  const host = { bytes: ram, pageFlags: new Uint8Array(RAM_BYTES / 4096), ramOffset: 0 };
  const hooks = { codeWrite: () => {}, firstWrite: () => {} };
  const memory = new RamMemory(host, [{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], hooks);
  const access = new Map<number, string>();
  const isaWrites: number[] = [];
  const isa = { read: () => ISA_BYTE, write: (offset: number) => void isaWrites.push(offset) };
  const shadow = new ShadowRam(memory, isa, (gpa, _length, how) => access.set(gpa, how));
  return { ram, shadow, bridge: new I440fx(shadow), access, isaWrites };
}

test('after a reset reads and writes of the BIOS area go to the ISA bus', () => {
  const { shadow, access, isaWrites } = setUp();
  shadow.write(0x30000, 1, 5);
  assert.equal(shadow.read(0x30000, 1), ISA_BYTE);
  assert.deepEqual(isaWrites, [0x30000]);
  assert.equal(new Set(access.values()).size, 1);
  assert.equal(access.get(0xf0000), 'device');
});

test('each attribute map rules its own areas', () => {
  const { bridge, access } = setUp();
  bridge.writeConfig(0x59, 1, 0x30);
  bridge.writeConfig(0x5a, 1, 0x10);
  bridge.writeConfig(0x5f, 1, 0x01);
  const areas = [0xc0000, 0xc4000, 0xe4000, 0xe8000, 0xec000, 0xf0000].map((gpa) => access.get(gpa));
  assert.deepEqual(areas, ['device', 'readOnly', 'device', 'readOnly', 'device', 'ram']);
});

test('RAM that is only written lies under the ROM that is read', () => {
  const { ram, shadow, bridge } = setUp();
  bridge.writeConfig(0x5f, 1, 0x02);
  shadow.write(0x28004, 4, 0x11223344);
  assert.equal(shadow.read(0x28004, 1), ISA_BYTE);
  bridge.writeConfig(0x5f, 1, 0x01);
  shadow.write(0x28004, 4, 0);
  assert.equal(shadow.read(0x28004, 4), 0x11223344);
  assert.equal(ram[SHADOW_GPA + 0x28004], 0x44);
});

test('a restored bridge has the areas of the saved one', () => {
  const [a, b] = [setUp(), setUp()];
  a.bridge.writeConfig(0x5a, 4, 0x33333333);
  b.bridge.restore(a.bridge.save());
  assert.deepEqual(b.access, a.access);
});
