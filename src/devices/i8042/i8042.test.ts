import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { I8042 } from './i8042.ts';
import { KEY_PAUSE, KEY_PRINT_SCREEN } from './scan-codes.ts';

const DATA = 0;
const COMMAND = 4;
const BYTE_TIME = 700_000n;
const KEY_A = 0x1c;
const KEY_UP = 0xe075;

class Bench {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  irq1 = false;
  irq12 = false;
  irq1Rises = 0;
  readonly i8042 = new I8042({
    clock: this.clock,
    keyboardIrq: { set: (level) => this.#onIrq1(level) },
    auxIrq: { set: (level) => (this.irq12 = level) },
    a20: { set: (level) => this.events.push(`a20 ${level}`) },
    reset: () => this.events.push('reset'),
  });

  #onIrq1(level: boolean): void {
    if (level && !this.irq1) this.irq1Rises++;
    this.irq1 = level;
  }

  command(command: number, ...data: number[]): void {
    this.i8042.write(COMMAND, 1, command);
    for (const byte of data) this.send(byte);
  }

  send(byte: number): void {
    this.i8042.write(DATA, 1, byte);
  }

  status(): number {
    return this.i8042.read(COMMAND, 1);
  }

  data(): number {
    return this.i8042.read(DATA, 1);
  }

  wait(nanos: bigint): void {
    this.clock.advanceTo(this.clock.nowNanos() + nanos);
  }

  /** Reads everything the controller and its devices have to say, waiting as a polling guest would. */
  drain(): number[] {
    const bytes: number[] = [];
    for (;;) {
      if ((this.status() & 1) === 0) this.wait(BYTE_TIME);
      if ((this.status() & 1) === 0) return bytes;
      bytes.push(this.data());
    }
  }

  /** Sends bytes to the mouse one after another. @returns its answers */
  aux(...bytes: number[]): number[] {
    return bytes.flatMap((byte) => {
      this.command(0xd4, byte);
      return this.drain();
    });
  }

  keyboard(...bytes: number[]): number[] {
    return bytes.flatMap((byte) => {
      this.send(byte);
      return this.drain();
    });
  }

  /** Turns translation off. */
  untranslated(): this {
    this.command(0x60, 0x05);
    return this;
  }
}

test('the self-test and the tests of both ports pass', () => {
  const bench = new Bench();
  bench.command(0xaa);
  assert.equal(bench.status() & 0x2d, 0x0d);
  assert.equal(bench.data(), 0x55);
  assert.equal(bench.status() & 0x01, 0);
  for (const command of [0xab, 0xa9]) {
    bench.command(command);
    assert.equal(bench.data(), 0);
  }
  bench.command(0xa4);
  assert.equal(bench.data(), 0xf1);
});

test('the command byte is as firmware leaves it and follows the enable commands', () => {
  const bench = new Bench();
  const read = () => {
    bench.command(0x20);
    return bench.data();
  };
  assert.equal(read(), 0x65);
  bench.command(0xa8);
  assert.equal(read(), 0x45);
  bench.command(0xa7);
  bench.command(0xad);
  assert.equal(read(), 0x75);
  bench.command(0xae);
  bench.command(0x60, 0x47);
  assert.equal(read(), 0x47);
  bench.command(0x7f, 0x99);
  bench.command(0x3f);
  assert.equal(bench.data(), 0x99);
});

test('a key is translated to set 1, interrupts for each byte and comes a byte time apart', () => {
  const bench = new Bench();
  bench.i8042.keyboard.key(KEY_A, true);
  bench.i8042.keyboard.key(KEY_A, false);
  assert.equal(bench.irq1, true);
  assert.equal(bench.data(), 0x1e);
  assert.equal(bench.irq1, false);
  assert.equal(bench.status() & 1, 0);
  assert.equal(bench.data(), 0x1e, 'a second read gives the same byte');
  bench.wait(BYTE_TIME);
  assert.equal(bench.irq1Rises, 2);
  assert.equal(bench.data(), 0x9e);
});

