import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../base/random.ts';
import { PAGE_CODE } from '../machine/guest-memory.ts';
import { CodeCache, type NewBlock } from './code-cache.ts';
import { recordLink } from './dispatch.ts';
import { layOutMemory, type MemoryLayout } from './memory-layout.ts';
import { JUMP_CACHE, LINK, RECORD, RECORD_BYTES } from './records.ts';

/** Room for as many, in 16 parts. */
const RECORDS = 16 * 128;
const PAGE = 4096;
const MODE = 256;

interface Bench {
  readonly cache: CodeCache;
  readonly layout: MemoryLayout;
  readonly view: DataView;
  readonly watched: number[];
  /** Links by number. */
  readonly links: Map<number, number>;
  /** Inserts blocks of one instruction that are one byte long. @returns the address of the last one */
  insert(...blocks: readonly NewBlock[]): number;
}

function bench(): Bench {
  const layout = layOutMemory([{ gpa: 0, length: 16 * PAGE, hostOffset: 0 }], RECORDS * RECORD_BYTES);
  const view = new DataView(new ArrayBuffer(layout.wasmPages << 16));
  const watched: number[] = [];
  const nothing = () => {};
  const links = new Map<number, number>();
  const setLink = (link: number, block: number) => void links.set(link, block);
  const code = { reserve: nothing, clear: nothing, setHandler: nothing, setEntry: nothing, setLink };
  const cache = new CodeCache(layout, view, code, (page) => watched.push(page));
  const insert = (...blocks: readonly NewBlock[]) => {
    const addresses = blocks.map((made) => {
      const address = cache.allocate(2);
      view.setUint16(address + 2 * RECORD_BYTES + RECORD.nextOffset, (made.gpa % PAGE) + made.bytes, true);
      cache.insert(address, made);
      return address;
    });
    return addresses[addresses.length - 1];
  };
  return { cache, layout, view, watched, links, insert };
}

/** @param taken offset in the page to which its branch leads */
function block(gpa: number, taken?: number): NewBlock {
  const links = { branches: taken !== undefined, taken };
  return {
    ...{ gpa, bytes: 1, modeKey: MODE, tailGpa: undefined },
    staleHandler: 1,
    translatable: false,
    count: 1,
    links,
  };
}

/** The links of a block of one instruction, as they are set. */
function linksOf({ links }: Bench, address: number) {
  const [branch, last] = [address + RECORD_BYTES, address + 2 * RECORD_BYTES];
  const [taken, notTaken, behind] = [
    recordLink(branch, LINK.taken),
    recordLink(branch, LINK.next),
    recordLink(last, LINK.next),
  ];
  return { taken: links.get(taken), notTaken: links.get(notTaken), behind: links.get(behind) };
}

test('code outside RAM has no page flags that could be set or cleared', () => {
  const { cache, layout, view, watched, insert } = bench();
  new Uint8Array(view.buffer).fill(0xff, layout.pageFlags);
  insert(block(layout.pageCount * PAGE), block(2 ** 40 - PAGE));
  cache.flush();
  assert.deepEqual(watched, []);
  assert.ok(new Uint8Array(view.buffer, layout.pageFlags).every((byte) => byte === 0xff));
});

test('a page is flagged and watched while it has code', () => {
  const { cache, layout, view, watched, insert } = bench();
  insert(block(PAGE), block(PAGE + 8));
  assert.deepEqual(watched, [1]);
  cache.invalidate(PAGE, 1);
  assert.equal(view.getUint8(layout.pageFlags + 1), PAGE_CODE);
  cache.invalidate(PAGE + 8, 1);
  assert.equal(view.getUint8(layout.pageFlags + 1), 0);
});

test('when the room for code is used up the oldest goes, and the jump cache forgets what lay there', () => {
  const { cache, layout, view, insert } = bench();
  const entry = layout.cpus[0].jumpCache + 5 * JUMP_CACHE.bytes;
  const first = insert(block(0));
  view.setUint32(entry + JUMP_CACHE.key, 1, true);
  view.setUint32(entry + JUMP_CACHE.block, first, true);
  let inserted = 0;
  while (cache.evictions === 0) insert(block(PAGE + ++inserted));
  assert.equal(view.getUint32(entry + JUMP_CACHE.key, true), 0);
  assert.equal(cache.blockAt(0, MODE), undefined);
  assert.equal(cache.blocksNear(0).length, 0);
  const left = cache.blocksNear(PAGE).length;
  assert.ok(left >= (inserted * 14) / 16 && left < inserted, `${left} of ${inserted} blocks are left`);
});

test('what was made from a block that makes room goes with it', () => {
  const { cache, insert } = bench();
  const made = cache.at(insert(block(0)));
  assert.ok(made);
  let dropped = 0;
  made.derived = [{ drop: () => void dropped++ }];
  for (let n = 1; cache.evictions === 0; n++) insert(block(PAGE + n));
  assert.equal(dropped, 1);
});

test('what a block waited for is not linked to what lies in its place now', () => {
  const all = bench();
  const { cache, insert } = all;
  const first = insert(block(PAGE, 8));
  for (let n = 0, address = 0; address !== first; n++) address = insert(block(2 * PAGE + n));
  assert.deepEqual(cache.blocksNear(PAGE), []);
  insert(block(PAGE + 8));
  assert.equal(linksOf(all, first).taken, 0);
});

