import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../../../base/random.ts';
import { TestSlot } from '../../../machine/test-slot.case.ts';
import { TestDriver } from '../test-driver.case.ts';
import { decodeHeader, encodeHeader, HEADER_BYTES, HOST_CID, OP, type PacketHeader } from './packet.ts';
import { TestVsockHost } from './test-host.case.ts';
import { VirtioVsock } from './vsock.ts';

const CID = 7n;
const GUEST_PORT = 1000;
const HOST_PORT = 52;
/** What the guest of the tests has room for, and the device. */
const GUEST_ROOM = 1000;
const DEVICE_ROOM = 1 << 18;
const BUFFER_BYTES = 512;
const [RECEIVE, TRANSMIT, EVENT] = [0, 1, 2];

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (given: Uint8Array) => new TextDecoder().decode(given);

function headerOf(op: number, more: Partial<PacketHeader> = {}): PacketHeader {
  return {
    ...{ sourceCid: CID, destinationCid: HOST_CID, sourcePort: GUEST_PORT, destinationPort: HOST_PORT },
    ...{ type: 1, op, length: 0, flags: 0, bufAlloc: GUEST_ROOM, fwdCnt: 0, ...more },
  };
}

/** A driver of the device that gives buffers for what comes, and takes packets apart. */
class Guest {
  readonly host = new TestVsockHost();
  readonly driver: TestDriver;

  constructor(buffers = 16, slot = new TestSlot(4 << 20)) {
    this.driver = new TestDriver(new VirtioVsock({ cid: Number(CID), host: this.host }), slot);
    this.driver.start(1n);
    this.give(buffers);
  }

  give(buffers: number): void {
    for (let count = 0; count < buffers; count++) this.driver.offer(RECEIVE, [BUFFER_BYTES]);
    this.driver.notify(RECEIVE);
  }

  send(op: number, more: Partial<PacketHeader> = {}, payload = new Uint8Array(0)): this {
    this.driver.send(TRANSMIT, encodeHeader(headerOf(op, { length: payload.length, ...more })), payload);
    this.driver.used(TRANSMIT);
    return this;
  }

  say(what: string, more: Partial<PacketHeader> = {}): this {
    return this.send(OP.data, more, bytes(what));
  }

  /** Packets that have come; as many buffers are given again. */
  packets(): (PacketHeader & { payload: Uint8Array })[] {
    const used = this.driver.used(RECEIVE);
    this.give(used.length);
    return used.map(({ written, length }) => ({
      ...decodeHeader(written),
      payload: written.slice(HEADER_BYTES, length),
    }));
  }

  /** Operations of the packets that have come. */
  operations(): number[] {
    return this.packets().map(({ op }) => op);
  }

  /** Has the guest connect. */
  connected(): this {
    this.send(OP.request);
    this.host.streams.at(-1)?.listener.opened();
    assert.deepEqual(this.operations(), [OP.response]);
    return this;
  }

  get stream() {
    return this.host.streams.at(-1) ?? assert.fail('nobody has connected');
  }
}

test('the driver learns its address and that there are streams', () => {
  const { driver } = new Guest();
  assert.deepEqual([driver.read(0x2000, 4), driver.read(0x2004, 4), driver.offered & 3n], [7, 0, 1n]);
});

test('a guest connects to a port of the host when that has answered', () => {
  const guest = new Guest();
  guest.send(OP.request);
  assert.deepEqual([guest.host.ports, guest.operations()], [[HOST_PORT], []]);
  guest.stream.listener.opened();
  const [{ op, sourceCid, destinationCid, sourcePort, destinationPort, bufAlloc }] = guest.packets();
  assert.deepEqual(
    [op, sourceCid, destinationCid, sourcePort, destinationPort, bufAlloc],
    [OP.response, HOST_CID, CID, HOST_PORT, GUEST_PORT, DEVICE_ROOM],
  );
  assert.equal(text(guest.say('hello').stream.bytes), 'hello');
});

test('a guest is refused where nobody listens', () => {
  const guest = new Guest().send(OP.request);
  guest.stream.listener.failed('refused');
  assert.deepEqual(guest.operations(), [OP.reset]);
});

test('the host connects to a port of the guest, and is told of its own when that accepts', () => {
  const guest = new Guest();
  const call = guest.host.call(GUEST_PORT);
  const [{ op, sourcePort, destinationPort }] = guest.packets();
  assert.deepEqual([op, destinationPort, sourcePort >= 1 << 30, call.port], [OP.request, GUEST_PORT, true, undefined]);
  guest.send(OP.response, { destinationPort: sourcePort });
  assert.equal(call.port, sourcePort);
  guest.say('hello', { destinationPort: sourcePort });
  assert.equal(text(guest.stream.bytes), 'hello');
});

test('the host is hung up on when the guest refuses, and refused before a driver is there', () => {
  const guest = new Guest();
  guest.host.call(GUEST_PORT);
  const [{ sourcePort }] = guest.packets();
  guest.send(OP.reset, { destinationPort: sourcePort });
  assert.ok(guest.stream.wasReset);
  guest.driver.write(0x14, 1, 0);
  assert.equal(guest.host.call(GUEST_PORT).taken, false);
});

