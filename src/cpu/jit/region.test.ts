import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CodeCache } from '../code-cache.ts';
import { modeOf } from '../mode.ts';
import { BLOCK } from '../records.ts';
import { findRegion } from './region.ts';

const RET = 0xc3;

test('a root that is counted anew is in its region', () => {
  const root = { address: 64, start: 0x1000, derived: [] };
  const cache = { hotAfter: 320, blockAt: () => root, blocksNear: () => [root] } as unknown as CodeCache;
  const view = new DataView(new ArrayBuffer(128));
  view.setUint32(root.address + BLOCK.count, 1, true);
  view.setInt32(root.address + BLOCK.countdown, cache.hotAfter, true);
  const { blocks, entries } = findRegion([root], modeOf(0), cache, view, () => RET);
  assert.deepEqual([blocks.map(({ block }) => block), entries], [[root], [0]]);
});
