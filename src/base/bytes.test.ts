import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter, OutOfData } from './bytes.ts';

test('what the writer writes the reader reads', () => {
  const bytes = new ByteWriter()
    .u8(0x101)
    .u16(0x12345)
    .u32(0xfedcba98)
    .u64(0x8000000000000001n)
    .text('ab', 4, 0x20)
    .finish();
  const reader = new ByteReader(bytes);
  assert.equal(reader.u8(0), 1);
  assert.equal(reader.u16(1), 0x2345);
  assert.equal(reader.u32(3), 0xfedcba98);
  assert.equal(reader.u64(7), 0x8000000000000001n);
  assert.deepEqual([...reader.slice(15, 4)], [0x61, 0x62, 0x20, 0x20]);
});

test('the writer grows and aligns', () => {
  const writer = new ByteWriter().zeros(100).u8(7).align(16);
  assert.equal(writer.length, 112);
  assert.equal(writer.align(16).finish()[100], 7);
});

test('a read past the end is refused, not cut short', () => {
  const reader = new ByteReader(new Uint8Array(4));
  assert.throws(() => reader.u32(1), OutOfData);
  assert.throws(() => reader.u8(-1), OutOfData);
  assert.throws(() => reader.slice(2, 3), OutOfData);
  assert.equal(reader.slice(4, 0).length, 0);
});
