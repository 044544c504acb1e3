import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IrqLine } from '../../machine/interfaces.ts';
import { ManualClock } from '../../machine/manual-clock.ts';
import { PcSpeaker } from './pc-speaker.ts';
import { PIT_HZ, Pit8254 } from './pit8254.ts';
import { SystemControlPortB } from './system-control-port-b.ts';

class Bench {
  readonly clock = new ManualClock();
  readonly edges: { tick: number; level: boolean }[] = [];
  level = false;
  readonly pit = new Pit8254(this.clock, this.line());
  readonly portB = new SystemControlPortB(this.clock, this.pit, new PcSpeaker(this.clock, this.pit, undefined));

  #onIrq(level: boolean): void {
    if (level !== this.level) this.edges.push({ tick: this.tick, level });
    this.level = level;
  }

  /** A line that records its edges here. */
  line(): IrqLine {
    return { set: (level) => this.#onIrq(level) };
  }

  get tick(): number {
    return Number((this.clock.nowNanos() * BigInt(PIT_HZ)) / 1_000_000_000n);
  }

  /** Moves to the first nanosecond of tick `tick`. */
  to(tick: number): void {
    this.clock.advanceTo((BigInt(tick) * 1_000_000_000n + BigInt(PIT_HZ) - 1n) / BigInt(PIT_HZ));
  }

  /** Programs channel `channel` with both bytes of `count`. */
  program(channel: number, mode: number, count: number, bcd = 0): void {
    this.pit.write(3, 1, (channel << 6) | 0x30 | (mode << 1) | bcd);
    this.pit.write(channel, 1, count & 0xff);
    this.pit.write(channel, 1, count >> 8);
  }

  latched(channel: number): number {
    this.pit.write(3, 1, channel << 6);
    return this.pit.read(channel, 1) | (this.pit.read(channel, 1) << 8);
  }

  status(channel: number): number {
    this.pit.write(3, 1, 0xe0 | (2 << channel));
    return this.pit.read(channel, 1);
  }

  rises(): number[] {
    return this.edges.filter((edge) => edge.level).map((edge) => edge.tick);
  }
}

/** OUT of channel 2 as a string of 0 and 1 for each tick from `from`. */
function outputs(bench: Bench, from: number, count: number): string {
  let text = '';
  for (let i = 0; i < count; i++) {
    bench.to(from + i);
    text += bench.pit.out2 ? '1' : '0';
  }
  return text;
}

test('mode 0 raises OUT count + 1 ticks after the count is written and keeps counting', () => {
  const bench = new Bench();
  bench.program(0, 0, 1000);
  assert.equal(bench.level, false);
  bench.to(1000);
  assert.equal(bench.level, false);
  bench.to(1001);
  assert.equal(bench.level, true);
  assert.equal(bench.latched(0), 0);
  bench.to(1002);
  assert.equal(bench.latched(0), 0xffff);
  bench.to(5000);
  assert.deepEqual(bench.edges, [{ tick: 1001, level: true }]);
});

test('mode 0 stops while GATE is low and at the first byte of a new count', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 1);
  bench.program(2, 0, 100);
  bench.to(11);
  assert.equal(bench.latched(2), 90);
  bench.portB.write(0, 1, 0);
  bench.to(500);
  assert.equal(bench.latched(2), 90);
  bench.portB.write(0, 1, 1);
  bench.to(589);
  assert.equal(bench.portB.read(0, 1) & 0x20, 0);
  bench.to(590);
  assert.equal(bench.portB.read(0, 1) & 0x20, 0x20);
  bench.pit.write(2, 1, 50);
  assert.equal(bench.pit.out2, false);
  bench.to(10000);
  assert.equal(bench.pit.out2, false);
  bench.pit.write(2, 1, 0);
  bench.to(10051);
  assert.equal(bench.pit.out2, true);
});

test('mode 1 is a one-shot that each rising GATE triggers again', () => {
  const bench = new Bench();
  bench.program(2, 1, 3);
  assert.equal(outputs(bench, 0, 5), '11111');
  bench.portB.write(0, 1, 1);
  assert.equal(outputs(bench, 5, 6), '000111');
  bench.portB.write(0, 1, 0);
  bench.portB.write(0, 1, 1);
  bench.to(12);
  bench.portB.write(0, 1, 0);
  bench.portB.write(0, 1, 1);
  assert.equal(outputs(bench, 13, 5), '00011');
});

