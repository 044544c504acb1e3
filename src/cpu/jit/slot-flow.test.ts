import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotFlow } from './slot-flow.ts';

const [A, B, C, D] = [1n, 2n, 4n, 8n];

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
  assert.deepEqual(dirty, [0n, A, A | B | C]);
  assert.equal(between.maybe, 0n);
});

test('what is set on one of two ways is loaded, to be right on the other when it is stored behind them', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  flow.alternatives((way) => way(() => flow.write(A)), false);
  const exit = flow.leave();
  assert.equal(exit.maybe, A);
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [A]);
});

test('what is set on both of two ways is not loaded', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  flow.alternatives((way) => {
    way(() => flow.write(A));
    way(() => flow.write(A | B));
  }, true);
  flow.read(A);
  flow.leave();
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [B]);
});

test('what is set on a way that leaves does not count behind it', () => {
  const flow = new SlotFlow(1);
  flow.start(0);
  flow.alternatives(
    (way) =>
      way(() => {
        flow.write(D);
        flow.leave();
      }),
    false,
  );
  const exit = flow.leave();
  assert.equal(exit.maybe, 0n);
  assert.deepEqual(flow.neededAtStart(flow.dirtyAtStart()), [0n]);
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
  assert.deepEqual(dirty, [0n, A]);
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
