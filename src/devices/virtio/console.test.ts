import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteChannel } from '../../machine/interfaces.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VirtioConsole } from './console.ts';
import { TestDriver } from './test-driver.case.ts';

const MULTIPORT = 2n;

class Outside implements ByteChannel {
  text = '';
  /** How many bytes it takes before it refuses. */
  room = Number.POSITIVE_INFINITY;
  readonly openings: boolean[] = [];
  answerToOpening = '';
  #input = '';
  #change = () => {};

  send(given: Uint8Array): boolean {
    if (given.length > this.room) return false;
    this.room -= given.length;
    this.text += new TextDecoder().decode(given);
    return true;
  }

  take(most: number): Uint8Array {
    const taken = this.#input.slice(0, most);
    this.#input = this.#input.slice(taken.length);
    return bytes(taken);
  }

  opened(isOpen: boolean): void {
    this.openings.push(isOpen);
    if (isOpen) this.#input += this.answerToOpening;
  }

  onChange(listener: () => void): void {
    this.#change = listener;
  }

  type(text: string): void {
    this.#input += text;
    this.#change();
  }

  makeRoom(): void {
    this.room = Number.POSITIVE_INFINITY;
    this.#change();
  }
}

function setUp() {
  const [console, channel] = [new Outside(), new Outside()];
  const ports = [{ outside: console }, { name: 'agent.0', outside: channel }];
  return { console, channel, driver: new TestDriver(new VirtioConsole(ports), new TestSlot(4 << 20)) };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const message = (id: number, event: number, value: number) =>
  new Uint8Array(Uint16Array.of(id, 0, event, value).buffer);

test('what the driver writes comes out, and what comes in fills its buffers', () => {
  const { console, driver } = setUp();
  driver.start().send(1, bytes('hel'), bytes('lo'));
  assert.equal(console.text, 'hello');
  console.type('abc');
  assert.equal(driver.ask(0, 8).subarray(0, 3).join(), bytes('abc').join());
  driver.send(0, 1);
  console.type('d');
  assert.deepEqual(driver.used(0)[0].written, bytes('d'));
});

test('what comes in waits for buffers and is spread over them', () => {
  const { console, driver } = setUp();
  driver.start();
  console.type('0123456789');
  assert.deepEqual(driver.ask(0, 4), bytes('0123'));
  driver.send(0, 100);
  assert.equal(driver.used(0)[0].length, 6);
});

test('what is refused outside stays with the driver until there is room', () => {
  const { console, driver } = setUp();
  driver.start();
  const large = 'a'.repeat(1 << 16).concat('b'.repeat(100));
  console.room = 1 << 16;
  driver.send(1, bytes(large));
  driver.send(1, bytes('c'));
  assert.deepEqual([console.text.length, driver.used(1).length], [1 << 16, 0]);
  console.makeRoom();
  assert.equal(console.text, `${large}c`);
  assert.equal(driver.used(1).length, 2);
});

test('the driver learns of ports, of names and that they are open', () => {
  const { driver } = setUp();
  driver.start(MULTIPORT);
  assert.equal(driver.read(0x2004, 4), 2);
  for (let i = 0; i < 8; i++) driver.offer(2, [32]);
  driver.notify(2);
  driver.send(3, message(0, 0, 1));
  driver.send(3, message(0, 3, 1));
  driver.send(3, message(1, 3, 1));
  const said = driver.used(2).map(({ written, length }) => written.subarray(0, length));
  const expected = [
    message(0, 1, 1),
    message(1, 1, 1),
    message(0, 4, 1),
    message(0, 6, 1),
    Uint8Array.of(...message(1, 7, 1), ...bytes('agent.0')),
    message(1, 6, 1),
  ];
  assert.deepEqual(said, expected);
});

test('a further port has queues of its own', () => {
  const { channel, console, driver } = setUp();
  driver.start(MULTIPORT).send(5, bytes('to agent'));
  assert.deepEqual([channel.text, console.text], ['to agent', '']);
  channel.type('hi');
  assert.deepEqual(driver.ask(4, 2), bytes('hi'));
});

test('what the outside has for a driver that opens the port comes at once', () => {
  const { channel, driver } = setUp();
  driver.start(MULTIPORT).offer(4, [16]);
  channel.answerToOpening = 'hello';
  driver.send(3, message(1, 6, 1));
  assert.deepEqual(driver.used(4)[0].length, 5);
});

test('the outside is told when the driver opens a port, closes it or starts anew', () => {
  const { channel, driver } = setUp();
  driver.start(MULTIPORT);
  for (const [event, value] of [
    [6, 1],
    [6, 1],
    [6, 0],
    [6, 1],
    [0, 1],
  ])
    driver.send(3, message(event ? 1 : 0, event, value));
  assert.deepEqual(channel.openings, [false, true, false, true, false]);
});

test('a driver that asks without listening is not listened to for ever', () => {
  const { driver } = setUp();
  driver.start(MULTIPORT);
  for (let i = 0; i < 1000; i++) driver.send(3, message(0, 0, 1));
  const saved = driver.card.save().core as { device: { messages: unknown[] } };
  assert.ok(saved.device.messages.length < 300);
});

test('an emergency write needs no queue', () => {
  const { console, driver } = setUp();
  driver.write(0x2008, 4, 0x41);
  assert.equal(console.text, 'A');
});

test('a restored console goes on in the middle of a buffer, and says that the port is open', () => {
  const [a, b] = [setUp(), setUp()];
  a.driver.start(MULTIPORT);
  a.driver.send(3, message(1, 6, 1));
  a.channel.room = 1 << 16;
  a.driver.send(5, bytes(`${'a'.repeat(1 << 16)}b`));
  b.driver.slot.ram.set(a.driver.slot.ram);
  b.driver.card.restore(a.driver.card.save());
  b.channel.makeRoom();
  assert.deepEqual([b.channel.text, b.channel.openings.at(-1)], ['b', true]);
});