test('mode 2 gives a rising edge every count ticks and reads down to 1', () => {
  const bench = new Bench();
  bench.program(0, 2, 1193);
  bench.to(1 + 3 * 1193);
  assert.deepEqual(bench.rises(), [0, 1194, 2387, 3580]);
  assert.equal(bench.latched(0), 1193);
  bench.to(1 + 4 * 1193 - 1);
  assert.equal(bench.latched(0), 1);
  assert.equal(bench.status(0) & 0x80, 0);
});

test('mode 2 takes a new count at the end of the cycle, with null count set until then', () => {
  const bench = new Bench();
  bench.program(0, 2, 1000);
  assert.equal(bench.status(0) & 0x40, 0x40);
  bench.to(501);
  assert.equal(bench.status(0) & 0x40, 0);
  bench.pit.write(0, 1, 100);
  bench.pit.write(0, 1, 0);
  assert.equal(bench.latched(0), 500);
  assert.equal(bench.status(0) & 0x40, 0x40);
  bench.to(1201);
  assert.deepEqual(bench.rises(), [0, 1001, 1101, 1201]);
});

test('mode 2 restarts with the full count when GATE rises and keeps OUT high while it is low', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 1);
  bench.program(2, 2, 4);
  assert.equal(outputs(bench, 1, 8), '11101110');
  bench.portB.write(0, 1, 0);
  assert.equal(outputs(bench, 9, 8), '11111111');
  bench.portB.write(0, 1, 1);
  assert.equal(outputs(bench, 17, 8), '11101110');
});

test('mode 3 is a square wave whose high half is the longer one of an odd count', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 1);
  bench.program(2, 3, 5);
  assert.equal(outputs(bench, 1, 10), '1110011100');
  bench.program(2, 3, 4);
  assert.equal(outputs(bench, 11, 8), '11001100');
});

test('mode 3 counts down by two in each half', () => {
  const bench = new Bench();
  bench.program(0, 3, 6);
  const counts = [1, 2, 3, 4, 5, 6, 7].map((tick) => {
    bench.to(tick);
    return bench.latched(0);
  });
  assert.deepEqual(counts, [6, 4, 2, 6, 4, 2, 6]);
  bench.program(0, 3, 5);
  const odd = [8, 9, 10, 11, 12, 13].map((tick) => {
    bench.to(tick);
    return bench.latched(0);
  });
  assert.deepEqual(odd, [4, 2, 0, 4, 2, 4]);
});

test('mode 3 takes a new count at the end of the half-cycle', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 1);
  bench.program(2, 3, 8);
  bench.to(2);
  bench.pit.write(2, 1, 4);
  bench.pit.write(2, 1, 0);
  assert.equal(outputs(bench, 3, 10), '1100110011');
});

test('mode 3 on channel 0 gives one rising edge a cycle with the BIOS count of 65536', () => {
  const bench = new Bench();
  bench.program(0, 3, 0);
  bench.clock.advanceTo(1_000_000_000n);
  assert.equal(bench.rises().length, 1 + 18);
  assert.deepEqual(bench.rises().slice(0, 3), [0, 1 + 65536, 1 + 2 * 65536]);
});

test('mode 4 strobes low for one tick, once', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 1);
  bench.program(2, 4, 3);
  assert.equal(outputs(bench, 0, 8), '11110111');
  bench.program(0, 4, 20);
  bench.to(1000);
  assert.deepEqual(bench.rises(), [7, 7 + 1 + 20 + 1], 'the line rises at the end of the strobe');
});

test('mode 5 strobes count + 1 ticks after each trigger', () => {
  const bench = new Bench();
  bench.program(2, 5, 2);
  assert.equal(outputs(bench, 0, 5), '11111');
  bench.portB.write(0, 1, 1);
  assert.equal(outputs(bench, 5, 4), '1101');
});

test('BCD counts decimal digits and wraps at 10000', () => {
  const bench = new Bench();
  bench.program(0, 2, 0x1000, 1);
  bench.to(2);
  assert.equal(bench.latched(0), 0x0999);
  bench.program(0, 0, 0, 1);
  bench.to(3);
  assert.equal(bench.latched(0), 0x0000);
  bench.to(4);
  assert.equal(bench.latched(0), 0x9999);
});

