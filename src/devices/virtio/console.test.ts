import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CharPort } from '../../machine/interfaces.ts';
import { VirtioConsole } from './console.ts';
import { TestDriver } from './test-driver.case.ts';

const MULTIPORT = 2n;

class Outside implements CharPort {
  text = '';
  spaces = 0;
  #receive: (byte: number) => boolean = () => false;

  send(byte: number): void {
    this.text += String.fromCharCode(byte);
  }

  onByte(receive: (byte: number) => boolean): void {
    this.#receive = receive;
  }

  /** @returns how many bytes were taken */
  type(text: string): number {
    return [...text].filter((character) => this.#receive(character.charCodeAt(0))).length;
  }
}

function setUp() {
  const [console, channel] = [new Outside(), new Outside()];
  const ports = [
    { outside: console, onSpace: () => console.spaces++ },
    { name: 'agent.0', outside: channel },
  ];
  return { console, channel, driver: new TestDriver(new VirtioConsole(ports)) };
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

test('bytes that nobody reads are refused at some point, and asked for again', () => {
  const { console, driver } = setUp();
  driver.start();
  assert.equal(console.type('x'.repeat(5000)), 4096);
  driver.send(0, 100);
  assert.equal(console.spaces, 1);
  assert.equal(console.type('x'.repeat(200)), 100);
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

test('a restored console has what came in before', () => {
  const [a, b] = [setUp(), setUp()];
  a.driver.start();
  b.driver.start();
  a.console.type('kept');
  b.driver.card.restore(a.driver.card.save());
  assert.deepEqual(b.driver.ask(0, 4), bytes('kept'));
});
