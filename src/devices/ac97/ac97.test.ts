import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_PORTS, TestSlot } from '../../machine/test-slot.case.ts';
import { Ac97 } from './ac97.ts';

const MIXER = TEST_PORTS;
const MASTERS = TEST_PORTS + 0x100;
const PI = MASTERS;
const PO = MASTERS + 0x10;
const GLOB_CNT = MASTERS + 0x2c;
const GLOB_STA = MASTERS + 0x30;
const CAS = MASTERS + 0x34;
const [CIV, LVI, SR, PICB, PIV, CR] = [4, 5, 6, 8, 10, 11];
const RING = 0x1000;
const BUFFERS = 0x10000;
const RUN = 0x01;
const RESET = 0x02;
const INTERRUPTS = 0x14;
const IOC = 0x80000000;
const MILLISECOND = 1_000_000n;

class Bench {
  readonly slot = new TestSlot();
  readonly heard: [left: number, right: number][] = [];
  rateHz = 0;
  stops = 0;
  readonly voice = {
    play: (samples: Int16Array, rateHz: number) => {
      this.rateHz = rateHz;
      for (let i = 0; i < samples.length; i += 2) this.heard.push([samples[i], samples[i + 1]]);
    },
    stop: () => this.stops++,
  };
  readonly card = new Ac97(this.voice, this.slot);
  readonly view = new DataView(this.slot.ram.buffer);

  constructor() {
    this.slot.place(this.card);
    this.write(GLOB_CNT, 4, 2);
    this.write(MIXER + 0x02, 2, 0);
    this.write(MIXER + 0x18, 2, 0x0808);
  }

  read = (port: number, size: number) => this.slot.ports.read(port, size);
  write = (port: number, size: number, value: number) => this.slot.ports.write(port, size, value);

  /** Puts a buffer of stereo frames into the ring, whose samples count up from `first`. */
  buffer(index: number, frames: number, first: number, control = 0): void {
    const at = BUFFERS + index * 0x1000;
    for (let i = 0; i < frames; i++) {
      this.view.setInt16(at + i * 4, first + i, true);
      this.view.setInt16(at + i * 4 + 2, -first - i, true);
    }
    this.view.setUint32(RING + index * 8, at, true);
    this.view.setUint32(RING + index * 8 + 4, frames * 2 + control, true);
  }

  start(last: number, box = PO): void {
    this.write(box + CR, 1, RESET);
    this.write(box, 4, RING);
    this.write(box + LVI, 1, last);
    this.write(box + CR, 1, RUN | INTERRUPTS);
  }

  wait(millis: number): void {
    this.slot.clock.advanceTo(this.slot.clock.nowNanos() + BigInt(millis) * MILLISECOND);
  }
}

const counting = (frames: number, first: number) =>
  Array.from({ length: frames }, (_, i) => [first + i, 0 - first - i]);

test('the function is found by its identity, and its codec by its own', () => {
  const bench = new Bench();
  assert.equal(bench.card.readConfig(0, 4), 0x24158086);
  assert.equal(bench.card.readConfig(8, 4) >>> 8, 0x040100);
  assert.equal(bench.read(MIXER + 0x7c, 4), 0x76008384);
  assert.equal(bench.read(GLOB_STA, 4), 0x100);
  assert.equal(bench.read(MIXER + 0x26, 2), 0x0f);
});

test('buffers play one after the other at 48 kHz, up to the last valid one', () => {
  const bench = new Bench();
  bench.buffer(0, 480, 1000);
  bench.buffer(1, 240, 5000);
  bench.start(1);
  assert.deepEqual([bench.read(PO + CIV, 1), bench.read(PO + PIV, 1), bench.read(PO + PICB, 2)], [0, 1, 960]);
  bench.wait(5);
  assert.equal(bench.read(PO + PICB, 2), 480);
  bench.wait(10);
  assert.equal(bench.rateHz, 48_000);
  assert.deepEqual(bench.heard, [...counting(480, 1000), ...counting(240, 5000)]);
  assert.equal(bench.read(PO + SR, 2), 0x07);
  assert.equal(bench.slot.level, true);
  assert.equal(bench.read(GLOB_STA, 4), 0x140);
  bench.write(PO + SR, 2, 0x1c);
  assert.deepEqual([bench.slot.level, bench.read(PO + SR, 2)], [false, 0x03]);
  assert.equal(bench.slot.clock.nextDeadlineNanos(), undefined);
});

test('a buffer that wants it ends with an interrupt', () => {
  const bench = new Bench();
  bench.buffer(0, 48, 0, IOC);
  bench.buffer(1, 480, 0);
  bench.start(1);
  bench.wait(1);
  assert.deepEqual([bench.slot.level, bench.read(PO + SR, 2), bench.read(PO + CIV, 1)], [true, 0x08, 1]);
  bench.write(PO + CR, 1, RUN);
  assert.equal(bench.slot.level, false);
});

test('a new last valid index lets a halted bus master go on', () => {
  const bench = new Bench();
  for (const index of [0, 1, 2]) bench.buffer(index, 48, index * 100);
  bench.start(0);
  bench.wait(10);
  bench.write(PO + LVI, 1, 2);
  assert.equal(bench.read(PO + SR, 2) & 3, 0);
  bench.wait(10);
  assert.deepEqual(
    bench.heard,
    [0, 1, 2].flatMap((index) => counting(48, index * 100)),
  );
});

test('a paused bus master goes on where it was', () => {
  const bench = new Bench();
  bench.buffer(0, 480, 0);
  bench.start(0);
  bench.wait(5);
  bench.write(PO + CR, 1, 0);
  assert.equal(bench.read(PO + SR, 2), 1);
  bench.wait(100);
  assert.equal(bench.heard.length, 240);
  bench.write(PO + CR, 1, RUN);
  bench.wait(5);
  assert.deepEqual(bench.heard, counting(480, 0));
});

