import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTestDisk } from '../../machine/test-disk-queue.case.ts';
import { ScsiDisk } from './scsi-disk.ts';

const BLOCKS = 0x300;

function setUp(readOnly = false) {
  const disk = new ScsiDisk(makeTestDisk(BLOCKS, readOnly).disk, 'S7');
  const execute = (bytes: readonly number[], parameters = new Uint8Array(0)) => {
    const cdb = Uint8Array.from({ length: 32 }, (_, i) => bytes[i] ?? 0);
    const outcome = disk.execute(cdb, parameters);
    if (outcome.kind === 'data') return [...outcome.bytes];
    return outcome.kind === 'fail' ? { sense: [outcome.sense.key, outcome.sense.asc] } : outcome;
  };
  return { execute };
}

const text = (bytes: unknown) => String.fromCharCode(...(bytes as number[]));

test('commands of every length name their blocks', () => {
  const { execute } = setUp();
  const read = { kind: 'read', offset: 0x102 * 512, length: 3 * 512 };
  assert.deepEqual(execute([0x08, 0, 1, 2, 3]), read);
  assert.deepEqual(execute([0x28, 0, 0, 0, 1, 2, 0, 0, 3]), read);
  assert.deepEqual(execute([0xa8, 0, 0, 0, 1, 2, 0, 0, 0, 3]), read);
  assert.deepEqual(execute([0x88, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]), read);
  assert.deepEqual(execute([0x08, 0, 0, 0, 0]), { kind: 'read', offset: 0, length: 256 * 512 });
});

test('a write is durable when the driver forces it', () => {
  const { execute } = setUp();
  const write = { kind: 'write', offset: 512, length: 512 };
  assert.deepEqual(execute([0x2a, 0, 0, 0, 0, 1, 0, 0, 1]), { ...write, durable: false });
  assert.deepEqual(execute([0x2a, 8, 0, 0, 0, 1, 0, 0, 1]), { ...write, durable: true });
});

test('blocks past the end, and writes to what cannot be written, are refused', () => {
  const { execute } = setUp();
  assert.deepEqual(execute([0x28, 0, 0, 0, 2, 0xff, 0, 0, 2]), { sense: [5, 0x21] });
  assert.deepEqual(execute([0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), { sense: [5, 0x21] });
  assert.deepEqual(setUp(true).execute([0x2a, 0, 0, 0, 0, 1, 0, 0, 1]), { sense: [7, 0x27] });
  assert.deepEqual(execute([0x77]), { sense: [5, 0x20] });
});

test('it says what it is', () => {
  const { execute } = setUp();
  assert.match(text(execute([0x12, 0, 0, 0, 96])), /VITRINE DISK/);
  assert.equal(text((execute([0x12, 1, 0x80, 0, 96]) as number[]).slice(4)), 'S7');
  assert.deepEqual(execute([0x12, 1, 0, 0, 96]), [0, 0, 0, 6, 0, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
  assert.deepEqual(execute([0x12, 1, 0x99, 0, 96]), { sense: [5, 0x24] });
  assert.deepEqual(execute([0x25]), [0, 0, 2, 0xff, 0, 0, 2, 0]);
  assert.deepEqual((execute([0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]) as number[]).slice(0, 15), [
    ...[0, 0, 0, 0, 0, 0, 2, 0xff],
    ...[0, 0, 2, 0, 0, 0, 0x80],
  ]);
  assert.deepEqual((execute([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16]) as number[]).length, 16);
  const sense = execute([0x1a, 0, 8, 0, 255]) as number[];
  assert.deepEqual([sense[2], sense[4], sense[6]], [0x10, 8, 4]);
  assert.equal((setUp(true).execute([0x1a, 0, 8, 0, 255]) as number[])[2], 0x90);
});

test('blocks are unmapped', () => {
  const { execute } = setUp();
  const list = new Uint8Array(40);
  list.set([0, 38, 0, 32, 0, 0, 0, 0, ...[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0]]);
  list.set([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 24);
  const extents = [
    { offset: 4 * 512, length: 1024 },
    { offset: 0x100 * 512, length: 512 },
  ];
  assert.deepEqual(execute([0x42, 0, 0, 0, 0, 0, 0, 0, 40], list), { kind: 'discard', extents });
  list[30] = 0xff;
  assert.deepEqual(execute([0x42, 0, 0, 0, 0, 0, 0, 0, 40], list), { sense: [5, 0x21] });
});

test('zeros are written, and nothing else is repeated', () => {
  const { execute } = setUp();
  const extents = [{ offset: 512, length: 16 * 512 }];
  const same = [0x41, 0, 0, 0, 0, 1, 0, 0, 16];
  assert.deepEqual(execute(same, new Uint8Array(512)), { kind: 'writeZeroes', extents });
  assert.deepEqual(execute(same, new Uint8Array(512).fill(1)), { sense: [5, 0x24] });
  const unmapping = [0x93, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 16];
  assert.deepEqual(execute(unmapping), { kind: 'discard', extents });
});
