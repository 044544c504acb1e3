import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../base/bytes.ts';
import { makeEdid } from '../devices/vga/edid.ts';
import { TestDriver } from '../devices/virtio/test-driver.case.ts';
import type { Device } from '../machine/interfaces.ts';
import { TestSlot } from '../machine/test-slot.case.ts';
import { PlainVideoMemory } from '../machine/video-memory.ts';
import { VirtioVga } from './virtio-vga.ts';

const GPU_CMD = { resourceCreate2d: 0x0101, setScanout: 0x0103 } as const;
const OK = 0x1100;

function setUp() {
  const slot = new TestSlot();
  const windows: Record<string, Pick<Device, 'read' | 'write'>> = {};
  const wiring = {
    clock: slot.clock,
    memory: new PlainVideoMemory(1 << 20),
    edid: makeEdid(),
    window: (...[kind, length, device, name]: Parameters<TestSlot['window']>) => {
      windows[name] = device;
      return slot.window(kind, length, device, name);
    },
  };
  const card = new VirtioVga(wiring, slot);
  return { slot, card, windows, driver: new TestDriver(() => card, slot) };
}

const words = (type: number, ...more: number[]) => {
  const request = new ByteWriter().u32(type).zeros(20);
  for (const word of more) request.u32(word);
  return request.finish();
};

test('the card is a VGA with the registers of one, and a virtio device by its capabilities', () => {
  const { card } = setUp();
  assert.equal(card.readConfig(0, 4), 0x10501af4);
  assert.equal(card.readConfig(8, 4) >>> 8, 0x030000);
  card.writeConfig(0x10, 4, 0xffffffff);
  card.writeConfig(0x18, 4, 0xffffffff);
  assert.deepEqual([card.readConfig(0x10, 4), card.readConfig(0x18, 4)], [0xfff00008, 0xfffff000]);
  assert.equal(card.readConfig(card.readConfig(0x34, 1), 1), 0x09);
});

test('the screen is that of the VGA until a driver puts a picture on it, and again after its reset', () => {
  const { card, driver } = setUp();
  assert.notEqual(card.scanout().kind, 'linear');
  card.takeDirty();
  assert.ok(card.takeDirty().every((flag) => flag === 0));
  driver.start();
  const answer = (...buffers: Parameters<typeof words>) =>
    new DataView(driver.ask(0, words(...buffers), 24).buffer).getUint32(0, true);
  assert.equal(answer(GPU_CMD.resourceCreate2d, 1, 1, 64, 32), OK);
  assert.notEqual(card.scanout().kind, 'linear');
  assert.equal(answer(GPU_CMD.setScanout, 0, 0, 64, 32, 0, 1), OK);
  const { kind, width, height } = card.scanout();
  assert.deepEqual([kind, width, height], ['linear', 64, 32]);
  assert.deepEqual([...card.takeDirty()], [1, 1]);
  driver.write(0x14, 1, 0);
  assert.notEqual(card.scanout().kind, 'linear');
  assert.ok(card.takeDirty().every((flag) => flag === 1));
});

test('a restored card has the state of both its halves', () => {
  const { card, driver, windows } = setUp();
  windows['display registers'].write(0x502, 2, 800);
  driver.start();
  driver.ask(0, words(GPU_CMD.resourceCreate2d, 1, 1, 8, 8), 24);
  driver.ask(0, words(GPU_CMD.setScanout, 0, 0, 8, 8, 0, 1), 24);
  const other = setUp();
  other.card.restore(card.save());
  assert.deepEqual(other.card.save(), card.save());
  assert.equal(other.windows['display registers'].read(0x502, 2), 800);
  assert.equal(other.card.scanout().width, 8);
});
