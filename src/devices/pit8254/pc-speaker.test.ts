import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { PcSpeaker } from './pc-speaker.ts';
import { PIT_HZ, Pit8254 } from './pit8254.ts';
import { SystemControlPortB } from './system-control-port-b.ts';

const SQUARE_WAVE = 0xb6;
const ONE_SHOT = 0xb0;
const MILLISECOND = 1_000_000n;

class Bench {
  readonly clock = new ManualClock();
  readonly heard: number[] = [];
  readonly pit = new Pit8254(this.clock, { set: () => {} });
  stops = 0;
  readonly voice = {
    play: (samples: Int16Array, rateHz: number) => {
      assert.equal(rateHz, 48_000);
      for (let i = 0; i < samples.length; i += 2) this.heard.push(samples[i]);
    },
    stop: () => this.stops++,
  };
  readonly portB = new SystemControlPortB(this.clock, this.pit, new PcSpeaker(this.clock, this.pit, this.voice));

  count(control: number, count: number): void {
    this.pit.write(3, 1, control);
    this.pit.write(2, 1, count & 0xff);
    this.pit.write(2, 1, count >> 8);
  }

  wait(millis: number): void {
    this.clock.advanceTo(this.clock.nowNanos() + BigInt(Math.round(millis * 1000)) * (MILLISECOND / 1000n));
  }
}

/** How often a wave rises through zero. */
function rises(samples: readonly number[]): number {
  return samples.filter((sample, i) => i > 0 && sample > 0 && samples[i - 1] <= 0).length;
}

test('a square wave of the timer is heard at its frequency', () => {
  const bench = new Bench();
  bench.count(SQUARE_WAVE, Math.round(PIT_HZ / 440));
  bench.portB.write(0, 1, 3);
  bench.wait(1000);
  bench.portB.write(0, 1, 0);
  assert.ok(Math.abs(bench.heard.length - 48_000) <= 1, `${bench.heard.length} frames`);
  assert.ok(Math.abs(rises(bench.heard) - 440) <= 1, `${rises(bench.heard)} Hz`);
  assert.equal(Math.max(...bench.heard), -Math.min(...bench.heard));
});

test('a tone ends when the port disconnects the speaker', () => {
  const bench = new Bench();
  bench.count(SQUARE_WAVE, 1000);
  bench.portB.write(0, 1, 3);
  bench.wait(10);
  bench.portB.write(0, 1, 1);
  bench.wait(200);
  assert.ok(bench.heard.length <= 480 + 2400);
  assert.ok(bench.heard.slice(481).every((sample) => sample === 0));
  assert.equal(bench.stops, 1);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
});

test('a speaker that stays connected to a still counter is silent', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 2);
  bench.wait(1000);
  assert.ok(bench.heard.length <= 2400);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
});

test('pulse widths are heard as levels', () => {
  const bench = new Bench();
  const period = 64;
  bench.portB.write(0, 1, 3);
  bench.pit.write(3, 1, ONE_SHOT & ~0x20);
  const levels = [8, 32, 56].map((low) => {
    bench.heard.length = 0;
    for (let n = 0; n < 100; n++) {
      bench.pit.write(2, 1, low);
      bench.wait((period / PIT_HZ) * 1000);
    }
    return bench.heard.reduce((sum, sample) => sum + sample, 0) / bench.heard.length;
  });
  assert.ok(levels[0] > 4000 && Math.abs(levels[1]) < 1000 && levels[2] < -4000, levels.join(' '));
});

test('a tone goes on in a restored machine', () => {
  const [first, second] = [new Bench(), new Bench()];
  first.count(SQUARE_WAVE, Math.round(PIT_HZ / 1000));
  first.portB.write(0, 1, 3);
  second.pit.restore(first.pit.save());
  second.portB.restore(first.portB.save());
  second.wait(100);
  assert.ok(Math.abs(rises(second.heard) - 100) <= 1);
});

test('nobody hears the highest frequency, which costs a bounded number of steps', () => {
  const bench = new Bench();
  bench.count(SQUARE_WAVE, 2);
  bench.portB.write(0, 1, 3);
  bench.wait(1000);
  assert.ok(bench.heard.length > 0 && bench.heard.length <= 48_000);
});
