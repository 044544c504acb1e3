import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { HostWork } from '../../machine/host-work.ts';
import { PageAbsent } from '../../machine/interfaces.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';
import { ManualClock } from '../../machine/manual-clock.ts';
import { Sb16 } from './sb16.ts';

const MILLISECOND = 1_000_000n;
const RESET = 0x6;
const READ = 0xa;
const COMMAND = 0xc;
const STATUS = 0xe;
const ACKNOWLEDGE_16 = 0xf;

/** A DMA channel that goes round in a ring of bytes. */
class RingChannel implements IsaDmaChannel {
  ready = true;
  absent = false;
  at = 0;
  moves = 0;
  readonly ring = new Uint8Array(4096);

  move(direction: 'toMemory' | 'fromMemory', data: Uint8Array) {
    if (this.absent) throw new PageAbsent(0);
    if (!this.ready) return { moved: 0, tc: false };
    for (let i = 0; i < data.length; i++) {
      const at = (this.at + i) % this.ring.length;
      if (direction === 'toMemory') this.ring[at] = data[i];
      else data[i] = this.ring[at];
    }
    this.at = (this.at + data.length) % this.ring.length;
    this.moves++;
    return { moved: data.length, tc: false };
  }

  onReady(): void {}
}

class Bench {
  readonly clock = new ManualClock();
  readonly hostWork = new HostWork(this.clock, 'arrival');
  readonly bytes = new RingChannel();
  readonly words = new RingChannel();
  /** Levels of the interrupt line: rising edges, and the present one. */
  edges = 0;
  level = false;
  readonly heard: [left: number, right: number][] = [];
  rateHz = 0;
  readonly card = new Sb16({
    clock: this.clock,
    hostWork: this.hostWork,
    channels: [this.bytes, this.words],
    jumpers: { interruptSetup: 0x02, dmaSetup: 0x22 },
    irq: {
      set: (level) => {
        if (level && !this.level) this.edges++;
        this.level = level;
      },
    },
    voice: () => ({
      play: (samples, rateHz) => {
        this.rateHz = rateHz;
        for (let i = 0; i < samples.length; i += 2) this.heard.push([samples[i], samples[i + 1]]);
      },
      stop: () => {},
    }),
  });

  constructor() {
    for (const index of [0x30, 0x31, 0x32, 0x33]) this.setMixer(index, 0xf8);
    this.reset();
    assert.equal(this.card.read(READ, 1), 0xaa);
  }

  reset(): void {
    this.card.write(RESET, 1, 1);
    this.card.write(RESET, 1, 0);
  }

  command(...bytes: readonly number[]): void {
    for (const byte of bytes) this.card.write(COMMAND, 1, byte);
  }

  setMixer(index: number, value: number): void {
    this.card.write(4, 1, index);
    this.card.write(5, 1, value);
  }

  mixer(index: number): number {
    this.card.write(4, 1, index);
    return this.card.read(5, 1);
  }

  wait(millis: number): void {
    this.clock.advanceTo(this.clock.nowNanos() + BigInt(millis) * MILLISECOND);
  }
}

test('a reset is answered with AAh, once', () => {
  const bench = new Bench();
  bench.reset();
  assert.equal(bench.card.read(STATUS, 1) & 0x80, 0x80);
  assert.equal(bench.card.read(READ, 1), 0xaa);
  assert.equal(bench.card.read(STATUS, 1) & 0x80, 0);
  assert.equal(bench.card.read(COMMAND, 1) & 0x80, 0);
});

test('the DSP says its version and who it is', () => {
  const bench = new Bench();
  bench.command(0xe1);
  assert.deepEqual([bench.card.read(READ, 1), bench.card.read(READ, 1)], [4, 5]);
  bench.command(0xe0, 0x5a);
  assert.equal(bench.card.read(READ, 1), 0xa5);
  bench.command(0xe4, 0x77, 0xe8);
  assert.equal(bench.card.read(READ, 1), 0x77);
  bench.command(0xd1, 0xd8, 0xd3, 0xd8);
  assert.deepEqual([bench.card.read(READ, 1), bench.card.read(READ, 1)], [0xff, 0]);
});

