import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../machine/manual-clock.ts';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import { Switch, type SwitchPortOptions } from './switch.ts';

const MACS = { a: [2, 0, 0, 0, 0, 1], b: [2, 0, 0, 0, 0, 2], c: [2, 0, 0, 0, 0, 3] } as const;
type Name = keyof typeof MACS;

class Room {
  readonly clock = new ManualClock();
  readonly hub = new Switch(this.clock, 1n);
  readonly seen: string[] = [];
  readonly frames: Uint8Array[] = [];
  readonly ports = new Map<Name, ReturnType<Switch['connect']>>();
  closed = '';

  constructor(options: Partial<Record<Name, SwitchPortOptions>> = {}) {
    for (const name of Object.keys(MACS) as Name[]) {
      const port = this.hub.connect(options[name]);
      port.onFrame((frame) => {
        if (this.closed === name) return false;
        this.seen.push(name);
        this.frames.push(frame);
        return true;
      });
      this.ports.set(name, port);
    }
  }

  /** @returns who has seen the frame */
  send(from: Name, to: readonly number[], tag?: number, length = 60): string {
    this.seen.length = 0;
    const frame = testFrame(to, length);
    frame.set(MACS[from], 6);
    if (tag !== undefined) frame.set([0x81, 0, tag >> 8, tag & 0xff], 12);
    this.ports.get(from)?.send(frame);
    return this.seen.join();
  }

  wait(millis: number): string {
    this.clock.advanceTo(this.clock.nowNanos() + BigInt(millis * 1e6));
    return this.seen.join();
  }
}

describe('a switch', () => {
  it('sends frames where their station was heard, and to everybody before', () => {
    const room = new Room();
    assert.equal(room.send('a', MACS.b), 'b,c');
    assert.equal(room.send('b', MACS.a), 'a');
    assert.equal(room.send('a', MACS.b), 'b');
    assert.equal(room.send('c', BROADCAST), 'a,b');
    assert.equal(room.send('a', MACS.a), '');
  });

  it('forgets stations that were not heard for long, and those whose cable is taken out', () => {
    const room = new Room();
    room.send('b', BROADCAST);
    room.wait(301_000);
    assert.equal(room.send('a', MACS.b), 'b,c');
    room.send('b', BROADCAST);
    room.ports.get('b')?.close();
    assert.equal(room.send('a', MACS.b), 'c');
  });

  it('keeps networks apart, and puts tags on where several share a cable', () => {
    const room = new Room({ a: { vlan: 10 }, b: { vlan: 20 }, c: { vlan: 10, tagged: [20] } });
    assert.equal(room.send('a', BROADCAST), 'c');
    assert.equal(room.frames.at(-1)?.length, 60);
    assert.equal(room.send('b', BROADCAST), 'c');
    assert.deepEqual([...(room.frames.at(-1)?.subarray(12, 16) ?? [])], [0x81, 0, 0, 20]);
    assert.equal(room.send('c', BROADCAST, 20), 'b');
    assert.equal(room.frames.at(-1)?.length, 56);
    assert.equal(room.send('a', BROADCAST, 20), '');
  });

  it('lets frames take their time, and no more through than a port may have', () => {
    const room = new Room({ b: { delayMillis: 50 }, c: { bytesPerSecond: 1000 } });
    assert.equal(room.send('a', MACS.b, undefined, 500), '');
    assert.equal(room.wait(49), '');
    assert.equal(room.wait(2), 'b');
    assert.equal(room.wait(449), 'b,c');
    for (let frame = 0; frame < 4; frame++) room.send('a', MACS.c, undefined, 1000);
    room.wait(2900);
    assert.equal(room.seen.filter((name) => name === 'c').length, 2);
  });

  it('loses the share of frames it is told to', () => {
    const room = new Room({ b: { loss: 0.25 } });
    room.send('b', BROADCAST);
    let arrived = 0;
    for (let frame = 0; frame < 1000; frame++) if (room.send('a', MACS.b) === 'b') arrived++;
    assert.ok(arrived > 700 && arrived < 800, `${arrived}`);
  });

  it('keeps frames for a card that has no room, but not without end', () => {
    const room = new Room();
    room.send('b', BROADCAST);
    room.closed = 'b';
    for (let frame = 0; frame < 2000; frame++) room.send('a', MACS.b);
    room.closed = '';
    room.wait(2);
    assert.equal(room.seen.length, 512);
  });
});
