import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENT_TYPE, type InputEvent, VirtioInput } from './input.ts';
import { KEYBOARD, POINTER, TABLET } from './input-devices.ts';
import { TestDriver } from './test-driver.case.ts';

function setUp(description = TABLET) {
  const status: InputEvent[] = [];
  const input = new VirtioInput(description, (event) => status.push(event));
  const driver = new TestDriver(input);
  const select = (...words: [number, number]) => {
    driver.write(0x2000, 1, words[0]);
    driver.write(0x2001, 1, words[1]);
    return Uint8Array.from({ length: driver.read(0x2002, 1) }, (_, i) => driver.read(0x2008 + i, 1));
  };
  return { input, driver, select, status };
}

test('a device says its name, its events and its axes', () => {
  const { select } = setUp();
  assert.equal(new TextDecoder().decode(select(1, 0)), 'Vitrine Virtio Tablet');
  assert.deepEqual([...select(0x11, EVENT_TYPE.absolute)], [3]);
  assert.equal(select(0x11, EVENT_TYPE.key)[POINTER.left >> 3], 0x1f);
  assert.deepEqual([...select(0x12, POINTER.y).subarray(0, 8)], [0, 0, 0, 0, 0xff, 0x7f, 0, 0]);
  assert.deepEqual([select(0x12, 7).length, select(0x11, 99).length, select(77, 0).length], [0, 0, 0]);
});

test('events are sent in groups', () => {
  const { input, driver } = setUp();
  input.send([[EVENT_TYPE.key, POINTER.left, 1]]);
  driver.start();
  for (let i = 0; i < 4; i++) driver.offer(0, [8]);
  driver.notify(0);
  input.send([
    [EVENT_TYPE.absolute, POINTER.x, 1000],
    [EVENT_TYPE.relative, POINTER.wheel, -1],
  ]);
  assert.deepEqual(
    driver.used(0).map(({ written }) => [...written]),
    [
      [3, 0, 0, 0, 0xe8, 3, 0, 0],
      [2, 0, 8, 0, 0xff, 0xff, 0xff, 0xff],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ],
  );
});

test('a group that finds no room is lost as a whole', () => {
  const { input, driver } = setUp();
  driver.start();
  for (let i = 0; i < 200; i++) input.send([[EVENT_TYPE.absolute, POINTER.x, i]]);
  const saved = driver.card.save().core as { device: { waiting: InputEvent[] } };
  assert.equal(saved.device.waiting.length, 256);
  assert.deepEqual(saved.device.waiting.at(-1), [0, 0, 0]);
});

test('LEDs that the driver sets are told', () => {
  const { driver, status } = setUp(KEYBOARD);
  driver.start().send(1, Uint8Array.of(17, 0, 1, 0, 1, 0, 0, 0));
  driver.send(1, Uint8Array.of(17, 0));
  assert.deepEqual(status, [[17, 1, 1]]);
  assert.equal(driver.used(1).length, 2);
});
