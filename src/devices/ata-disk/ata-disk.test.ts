import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import { SplitMix64 } from '../../base/random.ts';
import { makeTestDisk } from '../../machine/test-disk-queue.case.ts';
import { AtaDisk } from './ata-disk.ts';

const SECTORS = 4000;
const READY = 0x50;
const BUSY = 0xd0;
const DRQ = 0x58;

function setUp(options: { readOnly?: boolean; sectors?: number; sata?: boolean } = {}) {
  const test = makeTestDisk(options.sectors ?? SECTORS, options.readOnly);
  const drive = new AtaDisk({ disk: test.disk, serial: 'S1', sata: options.sata ?? false });
  const seen = { interrupts: 0 };
  drive.connect({
    changed(interrupt) {
      if (interrupt) seen.interrupts++;
    },
  });
  /** Writes the task file as a driver does (count and address twice for a 48-bit command) and executes. */
  const issue = (
    command: number,
    registers: { lba?: number; count?: number; features?: number; ext?: boolean } = {},
  ) => {
    const { lba = 0, count = 1, features = 0, ext = false } = registers;
    const write = (register: number, value: number) => drive.taskFile.write(register, value & 0xff);
    const parts = ext ? [1, 0] : [0];
    for (const half of parts) {
      write(1, features >>> (half * 8));
      write(2, count >>> (half * 8));
      for (let n = 0; n < 3; n++) write(3 + n, Math.floor(lba / 0x100 ** (n + half * 3)));
    }
    write(6, ext ? 0x40 : 0xe0 | (lba >>> 24));
    drive.execute(command);
  };
  /** Takes data until the drive has none. */
  const take = async () => {
    const taken: Uint8Array[] = [];
    for (; drive.transfer?.direction === 'toHost'; await test.settle()) {
      taken.push(drive.transfer.data.slice());
      drive.transferred();
    }
    return concatenate(taken);
  };
  /** Gives data until the drive wants no more. */
  const give = async (bytes: Uint8Array) => {
    let at = 0;
    for (; drive.transfer?.direction === 'fromHost'; await test.settle()) {
      const { data } = drive.transfer;
      data.set(bytes.subarray(at, at + data.length));
      at += data.length;
      drive.transferred();
    }
    return at;
  };
  return { ...test, drive, seen, issue, take, give };
}

const numberOf = (bytes: Uint8Array, sector = 0) => new DataView(bytes.buffer).getUint32(sector * 512, true);