test('a block of unsigned bytes plays at its rate and ends with an interrupt', () => {
  const bench = new Bench();
  for (let i = 0; i < 100; i++) bench.bytes.ring[i] = i;
  bench.command(0x40, 256 - 100); // 10 kHz
  bench.command(0x14, 99, 0);
  bench.wait(9);
  assert.equal(bench.edges, 0);
  bench.wait(1);
  assert.equal(bench.edges, 1);
  assert.equal(bench.rateHz, 10_000);
  assert.deepEqual(
    bench.heard,
    Array.from({ length: 100 }, (_, i) => [(i - 128) * 256, (i - 128) * 256]),
  );
  assert.equal(bench.mixer(0x82), 1);
  bench.card.read(STATUS, 1);
  assert.equal(bench.level, false);
  assert.equal(bench.mixer(0x82), 0);
  bench.wait(100);
  assert.equal(bench.edges, 1);
});

test('auto-initialised stereo of signed words interrupts after each block, until it is told to end', () => {
  const bench = new Bench();
  const words = new Int16Array(bench.words.ring.buffer);
  for (let i = 0; i < words.length; i++) words[i] = i % 2 === 0 ? 1000 : -2000;
  bench.command(0x41, 44_100 >> 8, 44_100 & 0xff);
  bench.command(0xb6, 0x30, 0xb8, 0x01); // 441 words: a frame is cut
  for (let block = 1; block <= 4; block++) {
    bench.wait(5);
    assert.equal(bench.edges, block);
    assert.equal(bench.mixer(0x82), 2);
    bench.card.read(STATUS, 1);
    assert.equal(bench.level, true);
    bench.card.read(ACKNOWLEDGE_16, 1);
    assert.equal(bench.level, false);
  }
  assert.equal(bench.rateHz, 44_100);
  assert.equal(bench.heard.length, 882);
  assert.ok(bench.heard.every(([left, right]) => left === 1000 && right === -2000));
  bench.command(0xd9);
  bench.wait(100);
  assert.equal(bench.heard.length, Math.floor((5 * 441) / 2));
});

test('a paused transfer goes on where it was', () => {
  const bench = new Bench();
  bench.command(0x40, 256 - 100, 0x48, 0xff, 0x0f, 0x1c);
  bench.wait(50);
  bench.command(0xd0);
  bench.wait(1000);
  assert.equal(bench.bytes.at, 500);
  bench.command(0xd4);
  bench.wait(50);
  assert.equal(bench.bytes.at, 1000);
});

test('a masked DMA channel holds the sound up, and it goes on later', () => {
  const bench = new Bench();
  bench.command(0x40, 256 - 100, 0x14, 99, 0);
  bench.bytes.ready = false;
  bench.wait(100);
  assert.equal(bench.edges, 0);
  bench.bytes.ready = true;
  bench.wait(30);
  assert.equal(bench.edges, 1);
});

test('an absent page is waited for, and nothing is moved twice', () => {
  const bench = new Bench();
  bench.command(0x40, 256 - 100, 0x14, 99, 0);
  bench.bytes.absent = true;
  bench.wait(10);
  assert.throws(() => bench.hostWork.deliver(), PageAbsent);
  bench.bytes.absent = false;
  bench.hostWork.deliver();
  bench.wait(1);
  assert.deepEqual([bench.edges, bench.heard.length, bench.bytes.at], [1, 100, 100]);
});

test('recording hears silence in every format', () => {
  const formats = [
    [0xc8, 0x00, [0x80, 0x80]],
    [0xc8, 0x10, [0, 0]],
    [0xb8, 0x00, [0, 0x80]],
    [0xb8, 0x10, [0, 0]],
  ] as const;
  for (const [code, mode, expected] of formats) {
    const bench = new Bench();
    const channel = code === 0xb8 ? bench.words : bench.bytes;
    channel.ring.fill(0x55);
    bench.command(code, mode, 9, 0);
    bench.wait(10);
    assert.equal(bench.edges, 1);
    assert.deepEqual([...channel.ring.subarray(0, 2)], expected);
  }
});