test('extended keys, print screen and pause have their sequences in every set', () => {
  const keys = [KEY_UP, KEY_PRINT_SCREEN, KEY_PAUSE];
  const typed = (bench: Bench) =>
    keys.map((key) => {
      bench.i8042.keyboard.key(key, true);
      bench.i8042.keyboard.key(key, false);
      return bench.drain();
    });
  const set1 = [
    [0xe0, 0x48, 0xe0, 0xc8],
    [0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa],
    [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5],
  ];
  assert.deepEqual(typed(new Bench()), set1);
  assert.deepEqual(typed(new Bench().untranslated()), [
    [0xe0, 0x75, 0xe0, 0xf0, 0x75],
    [0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12],
    [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77],
  ]);
  const own1 = new Bench().untranslated();
  own1.keyboard(0xf0, 0x01);
  assert.deepEqual(typed(own1), set1);
  const own3 = new Bench().untranslated();
  own3.keyboard(0xf0, 0x03);
  assert.deepEqual(typed(own3), [
    [0x63, 0xf0, 0x63],
    [0x57, 0xf0, 0x57],
    [0x62, 0xf0, 0x62],
  ]);
});

test('the keyboard answers the commands by which systems find and set it up', () => {
  const bench = new Bench().untranslated();
  assert.deepEqual(bench.keyboard(0xff), [0xfa, 0xaa]);
  assert.deepEqual(bench.keyboard(0xf2), [0xfa, 0xab, 0x83]);
  assert.deepEqual(bench.keyboard(0xee), [0xee]);
  assert.deepEqual(bench.keyboard(0xed, 0x07), [0xfa, 0xfa]);
  assert.equal(bench.i8042.keyboard.leds, 7);
  assert.deepEqual(bench.keyboard(0xf3, 0x00), [0xfa, 0xfa]);
  assert.deepEqual(bench.keyboard(0xf0, 0x00), [0xfa, 0xfa, 0x02]);
  assert.deepEqual(bench.keyboard(0xf0, 0x01, 0xf0, 0x00), [0xfa, 0xfa, 0xfa, 0xfa, 0x01]);
  assert.deepEqual(bench.keyboard(0xf6, 0xf0, 0x00), [0xfa, 0xfa, 0xfa, 0x02]);
  assert.deepEqual(bench.keyboard(0xf8), [0xfa]);
  assert.deepEqual(bench.keyboard(0xfc, 0x1c), [0xfa, 0xfa]);
  assert.deepEqual(bench.keyboard(0x12), [0xfe]);
  assert.deepEqual(bench.keyboard(0xf4, 0xfe), [0xfa, 0xfa]);
});

test('a disabled keyboard is silent; answers go before scan codes', () => {
  const bench = new Bench();
  bench.keyboard(0xf5);
  bench.i8042.keyboard.key(KEY_A, true);
  assert.deepEqual(bench.drain(), []);
  bench.keyboard(0xf4);
  bench.command(0xad);
  bench.i8042.keyboard.key(KEY_A, true);
  assert.equal(bench.status() & 1, 0);
  bench.send(0xee);
  assert.deepEqual(bench.drain(), [0xee, 0x1e], 'sending to the keyboard enables its port');
});

test('a held key is repeated as the guest sets it, until it or another is released or pressed', () => {
  const bench = new Bench();
  bench.i8042.keyboard.key(KEY_A, true);
  assert.deepEqual(bench.drain(), [0x1e]);
  bench.wait(480_000_000n);
  assert.deepEqual(bench.drain(), []);
  const count = (nanos: bigint) => {
    let bytes = 0;
    for (const end = bench.clock.nowNanos() + nanos; bench.clock.nowNanos() < end; ) {
      bench.wait(5_000_000n);
      bytes += bench.drain().filter((byte) => byte === 0x1e).length;
    }
    return bytes;
  };
  assert.ok(Math.abs(count(1_000_000_000n) - 11) <= 1);
  bench.keyboard(0xf3, 0x00);
  assert.ok(Math.abs(count(1_000_000_000n) - 30) <= 2);
  bench.i8042.keyboard.key(KEY_UP, true);
  bench.i8042.keyboard.key(KEY_A, false);
  bench.drain();
  bench.wait(260_000_000n);
  assert.deepEqual(bench.drain(), [0xe0, 0x48]);
  bench.i8042.keyboard.key(KEY_UP, false);
  bench.drain();
  bench.wait(1_000_000_000n);
  assert.deepEqual(bench.drain(), []);
});

