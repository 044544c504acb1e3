import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { type AtaDrive, type AtaHost, type AtaTransfer, TaskFile } from '../../machine/ata.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { TEST_MEMORY, TestSlot } from '../../machine/test-slot.case.ts';
import { Ahci } from './ahci.ts';

const HBA = TEST_MEMORY + 5 * 0x100000;
const PORT = HBA + 0x100;
const LIST = 0x1000;
const RECEIVED = 0x2000;
const TABLE = 0x3000;
const READY = 0x50;

/** A drive that does what the test says: command 1 sends, 2 takes, by DMA with bit 7; A0h takes a packet, the others end, F0h with an error. */
class FakeDrive implements AtaDrive {
  readonly taskFile = new TaskFile();
  readonly commands: number[] = [];
  readonly data = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
  transfer: AtaTransfer | undefined;
  resets = 0;
  #host: AtaHost = { changed: () => {} };

  constructor() {
    this.taskFile.status = READY;
    this.taskFile.set(1, 1, 0, 0);
  }
  connect(host: AtaHost): void {
    this.#host = host;
  }
  execute(command: number): void {
    this.commands.push(command);
    this.taskFile.status = command === 0xf0 ? READY | 1 : READY;
    const kind = command & 0x7f;
    const dma = command >= 0x80;
    if (kind === 1 || command === 0x25) this.transfer = { direction: 'toHost', dma, data: this.data };
    else if (kind === 2 || command === 0x35) this.transfer = { direction: 'fromHost', dma, data: this.data };
    else if (command === 0xa0) this.transfer = { direction: 'fromHost', dma: false, data: this.data.subarray(0, 12) };
    this.#host.changed(true);
  }
  transferred(): void {
    this.transfer = undefined;
    this.#host.changed(true);
  }
  reset(): void {
    this.resets++;
    this.transfer = undefined;
    this.taskFile.status = READY;
  }
  save(): DeviceState {
    return { version: 1, taskFile: this.taskFile.save() };
  }
  restore(state: DeviceState): void {
    this.taskFile.restore(state.taskFile as DeviceState);
  }
}

function setUp() {
  const slot = new TestSlot();
  const drive = new FakeDrive();
  const ahci = new Ahci([drive], slot);
  slot.place(ahci);
  const write = (address: number, value: number) => slot.mmio.write(address, 4, value);
  const read = (address: number) => slot.mmio.read(address, 4);
  const view = new DataView(slot.ram.buffer);
  /** Puts a command into a slot of the list. */
  const prepare = (
    index: number,
    fis: readonly number[],
    regions: readonly (readonly [number, number])[],
    flags = 5,
  ) => {
    const table = TABLE + index * 0x400;
    view.setUint32(LIST + index * 32, flags + regions.length * 0x10000, true);
    view.setUint32(LIST + index * 32 + 8, table, true);
    slot.ram.fill(0, table, table + 0x80);
    slot.ram.set(fis, table);
    for (const [n, [gpa, bytes]] of regions.entries()) {
      view.setUint32(table + 0x80 + n * 16, gpa, true);
      view.setUint32(table + 0x80 + n * 16 + 12, bytes - 1, true);
    }
  };
  const start = () => {
    write(HBA + 4, 0x80000002);
    write(PORT, LIST);
    write(PORT + 8, RECEIVED);
    write(PORT + 0x14, 0x7d40007f);
    write(PORT + 0x18, 0x17);
  };
  const issue = (bits: number) => write(PORT + 0x38, bits);
  return { slot, drive, ahci, write, read, view, prepare, start, issue };
}

