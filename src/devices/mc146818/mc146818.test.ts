import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { dateOf, daysOf, weekdayOf } from './calendar.ts';
import { Mc146818 } from './mc146818.ts';

const SECOND = 1_000_000_000n;
const A_RESET = 0x60;
const B_24_HOUR = 0x02;
const B_BINARY = 0x04;
const B_UIE = 0x10;
const B_AIE = 0x20;
const B_PIE = 0x40;
const B_SET = 0x80;

class Bench {
  readonly clock = new ManualClock();
  irq = false;
  rises = 0;
  readonly rtc: Mc146818;

  constructor(start: string) {
    this.rtc = new Mc146818(this.clock, { set: (level) => this.#onIrq(level) }, Date.parse(start));
  }

  #onIrq(level: boolean): void {
    if (level && !this.irq) this.rises++;
    this.irq = level;
  }

  get(index: number): number {
    this.rtc.write(0, 1, index);
    return this.rtc.read(1, 1);
  }

  put(index: number, value: number): void {
    this.rtc.write(0, 1, index);
    this.rtc.write(1, 1, value);
  }

  wait(nanos: bigint): void {
    this.clock.advanceTo(this.clock.nowNanos() + nanos);
  }

  /** Century, year, month, day, weekday, hours, minutes and seconds as the registers hold them, in hexadecimal. */
  time(): string {
    return [0x32, 9, 8, 7, 6, 4, 2, 0].map((index) => this.get(index).toString(16).padStart(2, '0')).join(' ');
  }
}

test('the time at power-on is the given one, in 24-hour BCD', () => {
  assert.equal(new Bench('2024-02-28T23:59:58Z').time(), '20 24 02 28 04 23 59 58');
});

test('seconds carry into minutes, days, leap days, months, years and centuries', () => {
  const bench = new Bench('2024-02-28T23:59:58.500Z');
  bench.wait(SECOND);
  assert.equal(bench.time(), '20 24 02 28 04 23 59 59');
  bench.wait(SECOND / 2n);
  assert.equal(bench.time(), '20 24 02 29 05 00 00 00');
  bench.wait(86_400n * SECOND);
  assert.equal(bench.time(), '20 24 03 01 06 00 00 00');
  const century = new Bench('1999-12-31T23:59:59Z');
  century.wait(SECOND);
  assert.equal(century.time(), '20 00 01 01 07 00 00 00');
});

test('the calendar agrees with known dates across four centuries', () => {
  for (let days = -30_000; days < 120_000; days += 37) {
    const { year, month, day } = dateOf(days);
    const iso = new Date(days * 86_400_000).toISOString();
    assert.equal(`${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`, iso.slice(0, 10));
    assert.equal(daysOf({ year, month, day }), days);
    assert.equal(weekdayOf(days), new Date(days * 86_400_000).getUTCDay() + 1);
  }
});

test('binary and 12-hour formats are kept as the guest sets them', () => {
  const bench = new Bench('2024-01-01T00:00:00Z');
  bench.put(0x0b, B_SET | B_BINARY);
  for (const [index, value] of [
    [0, 58],
    [2, 59],
    [4, 0x80 | 11],
    [7, 31],
    [8, 12],
    [9, 99],
    [0x32, 19],
    [6, 6],
  ]) {
    bench.put(index, value);
  }
  bench.put(0x0b, B_BINARY);
  bench.wait(SECOND);
  assert.equal(bench.time(), '13 63 0c 1f 06 8b 3b 3b');
  bench.wait(SECOND);
  assert.equal(bench.time(), '14 00 01 01 07 0c 00 00');
});

test('the time stands still while SET is on, and SET clears the update interrupt', () => {
  const bench = new Bench('2024-01-01T00:00:00Z');
  bench.put(0x0b, B_SET | B_UIE | B_24_HOUR);
  assert.equal(bench.get(0x0b), B_SET | B_24_HOUR);
  bench.wait(10n * SECOND);
  assert.equal(bench.get(0), 0);
  assert.equal(bench.get(0x0c), 0x40);
  bench.put(0, 0x30);
  bench.put(0x0b, B_24_HOUR);
  bench.wait(SECOND);
  assert.equal(bench.get(0), 0x31);
});

test('the first update comes half a second after the divider is released', () => {
  const bench = new Bench('2024-01-01T00:00:00.300Z');
  bench.put(0x0a, A_RESET | 6);
  bench.wait(5n * SECOND);
  assert.equal(bench.get(0), 0);
  bench.put(0x0a, 0x26);
  bench.wait(SECOND / 2n - 1n);
  assert.equal(bench.get(0), 0);
  bench.wait(1n);
  assert.equal(bench.get(0), 1);
});

test('update in progress is shown for the last 2.228 ms of a second', () => {
  const bench = new Bench('2024-01-01T00:00:00Z');
  bench.wait(SECOND - 2_228_001n);
  assert.equal(bench.get(0x0a), 0x26);
  bench.wait(1n);
  assert.equal(bench.get(0x0a), 0xa6);
  bench.put(0x0a, 0xff & ~0x50);
  assert.equal(bench.get(0x0a), 0xaf);
  bench.wait(2_228_000n);
  assert.equal(bench.get(0x0a), 0x2f);
});

test('the update-ended interrupt comes every second once register C is read', () => {
  const bench = new Bench('2024-01-01T00:00:00Z');
  bench.put(0x0b, B_UIE | B_24_HOUR);
  bench.get(0x0c);
  bench.wait(SECOND - 1n);
  assert.equal(bench.irq, false);
  bench.wait(1n);
  assert.equal(bench.irq, true);
  assert.equal(bench.get(0x0c) & 0xb0, 0x90);
  assert.equal(bench.irq, false);
  assert.equal(bench.get(0x0c), 0);
  bench.wait(5n * SECOND);
  assert.equal(bench.rises, 2, 'an interrupt not served is not repeated');
});

test('the periodic interrupt has the programmed rate', () => {
  for (const [rate, hz] of [
    [1, 256],
    [2, 128],
    [3, 8192],
    [6, 1024],
    [15, 2],
  ]) {
    const bench = new Bench('2024-01-01T00:00:00Z');
    bench.put(0x0a, 0x20 | rate);
    bench.put(0x0b, B_PIE | B_24_HOUR);
    while (bench.clock.nowNanos() < SECOND) {
      bench.clock.advanceTo(bench.clock.nextDeadlineNanos() ?? SECOND);
      assert.equal(bench.get(0x0c) & 0xc0, 0xc0);
    }
    assert.equal(bench.rises, hz);
    assert.equal(bench.clock.nowNanos(), SECOND);
  }
});

test('without enabled interrupts flags are still set for polling and no alarm is armed', () => {
  const bench = new Bench('2024-01-01T00:00:00Z');
  bench.wait(2n * SECOND);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
  assert.equal(bench.get(0x0c), 0x50);
  bench.wait(900_000n);
  assert.equal(bench.get(0x0c), 0x00);
  bench.wait(100_000n);
  assert.equal(bench.get(0x0c), 0x40);
});

test('the alarm interrupt comes at the alarm time', () => {
  const bench = new Bench('2024-01-01T10:00:00Z');
  bench.put(1, 0x30);
  bench.put(3, 0x05);
  bench.put(5, 0x11);
  bench.put(0x0b, B_AIE | B_24_HOUR);
  bench.wait(3930n * SECOND - 1n);
  assert.equal(bench.irq, false);
  bench.wait(1n);
  assert.equal(bench.get(0x0c) & 0xa0, 0xa0);
  bench.wait(86_400n * SECOND);
  assert.equal(bench.get(0x0c) & 0xa0, 0xa0);
});

test("an alarm's don't-care bytes match everything, and an impossible alarm never comes", () => {
  const bench = new Bench('2024-01-01T10:00:00Z');
  bench.put(1, 0x15);
  bench.put(3, 0xff);
  bench.put(5, 0xc0);
  bench.put(0x0b, B_AIE | B_24_HOUR);
  bench.wait(15n * SECOND);
  assert.equal(bench.irq, true);
  bench.get(0x0c);
  bench.wait(60n * SECOND);
  assert.equal(bench.irq, true);
  bench.get(0x0c);
  bench.put(5, 0x77);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
});

test('both banks of memory keep their bytes, and register D says the battery is good', () => {
  const bench = new Bench('2024-01-01T10:00:00Z');
  bench.rtc.setCmos(0x34, 0x12);
  assert.equal(bench.get(0x34), 0x12);
  bench.put(0x8e, 0x55);
  assert.equal(bench.get(0x0e), 0x55, 'bit 7 of the index is the NMI mask');
  bench.rtc.write(2, 1, 0x34);
  bench.rtc.write(3, 1, 0x99);
  assert.equal(bench.rtc.read(3, 1), 0x99);
  assert.equal(bench.get(0x34), 0x12);
  bench.put(0x0d, 0);
  bench.put(0x0c, 0xff);
  assert.equal(bench.get(0x0d), 0x80);
  assert.equal(bench.get(0x0c), 0);
});

test('a restored clock goes on with its time, its memory and its next interrupt', () => {
  const first = new Bench('2024-01-01T10:00:00.250Z');
  first.put(0x40, 7);
  first.put(0x0b, B_UIE | B_24_HOUR);
  first.wait(100_000_000n);
  const second = new Bench('1990-01-01T00:00:00Z');
  second.wait(100_000_000n);
  second.rtc.restore(first.rtc.save());
  assert.deepEqual(second.rtc.save(), first.rtc.save());
  second.wait(650_000_000n - 1n);
  assert.equal(second.irq, false);
  second.wait(1n);
  assert.equal(second.irq, true);
  assert.equal(second.time(), '20 24 01 01 02 10 00 01');
  assert.equal(second.get(0x40), 7);
  const third = new Bench('1990-01-01T00:00:00Z');
  third.rtc.restore(second.rtc.save());
  assert.equal(third.irq, true);
});

test('a period that ended before the restore interrupts at once', () => {
  const first = new Bench('2024-01-01T10:00:00Z');
  first.put(0x0b, B_PIE | B_24_HOUR);
  const saved = first.rtc.save();
  const second = new Bench('2024-01-01T10:00:00Z');
  second.wait(1_500_000n);
  second.rtc.restore(saved);
  second.wait(0n);
  assert.equal(second.irq, true);
});

test('a record of another version is refused', () => {
  assert.throws(() => new Bench('2024-01-01T10:00:00Z').rtc.restore({ version: 3 }), /version 3/);
});

test('no access of any value, size or offset throws, and reads stay bytes', () => {
  const bench = new Bench('2024-01-01T10:00:00Z');
  for (let i = 0; i < 20000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    bench.rtc.write(i & 1 ? 0 : (value >>> 8) & 7, 4, i & 1 ? value % 16 : value);
    if (i % 5 === 0) bench.put(value % 14, value >>> 24);
    const read = bench.rtc.read((value >>> 12) & 7, 1);
    assert.ok(Number.isInteger(read) && read >= 0 && read <= 0xff);
    bench.wait((BigInt(value) * (i % 100 === 0 ? 10_000n : 1n)) / 1000n);
  }
});
