import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CfiFlash } from './cfi-flash.ts';

const BLOCK = 0x1000;

function setUp() {
  const content = new Uint8Array(4 * BLOCK).fill(0xff);
  const written: [number, number][] = [];
  const store = { content, written: (offset: number, length: number) => void written.push([offset, length]) };
  return { content, written, flash: new CfiFlash(store, BLOCK) };
}

test('memory is read until a command says otherwise', () => {
  const { content, flash } = setUp();
  content.set([1, 2, 3, 4], 8);
  assert.equal(flash.read(8, 4), 0x04030201);
  flash.write(8, 1, 0x70);
  assert.equal(flash.read(8, 1), 0x80);
  flash.write(8, 1, 0xff);
  assert.equal(flash.read(8, 1), 1);
});

test('programming clears bits and erasing a block sets them', () => {
  const { content, written, flash } = setUp();
  for (const value of [0x0f, 0xf1]) {
    flash.write(BLOCK + 5, 1, 0x10);
    flash.write(BLOCK + 5, 1, value);
  }
  assert.equal(content[BLOCK + 5], 0x01);
  assert.equal(flash.read(0, 1), 0x80, 'reads give the status after a command');
  flash.write(BLOCK + 7, 1, 0x20);
  flash.write(BLOCK + 7, 1, 0xd0);
  assert.equal(content[BLOCK + 5], 0xff);
  assert.deepEqual(written.at(-1), [BLOCK, BLOCK]);
});

test('a command that is not confirmed changes nothing and is told in the status', () => {
  const { content, written, flash } = setUp();
  content[0] = 7;
  flash.write(0, 1, 0x20);
  flash.write(0, 1, 0xff);
  assert.equal(flash.read(0, 1), 0xb0);
  flash.write(0, 1, 0x50);
  flash.write(0, 1, 0x70);
  assert.equal(flash.read(0, 1), 0);
  assert.deepEqual([content[0], written], [7, []]);
});

test('a buffer is written when it is full and confirmed', () => {
  const { content, flash } = setUp();
  flash.write(16, 1, 0xe8);
  flash.write(16, 1, 3);
  flash.write(16, 4, 0x44332211);
  assert.equal(content[16], 0xff);
  flash.write(16, 1, 0xd0);
  assert.deepEqual([...content.subarray(16, 20)], [0x11, 0x22, 0x33, 0x44]);
});

test('identifier and query name the chip', () => {
  const { flash } = setUp();
  flash.write(0, 1, 0x90);
  assert.equal(flash.read(0, 1), 0x89);
  flash.write(0, 1, 0x98);
  assert.equal(String.fromCharCode(flash.read(0x10, 1), flash.read(0x11, 1), flash.read(0x12, 1)), 'QRY');
  assert.equal(flash.read(0x27, 1), 14);
});

test('a restored chip goes on in the middle of a command', () => {
  const [a, b] = [setUp(), setUp()];
  a.flash.write(3, 1, 0x40);
  b.flash.restore(structuredClone(a.flash.save()));
  b.flash.write(3, 1, 0x5a);
  assert.equal(b.content[3], 0x5a);
  assert.throws(() => b.flash.restore({ ...a.flash.save(), version: 9 }), /version 9/);
});

test('random writes never reach beyond the chip', () => {
  const { content, flash } = setUp();
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let n = 0; n < 20_000; n++) {
    const offset = random(content.length / 4) * 4;
    if (random(2))
      flash.write(offset, [1, 2, 4][random(3)], random(2) ? random(256) : [0x10, 0x20, 0xd0, 0xe8][random(4)]);
    else assert.ok(flash.read(offset, 4) >= 0);
  }
});