describe('Ahci', () => {
  test('tells what it has and which drives are there', () => {
    const { ahci, read } = setUp();
    assert.equal(ahci.readConfig(0, 4), 0x29228086);
    assert.equal(ahci.readConfig(8, 4) >>> 8, 0x010601);
    assert.deepEqual([read(HBA) & 0x1f, read(HBA + 0x0c), read(HBA + 4)], [5, 0x3f, 0x80000000]);
    assert.deepEqual([read(PORT + 0x28), read(PORT + 0x24), read(PORT + 0x20)], [0x113, 0x101, READY]);
    assert.deepEqual([read(PORT + 0x80 + 0x28), read(PORT + 0x80 + 0x24)], [0, 0xffffffff]);
  });

  test('reads along regions, counts the bytes and interrupts', () => {
    const { slot, view, read, write, prepare, start, issue, drive } = setUp();
    start();
    prepare(
      3,
      [0x27, 0x80, 0x81, 0x11, 1, 2, 3, 0x40, 4, 5, 6, 0x22, 7, 8],
      [
        [0x5ffe, 6],
        [0x8000, 100],
      ],
    );
    issue(8);
    assert.deepEqual([...slot.ram.subarray(0x5ffe, 0x6005)], [1, 2, 3, 4, 5, 6, 0]);
    assert.deepEqual([slot.ram[0x8000], slot.ram[0x8000 + 57], slot.ram[0x8000 + 58]], [7, 64, 0]);
    assert.equal(view.getUint32(LIST + 3 * 32 + 4, true), 64);
    assert.deepEqual([drive.taskFile.lba48, drive.taskFile.previous[1]], [0x060504030201, 0x22]);
    assert.deepEqual([read(PORT + 0x38), read(PORT + 0x10), read(HBA + 8), slot.level], [0, 1, 1, true]);
    assert.deepEqual([slot.ram[RECEIVED + 0x40], slot.ram[RECEIVED + 0x42]], [0x34, READY]);
    write(PORT + 0x10, 1);
    write(HBA + 8, 1);
    assert.equal(slot.level, false);
  });

  test('writes, and announces blocks of PIO', () => {
    const { slot, prepare, start, issue, drive } = setUp();
    start();
    slot.ram.fill(9, 0x8000, 0x8040);
    prepare(0, [0x27, 0x80, 2], [[0x8000, 64]]);
    issue(1);
    assert.deepEqual([drive.data[0], drive.data[63], slot.ram[RECEIVED + 0x20]], [9, 9, 0x5f]);
    assert.equal(slot.ram[RECEIVED + 0x20 + 16], 64);
  });

  test('queued commands end with their bit of SActive', () => {
    const { slot, read, write, prepare, start, issue, drive } = setUp();
    start();
    prepare(2, [0x27, 0x80, 0x60, 8, 0, 0, 0, 0x40, 0, 0, 0, 0, 2 << 3], [[0x8000, 64]]);
    prepare(5, [0x27, 0x80, 0x61, 8, 0, 0, 0, 0x40, 0, 0, 0, 1, 5 << 3], [[0x8000, 64]]);
    write(PORT + 0x34, 0x24);
    issue(0x24);
    assert.deepEqual(drive.commands, [0x25, 0x35]);
    assert.deepEqual([drive.taskFile.current[2], drive.taskFile.previous[2]], [8, 1]);
    assert.deepEqual([read(PORT + 0x34), read(PORT + 0x38), read(PORT + 0x10)], [0, 0, 8]);
    assert.equal(slot.ram[RECEIVED + 0x58], 0xa1);
  });

  test('a packet comes from the table', () => {
    const { slot, prepare, start, issue, drive } = setUp();
    start();
    prepare(0, [0x27, 0x80, 0xa0], [], 0x25);
    slot.ram.set([0x28, 1, 2, 3], TABLE + 0x40);
    issue(1);
    assert.deepEqual([...drive.data.subarray(0, 4)], [0x28, 1, 2, 3]);
  });

  test('an error stops the port until the driver starts it anew', () => {
    const { read, write, prepare, start, issue, drive } = setUp();
    start();
    prepare(0, [0x27, 0x80, 0xf0], []);
    prepare(1, [0x27, 0x80, 0x55], []);
    issue(3);
    assert.deepEqual(drive.commands, [0xf0]);
    assert.deepEqual([read(PORT + 0x38), read(PORT + 0x10)], [3, 0x40000001]);
    write(PORT + 0x18, 0x16);
    assert.equal(read(PORT + 0x38), 0);
    write(PORT + 0x18, 0x17);
    issue(2);
    assert.deepEqual(drive.commands, [0xf0, 0x55]);
  });

  test('resets by SRST, COMRESET and of the whole HBA', () => {
    const { slot, read, write, prepare, start, issue, drive } = setUp();
    start();
    prepare(0, [0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4], []);
    prepare(1, [0x27, 0], []);
    issue(1);
    assert.equal(drive.resets, 0);
    issue(2);
    assert.deepEqual([drive.resets, read(PORT + 0x38), slot.ram[RECEIVED + 0x40]], [1, 0, 0x34]);
    write(PORT + 0x2c, 1);
    assert.equal(read(PORT + 0x28), 0);
    write(PORT + 0x2c, 0);
    assert.deepEqual([drive.resets, read(PORT + 0x28)], [2, 0x113]);
    write(HBA + 4, 1);
    assert.deepEqual([drive.resets, read(HBA + 4), read(PORT + 0x18) & 1], [3, 0x80000000, 0]);
  });

  test('a command waits for an absent page, and is executed once', () => {
    const { slot, prepare, start, issue, drive } = setUp();
    start();
    prepare(0, [0x27, 0x80, 0x81], [[0x8000, 64]]);
    slot.pageFlags[8] = 1;
    issue(1);
    assert.throws(() => slot.hostWork.deliver());
    slot.pageFlags[8] = 0;
    slot.hostWork.deliver();
    assert.deepEqual([drive.commands, slot.ram[0x8000]], [[0x81], 1]);
  });

  test('interrupts are messages where the driver wants them', () => {
    const { slot, ahci, write, prepare, start, issue } = setUp();
    start();
    ahci.writeConfig(0x44, 4, 0xfee00000);
    ahci.writeConfig(0x4c, 2, 0x41);
    ahci.writeConfig(0x42, 2, 1);
    prepare(0, [0x27, 0x80, 0x55], []);
    issue(1);
    issue(1);
    assert.deepEqual([slot.sent, slot.level], [[0x41], false]);
    write(HBA + 8, 1);
    assert.deepEqual(slot.sent, [0x41, 0x41], 'the port still has something to tell');
    write(PORT + 0x10, 0xffffffff);
    write(HBA + 8, 1);
    issue(1);
    assert.equal(slot.sent.length, 3);
  });

  test('survives random registers and structures, and its state is restored', () => {
    const random = new SplitMix64(19n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const { slot, ahci, write, read, prepare, start, drive } = setUp();
    start();
    for (let n = 0; n < 40_000; n++) {
      const kind = below(10);
      const register = (below(4) === 0 ? HBA : PORT) + below(0x100) * 4;
      if (kind < 3) write(register, [below(2 ** 32), below(64), 0x17, 1][below(4)]);
      else if (kind < 6) read(register);
      else if (kind === 6) write(PORT + 0x38, below(2 ** 32));
      else if (kind === 7)
        prepare(
          below(8),
          Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x27 : below(256))),
          [[below(2 ** 32), 1 + below(0x400000)]],
        );
      else if (kind === 8) start();
      else slot.ram[below(0x8000)] = below(256);
      if (below(1000) === 0) ahci.restore(ahci.save());
    }
    assert.ok(drive.commands.length > 100);
    const other = setUp().ahci;
    other.restore(ahci.save());
    assert.deepEqual(other.save(), ahci.save());
  });
});