test('a held key that its viewer repeats is repeated by the viewer alone, as fast as the guest fetches it', () => {
  const bench = new Bench();
  const { keyboard } = bench.i8042;
  keyboard.key(KEY_A, true, false);
  bench.wait(2_000_000_000n);
  assert.deepEqual(bench.drain(), [0x1e]);
  for (let i = 0; i < 3; i++) keyboard.again(KEY_A);
  assert.ok(bench.drain().length < 3);
  keyboard.again(KEY_A);
  keyboard.key(KEY_A, false);
  assert.deepEqual(bench.drain(), [0x1e, 0x9e]);
});

test('keys that do not fit are reported once and then keys arrive again', () => {
  const bench = new Bench();
  for (let i = 0; i < 1000; i++) bench.i8042.keyboard.key(KEY_A, true);
  assert.equal(bench.i8042.keyboard.scanCodeSpace, 0);
  const bytes = bench.drain();
  assert.equal(bytes.length, 257);
  assert.equal(bytes.at(-1), 0xff, '00h, translated');
  bench.i8042.keyboard.key(KEY_A, true);
  assert.deepEqual(bench.drain(), [0x1e]);
});

test('an unread key makes way for the answer of the controller and is not lost', () => {
  const bench = new Bench();
  bench.i8042.keyboard.key(KEY_A, true);
  bench.command(0xd0);
  assert.equal(bench.data(), 0xdf);
  assert.equal(bench.status() & 1, 1);
  assert.equal(bench.data(), 0x1e);
});

test('the output port gates A20 and resets the processor', () => {
  const bench = new Bench();
  bench.command(0xd1, 0xdd);
  bench.command(0xdf);
  bench.command(0xdd);
  bench.command(0xd0);
  assert.equal(bench.data() & 0x03, 0x01);
  bench.command(0xff);
  assert.deepEqual(bench.events, ['a20 false', 'a20 true', 'a20 false']);
  bench.command(0xfe);
  bench.command(0xd1, 0xde);
  assert.deepEqual(bench.events.slice(3), ['reset', 'a20 true', 'reset']);
});

test('bytes written to the output buffers come from keyboard and mouse', () => {
  const bench = new Bench();
  bench.command(0x60, 0x47);
  bench.command(0xd2, 0x5a);
  assert.equal(bench.status() & 0x21, 0x01);
  assert.equal(bench.irq1, true);
  assert.equal(bench.data(), 0x5a);
  bench.command(0xd3, 0xa5);
  assert.equal(bench.status() & 0x21, 0x21);
  assert.equal(bench.irq12, true);
  assert.equal(bench.irq1, false);
  assert.equal(bench.data(), 0xa5);
  assert.equal(bench.irq12, false);
});

test('the mouse resets, identifies itself and tells its status', () => {
  const bench = new Bench();
  assert.deepEqual(bench.aux(0xff), [0xfa, 0xaa, 0x00]);
  assert.deepEqual(bench.aux(0xf2), [0xfa, 0x00]);
  assert.deepEqual(bench.aux(0xe9), [0xfa, 0x00, 0x02, 100]);
  assert.deepEqual(bench.aux(0xe8, 3, 0xf3, 40, 0xe7, 0xf4), [0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa]);
  assert.deepEqual(bench.aux(0xe9), [0xfa, 0x30, 3, 40]);
  assert.deepEqual(bench.aux(0x01), [0xfe]);
  assert.deepEqual(bench.aux(0xee, 0x55, 0xec), [0xfa, 0x55, 0xfa]);
});

