import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostWork, type Pacing } from './host-work.ts';
import { PageAbsent } from './interfaces.ts';
import { ManualClock } from './manual-clock.ts';

/** Lets promises that are settled be heard. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function setUp(pacing: Pacing) {
  const clock = new ManualClock();
  const seen: string[] = [];
  const work = new HostWork(clock, pacing, () => seen.push('wake'));
  const log = (name: string) => (ok: boolean) => void seen.push(`${name} ${ok}`);
  return { clock, seen, work, log };
}

test('a result is seen on arrival, and only when it is delivered', async () => {
  const { seen, work, log } = setUp('arrival');
  work.submit(Promise.resolve(), 100, log('a'));
  work.submit(Promise.reject(new Error('no')), 100, log('b'));
  assert.equal(work.wantsTurn, true);
  work.deliver();
  assert.deepEqual(seen, []);
  await settled();
  assert.deepEqual(seen.splice(0), ['wake', 'wake']);
  work.deliver();
  assert.deepEqual(seen, ['a true', 'b false']);
  assert.equal(work.wantsTurn, false);
});

test('with deadlines a result is seen at its time, however early it came', async () => {
  const { clock, seen, work, log } = setUp('deadline');
  work.submit(Promise.resolve(), 100, log('late'));
  work.submit(Promise.resolve(), 50, log('early'));
  await settled();
  seen.length = 0;
  clock.advanceTo(49n);
  work.deliver();
  assert.deepEqual(seen, []);
  assert.equal(clock.nextDeadlineNanos(), 50n);
  clock.advanceTo(100n);
  work.deliver();
  assert.deepEqual(seen, ['early true', 'late true']);
});

test('with deadlines time must wait for the host', async () => {
  const { clock, seen, work, log } = setUp('deadline');
  const { promise, resolve } = Promise.withResolvers<void>();
  work.submit(promise, 10, log('slow'));
  work.submit(Promise.resolve(), 20, log('fast'));
  clock.advanceTo(20n);
  await settled();
  assert.equal(work.late, true);
  work.deliver();
  assert.ok(!seen.includes('fast true'));
  resolve();
  await settled();
  assert.equal(work.late, false);
  work.deliver();
  assert.deepEqual(seen.slice(-2), ['slow true', 'fast true']);
});

test('deadlines differ, and a saved one is kept', () => {
  const { work, log } = setUp('deadline');
  const first = work.submit(Promise.resolve(), 10, log('a'));
  const second = work.submit(Promise.resolve(), 10, log('b'));
  assert.notEqual(first.deadlineNanos, second.deadlineNanos);
  assert.equal(work.submit(Promise.resolve(), 10, log('c'), 7n).deadlineNanos, 7n);
});

test('a cancelled ticket is not heard of, but drained', async () => {
  const { seen, work, log } = setUp('arrival');
  const { promise, resolve } = Promise.withResolvers<void>();
  work.submit(promise, 10, log('a')).cancel();
  assert.equal(work.wantsTurn, false);
  let drained = false;
  const drain = work.drain().then(() => {
    drained = true;
  });
  await settled();
  assert.equal(drained, false);
  resolve();
  await drain;
  work.deliver();
  assert.deepEqual(seen, ['wake']);
});

test('a result whose chip needs an absent page is delivered again', async () => {
  const { seen, work, log } = setUp('arrival');
  let present = false;
  work.submit(Promise.resolve(), 10, (ok) => {
    if (!present) throw new PageAbsent(0x1000);
    log('a')(ok);
  });
  await settled();
  assert.throws(() => work.deliver(), PageAbsent);
  present = true;
  work.deliver();
  assert.equal(seen.at(-1), 'a true');
});