test('what the host sends waits for room of the guest, which is asked for once', () => {
  const guest = new Guest().connected();
  guest.stream.listener.data(new Uint8Array(3000).map((_, index) => index));
  const first = guest.packets();
  const sent = first.flatMap(({ payload }) => [...payload]);
  assert.equal(sent.length, GUEST_ROOM);
  assert.deepEqual(
    first.map(({ op, length }) => [op, length]),
    [
      [OP.data, 468],
      [OP.data, 468],
      [OP.data, 64],
      [OP.creditRequest, 0],
    ],
  );
  guest.send(OP.creditUpdate, { fwdCnt: 0 });
  assert.deepEqual(guest.operations(), []);
  guest.send(OP.creditUpdate, { fwdCnt: GUEST_ROOM });
  sent.push(...guest.packets().flatMap(({ payload }) => [...payload]));
  guest.send(OP.creditUpdate, { fwdCnt: 2 * GUEST_ROOM });
  sent.push(...guest.packets().flatMap(({ payload }) => [...payload]));
  assert.deepEqual(
    sent,
    Array.from({ length: 3000 }, (_, index) => index & 0xff),
  );
});

test('the stream of the host halts while much waits for the guest', () => {
  const guest = new Guest(0).send(OP.request, { bufAlloc: 1 << 20 });
  guest.stream.listener.opened();
  for (let count = 0; count < 3; count++) guest.stream.listener.data(new Uint8Array(1 << 16));
  assert.equal(guest.stream.flows, false);
  guest.give(40);
  for (let turn = 0; turn < 20; turn++) guest.packets();
  assert.equal(guest.stream.flows, true);
});

test('the guest gets room again as the host takes what it sent', () => {
  const guest = new Guest().connected();
  guest.stream.holds = true;
  for (let count = 0; count < 4; count++) guest.send(OP.data, {}, new Uint8Array(1 << 16));
  assert.deepEqual(guest.operations(), []);
  guest.stream.takeQueued(100_000);
  assert.deepEqual(
    guest.packets().map(({ op, fwdCnt }) => [op, fwdCnt]),
    [[OP.creditUpdate, 100_000]],
  );
  guest.send(OP.creditRequest);
  assert.deepEqual(
    guest.packets().map(({ op, fwdCnt }) => [op, fwdCnt]),
    [[OP.creditUpdate, 100_000]],
  );
});

test('a guest that sends more than it was given room for is reset', () => {
  const guest = new Guest().connected();
  guest.stream.holds = true;
  for (let count = 0; count < 4; count++) guest.send(OP.data, {}, new Uint8Array(1 << 16));
  assert.equal(guest.stream.wasReset, false);
  guest.say('x');
  assert.deepEqual([guest.stream.wasReset, guest.operations()], [true, [OP.reset]]);
});

test('each side closes its direction while the other goes on', () => {
  const guest = new Guest().connected();
  guest.send(OP.shutdown, { flags: 2 });
  assert.deepEqual([guest.stream.ended, guest.stream.wasReset, guest.operations()], [true, false, []]);
  guest.stream.listener.data(bytes('answer'));
  guest.stream.listener.ended();
  assert.deepEqual(
    guest.packets().map(({ op, flags, payload }) => [op, flags, text(payload)]),
    [
      [OP.data, 0, 'answer'],
      [OP.shutdown, 3, ''],
    ],
  );
  const other = new Guest().connected();
  other.stream.listener.ended();
  assert.deepEqual(
    other.packets().map(({ op, flags }) => [op, flags]),
    [[OP.shutdown, 2]],
  );
  assert.equal(text(other.say('still here').stream.bytes), 'still here');
});

test('what a guest sent before it closed gets to the host', () => {
  const guest = new Guest().connected();
  guest.stream.holds = true;
  guest.say('last words').send(OP.shutdown, { flags: 3 });
  assert.deepEqual([guest.operations(), guest.stream.ended, guest.stream.wasReset], [[OP.reset], true, false]);
  guest.stream.takeQueued(10);
  assert.ok(guest.stream.wasReset);
  assert.deepEqual(guest.connected().host.ports, [HOST_PORT, HOST_PORT]);
});

test('what the host sent before it broke off gets to the guest, and then a reset', () => {
  const guest = new Guest().connected();
  guest.stream.listener.data(bytes('last words'));
  guest.stream.listener.failed('reset');
  assert.deepEqual(guest.operations(), [OP.data, OP.reset]);
});

test('packets that make no sense reset what they are about', () => {
  const cases: [what: string, packet: [number, Partial<PacketHeader>?]][] = [
    ['an unknown operation', [99]],
    ['a second request', [OP.request]],
    ['an answer to nothing', [OP.response]],
    ['another type', [OP.data, { type: 2 }]],
    ['more bytes than there are', [OP.data, { length: 5 }]],
    ['a length beyond all memory', [OP.data, { length: 0xffffffff }]],
  ];
  for (const [what, packet] of cases) {
    const guest = new Guest().connected().send(...packet);
    assert.deepEqual([guest.stream.wasReset, guest.operations()], [true, [OP.reset]], what);
  }
});