test('movement is reported in stream mode once enabled, larger movement in several packets', () => {
  const bench = new Bench();
  bench.aux(0xff);
  bench.i8042.mouse.move(5, 5, 0, 0);
  assert.deepEqual(bench.drain(), []);
  bench.aux(0xff, 0xf4);
  bench.command(0x60, 0x47);
  bench.i8042.mouse.move(3, 4, 1, 1);
  assert.equal(bench.irq12, true);
  assert.deepEqual(bench.drain(), [0x29, 3, 0xfc]);
  bench.i8042.mouse.move(-300, 0, 0, 0);
  assert.deepEqual(bench.drain(), [0x18, 0x01, 0, 0x18, 0xd3, 0]);
});

test('a click between two reads is not lost', () => {
  const bench = new Bench();
  bench.aux(0xff, 0xf4);
  bench.i8042.mouse.move(1, 0, 0, 0);
  bench.i8042.mouse.move(0, 0, 0, 1);
  bench.i8042.mouse.move(0, 0, 0, 0);
  assert.deepEqual(bench.drain(), [0x08, 1, 0, 0x09, 0, 0, 0x08, 0, 0]);
});

test('the knocks turn on the wheel and the side buttons', () => {
  const bench = new Bench();
  bench.aux(0xff, 0xf3, 200, 0xf3, 100, 0xf3, 80);
  assert.deepEqual(bench.aux(0xf2), [0xfa, 3]);
  bench.aux(0xf4);
  bench.i8042.mouse.move(0, 0, -2, 4);
  assert.deepEqual(bench.drain(), [0x0c, 0, 0, 0xfe]);
  bench.aux(0xf3, 200, 0xf3, 200, 0xf3, 80);
  assert.deepEqual(bench.aux(0xf2), [0xfa, 4]);
  bench.i8042.mouse.move(0, 0, 1, 0x18);
  assert.deepEqual(bench.drain(), [0x08, 0, 0, 0x31]);
});

test('remote mode reports when asked', () => {
  const bench = new Bench();
  bench.aux(0xff, 0xf0, 0xf4);
  bench.i8042.mouse.move(7, 0, 0, 0);
  assert.deepEqual(bench.drain(), []);
  assert.deepEqual(bench.aux(0xeb), [0xfa, 0x08, 7, 0]);
});

test('2:1 scaling stretches fast movement', () => {
  const bench = new Bench();
  bench.aux(0xff, 0xe7, 0xf4);
  bench.i8042.mouse.move(4, 100, 0, 0);
  assert.deepEqual(bench.drain(), [0x28, 6, 0x38]);
});

test('a restored controller goes on with its bytes, its pace and its lines', () => {
  const first = new Bench();
  first.aux(0xff, 0xf4);
  first.i8042.keyboard.key(KEY_UP, true);
  first.i8042.mouse.move(9, 0, 0, 0);
  first.data();
  first.command(0xd4);
  const second = new Bench();
  second.wait(first.clock.nowNanos());
  second.i8042.restore(first.i8042.save());
  assert.deepEqual(second.i8042.save(), first.i8042.save());
  assert.deepEqual(second.events, ['a20 true']);
  second.wait(BYTE_TIME);
  assert.equal(second.irq1, true);
  second.send(0xf2);
  assert.deepEqual(second.drain(), [0x48, 0xfa, 0x00, 0x08, 9, 0]);
});

test('a record of another version is refused', () => {
  assert.throws(() => new Bench().i8042.restore({ version: 5 }), /version 5/);
});

test('no access of any value, size or offset throws, and reads stay bytes', () => {
  const bench = new Bench();
  for (let i = 0; i < 30000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    bench.i8042.write((value >>> 8) & 7, [1, 2, 4][i % 3], value);
    bench.i8042.keyboard.key(value & 0xffff, (value & 0x10000) !== 0);
    bench.i8042.mouse.move((value & 0xfff) - 2048, value >>> 20, (value & 15) - 8, value >>> 5);
    const read = bench.i8042.read((value >>> 12) & 7, 1);
    assert.ok(Number.isInteger(read) && read >= 0 && read <= 0xff);
    bench.wait(BigInt(value & 0xfffff));
    bench.events.length = 0;
  }
});