test('a link is made when its block is decoded, and cut when the block goes', () => {
  const all = bench();
  const { cache, insert } = all;
  const from = insert(block(PAGE, 8));
  assert.deepEqual(linksOf(all, from), { taken: 0, notTaken: 0, behind: 0 });
  const to = insert(block(PAGE + 8, 0));
  const behind = insert(block(PAGE + 1));
  const more = insert(block(PAGE + 2));
  assert.deepEqual(linksOf(all, from), { taken: to, notTaken: behind, behind: 0 });
  assert.deepEqual(linksOf(all, to), { taken: from, notTaken: 0, behind: 0 });
  assert.deepEqual(linksOf(all, behind), { taken: 0, notTaken: 0, behind: more });
  assert.ok(cache.invalidate(PAGE + 8, 1));
  assert.deepEqual(linksOf(all, from), { taken: 0, notTaken: behind, behind: 0 });
});

test('blocks that come and go are linked to those of their page and mode that are there, and to no others', () => {
  const all = bench();
  const { cache, insert } = all;
  const random = new SplitMix64(7n);
  const below = (limit: number) => Number(random.next() % BigInt(limit));
  const there = new Map<string, { address: number; made: NewBlock }>();
  const nameOf = (gpa: number, modeKey: number) => `${gpa} ${modeKey}`;
  for (let step = 0; step < 4000; step++) {
    const gpa = PAGE * (1 + below(2)) + below(24);
    if (below(3) === 0) {
      cache.invalidate(gpa, 1);
      for (const modeKey of [MODE, MODE + 1]) there.delete(nameOf(gpa, modeKey));
    } else {
      const made = { ...block(gpa, below(2) ? below(24) : undefined), modeKey: MODE + below(2) };
      there.set(nameOf(gpa, made.modeKey), { address: insert(made), made });
    }
    for (const [name, { made }] of there) if (!cache.placeOf(made.gpa, made.modeKey)) there.delete(name); // room was made
    for (const { address, made } of there.values()) {
      const at = (offset: number) =>
        there.get(nameOf(made.gpa - (made.gpa % PAGE) + offset, made.modeKey))?.address ?? 0;
      const [behind, taken] = [at((made.gpa % PAGE) + 1), made.links?.taken];
      const wanted =
        taken === undefined ? { taken: 0, notTaken: 0, behind } : { taken: at(taken), notTaken: behind, behind: 0 };
      assert.deepEqual(linksOf(all, address), wanted, `step ${step}`);
    }
  }
  assert.ok(cache.evictions > 0);
});

test('blocks are linked within their page and mode alone', () => {
  const all = bench();
  const from = all.insert(block(PAGE, 8));
  all.insert(block(2 * PAGE + 8), { ...block(PAGE + 8), modeKey: MODE + 1 });
  all.insert({ ...block(PAGE + 8), bytes: PAGE - 7, tailGpa: 3 * PAGE });
  assert.equal(linksOf(all, from).taken, 0);
});

test('a block that leads to itself is linked', () => {
  const all = bench();
  const address = all.insert(block(PAGE, 0));
  assert.equal(linksOf(all, address).taken, address);
});

test('a block decoded again takes the place of the one that was there', () => {
  for (const tailGpa of [undefined, 3 * PAGE, 0]) {
    const { cache, insert } = bench();
    const again = { ...block(PAGE / 2), bytes: tailGpa === undefined ? 1 : PAGE / 2 + 1, tailGpa };
    const address = insert(again, again, again);
    assert.equal(cache.blocksNear(0).length, 1);
    assert.equal(cache.placeOf(PAGE / 2, MODE)?.address, address);
    assert.deepEqual(
      cache.placeOf(PAGE / 2, MODE)?.tail,
      tailGpa === undefined ? undefined : { gpa: tailGpa, bytes: 1 },
    );
    assert.equal(cache.blockAt(PAGE / 2, MODE), tailGpa === undefined ? cache.blocksNear(0)[0] : undefined);
    assert.equal(cache.blocksNear(3 * PAGE).length, tailGpa === 3 * PAGE ? 1 : 0);
    assert.ok(cache.invalidate(tailGpa ?? PAGE / 2, 1));
    assert.equal(cache.blocksNear(0).length, 0);
  }
});

test('blocks are found by address and mode, where others have the lower bits of theirs too, until they go', () => {
  const { cache, insert } = bench();
  const places = [0, 2 ** 32, 2 ** 40 - PAGE, 2 ** 40 - PAGE + 2 ** 33].flatMap((gpa) =>
    [MODE, 0xffff].map((modeKey) => ({ gpa, modeKey })),
  );
  const addresses = places.map((place) => insert({ ...block(place.gpa), ...place }));
  const found = () => places.map(({ gpa, modeKey }) => cache.placeOf(gpa, modeKey)?.address);
  assert.deepEqual(found(), addresses);
  assert.equal(cache.placeOf(2 ** 33, MODE), undefined);
  cache.invalidate(2 ** 32, 1);
  assert.deepEqual(
    found(),
    addresses.map((address, n) => (places[n].gpa === 2 ** 32 ? undefined : address)),
  );
});
