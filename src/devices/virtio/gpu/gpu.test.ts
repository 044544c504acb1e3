import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../base/bytes.ts';
import type { LinearScanout } from '../../../display/interfaces.ts';
import { PAGE_ABSENT } from '../../../machine/guest-memory.ts';
import { TestSlot } from '../../../machine/test-slot.case.ts';
import { TestDriver } from '../test-driver.case.ts';
import { VirtioGpu } from './gpu.ts';
import { GPU_CMD, GPU_RESP } from './protocol.ts';

/** An EDID of which only the size of the preferred mode is there: 640×480. */
const EDID = Uint8Array.from({ length: 128 }, (_, i) => ({ 56: 0x80, 58: 0x20, 59: 0xe0, 61: 0x10 })[i] ?? i);
const RAM_BYTES = 1 << 20;
/** Guest memory behind resources, clear of the queues and buffers of the test driver. */
const BACKING = 0xc0000;
const MOST_BYTES = 1 << 20;
const B8G8R8A8 = 1;

/** A GPU with a driver. */
class GpuBench {
  readonly slot = new TestSlot(RAM_BYTES);
  readonly gpu = new VirtioGpu({ memory: this.slot.memory, edid: EDID, mostBytes: MOST_BYTES });
  readonly driver = new TestDriver(this.gpu, this.slot).start(2n);

  /** Sends a request of 32-bit words behind its type. @returns the response */
  ask(type: number, words: readonly number[] = [], flags = 0, fence = 0n): DataView {
    const request = new ByteWriter().u32(type).u32(flags).u64(fence).u32(7).u32(0);
    for (const word of words) request.u32(word);
    const answer = this.driver.ask(0, request.finish(), 1100);
    return new DataView(answer.buffer, answer.byteOffset);
  }

  /** The same, where only the kind of response matters. */
  does(type: number, ...words: readonly number[]): number {
    return this.ask(type, words).getUint32(0, true);
  }

  /** Makes a resource with memory behind it. */
  resource(id: number, width: number, height: number, format = B8G8R8A8, gpa = BACKING): void {
    assert.equal(this.does(GPU_CMD.resourceCreate2d, id, format, width, height), GPU_RESP.okNoData);
    const entry = [gpa, 0, width * height * 4, 0];
    assert.equal(this.does(GPU_CMD.resourceAttachBacking, id, 1, ...entry), GPU_RESP.okNoData);
  }

  /** Puts all of a resource on the screen. */
  show(id: number, width: number, height: number): void {
    assert.equal(this.does(GPU_CMD.setScanout, 0, 0, width, height, 0, id), GPU_RESP.okNoData);
  }

  transfer(id: number, [x, y, width, height]: readonly number[], offset = 0): number {
    return this.does(GPU_CMD.transferToHost2d, x, y, width, height, offset, 0, id, 0);
  }

  cursor(type: number, x: number, y: number, id: number): void {
    const request = new ByteWriter().u32(type).zeros(20).u32(0).u32(x).u32(y).u32(0).u32(id).zeros(12);
    this.driver.send(1, request.finish());
  }

  /** Fills guest memory with words that tell where they are. */
  paint(words: number): void {
    for (let i = 0; i < words; i++) this.driver.view.setUint32(BACKING + i * 4, 0x01000000 * (i % 256) + i, true);
  }

  get linear(): LinearScanout {
    const scanout = this.gpu.scanout();
    assert.equal(scanout.kind, 'linear');
    return scanout as LinearScanout;
  }

  /** Words of the picture that is shown. */
  words(scanout = this.linear): number[] {
    const view = new DataView(scanout.memory.buffer, scanout.memory.byteOffset);
    return Array.from({ length: scanout.width * scanout.height }, (_, i) => {
      const [line, column] = [Math.floor(i / scanout.width), i % scanout.width];
      return view.getUint32(scanout.offset + line * scanout.pitch + column * 4, true);
    });
  }
}

