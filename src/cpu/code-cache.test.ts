import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodeCache, type NewBlock } from './code-cache.ts';
import { layOutMemory, type MemoryLayout } from './memory-layout.ts';
import { JUMP_CACHE, RECORD_BYTES } from './records.ts';

const RECORDS = 8;
const PAGE = 4096;

interface Bench {
  readonly cache: CodeCache;
  readonly layout: MemoryLayout;
  readonly view: DataView;
  readonly watched: number[];
  /** Links by number. */
  readonly links: Map<number, number>;
}

function bench(): Bench {
  const layout = layOutMemory([{ gpa: 0, length: 16 * PAGE, hostOffset: 0 }], RECORDS * RECORD_BYTES);
  const view = new DataView(new ArrayBuffer(layout.wasmPages << 16));
  const watched: number[] = [];
  const nothing = () => {};
  const links = new Map<number, number>();
  const setLink = (link: number, block: number) => void links.set(link, block);
  const code = { reserve: nothing, clear: nothing, setHandler: nothing, setEntry: nothing, setLink };
  return { cache: new CodeCache(layout, view, code, (page) => watched.push(page)), layout, view, watched, links };
}

function block(gpa: number): NewBlock {
  return { gpa, bytes: 1, modeKey: 256, tailGpa: undefined, staleHandler: 1, countHandler: undefined, count: 1 };
}

test('code outside RAM has no page flags that could be set or cleared', () => {
  const { cache, layout, view, watched } = bench();
  new Uint8Array(view.buffer).fill(0xff, layout.pageFlags);
  for (const gpa of [layout.pageCount * PAGE, 2 ** 40 - PAGE]) cache.insert(cache.allocate(2), block(gpa));
  cache.flush();
  assert.deepEqual(watched, []);
  assert.ok(new Uint8Array(view.buffer, layout.pageFlags).every((byte) => byte === 0xff));
});

test('when the room for code is used up the jump cache forgets what lay there', () => {
  const { cache, layout, view } = bench();
  const entry = layout.cpus[0].jumpCache + 5 * JUMP_CACHE.bytes;
  const first = cache.allocate(2);
  cache.insert(first, block(0));
  view.setUint32(entry + JUMP_CACHE.key, 1, true);
  view.setUint32(entry + JUMP_CACHE.block, first, true);
  while (cache.flushes === 0) cache.allocate(2);
  assert.equal(view.getUint32(entry + JUMP_CACHE.key, true), 0);
  assert.equal(cache.blockAt(0, 256), undefined);
});

test('a link is made when its block is decoded, and cut when the block goes', () => {
  const { cache, links } = bench();
  cache.link(3, PAGE, 256);
  assert.equal(links.get(3), undefined);
  const address = cache.allocate(2);
  cache.insert(address, block(PAGE));
  cache.link(4, PAGE, 256);
  assert.deepEqual([links.get(3), links.get(4)], [address, address]);
  assert.ok(cache.invalidate(PAGE, 1));
  assert.deepEqual([links.get(3), links.get(4)], [0, 0]);
});

test('a block decoded again takes the place of the one that was there', () => {
  for (const tailGpa of [undefined, 3 * PAGE]) {
    const { cache } = bench();
    const again = { ...block(PAGE), bytes: PAGE + 1, tailGpa };
    for (let n = 0; n < 3; n++) cache.insert(cache.allocate(2), again);
    assert.equal(cache.blocksNear(PAGE).length, 1);
    assert.equal(cache.anyAt(PAGE, 256), cache.blocksNear(PAGE)[0]);
    assert.equal(cache.blockAt(PAGE, 256), tailGpa === undefined ? cache.blocksNear(PAGE)[0] : undefined);
    assert.equal(cache.blocksNear(3 * PAGE).length, tailGpa === undefined ? 0 : 1);
  }
});
