import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QemuAgentRelay } from './qemu-relay.ts';

const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A relay, and what the guest and its clients hear. */
class Room {
  random = 0;
  readonly relay = new QemuAgentRelay(() => Uint8Array.of(0, 0, 0, ++this.random));

  /** All that waits for the guest. */
  get toGuest(): string {
    let text = '';
    for (let piece = this.relay.take(7); piece.length > 0; piece = this.relay.take(7)) text += latin1(piece);
    return text;
  }

  fromGuest(text: string): void {
    this.relay.send(ascii(text));
  }

  open(): void {
    this.relay.opened(true);
    assert.equal(this.toGuest, sync(1));
    this.fromGuest('rest of an answer\n\xff{"return": 1}\n');
  }

  client() {
    const heard: string[] = [];
    const line = this.relay.connect({
      untakenBytes: 0,
      send: (bytes) => void heard.push(latin1(bytes)),
      close: () => void heard.push('closed'),
    });
    return { heard, ask: (text: string) => line.receive(ascii(text)), leave: () => line.close() };
  }
}

const sync = (id: number) => `\xff{"execute":"guest-sync-delimited","arguments":{"id":${id}}}\n`;

describe("the channel to QEMU's guest agent", () => {
  it('closes clients while no agent listens', () => {
    const room = new Room();
    assert.deepEqual(room.client().heard, ['closed']);
    room.open();
    const client = room.client();
    room.relay.opened(false);
    assert.deepEqual(client.heard, ['closed']);
  });

  it('passes on one command at a time, and its answer to who asked', () => {
    const room = new Room();
    room.open();
    const [one, two] = [room.client(), room.client()];
    one.ask('{"a":');
    two.ask('{"b":2}\n');
    one.ask('1}\n{"c":3}\n');
    assert.equal(room.toGuest, '{"b":2}\n');
    room.fromGuest('{"return":');
    assert.equal(room.toGuest, '');
    room.fromGuest('2}\n');
    assert.equal(room.toGuest, '{"a":1}\n');
    room.fromGuest('{"return":1}\n');
    room.fromGuest('{"return":3}\n');
    assert.deepEqual([one.heard, two.heard], [['{"return":1}\n', '{"return":3}\n'], ['{"return":2}\n']]);
  });

  it('sends nothing before both sides have found together', () => {
    const room = new Room();
    room.relay.opened(true);
    const client = room.client();
    client.ask('{"a":1}\n');
    assert.equal(room.toGuest, sync(1));
    room.fromGuest('{"return":77}\n');
    assert.deepEqual(client.heard, []);
    room.fromGuest('\xff{"return": 1}\n');
    assert.equal(room.toGuest, '{"a":1}\n');
  });

  it('does not give the answer of one who has gone to another', () => {
    const room = new Room();
    room.open();
    const [one, two] = [room.client(), room.client()];
    one.ask('{"a":1}\n');
    assert.equal(room.toGuest, '{"a":1}\n');
    one.leave();
    two.ask('{"b":2}\n');
    assert.equal(room.toGuest, sync(2));
    room.fromGuest('{"return":1}\n\xff{"return": 2}\n');
    assert.equal(room.toGuest, '{"b":2}\n');
    room.fromGuest('{"return":2}\n');
    assert.deepEqual([one.heard, two.heard], [[], ['{"return":2}\n']]);
  });

  it('does not keep answers and commands without end', () => {
    const room = new Room();
    room.open();
    const [one, two] = [room.client(), room.client()];
    one.ask('{"a":1}\n');
    for (let piece = 0; piece < 65; piece++) room.relay.send(new Uint8Array(1 << 20).fill(32));
    assert.deepEqual(one.heard, ['closed']);
    for (let piece = 0; piece < 5; piece++) two.ask(' '.repeat(1 << 20));
    assert.deepEqual(two.heard, ['closed']);
  });
});
