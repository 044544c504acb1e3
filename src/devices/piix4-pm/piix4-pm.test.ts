import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { Piix4Pm } from './piix4-pm.ts';
import { Piix4PmRegisters } from './pm-registers.ts';

const HALF_PERIOD_NANOS = ((1n << 23n) * 1_000_000_000n + 3_579_544n) / 3_579_545n;

function setUp() {
  const clock = new ManualClock();
  const seen = { sci: false, off: 0 };
  const pm = new Piix4PmRegisters(clock, { set: (level) => (seen.sci = level) }, () => seen.off++);
  const press = () => {
    pm.powerButton.set(true);
    pm.powerButton.set(false);
  };
  return { clock, pm, seen, press };
}

test('the registers appear where firmware puts them once it enables them', () => {
  let base: number | undefined;
  const pm = new Piix4Pm({ place: (there) => (base = there) });
  pm.writeConfig(0x40, 4, 0x0601);
  assert.equal(base, undefined);
  pm.writeConfig(0x80, 1, 1);
  assert.equal(base, 0x600);
  pm.writeConfig(0x40, 4, 0xb000);
  assert.equal(base, 0xb000);
  assert.equal(pm.readConfig(0x40, 4), 0xb001);
  const state = pm.save();
  pm.writeConfig(0x80, 1, 0);
  assert.equal(base, undefined);
  pm.restore(state);
  assert.equal(base, 0xb000);
});

test('the timer counts at 3.579545 MHz in 24 bits', () => {
  const { clock, pm } = setUp();
  clock.advanceTo(1_000_000_000n);
  assert.equal(pm.read(8, 4), 3_579_545);
  clock.advanceTo(5_000_000_000n);
  assert.equal(pm.read(8, 4), (5 * 3_579_545) % 2 ** 24);
  assert.equal(pm.read(8, 2), (5 * 3_579_545) & 0xffff);
});

test('writing the S5 sleep type with the sleep bit powers off', () => {
  const { pm, seen } = setUp();
  pm.write(4, 2, 0x0000);
  pm.write(4, 2, 0x2400);
  assert.equal(seen.off, 0);
  pm.write(4, 2, 0x2000);
  assert.equal(seen.off, 1);
  assert.equal(pm.read(4, 2), 0x0001);
});

test('a sleep request in a byte access counts too', () => {
  const { pm, seen } = setUp();
  pm.write(5, 1, 0x20);
  assert.equal(seen.off, 1);
});

test('ACPI mode is always on', () => {
  const { pm } = setUp();
  assert.equal(pm.read(4, 2) & 1, 1);
  pm.write(4, 2, 0);
  assert.equal(pm.read(4, 2) & 1, 1);
});

test('the power button raises the SCI while enabled, until its status is cleared', () => {
  const { pm, seen, press } = setUp();
  press();
  assert.equal(pm.read(0, 2), 0x100);
  assert.equal(seen.sci, false);
  pm.write(2, 2, 0x100);
  assert.equal(seen.sci, true);
  pm.write(0, 2, 0x001);
  assert.equal(seen.sci, true);
  pm.write(0, 2, 0x100);
  assert.equal(seen.sci, false);
  assert.equal(pm.read(0, 4), 0x01000000);
});

test('enable bits can be written by bytes', () => {
  const { pm } = setUp();
  pm.write(2, 2, 0x0121);
  pm.write(3, 1, 0);
  assert.equal(pm.read(2, 2), 0x0021);
  pm.write(2, 1, 0xff);
  assert.equal(pm.read(2, 2), 0x0021);
});

test('the timer raises the SCI each time its top bit changes', () => {
  const { clock, pm, seen } = setUp();
  pm.write(2, 2, 1);
  clock.advanceTo(HALF_PERIOD_NANOS - 1n);
  assert.equal(seen.sci, false);
  clock.advanceTo(HALF_PERIOD_NANOS);
  assert.equal(seen.sci, true);
  assert.equal(clock.nextDeadlineNanos(), undefined);
  pm.write(0, 2, 1);
  assert.equal(seen.sci, false);
  clock.advanceTo(HALF_PERIOD_NANOS * 2n);
  assert.equal(seen.sci, true);
});

test('the timer status is set without being enabled', () => {
  const { clock, pm, seen } = setUp();
  clock.advanceTo(HALF_PERIOD_NANOS * 3n);
  assert.equal(pm.read(0, 2), 1);
  pm.write(0, 2, 1);
  assert.equal(pm.read(0, 2), 0);
  assert.equal(seen.sci, false);
});

test('unknown registers read as zero and swallow writes', () => {
  const { pm } = setUp();
  for (let offset = 16; offset < 64; offset += 4) {
    pm.write(offset, 4, 0xffffffff);
    assert.equal(pm.read(offset, 4), 0);
  }
});

test('GPI1# raises the SCI while its event is enabled, until its status is cleared', () => {
  const { pm, seen } = setUp();
  pm.generalInput.set(true);
  pm.generalInput.set(false);
  assert.deepEqual([pm.read(12, 2), seen.sci], [0x200, false]);
  pm.write(14, 2, 0xffff);
  assert.deepEqual([pm.read(14, 2), seen.sci], [0x200, true]);
  const copy = setUp();
  copy.pm.restore(pm.save());
  assert.equal(copy.seen.sci, true);
  pm.write(12, 1, 0xff);
  assert.equal(seen.sci, true);
  pm.write(13, 1, 0x02);
  assert.deepEqual([pm.read(12, 4), seen.sci], [0x2000000, false]);
});

test('restored registers raise the alarm and the interrupt again', () => {
  const [a, b] = [setUp(), setUp()];
  a.pm.write(2, 2, 0x101);
  a.press();
  const powerOn = b.pm.save();
  b.pm.restore(a.pm.save());
  assert.equal(b.seen.sci, true);
  assert.equal(b.pm.read(0, 4), 0x01010100);
  assert.equal(b.clock.nextDeadlineNanos(), HALF_PERIOD_NANOS);
  b.pm.restore(powerOn);
  assert.deepEqual([b.seen.sci, b.clock.nextDeadlineNanos()], [false, undefined]);
});

test('a record tells of an overflow that the guest has not asked for yet', () => {
  const { clock, pm } = setUp();
  clock.advanceTo(HALF_PERIOD_NANOS);
  const saved = pm.save();
  assert.equal(saved.status, 1);
  pm.restore(saved);
  assert.deepEqual(pm.save(), saved);
});
