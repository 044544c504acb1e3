import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, intersection, SlotFlow, sizeOf, slotNumber, union } from './slot-flow.ts';

const [A, B, C, D] = [1, 2, 4, 8];

/** Records ways that part. */
function fork(flow: SlotFlow, areAll: boolean, ways: readonly (() => void)[]): void {
  const parted = flow.fork(areAll);
  for (const way of ways) {
    flow.startWay(parted);
    way();
    flow.endWay(parted);
  }
  flow.merge(parted);
}

test('sets have room for all slots, whatever 32 bits hold', () => {
  const set = (...numbers: number[]) => numbers.map(slotNumber).reduce(union, 0);
  const [one, other] = [set(0, 31, 32, 52), set(1, 31, 40, 52)];
  assert.equal(union(one, other), set(0, 1, 31, 32, 40, 52));
  assert.equal(intersection(one, other), set(31, 52));
  assert.equal(difference(one, other), set(0, 32));
  assert.equal(difference(set(1, 31), set(31, 40)), set(1));
  assert.equal(intersection(set(0, 31), one), set(0, 31));
  assert.equal(sizeOf(union(one, other)), 6);
});

test('what is read before it is set is loaded, where the way to it begins', () => {
  const flow = new SlotFlow(2);
  flow.start(0);
  flow.write(B);
  flow.goTo(1);
  flow.start(1);
  flow.read(A);
  flow.read(B);
  flow.leave();
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [A, A | B]);
});

test('what may have been set is stored, wherever the region is left behind it', () => {
  const flow = new SlotFlow(3);
  flow.start(0);
  flow.write(A);
  flow.goTo(1);
  flow.write(B);
  flow.goTo(2);
  flow.start(1);
  const between = flow.leave();
  flow.write(C);
  flow.goTo(2);
  flow.start(2);
  const dirty = flow.dirtyAtStart();
  assert.deepEqual(dirty, [0, A, A | B | C]);
  assert.equal(between.maybe, 0);
});

test('what is set on one of two ways is loaded, to be right on the other when it is stored behind them', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  fork(flow, false, [() => flow.write(A)]);
  const exit = flow.leave();
  assert.equal(exit.maybe, A);
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [A]);
});

test('what is set on both of two ways is not loaded', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  fork(flow, true, [() => flow.write(A), () => flow.write(A | B)]);
  flow.read(A);
  flow.leave();
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [B]);
});

test('what is set on a way that leaves does not count behind it', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  const leave = () => {
    flow.write(D);
    flow.leave();
  };
  fork(flow, false, [leave]);
  const exit = flow.leave();
  assert.equal(exit.maybe, 0);
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [0]);
});

test('what is set in a loop of one instruction may not have been set behind it', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  flow.throughout(() => flow.write(A));
  flow.read(A);
  assert.equal(flow.leave().maybe, A);
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [A]);
});

test('a loop of blocks carries what it sets to its start', () => {
  const flow = new SlotFlow(2);
  flow.start(0);
  flow.goTo(1);
  flow.start(1);
  flow.leave();
  flow.read(B);
  flow.write(A);
  flow.goTo(1);
  const dirty = flow.dirtyAtStart();
  assert.deepEqual(dirty, [0, A]);
  assert.deepEqual(flow.neededAtStart(dirty), [A | B, A | B]);
});

test('exits that control comes back from lead to all entries', () => {
  const flow = new SlotFlow(2);
  flow.start(0);
  flow.write(A);
  const exit = flow.leave();
  flow.start(1);
  flow.read(C);
  flow.leave();
  flow.join([exit], [0, 1]);
  const dirty = flow.dirtyAtStart();
  assert.deepEqual(dirty, [A, A]);
  assert.deepEqual(flow.neededAtStart(dirty), [C, A | C]);
});