test('the device has one screen, of the size that the EDID prefers', () => {
  const bench = new GpuBench();
  assert.equal(bench.driver.read(0x2008, 4), 1);
  assert.equal(bench.driver.read(0x200c, 4), 0);
  const info = bench.ask(GPU_CMD.getDisplayInfo);
  assert.deepEqual(
    [0, 24, 28, 32, 36, 40, 64].map((at) => info.getUint32(at, true)),
    [GPU_RESP.okDisplayInfo, 0, 0, 640, 480, 1, 0],
  );
  const edid = bench.ask(GPU_CMD.getEdid, [0, 0]);
  assert.deepEqual([edid.getUint32(0, true), edid.getUint32(24, true)], [GPU_RESP.okEdid, 128]);
  assert.deepEqual(new Uint8Array(edid.buffer, edid.byteOffset + 32, 128), EDID);
  assert.equal(bench.does(GPU_CMD.getEdid, 1, 0), GPU_RESP.errInvalidScanoutId);
});

test('a fence comes back with its response', () => {
  const response = new GpuBench().ask(GPU_CMD.getDisplayInfo, [], 1, 0x1234567890n);
  assert.deepEqual([response.getUint32(4, true), response.getBigUint64(8, true)], [1, 0x1234567890n]);
  assert.equal(response.getUint32(16, true), 7);
});

test('what is transferred is on the screen, and what is flushed has to be drawn anew', () => {
  const bench = new GpuBench();
  assert.equal(bench.gpu.isActive, false);
  bench.resource(5, 1024, 8);
  bench.show(5, 1024, 8);
  bench.paint(1024 * 8);
  bench.gpu.takeDirty();
  assert.equal(bench.transfer(5, [0, 0, 1024, 8]), GPU_RESP.okNoData);
  assert.equal(bench.words()[1025], 0x01000000 + 1025);
  assert.ok(bench.gpu.takeDirty().every((flag) => flag === 0));
  assert.equal(bench.does(GPU_CMD.resourceFlush, 10, 2, 3, 2, 5, 0), GPU_RESP.okNoData);
  assert.deepEqual([...bench.gpu.takeDirty()], [0, 0, 1, 1, 0, 0, 0, 0]);
  assert.equal(bench.gpu.isActive, true);
});

test('a part is transferred line by line, from an offset in lines as long as those of the picture', () => {
  const bench = new GpuBench();
  bench.resource(1, 4, 4);
  bench.show(1, 4, 4);
  bench.paint(16);
  assert.equal(bench.transfer(1, [1, 2, 2, 2], (2 * 4 + 1) * 4), GPU_RESP.okNoData);
  const expected = new Array(16).fill(0);
  for (const at of [9, 10, 13, 14]) expected[at] = 0x01000000 * at + at;
  assert.deepEqual(bench.words(), expected);
});

test('a backing may be of many stretches of memory', () => {
  const bench = new GpuBench();
  bench.does(GPU_CMD.resourceCreate2d, 1, B8G8R8A8, 4, 2);
  bench.paint(64);
  const entries = [BACKING + 64, 0, 4, 0, BACKING, 0, 0, 0, BACKING + 128, 0, 12, 0, BACKING + 4, 0, 8, 0];
  assert.equal(bench.does(GPU_CMD.resourceAttachBacking, 1, 4, ...entries), GPU_RESP.okNoData);
  bench.show(1, 4, 2);
  assert.equal(bench.transfer(1, [0, 0, 4, 2]), GPU_RESP.okNoData);
  const words = [16, 32, 33, 34, 1, 2].map((n) => 0x01000000 * n + n);
  assert.deepEqual(bench.words(), [...words, 0, 0]);
});

