import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import { SplitMix64 } from '../../base/random.ts';
import { makeTestDisk } from '../../machine/test-disk-queue.case.ts';
import { AtapiCdrom } from './atapi-cdrom.ts';
import { ScsiCdrom } from './scsi-cdrom.ts';

const SECTORS = 300;
const FAILED = 0x41;

function setUp({ empty = false } = {}) {
  const test = makeTestDisk(SECTORS * 4);
  const drive = new AtapiCdrom({ medium: empty ? undefined : test.disk, serial: 'C1' });
  const seen = { interrupts: 0 };
  drive.connect({
    changed(interrupt) {
      if (interrupt) seen.interrupts++;
    },
  });
  /** Sends a packet and answers the data of the reply. */
  const send = async (bytes: readonly number[], { dma = false, limit = 0xfffe } = {}) => {
    drive.taskFile.write(1, dma ? 1 : 0);
    drive.taskFile.write(4, limit & 0xff);
    drive.taskFile.write(5, limit >> 8);
    drive.execute(0xa0);
    drive.transfer?.data.set(Uint8Array.from({ length: 12 }, (_, i) => bytes[i] ?? 0));
    drive.transferred();
    await test.settle();
    const taken: Uint8Array[] = [];
    for (; drive.transfer?.direction === 'toHost'; await test.settle()) {
      taken.push(drive.transfer.data.slice());
      drive.transferred();
    }
    return concatenate(taken);
  };
  /** Key, code and qualifier of the last failure. */
  const sense = async () => {
    const data = await send([0x03, 0, 0, 0, 18]);
    return [data[2], data[12], data[13]];
  };
  return { ...test, drive, seen, send, sense };
}

const read10 = (lba: number, count: number) => [0x28, 0, 0, 0, lba >> 8, lba & 0xff, 0, 0, count];
const sectorOf = (bytes: Uint8Array, at = 0) => new DataView(bytes.buffer).getUint32(at, true) / 4;

