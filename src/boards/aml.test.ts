import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buffer, device, eisaId, integer, memoryRange, name, packageOf, resources, scope, string } from './aml.ts';

test('integers take their shortest form', () => {
  assert.deepEqual([0, 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff].map(integer), [
    [0x00],
    [0x01],
    [0x0a, 2],
    [0x0a, 0xff],
    [0x0b, 0x00, 0x01],
    [0x0b, 0xff, 0xff],
    [0x0c, 0, 0, 1, 0],
    [0x0c, 0xff, 0xff, 0xff, 0xff],
  ]);
});

test('an EISA identity is packed as the specification shows', () => {
  assert.deepEqual(eisaId('PNP0A03'), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
});

test('names are padded, rooted and counted', () => {
  assert.deepEqual(name('\\_S5', integer(0)), [0x08, 0x5c, ...Buffer.from('_S5_'), 0]);
  assert.deepEqual(scope('\\'), [0x10, 3, 0x5c, 0]);
  assert.deepEqual(scope('\\_SB.PCI0').slice(2), [0x5c, 0x2e, ...Buffer.from('_SB_PCI0')]);
  assert.deepEqual(scope('A.B.C').slice(2), [0x2f, 3, ...Buffer.from('A___B___C___')]);
});

test('a package length counts itself, in one to four bytes', () => {
  const lengthOf = (bytes: number) => {
    const term = device(
      'X',
      Array.from({ length: bytes - 4 }, () => 0xa3),
    );
    const more = term[2] >> 6;
    const length =
      more === 0
        ? term[2]
        : (term[2] & 15) + term.slice(3, 3 + more).reduce((sum, byte, i) => sum + byte * 2 ** (4 + 8 * i), 0);
    assert.equal(length, term.length - 2);
    return more + 1;
  };
  assert.deepEqual([4, 62, 63, 4093, 4094, 1048572, 1048573].map(lengthOf), [1, 1, 2, 2, 3, 3, 4]);
});

test('packages, buffers and strings count what they hold', () => {
  assert.deepEqual(packageOf(integer(1), string('a')), [0x12, 6, 2, 0x01, 0x0d, 0x61, 0]);
  assert.deepEqual(buffer([7, 8]), [0x11, 5, 0x0a, 2, 7, 8]);
  assert.deepEqual(resources(), [0x11, 5, 0x0a, 2, 0x79, 0]);
});

test('a memory range has both ends and its length', () => {
  const range = memoryRange(0xc0000000, 0xfebfffff);
  assert.equal(range.length, 26);
  assert.deepEqual(range.slice(10, 18), [0, 0, 0, 0xc0, 0xff, 0xff, 0xbf, 0xfe]);
  assert.deepEqual(range.slice(22), [0, 0, 0xc0, 0x3e]);
});
