import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostClock, VirtualClock } from './virtual-time.ts';

test('virtual time is the instruction count times the rate, rounded down', () => {
  let count = 0n;
  const clock = new VirtualClock(() => count, undefined, 2n, 3n);
  assert.equal(clock.nowNanos(), 0n);
  count = 5n;
  assert.equal(clock.nowNanos(), 3n);
  count = 3n * 10n ** 18n;
  assert.equal(clock.nowNanos(), 2n * 10n ** 18n);
});

test('a deadline falls on the first instruction count that reaches it', () => {
  for (const [nanos, per] of [
    [1n, 1n],
    [2n, 3n],
    [7n, 2n],
  ]) {
    let count = 100n;
    const clock = new VirtualClock(() => count, undefined, nanos, per);
    for (const deadline of [1000n, 1001n, 1002n]) {
      const needed = BigInt(clock.instructionsUntil(deadline));
      count += needed - 1n;
      assert.ok(clock.nowNanos() < deadline);
      count += 1n;
      assert.ok(clock.nowNanos() >= deadline);
      assert.equal(clock.instructionsUntil(deadline), 0);
      count = 100n;
    }
  }
});

test('a far deadline does not overflow the count', () => {
  const clock = new VirtualClock(() => 0n);
  assert.equal(clock.instructionsUntil(1n << 80n), 2 ** 30);
  assert.equal(
    new HostClock(
      () => 0n,
      () => 0n,
    ).instructionsUntil(1n << 80n),
    2 ** 30,
  );
});

test('alarms fire by deadline, ties by creation, and only when due', () => {
  let count = 0n;
  const clock = new VirtualClock(() => count);
  const log: string[] = [];
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) =>
    clock.createAlarm(() => log.push(`${name}@${clock.nowNanos()}`)),
  );
  d.arm(50n);
  c.arm(20n);
  b.arm(30n);
  a.arm(30n);
  assert.equal(clock.nextDeadlineNanos(), 20n);
  clock.fireDue();
  assert.deepEqual(log, []);
  count = 40n;
  clock.fireDue();
  assert.deepEqual(log, ['c@40', 'a@40', 'b@40']);
  assert.equal(clock.nextDeadlineNanos(), 50n);
});

test('arming an alarm tells when it is the next one', () => {
  let told = 0;
  const earlier = () => told++;
  const clocks = [
    new VirtualClock(() => 0n, earlier),
    new HostClock(
      () => 0n,
      () => 0n,
      earlier,
    ),
  ];
  for (const clock of clocks) {
    told = 0;
    const [a, b] = [clock.createAlarm(() => {}), clock.createAlarm(() => {})];
    a.arm(100n);
    b.arm(200n);
    assert.equal(told, 1);
    b.arm(99n);
    assert.equal(told, 2);
    b.cancel();
    b.arm(100n);
    assert.equal(told, 2);
  }
});

test('an idle machine skips to the next deadline and never back', () => {
  let count = 10n;
  const clock = new VirtualClock(() => count);
  assert.equal(clock.skipTo(1000n), true);
  clock.skipTo(500n);
  assert.equal(clock.nowNanos(), 1000n);
  count = 15n;
  assert.equal(clock.nowNanos(), 1005n);
});

test('restored virtual time continues with the restored count', () => {
  let count = 10n;
  const clock = new VirtualClock(() => count);
  clock.skipTo(1000n);
  const state = clock.save();
  const other = new VirtualClock(() => count);
  other.restore(state);
  count = 11n;
  assert.equal(other.nowNanos(), clock.nowNanos());
  assert.throws(() => other.restore({ version: 2 }));
});

/** A host clock and an instruction counter moved by hand. */
function hostClock() {
  const hand = { host: 5_000_000n, count: 0n };
  const clock = new HostClock(
    () => hand.count,
    () => hand.host,
  );
  const slice = (nanos: bigint, instructions: bigint) => {
    hand.host += nanos;
    hand.count += instructions;
    clock.fireDue();
  };
  return { hand, clock, slice };
}

test('host time starts at zero and follows the host at slice ends', () => {
  const { clock, slice } = hostClock();
  assert.equal(clock.nowNanos(), 0n);
  slice(100_000n, 10_000n);
  assert.equal(clock.nowNanos(), 100_000n);
  slice(2_000_000n, 0n);
  assert.equal(clock.nowNanos(), 2_100_000n);
});

test('a host that was busy elsewhere is caught up with in small steps', () => {
  const { clock, slice } = hostClock();
  slice(100_000_000n, 10_000n);
  assert.equal(clock.nowNanos(), 4_000_000n);
  slice(1_000_000n, 10_000n);
  assert.equal(clock.nowNanos(), 8_000_000n);
  for (let n = 0; n < 50; n++) slice(2_000_000n, 10_000n);
  assert.equal(clock.nowNanos(), 201_000_000n);
});

test('a guest that is idle is given all of the time at once', () => {
  for (const deadline of [1_000_000_000n, undefined]) {
    const { clock, slice } = hostClock();
    slice(100_000_000n, 10_000n);
    clock.skipTo(deadline);
    slice(900_000_000n, 0n);
    assert.equal(clock.nowNanos(), 1_000_000_000n);
  }
});