test('a part of a resource can be the screen', () => {
  const bench = new GpuBench();
  bench.resource(1, 8, 8);
  bench.paint(64);
  bench.transfer(1, [0, 0, 8, 8]);
  assert.equal(bench.does(GPU_CMD.setScanout, 2, 1, 3, 2, 0, 1), GPU_RESP.okNoData);
  assert.deepEqual(
    bench.words().map((word) => word & 0xffff),
    [10, 11, 12, 18, 19, 20],
  );
  assert.equal(bench.does(GPU_CMD.setScanout, 6, 0, 3, 2, 0, 1), GPU_RESP.errInvalidParameter);
  assert.equal(bench.does(GPU_CMD.setScanout, 0, 0, 3, 2, 1, 1), GPU_RESP.errInvalidScanoutId);
  assert.equal(bench.does(GPU_CMD.setScanout, 0, 0, 3, 2, 0, 9), GPU_RESP.errInvalidResourceId);
});

test('the eight formats are shown in their order of bytes', () => {
  const formats: Record<number, string> = {};
  for (const format of [1, 2, 3, 4, 67, 68, 121, 134]) {
    const bench = new GpuBench();
    bench.resource(1, 2, 2, format);
    bench.show(1, 2, 2);
    formats[format] = bench.linear.format;
  }
  assert.deepEqual(formats, {
    1: 'x8r8g8b8',
    2: 'x8r8g8b8',
    3: 'b8g8r8x8',
    4: 'b8g8r8x8',
    67: 'x8b8g8r8',
    68: 'r8g8b8x8',
    121: 'r8g8b8x8',
    134: 'x8b8g8r8',
  });
});

test('a resource that is gone, or a screen without one, is dark', () => {
  const bench = new GpuBench();
  bench.resource(1, 4, 4);
  bench.show(1, 4, 4);
  assert.equal(bench.does(GPU_CMD.resourceUnref, 1, 0), GPU_RESP.okNoData);
  assert.deepEqual(bench.gpu.scanout(), { kind: 'blank', width: 640, height: 480 });
  bench.resource(1, 4, 4);
  bench.show(1, 4, 4);
  assert.equal(bench.does(GPU_CMD.setScanout, 0, 0, 0, 0, 0, 0), GPU_RESP.okNoData);
  assert.equal(bench.gpu.scanout().kind, 'blank');
  assert.equal(bench.gpu.isActive, true);
  bench.driver.start();
  assert.equal(bench.gpu.isActive, false);
});

test('the pointer is shown where it is moved, until it is hidden', () => {
  const bench = new GpuBench();
  bench.resource(1, 8, 8);
  bench.show(1, 8, 8);
  bench.resource(2, 64, 64);
  bench.paint(64 * 64);
  bench.transfer(2, [0, 0, 64, 64]);
  bench.cursor(GPU_CMD.updateCursor, 3, 5, 2);
  const { pointer } = bench.linear;
  assert.deepEqual([pointer?.x, pointer?.y, pointer?.width], [3, 5, 64]);
  assert.equal((pointer?.pixels[258] ?? 0) >>> 0, 0x02020100); // blue and red changed places
  bench.cursor(GPU_CMD.moveCursor, 0xffffffff, 6, 0);
  assert.deepEqual([bench.linear.pointer?.x, bench.linear.pointer?.y], [-1, 6]);
  bench.cursor(GPU_CMD.updateCursor, 0, 0, 0);
  assert.equal(bench.linear.pointer, undefined);
  assert.equal(bench.driver.used(1).length, 3);
});

