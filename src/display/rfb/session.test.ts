import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { constants, inflateSync } from 'node:zlib';
import { Input } from '../input.ts';
import type { Frame, Rect } from '../interfaces.ts';
import { RfbError, RfbSession } from './session.ts';
import { vncResponse } from './vnc-auth.ts';

const [BLACK, RED, BLUE] = [0xff000000, 0xff0000ff, 0xffff0000];
const CHALLENGE = Uint8Array.from({ length: 16 }, (_, i) => i * 3);

function picture(width = 100, height = 80): Frame {
  return { width, height, pixels: new Uint32Array(width * height).fill(BLACK) };
}

/** A viewer, and everything that a session tells it. */
class Viewer {
  frame = picture();
  readonly keys: string[] = [];
  readonly moves: number[][] = [];
  #heard: Buffer[] = [];
  readonly session: RfbSession;

  constructor(password?: string) {
    const input = new Input({
      keyboard: {
        key: ({ name }, down) => this.keys.push(`${down ? '+' : '-'}${name}`),
        again: ({ name }) => this.keys.push(`=${name}`),
      },
      mouse: { move: (...move) => this.moves.push(move) },
      tablets: [],
    });
    const target = {
      name: 'A',
      frame: () => this.frame,
      input,
      layout: 'us',
      password,
      challenge: () => CHALLENGE,
    } as const;
    this.session = new RfbSession(target, (bytes) => this.#heard.push(Buffer.from(bytes)));
  }

  say(...parts: (string | number[] | Uint8Array)[]): void {
    for (const part of parts)
      this.session.receive(typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part));
  }