describe('AtapiCdrom', () => {
  test('shows the signature of a packet device and refuses IDENTIFY DEVICE', () => {
    const { drive } = setUp();
    const signature = () => [...drive.taskFile.current.subarray(2, 6)];
    assert.deepEqual(signature(), [1, 1, 0x14, 0xeb]);
    drive.taskFile.set(0, 0, 0, 0);
    drive.execute(0xec);
    assert.deepEqual([...signature(), drive.taskFile.status], [1, 1, 0x14, 0xeb, FAILED]);
  });

  test('identifies itself and inquires', async () => {
    const { drive, send } = setUp();
    drive.execute(0xa1);
    assert.equal(new DataView(drive.transfer?.data.slice().buffer ?? new ArrayBuffer(2)).getUint16(0, true), 0x85c0);
    const data = await send([0x12, 0, 0, 0, 36]);
    assert.deepEqual([...data.subarray(0, 2)], [5, 0x80]);
    assert.equal(new TextDecoder().decode(data.subarray(8, 36)), 'VITRINE DVD-ROM         1.0 ');
    assert.equal((await send([0x12, 0, 0, 0, 5])).length, 6, 'an even number of bytes');
  });

  test('reads sectors by PIO in blocks of the byte count', async () => {
    const { drive, send, seen } = setUp();
    const data = await send(read10(17, 3), { limit: 2048 });
    assert.equal(data.length, 3 * 2048);
    assert.deepEqual(
      [0, 1, 2].map((n) => sectorOf(data, n * 2048)),
      [17, 18, 19],
    );
    assert.equal(seen.interrupts, 4);
    assert.deepEqual([drive.taskFile.current[2], drive.taskFile.status & 0xc9], [3, 0x40]);
  });

  test('reads sectors by DMA in pieces, with one interrupt', async () => {
    const { send, seen } = setUp();
    const data = await send([0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 200], { dma: true });
    assert.equal(data.length, 200 * 2048);
    assert.equal(sectorOf(data, 199 * 2048), 200);
    assert.equal(seen.interrupts, 1);
  });

  test('READ CD gives raw sectors', async () => {
    const { send, sense } = setUp();
    const raw = await send([0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0xf8]);
    assert.equal(raw.length, 2 * 2352);
    assert.deepEqual([...raw.subarray(0, 16)], [0, ...new Array(10).fill(255), 0, 0, 2, 5, 1]);
    assert.equal(sectorOf(raw, 2352 + 16), 6);
    assert.equal((await send([0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10])).length, 2048);
    await send([0xbe, 4, 0, 0, 0, 5, 0, 0, 1, 0x10]);
    assert.deepEqual(await sense(), [5, 0x64, 0]);
  });

  test('refuses sectors that it has not, and packets that it does not know', async () => {
    const { send, sense, drive } = setUp();
    await send(read10(SECTORS - 1, 2));
    assert.deepEqual([drive.taskFile.status, drive.taskFile.error], [FAILED, 0x54]);
    assert.deepEqual(await sense(), [5, 0x21, 0]);
    assert.deepEqual(await sense(), [0, 0, 0]);
    await send([0x55]);
    assert.deepEqual(await sense(), [5, 0x20, 0]);
  });

  test('tells capacity and table of contents', async () => {
    const { send } = setUp();
    assert.deepEqual([...(await send([0x25]))], [0, 0, 1, 43, 0, 0, 8, 0]);
    const lba = [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 1, 44];
    assert.deepEqual([...(await send([0x43, 0, 0, 0, 0, 0, 0, 0, 100]))], lba);
    const msf = [0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 6, 0];
    assert.deepEqual([...(await send([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100]))], msf);
    assert.equal((await send([0x43, 0, 1, 0, 0, 0, 0, 0, 100])).length, 12);
    assert.equal((await send([0x43, 0, 2, 0, 0, 0, 0, 0, 100])).length, 48);
  });

  test('describes itself in pages, features and events', async () => {
    const { send, sense } = setUp();
    const capabilities = await send([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100]);
    assert.deepEqual([capabilities[1], capabilities[8], capabilities.length], [capabilities.length - 2, 0x2a, 28]);
    assert.equal((await send([0x1a, 0, 0x3f, 0, 255]))[0] + 1, 4 + 8 + 8 + 16 + 12 + 20);
    await send([0x5a, 0, 0x2b, 0, 0, 0, 0, 0, 100]);
    assert.deepEqual(await sense(), [5, 0x24, 0]);
    await send([0x5a, 0, 0xea, 0, 0, 0, 0, 0, 100]);
    assert.deepEqual(await sense(), [5, 0x39, 0]);
    const features = await send([0x46, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert.deepEqual([features[3] + 4, features[7]], [features.length, 8]);
    assert.deepEqual([...(await send([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]))], [0, 4, 4, 0x10, 0, 2, 0, 0]);
    assert.equal((await send([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8])).length, 8);
    assert.equal((await send([0x42, 0, 0x40, 1, 0, 0, 0, 0, 16])).length, 16);
    assert.equal((await send([0x51, 0, 0, 0, 0, 0, 0, 0, 34])).length, 34);
  });

  test('an empty drive is not ready until a medium comes, which is told once', async () => {
    const { drive, send, sense, disk } = setUp({ empty: true });
    await send([0x00]);
    assert.deepEqual(await sense(), [2, 0x3a, 1]);
    drive.insert(disk);
    await send([0x00]);
    assert.equal(drive.taskFile.error >> 4, 6);
    assert.deepEqual(await sense(), [6, 0x28, 0]);
    await send([0x00]);
    assert.equal(drive.taskFile.error, 0);
    assert.equal((await send([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]))[4], 2);
    assert.equal((await send([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]))[4], 0);
  });

  test('the guest ejects and loads, unless it has locked the tray', async () => {
    const { drive, send, sense } = setUp();
    await send([0x1e, 0, 0, 0, 1]);
    assert.equal(drive.locked, true);
    await send([0x1b, 0, 0, 0, 2]);
    assert.deepEqual(await sense(), [5, 0x53, 2]);
    drive.requestEject();
    assert.equal((await send([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]))[4], 1);
    await send([0x1e]);
    await send([0x1b, 0, 0, 0, 2]);
    assert.equal(drive.trayOpen, true);
    await send([0x00]);
    assert.deepEqual(await sense(), [2, 0x3a, 2]);
    await send([0x1b, 0, 0, 0, 3]);
    await send([0x00]);
    assert.deepEqual(await sense(), [6, 0x28, 0]);
  });

  test('a read fails when the medium fails or goes', async () => {
    const { drive, send, sense, device, settle } = setUp();
    device.broken = true;
    await send(read10(1, 1));
    assert.deepEqual(await sense(), [3, 0x11, 0]);
    const pending = send(read10(1, 1));
    drive.insert(undefined);
    assert.equal(drive.taskFile.status, FAILED);
    await pending;
    await settle();
    assert.deepEqual(await sense(), [2, 0x3a, 2]);
  });

  test('a saved drive goes on with its read', async () => {
    const [a, b] = [setUp(), setUp()];
    a.drive.execute(0xa0);
    a.drive.transfer?.data.set(read10(9, 2));
    a.drive.transferred();
    b.drive.restore(a.drive.save());
    await b.settle();
    assert.equal(sectorOf(b.drive.transfer?.data.slice() ?? new Uint8Array(4)), 9);
    a.drive.restore(b.drive.save());
    assert.deepEqual(a.drive.transfer, b.drive.transfer);
  });

  test('survives random packets', async () => {
    const random = new SplitMix64(13n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const { drive, settle, disk } = setUp();
    const known = [
      0, 3, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd, 0xbe,
    ];
    for (let n = 0; n < 20_000; n++) {
      const kind = below(10);
      if (kind < 2) drive.taskFile.write(1 + below(6), below(256));
      else if (kind < 5) drive.execute(below(4) === 0 ? below(256) : 0xa0);
      else if (kind < 8) {
        const { transfer } = drive;
        if (transfer?.direction === 'fromHost') {
          transfer.data.set(Uint8Array.from(transfer.data, () => (below(3) === 0 ? below(256) : below(3))));
          transfer.data[0] = known[below(known.length)];
        }
        drive.transferred();
      } else if (kind === 8) await settle();
      else if (below(10) === 0) drive.insert(below(2) === 0 ? disk : undefined);
      if (below(100) === 0) drive.restore(drive.save());
      const bytes = drive.transfer?.data.length ?? 0;
      assert.ok(bytes <= 64 * 2352 && bytes % 2 === 0);
    }
  });
});

describe('ScsiCdrom', () => {
  const execute = (drive: ScsiCdrom, bytes: readonly number[]) =>
    drive.execute(Uint8Array.from({ length: 32 }, (_, i) => bytes[i] ?? 0));

  test('reads sectors of 2048 bytes and says that it is a CD drive', () => {
    const drive = new ScsiCdrom(makeTestDisk(SECTORS * 4).disk);
    assert.deepEqual(execute(drive, read10(3, 2)), { kind: 'read', offset: 6144, length: 4096 });
    const inquiry = execute(drive, [0x12, 0, 0, 0, 36]);
    assert.deepEqual(inquiry.kind === 'data' && [...inquiry.bytes.subarray(0, 4)], [5, 0x80, 5, 2]);
  });

  test('tells once that its medium has changed, and that there is none', () => {
    const drive = new ScsiCdrom(undefined);
    assert.equal(execute(drive, read10(0, 1)).kind, 'fail');
    drive.insert(makeTestDisk(SECTORS * 4).disk);
    assert.deepEqual(execute(drive, [0]), { kind: 'fail', sense: { key: 6, asc: 0x28, ascq: 0 } });
    assert.deepEqual(execute(drive, [0]), { kind: 'done' });
    const other = new ScsiCdrom(undefined);
    other.restore(drive.save());
    assert.deepEqual(other.save(), drive.save());
  });
});
