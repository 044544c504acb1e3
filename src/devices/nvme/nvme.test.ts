import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskQueue } from '../../machine/disk-queue.ts';
import { PAGE_ABSENT } from '../../machine/guest-memory.ts';
import { TestDisk } from '../../machine/test-disk.case.ts';
import { TEST_MEMORY, TestSlot } from '../../machine/test-slot.case.ts';
import { Nvme } from './nvme.ts';

const REGISTERS = TEST_MEMORY;
const MSIX = TEST_MEMORY + 4 * 0x100000;
const [INTMS, INTMC, CC, CSTS, AQA, ASQ, ACQ] = [0x0c, 0x10, 0x14, 0x1c, 0x24, 0x28, 0x30];
const ENABLE = 0x460001;
const SHUTDOWN = 0x4000;
const ENTRIES = 8;
const ADMIN_SQ = 0x1000;
const ADMIN_CQ = 0x2000;
const IO_SQ = 0x3000;
const IO_CQ = 0x4000;
const LIST = 0x5000;
const DATA = 0x10000;
const SECTOR = 512;
const DISK_SECTORS = 4096;
const IDENTIFY = 0x06;
const CREATE_CQ = 0x05;
const CREATE_SQ = 0x01;
const [FLUSH, WRITE, READ, MANAGE] = [0, 1, 2, 9];

/** A command: dwords 10 and up, PRPs, and what else is not as usual. */
interface Wanted {
  readonly opcode: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly dwords?: readonly number[];
  readonly namespace?: number;
}

/** A driver of one pair of I/O queues, which looks at memory and registers as a system does. */
class Bench {
  readonly slot = new TestSlot(4 << 20);
  readonly device: TestDisk;
  readonly card: Nvme;
  readonly view = new DataView(this.slot.ram.buffer);
  /** By queue: the tail, the head and the phase that is expected next. */
  readonly #queues = [0, 1].map(() => ({ tail: 0, head: 0, phase: 1 }));
  #nextId = 0x100;

  constructor(readOnly = false) {
    this.device = new TestDisk(DISK_SECTORS * SECTOR, readOnly);
    for (let n = 0; n < DISK_SECTORS; n++) this.device.bytes.fill(n, n * SECTOR, (n + 1) * SECTOR);
    this.card = new Nvme(new DiskQueue(this.device, this.slot.hostWork), 'TEST01', 1, this.slot);
    this.slot.place(this.card);
  }

  read = (offset: number) => this.slot.mmio.read(REGISTERS + offset, 4);
  write = (offset: number, value: number) => this.slot.mmio.write(REGISTERS + offset, 4, value);