describe('AtaDisk', () => {
  test('shows its signature and is ready after power-on and reset', () => {
    const { drive, issue } = setUp();
    const signature = () => [...drive.taskFile.current.subarray(2, 6), drive.taskFile.status, drive.taskFile.error];
    assert.deepEqual(signature(), [1, 1, 0, 0, READY, 1]);
    issue(0x20);
    drive.reset();
    assert.deepEqual(signature(), [1, 1, 0, 0, READY, 1]);
    assert.equal(drive.transfer, undefined);
  });

  test('identifies itself', async () => {
    const { issue, take, seen } = setUp({ sectors: 0x12345 });
    issue(0xec);
    assert.equal(seen.interrupts, 1);
    const bytes = await take();
    assert.equal(bytes.length, 512);
    const word = (n: number) => bytes[n * 2] + bytes[n * 2 + 1] * 256;
    assert.equal(word(60) + word(61) * 65536, 0x12345);
    assert.equal(word(100) + word(101) * 65536, 0x12345);
    assert.equal(word(1), Math.floor(0x12345 / (16 * 63)));
    assert.ok(word(83) & 0x0400);
    assert.equal(String.fromCharCode(bytes[55], bytes[54], bytes[57], bytes[56]), 'VITR');
    assert.equal(seen.interrupts, 1);
  });

  test('reads by PIO sector by sector, with an interrupt for each', async () => {
    const { drive, issue, take, seen, settle, log } = setUp();
    issue(0x20, { lba: 5, count: 3 });
    assert.equal(drive.taskFile.status, BUSY);
    await settle();
    assert.equal(drive.taskFile.status, DRQ);
    assert.equal(drive.transfer?.data.length, 512);
    const bytes = await take();
    assert.deepEqual(
      [0, 1, 2].map((n) => numberOf(bytes, n)),
      [5, 6, 7],
    );
    assert.equal(seen.interrupts, 3);
    assert.equal(drive.taskFile.status, READY);
    assert.deepEqual(log(), ['read 5+3']);
  });

  test('reads by DMA with one interrupt at the end', async () => {
    const { issue, take, seen, settle } = setUp();
    issue(0x25, { lba: 100, count: 1500, ext: true });
    await settle();
    assert.equal(seen.interrupts, 0);
    const bytes = await take();
    assert.equal(bytes.length, 1500 * 512);
    assert.equal(numberOf(bytes, 1499), 1599);
    assert.equal(seen.interrupts, 1);
  });

  test('a count of zero means 256 sectors', async () => {
    const { issue, take, settle } = setUp();
    issue(0xc8, { count: 0 });
    await settle();
    assert.equal((await take()).length, 256 * 512);
  });

  test('READ MULTIPLE moves blocks of the set size', async () => {
    const { drive, issue, take, seen, settle } = setUp();
    issue(0xc6, { count: 4 });
    issue(0xc4, { count: 6 });
    await settle();
    assert.equal(drive.transfer?.data.length, 4 * 512);
    assert.equal((await take()).length, 6 * 512);
    assert.equal(seen.interrupts, 3);
    issue(0xc6, { count: 3 });
    assert.equal(drive.taskFile.error, 4);
    issue(0xc6, { count: 0 });
    issue(0xc4, {});
    assert.equal(drive.taskFile.error, 4);
  });

  test('addresses by cylinder, head and sector', async () => {
    const { drive, take, settle, issue } = setUp();
    issue(0x91, { count: 10, lba: 1 << 24 });
    const write = (values: readonly number[]) => values.forEach((value, n) => void drive.taskFile.write(2 + n, value));
    write([1, 3, 7, 0, 0xa1]);
    drive.execute(0x20);
    await settle();
    assert.equal(numberOf(await take()), (7 * 2 + 1) * 10 + 2);
    write([1, 11, 0, 0, 0xa0]);
    drive.execute(0x20);
    assert.equal(drive.taskFile.error, 0x10);
  });

  test('writes by PIO and DMA, in chunks', async () => {
    const { issue, give, seen, device, log, drive } = setUp();
    const bytes = new Uint8Array(200 * 512).map((_, i) => i >> 5);
    issue(0x30, { lba: 9, count: 200 });
    assert.equal(seen.interrupts, 0);
    assert.equal(await give(bytes), bytes.length);
    assert.equal(seen.interrupts, 200);
    assert.deepEqual(device.bytes.subarray(9 * 512, 209 * 512), bytes);
    issue(0x35, { lba: 1000, count: 200, ext: true });
    await give(bytes);
    assert.equal(seen.interrupts, 201);
    assert.deepEqual(device.bytes.subarray(1000 * 512, 1200 * 512), bytes);
    assert.equal(drive.taskFile.status, READY);
    assert.deepEqual(log(), ['write 9+128', 'write 137+72', 'write 1000+200']);
  });

  test('written data is on the medium after FLUSH CACHE, FUA, and without a write cache', async () => {
    const { issue, give, log, settle } = setUp();
    const sector = new Uint8Array(512);
    issue(0xca);
    await give(sector);
    issue(0xe7);
    await settle();
    issue(0x3d, { ext: true });
    await give(sector);
    issue(0xef, { features: 0x82 });
    await settle();
    issue(0x30);
    await give(sector);
    const expected = ['write 0+1', 'flush', 'write 0+1', 'flush', 'flush', 'write 0+1', 'flush'];
    assert.deepEqual(log(), expected);
  });

  test('refuses sectors that it has not', async () => {
    const { drive, issue, log } = setUp();
    issue(0xc8, { lba: SECTORS - 1, count: 2 });
    assert.deepEqual([drive.taskFile.status, drive.taskFile.error], [READY | 1, 0x10]);
    issue(0x35, { lba: 2 ** 40, count: 2, ext: true });
    assert.equal(drive.taskFile.error, 0x10);
    assert.deepEqual(log(), []);
  });

  test('refuses writes where the medium is read-only, and unknown commands', () => {
    const { drive, issue } = setUp({ readOnly: true });
    for (const command of [0x30, 0x35, 0xff, 0xa1]) {
      issue(command);
      assert.equal(drive.taskFile.error, 4, command.toString(16));
    }
  });

  test('tells where the medium is bad', async () => {
    const { drive, issue, settle, device } = setUp();
    device.broken = true;
    issue(0x25, { lba: 64, count: 16, ext: true });
    await settle();
    assert.deepEqual([drive.taskFile.status, drive.taskFile.error], [READY | 1, 0x40]);
    assert.equal(drive.taskFile.lba48, 64);
  });

  test('discards ranges', async () => {
    const { issue, give, log, drive } = setUp();
    const list = new Uint8Array(512);
    const view = new DataView(list.buffer);
    view.setBigUint64(0, (3n << 48n) | 10n, true);
    view.setBigUint64(16, (1n << 48n) | 100n, true);
    issue(0x06, { features: 1, ext: true });
    await give(list);
    assert.deepEqual(log(), ['discard 10+3', 'discard 100+1']);
    assert.equal(drive.taskFile.status, READY);
    view.setBigUint64(0, (3n << 48n) | BigInt(SECTORS), true);
    issue(0x06, { features: 1, ext: true });
    await give(list);
    assert.equal(drive.taskFile.status, READY | 1);
  });

  test('reports health, power and the last sector', async () => {
    const { drive, issue, take } = setUp();
    issue(0xb0, { features: 0xda, lba: 0xc24f00 });
    assert.deepEqual([...drive.taskFile.current.subarray(4, 6), drive.taskFile.status], [0x4f, 0xc2, READY]);
    issue(0xb0, { features: 0xd0, lba: 0xc24f00 });
    assert.equal((await take()).reduce((sum, byte) => sum + byte) & 0xff, 0);
    issue(0xb0, { features: 0xda });
    assert.equal(drive.taskFile.status, READY | 1);
    issue(0xe5);
    assert.equal(drive.taskFile.current[2], 0xff);
    issue(0x27, { ext: true });
    assert.equal(drive.taskFile.lba48, SECTORS - 1);
    issue(0xf8);
    assert.equal(drive.taskFile.lba28, SECTORS - 1);
  });

  test('a saved disk goes on with the request that was in flight', async () => {
    const [a, b] = [setUp(), setUp()];
    a.issue(0x25, { lba: 3, count: 600, ext: true });
    const state = a.drive.save();
    assert.deepEqual((state.job as { chunk: Uint8Array }).chunk.length, 0);
    await a.settle();
    b.drive.restore(state);
    await b.settle();
    assert.deepEqual(await b.take(), await a.take());
    a.issue(0x30, { lba: 7, count: 2 });
    a.drive.transfer?.data.fill(5);
    a.drive.transferred();
    b.drive.restore(a.drive.save());
    await b.give(new Uint8Array(512).fill(6));
    assert.deepEqual([b.device.bytes[7 * 512], b.device.bytes[8 * 512]], [5, 6]);
  });

  test('survives random commands', async () => {
    const random = new SplitMix64(7n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const { drive, issue, settle } = setUp({ sectors: 300, sata: true });
    for (let n = 0; n < 20_000; n++) {
      const kind = below(8);
      if (kind < 4) drive.taskFile.write(1 + below(6), below(3) === 0 ? below(256) : below(4));
      else if (kind === 4) issue(below(256), { lba: below(400), count: below(5), ext: below(2) === 0 });
      else if (kind === 5) drive.execute(below(256));
      else if (kind === 6) drive.transferred();
      else if (below(20) === 0) drive.reset();
      else await settle();
      if (below(100) === 0) drive.restore(drive.save());
      assert.ok((drive.transfer?.data.length ?? 0) <= 512 * 512);
    }
  });

  test('what the host has at hand is read during a DMA command, but not a long one, nor one of PIO', async () => {
    const { drive, device, issue, seen, log, take, settle } = setUp({ sectors: 9000 });
    const readNow = (offset: number, [target]: readonly Uint8Array[]) => {
      target.set(device.bytes.subarray(offset, offset + target.length));
      return true;
    };
    const now = Object.assign(device, { readNow });
    issue(0x25, { lba: 7, count: 600, ext: true });
    const taken: Uint8Array[] = [];
    for (; drive.transfer; drive.transferred()) taken.push(drive.transfer.data.slice());
    assert.deepEqual(concatenate(taken), device.bytes.slice(7 * 512, 607 * 512));
    assert.deepEqual([seen.interrupts, drive.taskFile.status, log()], [1, READY, []]);
    issue(0x20, { lba: 3 });
    assert.equal(drive.taskFile.status, BUSY);
    drive.reset();
    issue(0x25, { count: 9000, ext: true });
    assert.equal(drive.taskFile.status, BUSY);
    drive.reset();
    now.readNow = () => false;
    issue(0xc8, { lba: 11, count: 2 });
    assert.equal(drive.taskFile.status, BUSY);
    await settle();
    assert.equal(numberOf(await take()), 11);
  });
});