test('inside a slice time moves at the speed last measured', () => {
  const { hand, clock, slice } = hostClock();
  slice(20_000n, 10_000n);
  hand.count += 100n;
  assert.equal(clock.nowNanos(), 20_200n);
  assert.equal(clock.instructionsUntil(20_300n), 50);
});

test('a wait is no part of the speed that is measured, nor is the work before it a part of the wait', () => {
  const { hand, clock, slice } = hostClock();
  slice(20_000n, 10_000n);
  hand.host += 3_000n;
  hand.count += 1_500n;
  clock.skipTo(undefined);
  assert.equal(clock.nowNanos(), 23_000n, 'what is left to wait for is counted from now');
  slice(30_000_000n, 0n);
  hand.count += 2_000n;
  assert.equal(clock.nowNanos(), 30_027_000n);
});

test('a slice that the host has interrupted does not make time run ahead', () => {
  const { hand, clock, slice } = hostClock();
  slice(4_000_000n, 5000n);
  hand.count += 5000n;
  assert.equal(clock.nowNanos(), 4_100_000n);
});

test('time that ran ahead stands still and never goes back', () => {
  const { hand, clock, slice } = hostClock();
  slice(20_000n, 10_000n);
  hand.count += 10_000n;
  assert.equal(clock.nowNanos(), 40_000n);
  slice(5_000n, 0n);
  assert.equal(clock.nowNanos(), 40_000n);
  slice(15_001n, 0n);
  assert.equal(clock.nowNanos(), 40_001n);
  hand.host -= 10_000n;
  clock.fireDue();
  assert.ok(clock.nowNanos() >= 40_001n);
});

test('while time stands, the way to a deadline is that of the instruction count', () => {
  const { hand, clock, slice } = hostClock();
  slice(20_000n, 10_000n);
  hand.count += 10_000n;
  assert.equal(clock.nowNanos(), 40_000n);
  slice(5_000n, 0n);
  assert.equal(clock.instructionsUntil(40_000n), 0);
  const count = clock.instructionsUntil(40_100n);
  hand.count += BigInt(count - 1);
  assert.ok(clock.nowNanos() < 40_100n);
  hand.count += 1n;
  assert.ok(clock.nowNanos() >= 40_100n);
});

test('a host deadline fires once the host has come to it', () => {
  const { clock, slice } = hostClock();
  let fired = 0;
  clock.createAlarm(() => fired++).arm(1000n);
  assert.equal(clock.skipTo(1000n), false);
  slice(999n, 0n);
  assert.equal(fired, 0);
  slice(1n, 0n);
  assert.equal(fired, 1);
  assert.equal(clock.skipTo(1000n), true);
});

test('a pause takes no guest time', () => {
  const { hand, clock, slice } = hostClock();
  slice(1000n, 0n);
  clock.pause();
  slice(5000n, 0n);
  assert.equal(clock.nowNanos(), 1000n);
  clock.resume();
  hand.count += 1n;
  slice(10n, 0n);
  assert.equal(clock.nowNanos(), 1010n);
});

test('restored host time continues from the saved time', () => {
  const { clock, slice } = hostClock();
  slice(1000n, 0n);
  const other = hostClock();
  other.slice(77n, 5n);
  other.clock.restore(clock.save());
  assert.equal(other.clock.nowNanos(), 1000n);
  other.slice(3n, 0n);
  assert.equal(other.clock.nowNanos(), 1003n);
});

/** What a pace says of the time after so many instructions. */
function shownBy({ pace }: VirtualClock | HostClock, count: bigint): bigint {
  assert.ok(pace !== undefined);
  const nanos = pace.nanos + BigInt(Math.floor((Number(count) - pace.instructions) * pace.nanosPerInstruction));
  return nanos > pace.leastNanos ? nanos : pace.leastNanos;
}

test('the pace of a clock tells what it will show inside a slice', () => {
  let count = 0n;
  const virtual = new VirtualClock(() => count, undefined, 10n);
  virtual.skipTo(12_345n);
  for (count = 7n; count < 10n ** 12n; count *= 1003n) assert.equal(shownBy(virtual, count), virtual.nowNanos());
  const { hand, clock, slice } = hostClock();
  for (const nanos of [20_000n, 1_000n, 30_000n, 0n]) {
    slice(nanos, 10_000n);
    for (let n = 0; n < 5; n++) {
      assert.equal(shownBy(clock, hand.count), clock.nowNanos());
      hand.count += 777n;
    }
  }
});

test('time that guest code may have seen by the pace does not come again', () => {
  const { hand, clock, slice } = hostClock();
  slice(20_000n, 10_000n);
  hand.count += 10_000n;
  const seen = shownBy(clock, hand.count);
  slice(1n, 0n);
  assert.equal(clock.nowNanos(), seen);
});

test('a clock whose instructions take no whole number of nanoseconds, or that stands, has no pace', () => {
  assert.equal(new VirtualClock(() => 0n, undefined, 2n, 3n).pace, undefined);
  const { clock } = hostClock();
  clock.pause();
  assert.equal(clock.pace, undefined);
});