test('low-byte and high-byte access write and read one byte', () => {
  const bench = new Bench();
  bench.pit.write(3, 1, 0x14);
  bench.pit.write(0, 1, 0x80);
  bench.to(1);
  assert.equal(bench.pit.read(0, 1), 0x80);
  bench.pit.write(3, 1, 0x24);
  bench.pit.write(0, 1, 0x80);
  bench.to(2);
  assert.equal(bench.pit.read(0, 1), 0x80);
  bench.to(3);
  assert.equal(bench.pit.read(0, 1), 0x7f);
});

test('a latched count stays until read, and a second latch is ignored', () => {
  const bench = new Bench();
  bench.program(0, 2, 0x8000);
  bench.to(1);
  bench.pit.write(3, 1, 0x00);
  bench.to(0x101);
  bench.pit.write(3, 1, 0x00);
  assert.equal(bench.pit.read(0, 1) | (bench.pit.read(0, 1) << 8), 0x8000);
  assert.equal(bench.pit.read(0, 1) | (bench.pit.read(0, 1) << 8), 0x7f00);
});

test('read-back latches status and count of several counters; status comes first', () => {
  const bench = new Bench();
  bench.program(0, 2, 0x1234);
  bench.program(1, 3, 0x12);
  bench.to(1);
  bench.pit.write(3, 1, 0xc6);
  bench.to(50);
  assert.equal(bench.pit.read(0, 1), 0xb4);
  assert.equal(bench.pit.read(0, 1), 0x34);
  assert.equal(bench.pit.read(0, 1), 0x12);
  assert.equal(bench.pit.read(1, 1), 0xb6);
  assert.equal(bench.pit.read(1, 1), 0x12);
});

test('port 61h shows the refresh toggle and its own control bits', () => {
  const bench = new Bench();
  bench.portB.write(0, 1, 0xff);
  assert.equal(bench.portB.read(0, 1) & 0xcf, 0x0f);
  const before = bench.portB.read(0, 1) & 0x10;
  bench.clock.advanceTo(15_085n);
  assert.notEqual(bench.portB.read(0, 1) & 0x10, before);
});

test('an overdue edge is delivered before the counter is programmed anew', () => {
  const bench = new Bench();
  let now = 0n;
  const pit = new Pit8254({ nowNanos: () => now, createAlarm: () => ({ arm() {}, cancel() {} }) }, bench.line());
  pit.write(3, 1, 0x34);
  pit.write(0, 1, 0xa9);
  pit.write(0, 1, 0x04);
  bench.edges.length = 0;
  now = 2_000_000n;
  pit.write(3, 1, 0x00);
  assert.deepEqual(
    bench.edges.map((edge) => edge.level),
    [false, true],
  );
});

test('a restored timer continues with the same edges and counts', () => {
  const first = new Bench();
  first.program(0, 2, 1000);
  first.program(2, 3, 777);
  first.portB.write(0, 1, 1);
  first.to(450);
  first.pit.write(0, 1, 0x10);
  const second = new Bench();
  second.to(450);
  second.pit.restore(first.pit.save());
  second.portB.restore(first.portB.save());
  for (const bench of [first, second]) {
    bench.pit.write(0, 1, 0x20);
    bench.edges.length = 0;
    bench.to(30000);
  }
  assert.deepEqual(second.rises(), first.rises());
  assert.deepEqual(first.rises(), [1001, 1001 + 0x2010, 1001 + 2 * 0x2010, 1001 + 3 * 0x2010]);
  assert.deepEqual(second.pit.save(), first.pit.save());
  assert.equal(second.portB.read(0, 1), first.portB.read(0, 1));
});

test('a record of another version is refused', () => {
  const bench = new Bench();
  for (const chip of [bench.pit, bench.portB]) assert.throws(() => chip.restore({ version: 0 }), /version 0/);
});

test('no programming throws or makes more than 100,000 edges a second', () => {
  const bench = new Bench();
  for (let i = 0; i < 5000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    bench.pit.write((value >> 8) & 7, [1, 2, 4][i % 3], value);
    if (i % 5 === 0) bench.portB.write(i, 4, value >>> 3);
    const read = bench.pit.read((value >> 12) & 3, 1);
    assert.ok(read >= 0 && read <= 0xff);
    bench.to(bench.tick + (value & 63));
  }
  bench.program(0, 3, 1);
  bench.edges.length = 0;
  bench.to(bench.tick + 119_318);
  assert.ok(bench.rises().length <= 10_000);
});
