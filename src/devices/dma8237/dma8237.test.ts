import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { IsaDma } from './isa-dma.ts';

const MODE_WRITE = 0x44;
const MODE_READ = 0x48;

function setUp() {
  const { memory, ram, pageFlags } = new TestSlot();
  const dma = new IsaDma(memory);
  /** Programs channel 2 as a floppy driver does. */
  const program = (mode: number, gpa: number, count: number) => {
    for (const [port, value] of [
      [10, 6],
      [12, 0],
      [11, mode | 2],
      [4, gpa & 0xff],
      [4, (gpa >> 8) & 0xff],
      [5, (count - 1) & 0xff],
      [5, (count - 1) >> 8],
    ])
      dma.bytes.write(port, 1, value);
    dma.pages.write(1, 1, gpa >> 16);
    dma.bytes.write(10, 1, 2);
  };
  return { dma, ram, pageFlags, program, channel: dma.channel(2) };
}

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i + 1);

test('a masked channel moves nothing', () => {
  const { channel } = setUp();
  assert.equal(channel.ready, false);
  assert.deepEqual(channel.move('toMemory', counting(4)), { moved: 0, tc: false });
});

test('a channel moves to memory until its count is reached, and is masked then', () => {
  const { dma, ram, program, channel } = setUp();
  program(MODE_WRITE, 0x12340, 6);
  assert.deepEqual(channel.move('toMemory', counting(4)), { moved: 4, tc: false });
  assert.deepEqual([dma.bytes.read(5, 1), dma.bytes.read(5, 1)], [1, 0]);
  assert.deepEqual(channel.move('toMemory', counting(4)), { moved: 2, tc: true });
  assert.deepEqual([...ram.subarray(0x12340, 0x12347)], [1, 2, 3, 4, 1, 2, 0]);
  assert.equal(channel.ready, false);
  assert.deepEqual([dma.bytes.read(8, 1), dma.bytes.read(8, 1)], [4, 0]);
});

test('a channel reads memory, and the other direction keeps it', () => {
  const { ram, program, channel } = setUp();
  ram.set([9, 8, 7], 0x500);
  program(MODE_READ, 0x500, 3);
  const data = new Uint8Array(3);
  assert.deepEqual(channel.move('fromMemory', data), { moved: 3, tc: true });
  assert.deepEqual([...data], [9, 8, 7]);
  program(MODE_READ, 0x500, 3);
  assert.equal(channel.move('toMemory', counting(3)).moved, 3);
  assert.deepEqual([...ram.subarray(0x500, 0x503)], [9, 8, 7]);
});

test('addresses wrap inside 64 KiB', () => {
  const { ram, program, channel } = setUp();
  program(MODE_WRITE, 0x1fffe, 4);
  channel.move('toMemory', counting(4));
  assert.deepEqual([ram[0x1fffe], ram[0x1ffff], ram[0x10000], ram[0x10001], ram[0x20000]], [1, 2, 3, 4, 0]);
});

test('addresses can count down', () => {
  const { ram, program, channel } = setUp();
  program(MODE_WRITE | 0x20, 0x802, 3);
  channel.move('toMemory', counting(3));
  assert.deepEqual([...ram.subarray(0x800, 0x803)], [3, 2, 1]);
});

test('auto-initialisation begins anew', () => {
  const { ram, program, channel } = setUp();
  program(MODE_WRITE | 0x10, 0x900, 2);
  assert.equal(channel.move('toMemory', counting(2)).tc, true);
  assert.equal(channel.ready, true);
  channel.move('toMemory', Uint8Array.of(7));
  assert.deepEqual([...ram.subarray(0x900, 0x902)], [7, 2]);
});

test('the second controller moves words', () => {
  const { dma, ram } = setUp();
  const write = (register: number, value: number) => dma.words.write(register * 2, 1, value);
  write(12, 0);
  write(11, MODE_WRITE | 1);
  write(2, 0x10);
  write(2, 0x00);
  write(3, 1);
  write(3, 0);
  dma.pages.write(0x0b, 1, 0x03);
  write(10, 1);
  assert.deepEqual(dma.channel(5).move('toMemory', counting(8)), { moved: 4, tc: true });
  assert.deepEqual([...ram.subarray(0x20020, 0x20025)], [1, 2, 3, 4, 0]);
});

test('a device hears when its channel becomes ready', () => {
  const { dma, program, channel } = setUp();
  let heard = 0;
  channel.onReady(() => heard++);
  dma.bytes.write(8, 1, 4);
  program(MODE_WRITE, 0, 1);
  assert.equal(heard, 0);
  dma.bytes.write(8, 1, 0);
  assert.equal(heard, 1);
  dma.bytes.write(13, 1, 0);
  assert.equal(channel.ready, false);
  dma.bytes.write(14, 1, 0);
  assert.equal(heard, 2);
});

test('an absent page leaves the channel as it was', () => {
  const { dma, program, channel, pageFlags } = setUp();
  program(MODE_WRITE, 0x3000, 16);
  pageFlags[3] = 1;
  const before = dma.save();
  assert.throws(() => channel.move('toMemory', counting(16)));
  assert.deepEqual(dma.save(), before);
});

test('survives random accesses, and its state is restored', () => {
  const random = new SplitMix64(3n);
  const below = (limit: number) => Number(random.next() % BigInt(limit));
  const { dma } = setUp();
  for (let n = 0; n < 20_000; n++) {
    const bank = [dma.bytes, dma.words, dma.pages][below(3)];
    const offset = below(bank === dma.words ? 32 : 16);
    if (below(3) === 0) assert.ok(bank.read(offset, 1) <= 0xff);
    else bank.write(offset, 1, below(256));
    const direction = below(2) === 0 ? 'toMemory' : 'fromMemory';
    if (below(4) === 0) dma.channel([0, 1, 2, 3, 5, 6, 7][below(7)]).move(direction, new Uint8Array(below(300)));
  }
  const other = setUp().dma;
  other.restore(dma.save());
  assert.deepEqual(other.save(), dma.save());
});