test('requests that make no sense are refused', () => {
  const bench = new GpuBench();
  bench.resource(1, 4, 4);
  const { errInvalidParameter, errInvalidResourceId, errOutOfMemory, errUnspec } = GPU_RESP;
  const create = (...words: number[]) => bench.does(GPU_CMD.resourceCreate2d, ...words);
  const attach = (...words: number[]) => bench.does(GPU_CMD.resourceAttachBacking, ...words);
  assert.equal(create(0, 1, 4, 4), errInvalidResourceId);
  assert.equal(create(1, 1, 4, 4), errInvalidResourceId);
  assert.equal(create(2, 5, 4, 4), errInvalidParameter);
  assert.equal(create(2, 1, 0, 4), errInvalidParameter);
  assert.equal(create(2, 1, 0xffffffff, 0xffffffff), errInvalidParameter);
  assert.equal(create(2, 1, 1024, 256), errOutOfMemory);
  assert.equal(bench.does(GPU_CMD.resourceUnref, 3, 0), errInvalidResourceId);
  assert.equal(bench.transfer(1, [1, 0, 4, 4]), errInvalidParameter);
  assert.equal(bench.transfer(1, [0xffffffff, 0, 2, 4]), errInvalidParameter);
  assert.equal(bench.does(GPU_CMD.resourceFlush, 0, 0, 5, 4, 1, 0), errInvalidParameter);
  assert.equal(attach(1, 1, BACKING, 0, 64, 0), errUnspec);
  assert.equal(bench.does(GPU_CMD.resourceDetachBacking, 1, 0), GPU_RESP.okNoData);
  assert.equal(bench.does(GPU_CMD.resourceDetachBacking, 1, 0), errUnspec);
  assert.equal(bench.transfer(1, [0, 0, 4, 4]), errUnspec);
  assert.equal(attach(1, 1, RAM_BYTES - 16, 0, 64, 0), errUnspec);
  assert.equal(attach(1, 1, 0, 0xffffffff, 64, 0), errUnspec);
  assert.equal(attach(1, 2, BACKING, 0, 64, 0), errUnspec);
  assert.equal(attach(1, 0xffffffff), errUnspec);
  assert.equal(bench.does(GPU_CMD.getCapsetInfo, 0, 0), errInvalidParameter);
  assert.equal(bench.does(GPU_CMD.getCapset, 0, 0), errInvalidParameter);
  assert.equal(bench.does(0x0200), errUnspec);
});

test('the pictures of a guest take no more memory than they may, and give it back', () => {
  const bench = new GpuBench();
  const create = (id: number) => bench.does(GPU_CMD.resourceCreate2d, id, B8G8R8A8, 256, 256);
  assert.deepEqual([1, 2, 3, 4, 5].map(create), [...Array(4).fill(GPU_RESP.okNoData), GPU_RESP.errOutOfMemory]);
  bench.does(GPU_CMD.resourceUnref, 2, 0);
  assert.equal(create(5), GPU_RESP.okNoData);
  assert.equal(bench.does(GPU_CMD.resourceAttachBacking, 5, 1, BACKING, 0, 64, 0), GPU_RESP.errOutOfMemory);
});

test('a transfer waits for pages that are absent', async () => {
  const bench = new GpuBench();
  bench.resource(1, 1024, 4);
  bench.show(1, 1024, 4);
  bench.paint(4096);
  const page = BACKING / 4096 + 2;
  bench.slot.pageFlags[page] |= PAGE_ABSENT;
  const request = new ByteWriter().u32(GPU_CMD.transferToHost2d).zeros(20);
  for (const word of [0, 0, 1024, 4, 0, 0, 1, 0]) request.u32(word);
  bench.driver.send(0, request.finish(), 24);
  assert.equal(bench.driver.used(0).length, 0);
  assert.ok(bench.words().every((word) => word === 0));
  await bench.slot.settle();
  assert.equal(bench.driver.used(0).length, 1);
  assert.equal(bench.words()[4095] & 0xffffff, 4095);
  assert.deepEqual(bench.slot.broughtIn, [page * 4096]);
});

test('a restored device shows what the saved one did', () => {
  const bench = new GpuBench();
  bench.resource(1, 8, 8);
  bench.resource(2, 64, 64);
  bench.show(1, 8, 8);
  bench.paint(64 * 64);
  bench.transfer(1, [0, 0, 8, 8]);
  bench.transfer(2, [0, 0, 64, 64]);
  bench.cursor(GPU_CMD.updateCursor, 3, 5, 2);
  const other = new VirtioGpu({ memory: bench.slot.memory, edid: EDID });
  other.restore(bench.gpu.save());
  assert.deepEqual(other.scanout(), bench.gpu.scanout());
  assert.deepEqual(other.save(), bench.gpu.save());
  assert.ok(other.takeDirty().every((flag) => flag === 1));
});
