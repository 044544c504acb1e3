import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { type Collectable, collectWhenIdle, IdleCollection } from './idle-collection.ts';

const MEBIBYTE = 2 ** 20;

/** A process in the hands of a test. */
class FakeProcess implements Collectable {
  millis = 0;
  heap = 50 * MEBIBYTE;
  collections = 0;
  readonly #watched = new IdleCollection(this);

  activeMillis(): number {
    return this.millis;
  }

  heapBytes(): number {
    return this.heap;
  }

  collect(): void {
    this.collections++;
    this.heap = 25 * MEBIBYTE;
  }

  /** Lets a second pass for each number: milliseconds of work. @returns collections since the start */
  work(...seconds: readonly number[]): number {
    for (const millis of seconds) {
      this.millis += millis;
      this.#watched.look();
    }
    return this.collections;
  }
}

test('garbage is collected once when a busy time has been over for two seconds', () => {
  const busy = new FakeProcess();
  assert.equal(busy.work(900, 500, 10, 300, 20), 0);
  assert.equal(busy.work(20), 1);
  assert.equal(busy.work(20, 20, 20, 20), 1);
});

test('after another busy time garbage is collected if the heap has grown', () => {
  const again = new FakeProcess();
  again.work(900, 10, 10);
  again.heap += 4 * MEBIBYTE;
  assert.equal(again.work(900, 10, 10, 10), 1);
  again.heap += 8 * MEBIBYTE;
  assert.equal(again.work(900, 10, 10, 10), 2);
});

test('a large heap is left to V8', () => {
  const large = new FakeProcess();
  large.heap = 500 * MEBIBYTE;
  assert.equal(large.work(900, 10, 10, 10), 0);
});

test('a process that is idle has its garbage collected, and V8 keeps its flags', (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const tag = v8.cachedDataVersionTag();
  let garbage: object | undefined = { bytes: new Array(2 * MEBIBYTE).fill(0) };
  const kept = new WeakRef(garbage);
  garbage = undefined;
  const stop = collectWhenIdle();
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(() => {
    context.mock.timers.tick(5000);
    stop();
    assert.equal(kept.deref(), undefined);
    assert.equal(v8.cachedDataVersionTag(), tag);
    resolve();
  });
  return promise;
});
