import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';
import { makeTestDisk } from '../../machine/test-disk-queue.case.ts';
import { Fdc82078 } from './fdc82078.ts';
import { FloppyDrive } from './floppy-drive.ts';
import { formatOf } from './formats.ts';

const SECTORS_1440K = 2880;

/** A DMA channel that moves as much as the test allows. */
class FakeDma implements IsaDmaChannel {
  readonly memory: number[] = [];
  left = 0;
  ready = false;
  #listen: () => void = () => {};

  allow(bytes: number): void {
    this.left = bytes;
    this.ready = true;
    this.#listen();
  }
  move(direction: 'toMemory' | 'fromMemory', data: Uint8Array) {
    if (!this.ready) return { moved: 0, tc: false };
    const moved = Math.min(this.left, data.length);
    if (direction === 'toMemory') this.memory.push(...data.subarray(0, moved));
    else data.set(this.memory.splice(0, moved));
    this.left -= moved;
    this.ready = this.left > 0;
    return { moved, tc: this.left === 0 };
  }
  onReady(listen: () => void): void {
    this.#listen = listen;
  }
}

function setUp({ sectors = SECTORS_1440K, readOnly = false, rate = 0 } = {}) {
  const test = makeTestDisk(sectors, readOnly);
  const dma = new FakeDma();
  const drive = new FloppyDrive(test.disk);
  const seen = { irq: false };
  const irq = { set: (level: boolean) => (seen.irq = level) };
  const fdc = new Fdc82078({ drives: [drive], irq, dma, hostWork: test.work });
  const command = (...bytes: readonly number[]) => {
    for (const byte of bytes) fdc.write(5, 1, byte);
  };
  const result = () => {
    const bytes: number[] = [];
    while ((fdc.read(4, 1) & 0xd0) === 0xd0) bytes.push(fdc.read(5, 1));
    return bytes;
  };
  const senseInterrupt = () => {
    command(8);
    return result();
  };
  fdc.write(2, 1, 0x1c);
  fdc.write(7, 1, rate);
  command(3, 0xaf, 0x02);
  /** Reads or writes by DMA and answers the result. */
  const transfer = async (first: number, [c, h, r, eot]: readonly number[], bytes: number) => {
    command(first, h << 2, c, h, r, 2, eot, 0x1b, 0xff);
    dma.allow(bytes);
    await test.settle();
    return result();
  };
  return { ...test, fdc, dma, drive, seen, command, result, senseInterrupt, transfer };
}

const sectorOf = (bytes: readonly number[], n = 0) => bytes[n * 512] + bytes[n * 512 + 1] * 256;

describe('floppy formats', () => {
  const formats: [kib: number, cylinders: number, heads: number, sectors: number][] = [
    [160, 40, 1, 8],
    [180, 40, 1, 9],
    [320, 40, 2, 8],
    [360, 40, 2, 9],
    [720, 80, 2, 9],
    [1200, 80, 2, 15],
    [1440, 80, 2, 18],
    [1680, 80, 2, 21],
    [2880, 80, 2, 36],
  ];
  for (const [kib, cylinders, heads, sectors] of formats) {
    test(`${kib} KiB are ${cylinders} cylinders, ${heads} heads and ${sectors} sectors`, () => {
      const format = formatOf(kib * 1024);
      assert.deepEqual([format.cylinders, format.heads, format.sectors], [cylinders, heads, sectors]);
    });
  }

  test('an odd size is taken for the next larger disk', () => {
    assert.equal(formatOf(512).sectors, 9);
    assert.equal(formatOf(1_000_000).sectors, 18);
    assert.equal(formatOf(10_000_000).sectors, 36);
  });
});

