import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import { encodeFrame, FRAME, type Frame, FrameReader } from './frames.ts';
import { AgentRelay } from './relay.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const frame = (type: number, id: number, text = '') => encodeFrame({ type, id, payload: bytes(text) });
const readable = (frames: readonly Frame[]) =>
  frames.map(({ type, id, payload }) => [type, id, new TextDecoder().decode(payload)]);

class Client {
  readonly #reader = new FrameReader();
  readonly heard: unknown[] = [];
  untakenBytes = 0;
  closed = false;

  send(sent: Uint8Array): void {
    this.heard.push(...readable(this.#reader.push(sent)));
  }

  close(): void {
    this.closed = true;
  }
}

function setUp() {
  let nonces = 0;
  const relay = new AgentRelay((length) => new Uint8Array(length).fill(++nonces));
  const reader = new FrameReader();
  const everything = () => {
    const taken: Uint8Array[] = [];
    for (let piece = relay.take(1000); piece.length > 0; piece = relay.take(1000)) taken.push(piece.slice());
    return concatenate(taken);
  };
  return { relay, toGuest: () => reader.push(everything()) };
}

function setUpReady() {
  const setup = setUp();
  setup.relay.opened(true);
  const [{ payload }] = setup.toGuest();
  setup.relay.send(encodeFrame({ type: FRAME.hello, id: 0, payload }));
  return setup;
}

test('without an agent a client is refused at once', () => {
  const { relay } = setUp();
  const client = new Client();
  relay.connect(client);
  assert.deepEqual([client.heard, client.closed], [[[FRAME.refused, 0, 'the guest has no agent that runs']], true]);
});

test('what comes before the nonce is not listened to', () => {
  const { relay, toGuest } = setUp();
  const client = new Client();
  relay.opened(true);
  relay.connect(client);
  const [reset] = toGuest();
  assert.equal(reset.type, FRAME.reset);
  relay.send(frame(FRAME.output, 1, 'of an earlier life'));
  const hello = encodeFrame({ type: FRAME.hello, id: 0, payload: reset.payload });
  relay.send(concatenate([bytes('half a frame'), hello.subarray(0, 15)]));
  assert.deepEqual(client.heard, []);
  relay.send(concatenate([hello.subarray(15), frame(FRAME.output, 1, 'new')]));
  assert.deepEqual(client.heard, [
    [FRAME.ready, 0, ''],
    [FRAME.output, 0, 'new'],
  ]);
});

test('each client has a command of its own, and is hung up when it goes', () => {
  const { relay, toGuest } = setUpReady();
  const [a, b] = [new Client(), new Client()];
  const [lineA, lineB] = [relay.connect(a), relay.connect(b)];
  lineA.receive(frame(FRAME.start, 99, 'true\0'));
  lineB.receive(concatenate([frame(FRAME.start, 99, 'cat\0'), frame(FRAME.input, 99, 'x'), frame(FRAME.reset, 99)]));
  assert.deepEqual(readable(toGuest()), [
    [FRAME.start, 1, 'true\0'],
    [FRAME.start, 2, 'cat\0'],
    [FRAME.input, 2, 'x'],
  ]);
  relay.send(concatenate([frame(FRAME.output, 2, 'x'), frame(FRAME.ended, 1, 'exit 0'), frame(FRAME.output, 1, 'y')]));
  assert.deepEqual(a.heard.slice(1), [[FRAME.ended, 0, 'exit 0']]);
  assert.deepEqual(b.heard.slice(1), [[FRAME.output, 0, 'x']]);
  lineA.close();
  lineB.close();
  assert.deepEqual([a.closed, readable(toGuest())], [true, [[FRAME.hangUp, 2, '']]]);
});

test('an agent that sends more than a client takes is cut off', () => {
  const { relay } = setUpReady();
  const client = new Client();
  relay.connect(client);
  client.untakenBytes = 5 << 20;
  relay.send(frame(FRAME.output, 1, 'more'));
  assert.equal(client.closed, true);
});

test('a guest that restarts, or talks nonsense, is greeted anew', () => {
  const { relay, toGuest } = setUpReady();
  const [a, b] = [new Client(), new Client()];
  relay.connect(a);
  relay.opened(true);
  assert.deepEqual([a.heard.at(-1), a.closed], [[FRAME.refused, 0, 'the guest has restarted, or its agent has'], true]);
  const [{ payload }] = toGuest();
  relay.send(encodeFrame({ type: FRAME.hello, id: 0, payload }));
  relay.connect(b);
  assert.deepEqual(b.heard, [[FRAME.ready, 0, '']]);
  relay.send(new Uint8Array(20).fill(0xff));
  assert.deepEqual([b.closed, toGuest()[0].type], [true, FRAME.reset]);
});
