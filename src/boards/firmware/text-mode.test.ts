import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTextMode } from './text-mode.ts';

test('mode 3 has the registers a BIOS sets, colours, a font in plane 2 and blank text', () => {
  const written: [number, number][] = [];
  const memory = new Map<number, number>();
  const store = (address: number, size: number, value: number) => {
    for (let i = 0; i < size; i++) memory.set(address + i, (value >>> (8 * i)) & 0xff);
  };
  setTextMode({
    ports: { read: () => 0, write: (port, _size, value) => written.push([port, value]) },
    memory: { read: () => 0, write: store },
  });
  const byPort = (port: number) => written.filter(([p]) => p === port).map(([, value]) => value);
  assert.deepEqual(byPort(0x3c2), [0x67]);
  assert.equal(byPort(0x3c9).length, 64 * 3);
  assert.deepEqual(byPort(0x3c9).slice(20 * 3, 21 * 3), [42, 21, 0], 'brown');
  assert.equal(byPort(0x3c0).at(-1), 0x20, 'the palette is shown');
  assert.deepEqual([memory.get(0xb8000), memory.get(0xb8001)], [0x20, 0x07]);
  assert.deepEqual([memory.get(0xb8000 + 0x7ffe), memory.get(0xb8000 + 0x7fff)], [0x20, 0x07]);
  const block = Array.from({ length: 16 }, (_, row) => memory.get(0xa0000 + 0xdb * 32 + row));
  assert.deepEqual(new Set(block), new Set([0xff]));
});