test('packets to nobody are answered by a reset, but for resets; those from nobody are dropped', () => {
  const guest = new Guest();
  for (const op of [OP.response, OP.data, OP.shutdown, OP.creditUpdate, OP.creditRequest, 0]) guest.send(op);
  assert.deepEqual(guest.operations(), new Array(6).fill(OP.reset));
  guest
    .send(OP.reset)
    .send(OP.request, { sourceCid: 8n })
    .send(OP.request, { sourceCid: CID + 2n ** 32n });
  guest.driver.send(TRANSMIT, new Uint8Array(HEADER_BYTES - 1));
  assert.deepEqual([guest.operations(), guest.host.ports], [[], []]);
  guest.send(OP.request, { type: 2 });
  guest.send(OP.request, { destinationCid: 9n });
  assert.deepEqual(
    guest.packets().map(({ op, type, sourceCid }) => [op, type, sourceCid]),
    [
      [OP.reset, 2, HOST_CID],
      [OP.reset, 1, 9n],
    ],
  );
});

test('requests beyond a number of connections are refused', () => {
  const guest = new Guest();
  let refused = 0;
  for (let sourcePort = 0; sourcePort < 3000; sourcePort++) {
    guest.send(OP.request, { sourcePort });
    refused += guest.operations().length;
  }
  assert.deepEqual([guest.host.streams.length, refused], [1024, 3000 - 1024]);
});

test('a guest that gives no buffers is not listened to for ever', () => {
  const guest = new Guest(0);
  let taken = 0;
  for (let count = 0; count < 1000; count++) {
    guest.driver.send(TRANSMIT, encodeHeader(headerOf(OP.data)));
    taken += guest.driver.used(TRANSMIT).length;
    if (count - taken >= 60) break;
  }
  assert.equal(taken, 256);
  guest.give(60);
  assert.equal(guest.operations().length, 60);
  assert.ok(guest.driver.used(TRANSMIT).length > 0, 'it is listened to again');
});

test('buffers without room for a packet come back empty', () => {
  const guest = new Guest(0);
  guest.driver.offer(RECEIVE, [HEADER_BYTES]);
  guest.driver.offer(RECEIVE, [3]);
  guest.send(OP.request);
  guest.stream.listener.opened();
  assert.deepEqual(
    guest.driver.used(RECEIVE).map(({ length }) => length),
    [0, 0],
  );
  guest.give(1);
  assert.deepEqual(guest.operations(), [OP.response]);
});

test('a reset of the device breaks the connections off', () => {
  const guest = new Guest().connected();
  guest.driver.write(0x14, 1, 0);
  assert.ok(guest.stream.wasReset);
  guest.driver.start(1n);
  guest.driver.send(EVENT, 8);
  assert.deepEqual(guest.driver.used(EVENT), [], 'a driver that starts is told nothing');
});

test('a restored driver is told that connections are gone, and finds none', () => {
  const [saved, restored] = [new Guest().connected(), new Guest().connected()];
  saved.driver.offer(EVENT, [8]);
  saved.stream.listener.data(bytes('lost'));
  const record = saved.driver.card.save();
  restored.driver.slot.ram.set(saved.driver.slot.ram);
  restored.driver.card.restore(record);
  restored.driver.slot.clock.advanceTo(1n);
  assert.deepEqual([saved.driver.used(EVENT), restored.driver.used(EVENT).map(({ length }) => length)], [[], [4]]);
  assert.deepEqual([saved.stream.wasReset, restored.stream.wasReset], [false, true]);
  restored.driver.used(RECEIVE); // what came before
  restored.say('anybody?');
  assert.equal(decodeHeader(restored.driver.used(RECEIVE)[0].written).op, OP.reset);
});

test('a hostile guest and any host end in nothing worse than resets', () => {
  const random = new SplitMix64(19n);
  const below = (limit: number) => Number(random.next() % BigInt(limit));
  const guest = new Guest(30);
  for (let step = 0; step < 20_000; step++) {
    const more = {
      ...{ sourcePort: below(4), destinationPort: below(3) || guest.host.lastPort, flags: below(4) },
      ...{ bufAlloc: below(3) * below(100_000), fwdCnt: below(2) * below(2 ** 32), type: below(30) ? 1 : below(3) },
    };
    const payload = new Uint8Array(below(4) ? below(100) : below(60_000));
    guest.send(below(9), below(20) ? more : { ...more, length: below(2 ** 32) }, payload);
    const stream = guest.host.streams[Math.max(0, guest.host.streams.length - 1 - below(4))];
    if (below(40) === 0) guest.host.call(below(4));
    if (below(500) === 0) guest.driver.card.restore(guest.driver.card.save());
    if (stream) stream.happen(below);
    guest.packets();
    assert.ok(guest.host.open.length <= 1024);
    for (const { queuedBytes } of guest.host.open) assert.ok(queuedBytes <= DEVICE_ROOM);
    assert.equal(guest.driver.read(0x14, 1) & 64, 0, 'the device is sound');
  }
});
