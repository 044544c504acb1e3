import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abstractGuest, Builder } from '../../ir/builder.ts';
import { constant } from '../../ir/kinds.ts';
import { PageWindow } from './page-window.ts';

const ROOT = 7;

function open(offset: number, forWrite = false) {
  const host = new Builder({ pendingOffset: 0, guest: abstractGuest }, ['i32']).i32(0);
  const bounds = { toFirst: constant(0n), toLast: constant(0n), length: constant(0n) };
  return { bounds, window: new PageWindow({ root: ROOT, offset }, forWrite, host, bounds, 64) };
}

test('a window grows with its accesses, which keep their places', () => {
  const { window, bounds } = open(16);
  const [one, two, three] = [{ offset: 0 }, { offset: 0 }, { offset: 0 }];
  window.add(one, { root: ROOT, offset: 16 }, 8);
  assert.deepEqual([bounds.toFirst.value, bounds.toLast.value, bounds.length.value], [0n, 7n, 8n]);
  window.add(two, { root: ROOT, offset: 40 }, 4);
  window.add(three, { root: ROOT, offset: -8 }, 2);
  assert.deepEqual([one.offset, two.offset, three.offset], [24, 48, 0]);
  assert.deepEqual([bounds.toFirst.value, bounds.toLast.value], [BigInt.asUintN(64, -24n), 51n]);
});

test('a window takes what is near, of the same register, and writes only where it was opened for them', () => {
  const { window } = open(0);
  window.add({ offset: 0 }, { root: ROOT, offset: 0 }, 8);
  assert.ok(window.takes({ root: ROOT, offset: 200 }, 8, false));
  assert.ok(!window.takes({ root: ROOT, offset: 249 }, 8, false));
  assert.ok(!window.takes({ root: ROOT, offset: -249 }, 8, false));
  assert.ok(!window.takes({ root: ROOT + 1, offset: 0 }, 8, false));
  assert.ok(!window.takes({ root: ROOT, offset: 0 }, 8, true));
  assert.ok(open(0, true).window.takes({ root: ROOT, offset: 0 }, 8, false));
});
