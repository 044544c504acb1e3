import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskQueue, type DiskRequest } from './disk-queue.ts';
import { HostWork } from './host-work.ts';
import type { BlockDevice } from './interfaces.ts';
import { ManualClock } from './manual-clock.ts';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A device whose requests begin and end visibly. */
function setUp() {
  const begun: string[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const begin = (what: string) => {
    begun.push(what);
    const end = Promise.withResolvers<void>();
    ends.push(end);
    return end.promise;
  };
  const device: BlockDevice = {
    sizeBytes: 1 << 20,
    readOnly: false,
    read: (offset, { length }) => begin(`read ${offset} ${length}`),
    write: (offset, { length }) => begin(`write ${offset} ${length}`),
    flush: () => begin('flush'),
    discard: (offset, length) => begin(`discard ${offset} ${length}`),
    close: async () => {},
  };
  const work = new HostWork(new ManualClock(), 'arrival');
  const queue = new DiskQueue(device, work);
  const submit = (request: DiskRequest) => queue.submit(request, () => {});
  return { begun, ends, queue, submit };
}

const read = (offset: number, length: number): DiskRequest => ({
  kind: 'read',
  offset,
  target: new Uint8Array(length),
});
const write = (offset: number, length: number): DiskRequest => ({
  kind: 'write',
  offset,
  source: new Uint8Array(length),
});

test('requests that do not touch run side by side', () => {
  const { begun, submit } = setUp();
  submit(write(0, 512));
  submit(write(512, 512));
  submit(read(1024, 1024));
  submit(read(1024, 512));
  submit({ kind: 'discard', offset: 4096, length: 512 });
  assert.deepEqual(begun, ['write 0 512', 'write 512 512', 'read 1024 1024', 'read 1024 512', 'discard 4096 512']);
});

test('a request waits for an earlier one that changes its bytes, even for one that fails', async () => {
  const { begun, ends, submit } = setUp();
  submit(write(0, 1024));
  submit(read(512, 512));
  assert.deepEqual(begun, ['write 0 1024']);
  ends[0].reject(new Error('no'));
  await settled();
  assert.deepEqual(begun, ['write 0 1024', 'read 512 512']);
  submit(write(512, 512));
  assert.equal(begun.length, 2);
  ends[1].resolve();
  await settled();
  assert.equal(begun[2], 'write 512 512');
});

test('a flush waits for writes and not for reads', async () => {
  const { begun, ends, submit } = setUp();
  submit(read(0, 512));
  submit({ kind: 'flush' });
  submit(write(0x1000, 512));
  submit({ kind: 'flush' });
  assert.deepEqual(begun, ['read 0 512', 'flush', 'write 4096 512']);
  ends[2].resolve();
  await settled();
  assert.equal(begun[3], 'flush');
});
