import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskQueue } from '../../machine/disk-queue.ts';
import { type ScsiOutcome, type ScsiUnit, SENSE } from '../../machine/scsi.ts';
import { TestDisk } from '../../machine/test-disk.case.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VirtioScsi } from './scsi.ts';
import { TestDriver } from './test-driver.case.ts';

const [CONTROL, REQUEST] = [0, 2];
const ANSWER_BYTES = 108;

/** A unit that does what the first byte of a command names. */
function unitOf(disk: DiskQueue): ScsiUnit {
  const outcomes: Record<number, (parameters: Uint8Array) => ScsiOutcome> = {
    0: () => ({ kind: 'done' }),
    1: () => ({ kind: 'read', offset: 512, length: 1024 }),
    2: () => ({ kind: 'write', offset: 2048, length: 512, durable: true }),
    3: (parameters) => ({ kind: 'data', bytes: Uint8Array.of(9, 8, parameters[0] ?? 7) }),
    4: () => ({ kind: 'discard', extents: [{ offset: 0, length: 4096 }] }),
  };
  return {
    disk,
    execute: (cdb, parameters) => outcomes[cdb[0]]?.(parameters) ?? { kind: 'fail', sense: SENSE.invalidCommand },
    save: () => ({ version: 1 }),
    restore: () => {},
  };
}

function setUp() {
  const disk = new TestDisk(1 << 20);
  for (let i = 0; i < disk.bytes.length; i++) disk.bytes[i] = (i >> 9) ^ i;
  const slot = new TestSlot(8 << 20);
  const scsi = new VirtioScsi([unitOf(new DiskQueue(disk, slot.hostWork))]);
  return { disk, slot, scsi, driver: new TestDriver(scsi, slot).start() };
}

function request(op: number, { target = 0, lun = 0, id = 0, cdbBytes = 32 } = {}): Uint8Array {
  const bytes = new Uint8Array(19 + cdbBytes);
  bytes.set([1, target, 0x40, lun, 0, 0, 0, 0, id]);
  bytes[19] = op;
  return bytes;
}

/** Sense length, residual, status and response of an answer. */
function answerOf(written: Uint8Array): number[] {
  const view = new DataView(written.buffer, written.byteOffset);
  return [view.getUint32(0, true), view.getUint32(4, true), written[10], written[11]];
}

test('the configuration has the limits', () => {
  const { driver } = setUp();
  assert.deepEqual([driver.read(0x2000, 4), driver.read(0x2000 + 20, 4), driver.read(0x2000 + 24, 4)], [1, 96, 32]);
});

test('data is read behind the answer', async () => {
  const { driver, disk, slot } = setUp();
  driver.send(REQUEST, request(1), ANSWER_BYTES, 600, 424);
  await slot.settle();
  const [{ written, length }] = driver.used(REQUEST);
  assert.deepEqual([answerOf(written), length], [[0, 0, 0, 0], ANSWER_BYTES + 1024]);
  assert.deepEqual(written.subarray(ANSWER_BYTES), disk.bytes.subarray(512, 1536));
});

test('data is written from behind the command, and flushed where the unit says so', async () => {
  const { driver, disk, slot } = setUp();
  driver.send(REQUEST, request(2), new Uint8Array(512).fill(0x77), ANSWER_BYTES);
  await slot.settle();
  assert.deepEqual(answerOf(driver.used(REQUEST)[0].written), [0, 0, 0, 0]);
  assert.deepEqual(disk.log, ['write 2048+512', 'flush']);
  assert.ok(disk.bytes.subarray(2048, 2560).every((byte) => byte === 0x77));
});

test('replies are cut to the room there is, and the rest of the room is told', () => {
  const { driver } = setUp();
  const long = driver.ask(REQUEST, request(3), ANSWER_BYTES, 10);
  assert.deepEqual(
    [answerOf(long), [...long.subarray(ANSWER_BYTES, ANSWER_BYTES + 3)]],
    [
      [0, 7, 0, 0],
      [9, 8, 7],
    ],
  );
});

test('a transfer that its buffers cannot hold is an overrun', () => {
  const { driver, disk } = setUp();
  assert.equal(driver.ask(REQUEST, request(1), ANSWER_BYTES, 512)[11], 1);
  assert.equal(driver.ask(REQUEST, request(2), new Uint8Array(100), ANSWER_BYTES)[11], 1);
  assert.deepEqual(disk.log, []);
});

test('failures come with sense data', async () => {
  const { driver, disk, slot } = setUp();
  const refused = driver.ask(REQUEST, request(0x99), ANSWER_BYTES);
  assert.deepEqual([answerOf(refused), refused[12], refused[14], refused[24]], [[18, 0, 2, 0], 0x70, 5, 0x20]);
  disk.broken = true;
  driver.send(REQUEST, request(1), ANSWER_BYTES, 1024);
  await slot.settle();
  const { written } = driver.used(REQUEST)[0];
  assert.deepEqual([written[10], written[14], written[24]], [2, 3, 0x11]);
});

test('targets and units that are not there are told', () => {
  const { driver } = setUp();
  assert.equal(driver.ask(REQUEST, request(0, { target: 1 }), ANSWER_BYTES)[11], 3);
  assert.equal(driver.ask(REQUEST, request(0, { lun: 1 }), ANSWER_BYTES)[11], 3);
});

test('the driver chooses the sizes of commands and sense data', () => {
  const { driver } = setUp();
  driver.write(0x2000 + 24, 4, 16);
  driver.write(0x2000 + 20, 4, 18);
  driver.write(0x2000 + 20, 4, 5);
  const answer = driver.ask(REQUEST, request(3, { cdbBytes: 16 }), 30, 3);
  assert.deepEqual([...answer.subarray(30)], [9, 8, 7]);
});

test('an aborted task is given back before the answer to its abort, and its data goes nowhere', async () => {
  const { driver, slot } = setUp();
  driver.send(REQUEST, request(1, { id: 5 }), ANSWER_BYTES, 1024);
  const task = (kind: number) => {
    const bytes = new Uint8Array(24);
    bytes.set([0, 0, 0, 0, kind, 0, 0, 0, 1, 0, 0x40, 0, 0, 0, 0, 0, 5]);
    return driver.ask(CONTROL, bytes, 1)[0];
  };
  assert.deepEqual([task(6), task(0), task(6)], [10, 0, 0]);
  await slot.settle();
  const [{ written }] = driver.used(REQUEST);
  assert.deepEqual([written[11], written.subarray(ANSWER_BYTES).every((byte) => byte === 0)], [2, true]);
});

test('a request under way when the state was saved is made again', async () => {
  const { driver, slot, disk } = setUp();
  driver.send(REQUEST, request(1), ANSWER_BYTES, 1024);
  const state = driver.card.save();
  driver.card.restore(state);
  await slot.settle();
  slot.clock.advanceTo(slot.clock.nowNanos() + 1_000_000n);
  await slot.settle();
  const [{ written }] = driver.used(REQUEST);
  assert.deepEqual(written.subarray(ANSWER_BYTES), disk.bytes.subarray(512, 1536));
  assert.deepEqual(driver.used(REQUEST), []);
});
