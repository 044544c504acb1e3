import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import type { LinearScanout } from '../display/interfaces.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { VmConsole } from './console.ts';
import { RfbServer } from './rfb-server.ts';

const [WIDTH, HEIGHT] = [4, 2];
const LONG_MILLIS = 100;
const UPDATE_REQUEST = [3, 1, 0, 0, 0, 0, 0, WIDTH, 0, HEIGHT];

/** An adapter whose screen is all in one page, and that counts how often somebody looks. */
class Adapter {
  looks = 0;
  #dirty = 1;
  readonly #screen: LinearScanout = {
    kind: 'linear',
    width: WIDTH,
    height: HEIGHT,
    memory: new Uint8Array(4096),
    offset: 0,
    pitch: WIDTH * 4,
    format: 'x8r8g8b8',
    palette: new Uint32Array(256),
  };

  paint(value: number): void {
    this.#screen.memory.fill(value);
    this.#dirty = 1;
  }

  scanout(): LinearScanout {
    return this.#screen;
  }

  takeDirty(): Uint8Array {
    this.looks++;
    const taken = Uint8Array.of(this.#dirty);
    this.#dirty = 0;
    return taken;
  }
}

const ignore = () => {};

function serve() {
  const adapter = new Adapter();
  const input = { keyboard: { key: ignore, again: ignore }, mouse: { move: ignore }, tablets: [] };
  const console = new VmConsole({ display: adapter, input, clock: new ManualClock() });
  const server = new RfbServer(console, { name: 'A', fillRandom: ignore });
  return { adapter, server };
}

/** A viewer that has been through the handshake. @returns what it was told since, and its connection */
function connect(server: RfbServer) {
  const heard: Uint8Array[] = [];
  const send = (bytes: Uint8Array, sent: () => void) => {
    heard.push(bytes.slice());
    sent();
  };
  const viewer = server.connect({ isNear: true, send, end: ignore });
  for (const part of ['RFB 003.008\n', '\x01', '\x01']) viewer.receive(new TextEncoder().encode(part));
  heard.length = 0;
  return { heard, viewer, ask: () => viewer.receive(Uint8Array.from(UPDATE_REQUEST)) };
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('a viewer that waits is told of a change without asking again', () => {
  const { adapter, server } = serve();
  const { heard, ask } = connect(server);
  ask();
  assert.equal(heard.length, 1, 'the first picture is there already');
  ask();
  mock.timers.tick(LONG_MILLIS);
  assert.equal(heard.length, 1, 'nothing has changed');
  adapter.paint(0x55);
  mock.timers.tick(LONG_MILLIS);
  assert.equal(heard.length, 2);
  assert.equal(heard[1].length, 4 + 12 + WIDTH * HEIGHT * 4);
});

test('nobody looks at the screen while no viewer waits', () => {
  const { adapter, server } = serve();
  const { viewer, ask } = connect(server);
  const before = adapter.looks;
  mock.timers.tick(LONG_MILLIS);
  assert.equal(adapter.looks, before, 'it has not asked');
  ask();
  ask();
  mock.timers.tick(LONG_MILLIS);
  assert.ok(adapter.looks > before);
  viewer.closed();
  mock.timers.tick(LONG_MILLIS);
  const after = adapter.looks;
  mock.timers.tick(LONG_MILLIS);
  assert.equal(adapter.looks, after, 'it has gone');
});

test('what a slow viewer has missed is told to it when it asks', () => {
  const { adapter, server } = serve();
  const [slow, quick] = [connect(server), connect(server)];
  slow.ask();
  quick.ask();
  adapter.paint(0x77);
  quick.ask();
  mock.timers.tick(LONG_MILLIS);
  assert.deepEqual([slow.heard.length, quick.heard.length], [1, 2]);
  slow.ask();
  assert.equal(slow.heard.length, 2);
});
