import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { Hpet } from './hpet.ts';
import { TIMER } from './timer.ts';

const CONFIG = 0x10;
const STATUS = 0x20;
const COUNTER = 0xf0;
const ENABLE = 1;
const LEGACY = 2;
const timer = (n: number) => 0x100 + n * 0x20;
const ROUTE_21 = 21 << TIMER.routeShift;

/** An HPET with a log of the edges of its lines. */
function setUp() {
  const clock = new ManualClock();
  const log: string[] = [];
  const levels = new Map<string, boolean>();
  const line = (name: string, n = 0) => ({
    set: (level: boolean) => {
      const key = `${name} ${n}`;
      if ((levels.get(key) ?? false) !== level) log.push(`${level ? '+' : '-'}${name}@${clock.nowNanos()}`);
      levels.set(key, level);
    },
  });
  let wires = 0;
  const hpet = new Hpet({
    clock,
    routes: 0xf00000,
    route: (input) => line(`pin${input}`, wires++),
    isa: (irq) => line(`irq${irq}`, wires++),
  });
  const read64 = (offset: number) => BigInt(hpet.read(offset, 4)) | (BigInt(hpet.read(offset + 4, 4)) << 32n);
  const write64 = (offset: number, value: bigint) => {
    hpet.write(offset, 4, Number(value & 0xffff_ffffn));
    hpet.write(offset + 4, 4, Number(value >> 32n));
  };
  return { hpet, clock, log, read64, write64 };
}

describe('the HPET', () => {
  it('tells three timers of 64 bits, a tick of 10 ns and where interrupts can go', () => {
    const { read64 } = setUp();
    assert.equal(read64(0), 0x0098_9680_8086_a201n);
    assert.equal(read64(timer(1)), 0x00f0_0000_0000_0030n);
  });

  it('counts while it is enabled, from what was written', () => {
    const { hpet, clock, read64, write64 } = setUp();
    write64(COUNTER, 0xffff_fff0n);
    clock.advanceTo(1005n);
    assert.equal(read64(COUNTER), 0xffff_fff0n);
    hpet.write(CONFIG, 4, ENABLE);
    clock.advanceTo(1325n);
    assert.equal(read64(COUNTER), 0x1_0000_0010n);
    hpet.write(CONFIG, 4, 0);
    clock.advanceTo(9999n);
    assert.equal(read64(COUNTER), 0x1_0000_0010n);
  });

  it('pulses the chosen input once when the counter equals a comparator', () => {
    const { hpet, clock, log, write64 } = setUp();
    hpet.write(timer(2), 4, TIMER.interruptEnable | ROUTE_21);
    write64(timer(2) + 8, 100n);
    hpet.write(CONFIG, 4, ENABLE);
    clock.advanceTo(1_000_000n);
    assert.deepEqual(log, ['+pin21@1000', '-pin21@1000']);
  });

  it('wraps after 32 bits where it is told to', () => {
    const { hpet, clock, log } = setUp();
    hpet.write(timer(0), 4, TIMER.interruptEnable | TIMER.forced32Bit | ROUTE_21);
    hpet.write(timer(0) + 8, 4, 5);
    hpet.write(CONFIG, 4, ENABLE);
    clock.advanceTo(50n * 2n ** 32n);
    assert.deepEqual(
      log.filter((edge) => edge.startsWith('+')),
      [0, 1, 2, 3, 4].map((turn) => `+pin21@${50n + BigInt(turn) * 10n * 2n ** 32n}`),
    );
  });

  it('keeps a level until its status is acknowledged', () => {
    const { hpet, clock, log, write64 } = setUp();
    hpet.write(timer(1), 4, TIMER.interruptEnable | TIMER.level | ROUTE_21);
    write64(timer(1) + 8, 10n);
    hpet.write(CONFIG, 4, ENABLE);
    clock.advanceTo(500n);
    assert.equal(hpet.read(STATUS, 4), 2);
    hpet.write(STATUS, 4, 1);
    assert.deepEqual(log, ['+pin21@100']);
    hpet.write(STATUS, 4, 2);
    assert.deepEqual(log, ['+pin21@100', '-pin21@500']);
  });

  it('repeats with the period that follows the first comparator, as Linux sets it', () => {
    const { hpet, clock, log } = setUp();
    hpet.write(CONFIG, 4, ENABLE | LEGACY);
    hpet.write(timer(0), 4, TIMER.interruptEnable | TIMER.periodic | TIMER.setValue | TIMER.forced32Bit);
    hpet.write(timer(0) + 8, 4, 5000);
    hpet.write(timer(0) + 8, 4, 2000);
    clock.advanceTo(95_000n);
    assert.deepEqual(
      log.filter((edge) => edge.startsWith('+')),
      ['+irq0@50000', '+irq0@70000', '+irq0@90000'],
    );
    assert.equal(hpet.read(timer(0) + 8, 4), 11_000);
  });

  it('serves periods that no guest could follow at multiples of themselves', () => {
    const { hpet, clock, log } = setUp();
    hpet.write(timer(0), 4, TIMER.interruptEnable | TIMER.periodic | TIMER.setValue | TIMER.forced32Bit | ROUTE_21);
    hpet.write(timer(0) + 8, 4, 3);
    hpet.write(CONFIG, 4, ENABLE);
    clock.advanceTo(100_000n);
    assert.equal(log.filter((edge) => edge.startsWith('+')).length, 10);
  });

  it('passes the 8254 and the clock on until legacy replacement takes their interrupts', () => {
    const { hpet, log } = setUp();
    hpet.pit.set(true);
    hpet.write(CONFIG, 4, LEGACY);
    hpet.rtc.set(true);
    hpet.write(CONFIG, 4, 0);
    assert.deepEqual(log, ['+irq0@0', '-irq0@0', '+irq0@0', '+irq8@0']);
  });

  it('goes on as saved', () => {
    const [a, b] = [setUp(), setUp()];
    a.hpet.write(timer(0), 4, TIMER.interruptEnable | TIMER.level | ROUTE_21);
    a.write64(timer(0) + 8, 30n);
    a.hpet.write(CONFIG, 4, ENABLE);
    a.clock.advanceTo(105n);
    b.clock.advanceTo(105n);
    b.hpet.restore(structuredClone(a.hpet.save()));
    b.clock.advanceTo(400n);
    assert.deepEqual(b.log, ['+pin21@300']);
    assert.equal(b.read64(COUNTER), 40n);
  });

  it('hears nothing of bytes and words, and of no hostile access', () => {
    const { hpet, clock, log } = setUp();
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed >>> 8) % below;
    };
    hpet.write(CONFIG, 1, ENABLE);
    assert.equal(hpet.read(CONFIG, 4) + hpet.read(0, 2), 0);
    const values = () => [random(64), random(2 ** 24) * 256, ENABLE, ENABLE | LEGACY, ROUTE_21 | random(512)];
    for (let n = 0; n < 5000; n++) {
      const offset = random(0x60) * 4;
      if (random(3) === 0) assert.ok(hpet.read(offset, 4) >= 0);
      else hpet.write(offset, 4, values()[random(5)]);
      if (random(8) === 0) clock.advanceTo(clock.nowNanos() + BigInt(random(100_000)));
    }
    assert.ok(log.length > 0);
  });
});