  enable(): this {
    this.write(AQA, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
    this.write(ASQ, ADMIN_SQ);
    this.write(ACQ, ADMIN_CQ);
    this.write(CC, ENABLE);
    return this;
  }

  async start(): Promise<this> {
    this.enable();
    const size = (ENTRIES - 1) << 16;
    await this.ask(0, { opcode: CREATE_CQ, prp1: IO_CQ, dwords: [size | 1, (1 << 16) | 3] });
    await this.ask(0, { opcode: CREATE_SQ, prp1: IO_SQ, dwords: [size | 1, (1 << 16) | 1] });
    return this;
  }

  /** Puts a command into a queue. @returns its identity */
  put(queue: number, { opcode, prp1 = 0, prp2 = 0, dwords = [], namespace = 1 }: Wanted): number {
    const state = this.#queues[queue];
    const at = (queue === 0 ? ADMIN_SQ : IO_SQ) + state.tail * 64;
    const id = this.#nextId++;
    this.slot.ram.fill(0, at, at + 64);
    this.view.setUint32(at, opcode | (id << 16), true);
    this.view.setUint32(at + 4, namespace, true);
    this.view.setBigUint64(at + 24, BigInt(prp1), true);
    this.view.setBigUint64(at + 32, BigInt(prp2), true);
    for (const [i, dword] of dwords.entries()) this.view.setUint32(at + 40 + i * 4, dword, true);
    state.tail = (state.tail + 1) % ENTRIES;
    return id;
  }

  ring(queue: number): void {
    this.write(0x1000 + queue * 8, this.#queues[queue].tail);
  }

  /** Takes the next completion, if it is there: identity, status, result. */
  take(queue: number): { id: number; status: number; result: number } | undefined {
    const state = this.#queues[queue];
    const at = (queue === 0 ? ADMIN_CQ : IO_CQ) + state.head * 16;
    const status = this.view.getUint16(at + 14, true);
    if ((status & 1) !== state.phase) return undefined;
    state.head = (state.head + 1) % ENTRIES;
    if (state.head === 0) state.phase ^= 1;
    this.write(0x1004 + queue * 8, state.head);
    return { id: this.view.getUint16(at + 12, true), status: status >> 1, result: this.view.getUint32(at, true) };
  }

  async ask(queue: number, wanted: Wanted): Promise<{ status: number; result: number }> {
    const id = this.put(queue, wanted);
    this.ring(queue);
    await this.slot.settle();
    const found = this.take(queue);
    assert.equal(found?.id, id);
    return { status: found?.status ?? -1, result: found?.result ?? -1 };
  }
}

const ok = { status: 0, result: 0 };

test('the controller becomes ready when it is enabled, and says what it is', async () => {
  const bench = new Bench();
  assert.equal(bench.card.readConfig(8, 4) >>> 8, 0x010802);
  assert.equal(bench.read(CSTS), 0);
  bench.enable();
  assert.equal(bench.read(CSTS), 1);
  assert.deepEqual(await bench.ask(0, { opcode: IDENTIFY, prp1: DATA, dwords: [1] }), ok);
  assert.equal(String.fromCharCode(...bench.slot.ram.subarray(DATA + 4, DATA + 24)), 'TEST01'.padEnd(20));
  assert.deepEqual(await bench.ask(0, { opcode: IDENTIFY, prp1: DATA, dwords: [0] }), ok);
  assert.equal(bench.view.getBigUint64(DATA, true), BigInt(DISK_SECTORS));
  assert.equal(bench.view.getUint32(DATA + 128, true), 9 << 16);
  bench.write(CC, 0);
  assert.equal(bench.read(CSTS), 0);
});

test('what cannot be is refused by an error of its own', async () => {
  const bench = await new Bench().start();
  const bad: [queue: number, wanted: Wanted, status: number][] = [
    [0, { opcode: 0x77 }, 0x001],
    [0, { opcode: IDENTIFY, prp1: DATA, dwords: [0], namespace: 2 }, 0x00b],
    [0, { opcode: CREATE_CQ, prp1: IO_CQ, dwords: [(7 << 16) | 99, 1] }, 0x101],
    [0, { opcode: CREATE_SQ, prp1: IO_SQ, dwords: [(7 << 16) | 2, (5 << 16) | 1] }, 0x100],
    [0, { opcode: 0x04, dwords: [1] }, 0x10c],
    [0, { opcode: 0x02, dwords: [0x70] }, 0x109],
    [1, { opcode: 0x55 }, 0x001],
    [1, { opcode: READ, prp1: DATA, namespace: 3 }, 0x00b],
    [1, { opcode: READ, prp1: DATA, dwords: [DISK_SECTORS, 0, 0] }, 0x080],
    [1, { opcode: READ, prp1: DATA, prp2: DATA + 8, dwords: [0, 0, 15] }, 0x002],
    [1, { opcode: READ, prp1: DATA, dwords: [0, 0, 0xffff] }, 0x002],
  ];
  for (const [queue, wanted, status] of bad) assert.equal((await bench.ask(queue, wanted)).status, status);
});

test('blocks are read to one page, two, and a list of pages', async () => {
  const bench = await new Bench().start();
  const places: [prp1: number, prp2: number, blocks: number][] = [
    [DATA + 512, 0, 2],
    [DATA + 2048, DATA + 0x8000, 8],
    [DATA + 0x40000, LIST, 40],
  ];
  for (let n = 0; n < 8; n++) bench.view.setBigUint64(LIST + n * 8, BigInt(DATA + 0x20000 - n * 0x1000), true);
  for (const [prp1, prp2, blocks] of places) {
    assert.deepEqual(await bench.ask(1, { opcode: READ, prp1, prp2, dwords: [5, 0, blocks - 1] }), ok);
    assert.equal(bench.slot.ram[prp1], 5);
  }
  assert.equal(bench.slot.ram[DATA + 2048 + 2047], 5 + 3);
  assert.equal(bench.slot.ram[DATA + 0x8000], 5 + 4);
  assert.equal(bench.slot.ram[DATA + 0x20000], 5 + 8);
  assert.equal(bench.slot.ram[DATA + 0x20000 - 3 * 0x1000], 5 + 32);
});

test('a list of pages goes on in the page that its last entry names', async () => {
  const bench = await new Bench().start();
  const last = LIST + 0xff8;
  bench.view.setBigUint64(last, BigInt(LIST + 0x1000), true);
  for (let n = 0; n < 4; n++) bench.view.setBigUint64(LIST + 0x1000 + n * 8, BigInt(DATA + 0x1000 * (n + 1)), true);
  assert.deepEqual(await bench.ask(1, { opcode: READ, prp1: DATA, prp2: last, dwords: [0, 0, 39] }), ok);
  assert.deepEqual(
    [0, 1, 4].map((page) => bench.slot.ram[DATA + page * 0x1000]),
    [0, 8, 32],
  );
  bench.view.setBigUint64(last, BigInt(last), true);
  assert.equal((await bench.ask(1, { opcode: READ, prp1: DATA, prp2: last, dwords: [0, 0, 39] })).status, 2);
});

test('blocks are written, flushed, and discarded', async () => {
  const bench = await new Bench().start();
  bench.slot.ram.fill(0xee, DATA, DATA + 1024);
  assert.deepEqual(await bench.ask(1, { opcode: WRITE, prp1: DATA, dwords: [7, 0, 1] }), ok);
  assert.deepEqual(
    [7, 8, 9].map((n) => bench.device.bytes[n * SECTOR]),
    [0xee, 0xee, 9],
  );
  assert.deepEqual(await bench.ask(1, { opcode: FLUSH, namespace: 0xffffffff }), ok);
  assert.deepEqual(await bench.ask(1, { opcode: WRITE, prp1: DATA, dwords: [7, 0, 0x40000000] }), ok);
  assert.deepEqual(bench.device.log.slice(-4), ['write 3584+1024', 'flush', 'write 3584+512', 'flush']);
  for (const [i, [blocks, lba]] of [
    [2, 7],
    [0, 1],
    [1, 20],
  ].entries()) {
    bench.view.setUint32(DATA + i * 16 + 4, blocks, true);
    bench.view.setBigUint64(DATA + i * 16 + 8, BigInt(lba), true);
  }
  assert.deepEqual(await bench.ask(1, { opcode: MANAGE, prp1: DATA, dwords: [2, 4] }), ok);
  assert.deepEqual(bench.device.log.slice(-2), ['discard 3584+1024', 'discard 10240+512']);
});

test('without its write cache the disk holds each write when it ends', async () => {
  const bench = await new Bench().start();
  assert.deepEqual(await bench.ask(0, { opcode: 0x09, dwords: [6, 0] }), ok);
  assert.deepEqual(await bench.ask(1, { opcode: WRITE, prp1: DATA, dwords: [7, 0, 0] }), ok);
  assert.deepEqual(bench.device.log.slice(-2), ['write 3584+512', 'flush']);
  assert.deepEqual(await bench.ask(0, { opcode: 0x0a, dwords: [7] }), { status: 0, result: 0x70007 });
});

test('a disk that is only read, or fails, says so', async () => {
  const bench = await new Bench(true).start();
  assert.equal((await bench.ask(1, { opcode: WRITE, prp1: DATA, dwords: [0, 0, 0] })).status, 0x020);
  bench.device.broken = true;
  assert.equal((await bench.ask(1, { opcode: READ, prp1: DATA, dwords: [0, 0, 0] })).status, 0x281);
});

test('completions wait while their queue is full', async () => {
  const bench = await new Bench().start();
  for (let n = 0; n < ENTRIES - 1; n++) bench.put(1, { opcode: FLUSH });
  bench.ring(1);
  await bench.slot.settle();
  for (let n = 0; n < 3; n++) bench.put(1, { opcode: FLUSH });
  bench.ring(1);
  await bench.slot.settle();
  const taken = Array.from({ length: ENTRIES + 2 }, () => bench.take(1)?.status);
  assert.deepEqual(taken, new Array(ENTRIES + 2).fill(0));
  assert.equal(bench.take(1), undefined);
});

test('the interrupt pin is asserted until the queue is empty or its vector masked', async () => {
  const bench = await new Bench().start();
  bench.put(1, { opcode: FLUSH });
  bench.ring(1);
  await bench.slot.settle();
  assert.equal(bench.slot.level, true);
  bench.write(INTMS, 2);
  assert.equal(bench.slot.level, false);
  bench.write(INTMC, 2);
  assert.equal(bench.slot.level, true);
  bench.take(1);
  assert.equal(bench.slot.level, false);
});

test('with MSI-X each completion sends the message of its vector', async () => {
  const bench = await new Bench().start();
  let capability = bench.card.readConfig(0x34, 1);
  while (bench.card.readConfig(capability, 1) !== 0x11) capability = bench.card.readConfig(capability + 1, 1);
  bench.card.writeConfig(capability + 2, 2, 0x8000);
  bench.slot.mmio.write(MSIX + 16, 4, 0xfee00000);
  bench.slot.mmio.write(MSIX + 24, 4, 0x4321);
  bench.slot.mmio.write(MSIX + 28, 4, 0);
  await bench.ask(1, { opcode: FLUSH });
  assert.deepEqual(bench.slot.sent, [0x4321]);
  assert.equal(bench.slot.level, false);
});

test('absent pages are waited for, and nothing happens twice', async () => {
  const bench = await new Bench().start();
  for (const gpa of [IO_SQ, IO_CQ, DATA, LIST]) bench.slot.pageFlags[gpa >> 12] |= PAGE_ABSENT;
  for (let n = 0; n < 4; n++) bench.view.setBigUint64(LIST + n * 8, BigInt(DATA + 0x1000 * (n + 1)), true);
  assert.deepEqual(await bench.ask(1, { opcode: WRITE, prp1: DATA, prp2: LIST, dwords: [3, 0, 31] }), ok);
  assert.deepEqual(bench.device.log, ['write 1536+16384']);
  assert.deepEqual(
    bench.slot.broughtIn.sort((a, b) => a - b),
    [IO_SQ, IO_CQ, LIST, DATA],
  );
});

test('a shutdown flushes the disk before it says that it is done', async () => {
  const bench = await new Bench().start();
  bench.write(CC, ENABLE | SHUTDOWN);
  assert.equal(bench.read(CSTS), 1);
  await bench.slot.settle();
  assert.deepEqual([bench.read(CSTS), bench.device.log], [9, ['flush']]);
});

test('a controller reset forgets queues and commands', async () => {
  const bench = await new Bench().start();
  bench.put(1, { opcode: WRITE, prp1: DATA, dwords: [3, 0, 0] });
  bench.ring(1);
  bench.write(CC, 0);
  await bench.slot.settle();
  assert.equal(bench.take(1), undefined);
  assert.equal(bench.slot.level, false);
});

test('queues are deleted, submissions first', async () => {
  const bench = await new Bench().start();
  assert.deepEqual(await bench.ask(0, { opcode: 0x00, dwords: [1] }), ok);
  assert.deepEqual(await bench.ask(0, { opcode: 0x04, dwords: [1] }), ok);
  assert.equal((await bench.ask(0, { opcode: 0x00, dwords: [1] })).status, 0x101);
});

test('a restored controller makes requests again that had not ended', async () => {
  const [first, second] = [await new Bench().start(), new Bench()];
  first.put(1, { opcode: READ, prp1: DATA, dwords: [9, 0, 0] });
  first.ring(1);
  const saved = structuredClone(first.card.save());
  second.slot.ram.set(first.slot.ram);
  second.card.restore(saved);
  assert.deepEqual(second.card.save(), saved);
  await second.slot.settle();
  assert.equal(second.slot.ram[DATA], 9);
  assert.equal(second.take(1)?.status, 0);
  assert.throws(() => second.card.restore({ version: 5 }), /version 5/);
});