test('the mixer makes sound softer on each side', () => {
  const bench = new Bench();
  bench.bytes.ring.fill(0xff);
  bench.setMixer(0x22, 0xf0); // the Pro's master volume: left full, right none
  bench.command(0x14, 9, 0);
  bench.wait(10);
  const [left, right] = bench.heard[0];
  assert.ok(left > 32_000 && right < 100, `${left} ${right}`);
  assert.equal(bench.mixer(0x30), 0xf8);
  assert.equal(bench.mixer(0x31), 0x08);
});

test('the mixer shows how the jumpers are set and what a reset leaves', () => {
  const bench = new Bench();
  assert.deepEqual([bench.mixer(0x80), bench.mixer(0x81)], [0x02, 0x22]);
  bench.setMixer(0x80, 0x08);
  assert.equal(bench.mixer(0x80), 0x02);
  bench.setMixer(0, 0);
  assert.deepEqual(
    [0x22, 0x04, 0x30, 0x3c, 0x44].map((index) => bench.mixer(index)),
    [0xcc, 0xcc, 0xc0, 0x1f, 0x80],
  );
});

test('samples that are sent one by one last until the next', () => {
  const bench = new Bench();
  for (let n = 0; n < 10; n++) {
    bench.command(0x10, n % 2 === 0 ? 0xff : 0x00);
    bench.wait(1);
  }
  assert.equal(bench.heard.length, 9 * 48);
  assert.ok(bench.heard[0][0] > 32_000 && bench.heard[48][0] === -32_768);
  bench.wait(200);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
});

test('a stretch of silence and a wanted interrupt come', () => {
  const bench = new Bench();
  bench.command(0x40, 256 - 100, 0x80, 99, 0);
  bench.wait(10);
  assert.deepEqual([bench.edges, bench.bytes.moves], [1, 0]);
  bench.card.read(STATUS, 1);
  bench.command(0xf3);
  assert.equal(bench.edges, 2);
  bench.card.read(ACKNOWLEDGE_16, 1);
  bench.command(0xf2);
  assert.equal(bench.mixer(0x82), 1);
});

test('compressed sound takes its time without being heard', () => {
  const bench = new Bench();
  bench.command(0x40, 256 - 100, 0x74, 49, 0);
  bench.wait(9);
  assert.equal(bench.edges, 0);
  bench.wait(1);
  assert.deepEqual([bench.edges, bench.heard.length, bench.bytes.at], [1, 0, 50]);
});

test('a restored card goes on as the saved one', () => {
  const [first, second] = [new Bench(), new Bench()];
  first.command(0x41, 22_050 >> 8, 22_050 & 0xff, 0xc6, 0x20, 0xff, 0x01);
  first.wait(20);
  first.command(0x41, 0x10);
  second.clock.advanceTo(first.clock.nowNanos());
  second.card.restore(structuredClone(first.card.save()));
  second.bytes.at = first.bytes.at;
  for (const bench of [first, second]) {
    bench.heard.length = 0;
    bench.edges = 0;
    bench.command(0x00);
    bench.wait(100);
  }
  assert.deepEqual(second.card.save(), first.card.save());
  assert.deepEqual([second.edges, second.heard], [first.edges, first.heard]);
  assert.throws(() => second.card.restore({ version: 9 }), /version 9/);
});

test('a reset stops everything', () => {
  const bench = new Bench();
  bench.command(0x1c, 0xf2);
  bench.reset();
  assert.equal(bench.level, false);
  bench.wait(500);
  assert.deepEqual([bench.edges, bench.bytes.moves], [1, 0]);
});

test('survives random accesses', () => {
  const random = new SplitMix64(5n);
  const below = (limit: number) => Number(random.next() % BigInt(limit));
  const bench = new Bench();
  for (let n = 0; n < 20_000; n++) {
    const offset = below(4) === 0 ? below(16) : COMMAND;
    if (below(4) === 0) assert.ok(bench.card.read(offset, 1) <= 0xff);
    else bench.card.write(offset, 1, below(256));
    if (below(50) === 0) bench.wait(below(10));
    bench.heard.length = 0;
  }
  const other = new Bench();
  other.card.restore(bench.card.save());
  assert.deepEqual(other.card.save(), bench.card.save());
});