  /** What was said since the last call. */
  heard(): Buffer {
    return Buffer.concat(this.#heard.splice(0));
  }

  /** Gets through the handshake and names encodings. */
  start(...encodings: number[]): this {
    this.say('RFB 003.008\n', [1], [1]);
    const list = encodings.flatMap((encoding) =>
      [encoding >> 24, encoding >> 16, encoding >> 8, encoding].map((b) => b & 0xff),
    );
    this.say([2, 0, 0, encodings.length, ...list]);
    this.heard();
    return this;
  }

  request(incremental: boolean): void {
    const { width, height } = this.frame;
    this.say([3, Number(incremental), 0, 0, 0, 0, width >> 8, width & 0xff, height >> 8, height & 0xff]);
  }

  fill({ x, y, width, height }: Rect, color: number): void {
    for (let row = y; row < y + height; row++)
      this.frame.pixels.fill(color, row * this.frame.width + x, row * this.frame.width + x + width);
    this.session.update([{ x, y, width, height }]);
  }

  /** The head of the first rectangle of an update: how many there are, x, y, width, height, encoding. */
  update(): { count: number; rect: number[]; encoding: number; data: Buffer } {
    const bytes = this.heard();
    const rect = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
    return { count: bytes.readUInt16BE(2), rect, encoding: bytes.readInt32BE(12), data: bytes.subarray(16) };
  }
}

describe('the handshake of RFB', () => {
  it('of version 3.8 offers no security, and then says size, format and name', () => {
    const viewer = new Viewer();
    assert.equal(viewer.heard().toString(), 'RFB 003.008\n');
    viewer.say('RFB 003.008\n');
    assert.deepEqual([...viewer.heard()], [1, 1]);
    viewer.say([1]);
    assert.deepEqual([...viewer.heard()], [0, 0, 0, 0]);
    viewer.say([1]);
    const init = [0, 100, 0, 80, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0x41];
    assert.deepEqual([...viewer.heard()], init);
  });

  it('of version 3.3 decides by itself', () => {
    const viewer = new Viewer();
    viewer.heard();
    viewer.say('RFB 003.003\n');
    assert.deepEqual([...viewer.heard()], [0, 0, 0, 1]);
    viewer.say([0]);
    assert.equal(viewer.heard().length, 25);
  });

  it('takes the right password and refuses another', () => {
    for (const [version, said] of [
      ['RFB 003.003\n', []],
      ['RFB 003.007\n', [2]],
      ['RFB 003.008\n', [2]],
    ] as const) {
      const right = new Viewer('secret');
      right.say(version, [...said], vncResponse('secret', CHALLENGE));
      assert.deepEqual([...right.heard().subarray(-4)], [0, 0, 0, 0]);
      const wrong = new Viewer('secret');
      wrong.say(version, [...said]);
      assert.throws(() => wrong.say(vncResponse('Secret', CHALLENGE)), RfbError);
      assert.ok(wrong.heard().includes(Buffer.from([0, 0, 0, 1])));
      assert.throws(() => new Viewer('secret').say(version, [1], new Uint8Array(16)), RfbError);
    }
  });

  it('refuses what is not RFB', () => {
    assert.throws(() => new Viewer().say('GET / HTTP/1.1\r\n'), RfbError);
    assert.throws(() => new Viewer().start().say([99]), RfbError);
  });
});

describe('updates of RFB', () => {
  it('wait until they are asked for, and tell only what differs', () => {
    const viewer = new Viewer().start(0);
    viewer.request(false);
    assert.equal(viewer.heard().length > 0, true);
    viewer.fill({ x: 3, y: 5, width: 2, height: 1 }, RED);
    assert.equal(viewer.heard().length, 0);
    viewer.request(true);
    const { count, rect, encoding, data } = viewer.update();
    assert.deepEqual({ count, rect, encoding }, { count: 1, rect: [3, 5, 2, 1], encoding: 0 });
    assert.deepEqual([...data], [0, 0, 255, 0, 0, 0, 255, 0]);
    viewer.request(true);
    viewer.fill({ x: 3, y: 5, width: 2, height: 1 }, RED);
    assert.equal(viewer.heard().length, 0, 'the same again is no change');
  });

  it('have pixels in the format that is asked for', () => {
    const viewer = new Viewer().start(0);
    viewer.say([0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0]);
    viewer.request(false);
    viewer.heard();
    viewer.fill({ x: 0, y: 0, width: 1, height: 1 }, RED);
    viewer.request(true);
    assert.deepEqual([...viewer.update().data], [0xf8, 0]);
  });

  it('have tiles in ZRLE: one colour, a palette, runs and plain pixels', () => {
    const viewer = new Viewer().start(16);
    viewer.frame = { ...viewer.frame, pixels: viewer.frame.pixels.fill(BLUE) };
    for (let i = 0; i < 64 * 64; i++) viewer.frame.pixels[(i >> 6) * 100 + (i & 63)] = (BLACK | (i * 7)) >>> 0;
    for (let y = 0; y < 16; y++) viewer.frame.pixels.fill((BLACK | (y * 9)) >>> 0, (64 + y) * 100, (64 + y) * 100 + 64);
    viewer.frame.pixels[64 * 100 + 64] = RED;
    viewer.request(false);
    const bytes = viewer.heard();
    const pieces: Buffer[] = [];
    for (let at = 4, left = bytes.readUInt16BE(2); left > 0; left--) {
      assert.equal(bytes.readInt32BE(at + 8), 16);
      const length = bytes.readUInt32BE(at + 12);
      pieces.push(bytes.subarray(at + 16, at + 16 + length));
      at += 16 + length;
    }
    const plain = inflateSync(Buffer.concat(pieces), { finishFlush: constants.Z_SYNC_FLUSH });
    const solid = plain.indexOf(Buffer.from([1, 255, 0, 0]));
    assert.deepEqual([plain[0], solid], [0, 1 + 64 * 64 * 3]);
    assert.ok(plain.includes(Buffer.from([2, 0, 0, 255, 255, 0, 0])), 'two colours');
    assert.ok(plain.includes(Buffer.from([16, 0, 0, 0])), 'sixteen colours');
  });

  it('copy what has scrolled', () => {
    const viewer = new Viewer().start(0, 1);
    for (let y = 0; y < 80; y++) viewer.frame.pixels.fill((BLACK | (y * 1000)) >>> 0, y * 100, y * 100 + 100);
    viewer.request(false);
    viewer.heard();
    viewer.frame.pixels.copyWithin(0, 16 * 100);
    viewer.fill({ x: 0, y: 64, width: 100, height: 16 }, RED);
    viewer.session.update([{ x: 0, y: 0, width: 100, height: 80 }]);
    viewer.request(true);
    const { count, rect, encoding, data } = viewer.update();
    assert.deepEqual({ rect, encoding }, { rect: [0, 0, 100, 64], encoding: 1 });
    assert.deepEqual([...data.subarray(0, 4)], [0, 0, 0, 16]);
    assert.ok(count >= 2);
  });

  it('tell a new size where the viewer understands it', () => {
    const viewer = new Viewer().start(0, -223);
    viewer.request(true);
    viewer.heard();
    viewer.request(true);
    viewer.frame = picture(40, 30);
    viewer.session.update([{ x: 0, y: 0, width: 40, height: 30 }]);
    const { rect, encoding } = viewer.update();
    assert.deepEqual({ rect, encoding }, { rect: [0, 0, 40, 30], encoding: -223 });
    const other = new Viewer().start(0);
    other.request(false);
    other.request(true);
    other.frame = picture(40, 30);
    assert.throws(() => other.session.update([]), RfbError);
  });

  it('refuse to change the size, and hide the pointer of the viewer', () => {
    const viewer = new Viewer().start(0, -308, -239);
    viewer.request(true);
    assert.deepEqual(viewer.update().rect, [0, 0, 100, 80]);
    viewer.say([251, 0, 0, 200, 0, 100, 1, 0], new Uint8Array(16));
    const { rect, encoding } = viewer.update();
    assert.deepEqual({ rect, encoding }, { rect: [1, 1, 100, 80], encoding: -308 });
    const cursor = new Viewer().start(0, -239);
    cursor.request(true);
    assert.equal(cursor.update().encoding, -239);
  });
});

describe('input of RFB', () => {
  it('repeats a key that is pressed again while it is held', () => {
    const viewer = new Viewer().start();
    for (const down of [1, 1, 1, 0]) viewer.say([4, down, 0, 0, 0, 0, 0, 0x61]);
    assert.deepEqual(viewer.keys, ['+a', '=a', '=a', '-a']);
  });

  it('is keys by keysym and by number', () => {
    const viewer = new Viewer().start(0, -258);
    const key = (down: number, keysym: number) => viewer.say([4, down, 0, 0, 0, 0, keysym >> 8, keysym & 0xff]);
    key(1, 0xffe1);
    key(1, 0x41);
    key(0, 0x41);
    key(0, 0xffe1);
    key(1, 0xff52);
    viewer.say([255, 0, 0, 1, 0, 0, 0, 0x79, 0, 0, 0, 0x2c], [255, 0, 0, 1, 0, 0, 0xff, 0x51, 0, 0, 0xe0, 0x4b]);
    assert.deepEqual(viewer.keys, ['+shift', '+a', '-a', '-shift', '+up', '+z', '+left']);
  });

  it('is movement, buttons and the wheel', () => {
    const viewer = new Viewer().start(0);
    const point = (mask: number, x: number, y: number) => viewer.say([5, mask, 0, x, 0, y]);
    point(0, 10, 20);
    point(1, 13, 18);
    point(4, 13, 18);
    point(0x10, 13, 18);
    point(0x10, 13, 18);
    point(0, 13, 18);
    assert.deepEqual(viewer.moves.slice(1), [
      [3, -2, 0, 1],
      [0, 0, 0, 2],
      [0, 0, 1, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
  });

  it('passes over text that is cut, of a bearable length, in pieces of any size', () => {
    const viewer = new Viewer().start(0);
    const bytes = [6, 0, 0, 0, 0, 0, 0, 3, 0x61, 0x62, 0x63, 4, 1, 0, 0, 0, 0, 0, 0x62];
    for (const byte of bytes) viewer.say([byte]);
    assert.deepEqual(viewer.keys, ['+b']);
    assert.throws(() => viewer.say([6, 0, 0, 0, 0x7f, 0, 0, 0]), RfbError);
  });

  it('of arbitrary bytes ends a session at worst', () => {
    let seed = 99;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed >>> 24;
    };
    for (let n = 0; n < 300; n++) {
      const viewer = new Viewer().start(0, 1, 16, -223);
      try {
        for (let i = 0; i < 200; i++)
          viewer.say([[0, 2, 3, 4, 5, 6, 255, 251][random() & 7], ...Array.from({ length: random() & 31 }, random)]);
      } catch (error) {
        assert.ok(error instanceof RfbError, `${error}`);
      }
    }
  });
});