test('the registers say to the sample how far a buffer is', () => {
  const bench = new Bench();
  bench.buffer(0, 480, 0);
  bench.start(0);
  bench.slot.clock.advanceTo(bench.slot.clock.nowNanos() + 1_500_000n);
  assert.equal(bench.read(PO + PICB, 2), 960 - 2 * 72);
});

test('a reset of the registers keeps the enabled interrupts', () => {
  const bench = new Bench();
  bench.start(3);
  bench.write(PO + CR, 1, INTERRUPTS);
  bench.write(PO + CR, 1, RESET);
  assert.deepEqual(
    [0, 4, 8].map((at) => bench.read(PO + at, 4)),
    [0, 0x00010000, INTERRUPTS * 0x1000000],
  );
});

test('the rate follows the codec once that may vary', () => {
  const bench = new Bench();
  bench.write(MIXER + 0x2c, 2, 8000);
  assert.equal(bench.read(MIXER + 0x2c, 2), 48_000);
  bench.write(MIXER + 0x2a, 2, 1);
  bench.write(MIXER + 0x2c, 2, 22_050);
  bench.write(MIXER + 0x32, 2, 1);
  assert.deepEqual([bench.read(MIXER + 0x2c, 2), bench.read(MIXER + 0x32, 2)], [22_050, 8_000]);
  bench.buffer(0, 441, 0);
  bench.start(0);
  bench.wait(19);
  assert.equal(bench.slot.level, false);
  bench.wait(1);
  assert.deepEqual([bench.slot.level, bench.rateHz, bench.heard.length], [true, 22_050, 441]);
});

test('volumes make sound softer, and mute it', () => {
  const bench = new Bench();
  const loudness = (master: number, pcm: number) => {
    bench.write(MIXER + 0x02, 2, master);
    bench.write(MIXER + 0x18, 2, pcm);
    bench.heard.length = 0;
    bench.buffer(0, 48, 10_000);
    bench.start(0);
    bench.wait(2);
    return bench.heard[0];
  };
  assert.deepEqual(loudness(0, 0x0808), [10_000, -10_000]);
  assert.deepEqual(loudness(0x0400, 0x0808), [5012, -10_000]);
  assert.deepEqual(loudness(0x8000, 0x0808), [0, 0]);
  bench.write(MIXER + 0x02, 2, 0x2020);
  assert.equal(bench.read(MIXER + 0x02, 2), 0x1f1f);
});

test('recording gives silence', () => {
  const bench = new Bench();
  bench.buffer(0, 480, 500);
  bench.start(0, PI);
  bench.wait(5);
  assert.ok(bench.slot.ram.subarray(BUFFERS, BUFFERS + 960).every((byte) => byte === 0));
  assert.notEqual(bench.view.getInt16(BUFFERS + 960, true), 0);
  bench.wait(5);
  assert.equal(bench.read(GLOB_STA, 4), 0x120);
});

test('the semaphore is free until it is read, and after the codec was used', () => {
  const bench = new Bench();
  assert.deepEqual([bench.read(CAS, 1), bench.read(CAS, 1)], [0, 1]);
  bench.read(MIXER, 2);
  assert.equal(bench.read(CAS, 1), 0);
});

test('a cold reset silences everything', () => {
  const bench = new Bench();
  bench.buffer(0, 48, 0);
  bench.start(0);
  bench.wait(5);
  bench.write(GLOB_CNT, 4, 0);
  assert.deepEqual([bench.slot.level, bench.read(GLOB_STA, 4), bench.read(PO + SR, 2)], [false, 0, 1]);
  assert.equal(bench.read(MIXER + 0x02, 2), 0x8000);
});

test('an absent page is waited for, and nothing plays twice', async () => {
  const bench = new Bench();
  bench.buffer(0, 480, 0);
  bench.slot.pageFlags[BUFFERS >> 12] = 1;
  bench.start(0);
  bench.wait(5);
  await bench.slot.settle();
  bench.wait(5);
  assert.deepEqual(bench.slot.broughtIn, [BUFFERS]);
  assert.deepEqual(bench.heard, counting(480, 0));
});

test('empty buffers end at the last valid one', () => {
  const bench = new Bench();
  bench.start(31);
  bench.wait(1);
  assert.deepEqual([bench.read(PO + SR, 2), bench.read(PO + CIV, 1)], [0x07, 31]);
});

test('without being a bus master the function moves nothing', () => {
  const bench = new Bench();
  bench.card.writeConfig(4, 2, 3);
  bench.buffer(0, 480, 0);
  bench.start(0);
  bench.wait(100);
  assert.equal(bench.heard.length, 0);
  bench.card.writeConfig(4, 2, 7);
  bench.wait(100);
  assert.equal(bench.heard.length, 480);
});

test('a restored function goes on as the saved one', () => {
  const [first, second] = [new Bench(), new Bench()];
  for (const bench of [first, second]) {
    bench.buffer(0, 480, 0, IOC);
    bench.buffer(1, 480, 0, IOC);
  }
  first.start(1);
  first.wait(7);
  second.slot.clock.advanceTo(first.slot.clock.nowNanos());
  second.card.restore(structuredClone(first.card.save()));
  first.heard.length = 0;
  for (const bench of [first, second]) bench.wait(30);
  assert.deepEqual(second.heard, first.heard);
  assert.deepEqual(second.card.save(), first.card.save());
  assert.throws(() => second.card.restore({ version: 7 }), /version 7/);
});