describe('Fdc82078', () => {
  test('a reset interrupts, and four drives have to be sensed', () => {
    const { fdc, seen, senseInterrupt } = setUp();
    fdc.write(2, 1, 0x08);
    assert.deepEqual([fdc.read(4, 1), seen.irq], [0, false]);
    fdc.write(2, 1, 0x0c);
    assert.deepEqual([fdc.read(4, 1), seen.irq], [0x80, true]);
    assert.deepEqual([0, 1, 2, 3, 4].map(senseInterrupt), [[0xc0, 0], [0xc1, 0], [0xc2, 0], [0xc3, 0], [0x80]]);
    assert.equal(seen.irq, false);
  });

  test('reset by DSR works too, and without polling there is no interrupt', () => {
    const { fdc, seen, command, result } = setUp();
    fdc.write(4, 1, 0x80);
    assert.equal(seen.irq, true);
    command(0x94);
    assert.deepEqual(result(), [0x10]);
    command(0x13, 0, 0x57, 0);
    fdc.write(4, 1, 0x80);
    assert.equal(seen.irq, false);
  });

  test('the gate of DOR holds the interrupt back', () => {
    const { fdc, seen, command } = setUp();
    fdc.write(2, 1, 0x14);
    command(7, 0);
    assert.equal(seen.irq, false);
    fdc.write(2, 1, 0x1c);
    assert.equal(seen.irq, true);
  });

  test('seeking moves the head, is sensed and clears the change line', () => {
    const { fdc, command, senseInterrupt, seen } = setUp();
    assert.equal(fdc.read(7, 1), 0x80);
    command(0x0f, 0x04, 12);
    assert.deepEqual([seen.irq, fdc.read(4, 1), fdc.read(7, 1)], [true, 0x81, 0]);
    assert.deepEqual(senseInterrupt(), [0x24, 12]);
    assert.equal(fdc.read(4, 1), 0x80);
    command(0x8f, 0, 2);
    assert.deepEqual(senseInterrupt(), [0x20, 10]);
    command(7, 0);
    assert.deepEqual(senseInterrupt(), [0x20, 0]);
    command(7, 1);
    assert.deepEqual(senseInterrupt(), [0x71, 0]);
  });

  test('the change line is up after a disk was changed until the head steps', () => {
    const { fdc, drive, command, disk } = setUp();
    command(0x0f, 0, 1);
    drive.insert(undefined);
    command(0x0f, 0, 0);
    assert.equal(fdc.read(7, 1), 0x80);
    drive.insert(disk);
    command(0x0f, 0, 0);
    assert.equal(fdc.read(7, 1), 0x80);
    command(0x0f, 0, 1);
    assert.equal(fdc.read(7, 1), 0);
  });

  test('reads to the terminal count across heads', async () => {
    const { transfer, dma, seen } = setUp();
    assert.deepEqual(await transfer(0xe6, [0, 0, 17, 18], 3 * 512), [4, 0, 0, 0, 1, 2, 2]);
    assert.deepEqual(
      [0, 1, 2].map((n) => sectorOf(dma.memory, n)),
      [16, 17, 18],
    );
    assert.equal(seen.irq, false);
  });

  test('a transfer of both heads ends with the track of a disk that has one', async () => {
    const { transfer, dma } = setUp({ sectors: 320, rate: 2 });
    assert.deepEqual(await transfer(0xe6, [0, 0, 1, 8], 9 * 512), [0x40, 0x80, 0, 1, 0, 1, 2]);
    assert.equal(dma.memory.length, 8 * 512);
  });

  test('a read that ends with the cylinder names the next one', async () => {
    const { transfer, command, dma, senseInterrupt } = setUp();
    command(0x0f, 0, 5);
    senseInterrupt();
    assert.deepEqual(await transfer(0xe6, [5, 1, 18, 18], 512), [4, 0, 0, 6, 0, 1, 2]);
    assert.equal(sectorOf(dma.memory), 5 * 36 + 18 + 17);
  });

  test('without terminal count the end of the cylinder is an error', async () => {
    const { transfer } = setUp();
    assert.deepEqual((await transfer(0x46, [0, 0, 18, 18], 5000)).slice(0, 3), [0x40, 0x80, 0]);
  });

  test('writes whole sectors and fills up the last', async () => {
    const { transfer, dma, device, log } = setUp();
    dma.memory.push(...new Array(700).fill(7));
    assert.deepEqual(await transfer(0xc5, [0, 0, 2, 18], 700), [0, 0, 0, 0, 0, 4, 2]);
    assert.deepEqual(log(), ['write 1+2']);
    assert.deepEqual([device.bytes[512], device.bytes[512 + 699], device.bytes[512 + 700]], [7, 7, 0]);
  });

  test('refuses what the disk or the place does not allow', async () => {
    const a = setUp();
    assert.deepEqual((await a.transfer(0x46, [1, 0, 1, 18], 512)).slice(0, 3), [0x40, 4, 0x10]);
    assert.deepEqual((await a.transfer(0x46, [0, 0, 19, 18], 512)).slice(0, 3), [0x40, 4, 0]);
    assert.deepEqual((await setUp({ readOnly: true }).transfer(0x45, [0, 0, 1, 18], 512)).slice(0, 3), [0x40, 2, 0]);
    assert.deepEqual((await setUp({ rate: 2 }).transfer(0x46, [0, 0, 1, 18], 512)).slice(0, 3), [0x40, 1, 0]);
    a.drive.insert(undefined);
    assert.deepEqual((await a.transfer(0x46, [0, 0, 1, 18], 512)).slice(0, 3), [0x40, 1, 0]);
    a.drive.insert(a.disk);
    a.device.broken = true;
    assert.deepEqual((await a.transfer(0x46, [0, 0, 1, 18], 512)).slice(0, 3), [0x40, 0x20, 0x20]);
  });

  test('implied seeks go to the cylinder first', async () => {
    const { command, transfer, dma } = setUp();
    command(0x13, 0, 0x40, 0);
    assert.equal((await transfer(0xe6, [3, 0, 1, 18], 512))[0], 0);
    assert.equal(sectorOf(dma.memory), 3 * 36);
  });

  test('reads and writes byte by byte without DMA', async () => {
    const { fdc, command, settle, result, seen, device } = setUp();
    command(3, 0xaf, 0x03);
    command(0x46, 0, 0, 0, 3, 2, 3, 0x1b, 0xff);
    assert.equal(fdc.read(4, 1), 0x30);
    await settle();
    assert.deepEqual([fdc.read(4, 1), seen.irq], [0xf0, true]);
    const bytes = Array.from({ length: 512 }, () => fdc.read(5, 1));
    assert.equal(sectorOf(bytes), 2);
    assert.deepEqual(result().slice(0, 2), [0x40, 0x80]);
    command(0x45, 0, 0, 0, 4, 2, 4, 0x1b, 0xff);
    assert.equal(fdc.read(4, 1), 0xb0);
    for (let n = 0; n < 512; n++) fdc.write(5, 1, n);
    await settle();
    assert.deepEqual(result().slice(0, 2), [0x40, 0x80]);
    assert.equal(device.bytes[3 * 512 + 255], 255);
  });

  test('formats the sectors that are listed', async () => {
    const { command, dma, settle, result, log, device } = setUp();
    dma.memory.push(...[1, 3, 99].flatMap((sector) => [0, 1, sector, 2]));
    command(0x4d, 4, 2, 3, 0x54, 0xf6);
    dma.allow(12);
    await settle();
    assert.equal(result()[0], 4);
    assert.deepEqual(log(), ['write 18+1', 'write 20+1']);
    assert.deepEqual([device.bytes[18 * 512], device.bytes[19 * 512]], [0xf6, 19]);
  });

  test('reads identities one after the other', () => {
    const { command, result } = setUp();
    const ids = [0, 1].map(() => {
      command(0x4a, 4);
      return result();
    });
    assert.deepEqual(ids, [
      [4, 0, 0, 0, 1, 1, 2],
      [4, 0, 0, 0, 1, 2, 2],
    ]);
  });

  test('tells version, registers and drive status', () => {
    const { command, result } = setUp({ readOnly: true });
    command(0x10);
    assert.deepEqual(result(), [0x90]);
    command(0x94);
    assert.deepEqual(result(), [0x10]);
    command(0x13, 0, 0x57, 9);
    command(0x12, 0x81);
    command(0x0e);
    assert.deepEqual(result(), [0, 0, 0, 0, 0xaf, 2, 0, 0x81, 0x57, 9]);
    command(0x04, 0);
    assert.deepEqual(result(), [0x78]);
    command(0x1f);
    assert.deepEqual(result(), [0x80]);
  });

  test('a saved controller goes on with its transfer', async () => {
    const [a, b] = [setUp(), setUp()];
    a.command(0xe6, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
    b.fdc.restore(a.fdc.save());
    b.dma.allow(512);
    await b.settle();
    assert.equal(sectorOf(b.dma.memory), 3);
    assert.equal(b.seen.irq, true);
    a.fdc.restore(b.fdc.save());
    assert.deepEqual(a.result(), b.result());
  });

  test('survives random accesses', async () => {
    const random = new SplitMix64(17n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const { fdc, dma, drive, disk, settle } = setUp();
    const firsts = [3, 4, 5, 0x46, 0xe6, 7, 8, 0x4a, 0x4d, 0x0e, 0x0f, 0x12, 0x13, 0x14, 0x16, 0x8f, 0x42];
    for (let n = 0; n < 60_000; n++) {
      const kind = below(12);
      if (kind < 4) fdc.write(5, 1, below(3) === 0 ? firsts[below(firsts.length)] : below(6));
      else if (kind < 6) fdc.read(5, 1);
      else if (kind === 6) fdc.write(below(8), 1, below(256));
      else if (kind === 7) fdc.write(2, 1, 0x1c);
      else if (kind === 8) assert.ok(fdc.read(below(8), 1) <= 0xff);
      else if (kind === 9) dma.allow(below(3000));
      else if (kind === 10 && below(4) === 0) drive.insert(below(3) === 0 ? undefined : disk);
      else if (kind === 11 && below(4) === 0) await settle();
      if (below(300) === 0) fdc.restore(fdc.save());
      dma.memory.length = Math.min(dma.memory.length, 4096);
    }
  });
});
