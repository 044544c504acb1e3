import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { type AtaDrive, type AtaHost, type AtaTransfer, TaskFile } from '../../machine/ata.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { IdeChannel, type RegisterBank } from './channel.ts';
import { Piix3Ide } from './piix3-ide.ts';

/** A drive that does what the test says: command 1 sends, 2 takes, by DMA with bit 7; any other only interrupts. */
class FakeDrive implements AtaDrive {
  readonly taskFile = new TaskFile();
  readonly commands: number[] = [];
  transfer: AtaTransfer | undefined;
  transfers = 0;
  resets = 0;
  host: AtaHost = { changed: () => {} };
  readonly data: Uint8Array;

  constructor(length: number) {
    this.data = Uint8Array.from({ length }, (_, i) => i + 1);
    this.taskFile.status = 0x50;
  }

  connect(host: AtaHost): void {
    this.host = host;
  }
  execute(command: number): void {
    this.commands.push(command);
    const kind = command & 0x7f;
    const direction = kind === 1 ? 'toHost' : 'fromHost';
    this.transfer = kind === 1 || kind === 2 ? { direction, dma: command >= 0x80, data: this.data } : undefined;
    this.host.changed(this.transfer === undefined || (kind === 1 && command < 0x80));
  }
  transferred(): void {
    this.transfer = undefined;
    this.transfers++;
    this.host.changed(true);
  }
  reset(): void {
    this.resets++;
    this.transfer = undefined;
  }
  save(): DeviceState {
    return { version: 1, taskFile: this.taskFile.save(), transfer: this.transfer };
  }
  restore(state: DeviceState): void {
    this.taskFile.restore(state.taskFile as DeviceState);
    this.transfer = state.transfer as AtaTransfer | undefined;
  }
}

function setUp(lengths: readonly (number | undefined)[] = [16, 16]) {
  const slot = new TestSlot();
  const drives = lengths.map((length) => (length === undefined ? undefined : new FakeDrive(length)));
  const seen = { irq: false };
  const channel = new IdeChannel({
    drives: [drives[0], drives[1]],
    irq: { set: (level) => (seen.irq = level) },
    memory: slot.memory,
    hostWork: slot.hostWork,
  });
  const write = (offset: number, value: number, size = 1) => channel.commandBlock.write(offset, size, value);
  const read = (offset: number, size = 1) => channel.commandBlock.read(offset, size);
  const control = (value: number) => channel.controlBlock.write(0, 1, value);
  const describeRegions = (table: number, regions: readonly (readonly [gpa: number, count: number])[]) => {
    const view = new DataView(slot.ram.buffer, slot.ram.byteOffset);
    for (const [n, [gpa, count]] of regions.entries()) {
      view.setUint32(table + n * 8, gpa, true);
      view.setUint32(table + n * 8 + 4, n === regions.length - 1 ? count + 0x80000000 : count, true);
    }
    channel.busMaster.write(4, 4, table);
  };
  const [first, second] = drives as [FakeDrive, FakeDrive];
  return { slot, channel, first, second, seen, write, read, control, describeRegions };
}

describe('IdeChannel', () => {
  test('registers written go to both drives, and are read from the selected one', () => {
    const { first, second, write, read } = setUp();
    write(2, 0x11);
    write(2, 0x22);
    assert.deepEqual(
      [first.taskFile.current[2], first.taskFile.previous[2], second.taskFile.current[2]],
      [0x22, 0x11, 0x22],
    );
    second.taskFile.set(9, 8, 7, 6);
    second.taskFile.error = 5;
    write(6, 0xb0);
    assert.deepEqual([read(1), read(2), read(3), read(4), read(5), read(6)], [5, 9, 8, 7, 6, 0xb0]);
  });

  test('HOB shows the previous bytes until a register is written', () => {
    const { write, read, control } = setUp();
    write(3, 1);
    write(3, 2);
    control(0x80);
    assert.equal(read(3), 1);
    write(6, 0xa0);
    assert.equal(read(3), 2);
  });

  test('a drive that is not there reads as zeros and takes no command', () => {
    const { first, write, read, seen } = setUp([16, undefined]);
    write(6, 0xb0);
    assert.deepEqual([read(2), read(7)], [0, 0]);
    write(7, 0x55);
    assert.deepEqual(first.commands, []);
    assert.equal(seen.irq, false);
  });

  test('reading the status clears the interrupt, the alternate status does not', () => {
    const { channel, write, read, seen } = setUp();
    write(7, 0x55);
    assert.equal(seen.irq, true);
    assert.equal(channel.controlBlock.read(0, 1), 0x50);
    assert.equal(seen.irq, true);
    read(7);
    assert.equal(seen.irq, false);
  });

  test('many bytes of data go at once, all but those of the last access to a block', () => {
    const { channel, first, write, read, seen } = setUp([1000, undefined]);
    const { readMany, writeMany } = channel.commandBlock;
    const target = new Uint8Array(1200);
    assert.equal(readMany(0, 2, target), 0);
    write(7, 1);
    assert.equal(read(0, 2), 0x0201);
    assert.equal(readMany(7, 1, target), 0);
    assert.equal(readMany(0, 2, target.subarray(0, 101)), 100);
    assert.equal(readMany(0, 2, target.subarray(100)), 896);
    assert.deepEqual(target.subarray(0, 996), first.data.subarray(2, 998));
    assert.equal(first.transfers, 0);
    assert.equal(readMany(0, 4, target), 0);
    assert.equal(read(0, 2), 0xe8e7);
    assert.equal(first.transfers, 1);
    write(7, 2);
    read(7);
    const source = new Uint8Array(1000).fill(0x77);
    assert.equal(writeMany(0, 2, source), 998);
    assert.equal(seen.irq, false);
    write(0, 0x7777, 2);
    assert.equal(seen.irq, true);
    assert.deepEqual(first.data, source);
  });

  test('nIEN holds the interrupt back, and only the selected drive drives it', () => {
    const { write, control, seen } = setUp();
    control(2);
    write(7, 0x55);
    assert.equal(seen.irq, false);
    control(0);
    assert.equal(seen.irq, true);
    write(6, 0x10);
    assert.equal(seen.irq, false);
    write(6, 0);
    assert.equal(seen.irq, true);
  });

  test('data moves in words and double words', () => {
    const { first, write, read } = setUp();
    write(7, 1);
    assert.equal(read(0, 2), 0x0201);
    assert.equal(read(0, 4), 0x06050403);
    for (let n = 0; n < 5; n++) read(0, 2);
    assert.equal(first.transfers, 1);
    assert.equal(read(0, 2), 0xffff);
    write(7, 2);
    for (let n = 0; n < 4; n++) write(0, 0x04030201, 4);
    assert.deepEqual([...first.data], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    assert.equal(first.transfers, 2);
  });

  test('SRST resets both drives and shows them busy', () => {
    const { channel, first, second, write, read, control, seen } = setUp();
    write(6, 0x10);
    write(7, 0x55);
    control(4);
    assert.equal(channel.controlBlock.read(0, 1), 0x80);
    assert.deepEqual([first.resets, second.resets, seen.irq], [1, 1, false]);
    control(4);
    write(7, 0x55);
    assert.deepEqual([first.resets, first.commands.length], [1, 0]);
    control(0);
    assert.equal(read(7), 0x50);
  });

  test('EXECUTE DEVICE DIAGNOSTIC is for both drives', () => {
    const { first, second, write, seen } = setUp();
    write(6, 0x10);
    write(7, 0x90);
    assert.deepEqual([first.commands, second.commands, seen.irq], [[0x90], [0x90], true]);
  });

  test('the bus master scatters data over regions, whichever side starts first', () => {
    for (const driveFirst of [true, false]) {
      const { slot, channel, write, describeRegions, seen, first } = setUp();
      describeRegions(0x100, [
        [0x1ffe, 6],
        [0x4000, 10],
      ]);
      if (driveFirst) write(7, 0x81);
      channel.busMaster.write(0, 1, 9);
      if (!driveFirst) write(7, 0x81);
      assert.deepEqual([...slot.ram.subarray(0x1ffe, 0x2004)], [1, 2, 3, 4, 5, 6]);
      assert.deepEqual([...slot.ram.subarray(0x4000, 0x400b)], [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0]);
      assert.deepEqual([first.transfers, seen.irq, channel.busMaster.read(2, 1)], [1, true, 4]);
      channel.busMaster.write(2, 1, 4);
      assert.equal(channel.busMaster.read(2, 1), 0);
    }
  });

  test('the bus master gathers data', () => {
    const { slot, channel, write, describeRegions, first } = setUp();
    slot.ram.set([21, 22, 23, 24, 25, 26, 27, 28], 0x3000);
    describeRegions(0x100, [
      [0x3000, 8],
      [0x3000, 100],
    ]);
    channel.busMaster.write(0, 1, 1);
    write(7, 0x82);
    assert.deepEqual([...first.data], [21, 22, 23, 24, 25, 26, 27, 28, 21, 22, 23, 24, 25, 26, 27, 28]);
    assert.equal(channel.busMaster.read(2, 1), 5, 'still active: regions are left');
    channel.busMaster.write(0, 1, 0);
    assert.equal(channel.busMaster.read(2, 1), 4);
  });

  test('a list that is too short leaves the drive waiting, and another one goes on', () => {
    const { slot, channel, write, describeRegions, first } = setUp();
    describeRegions(0x100, [[0x3000, 6]]);
    channel.busMaster.write(0, 1, 9);
    write(7, 0x81);
    assert.deepEqual([first.transfers, channel.busMaster.read(2, 1)], [0, 0]);
    channel.busMaster.write(0, 1, 8);
    describeRegions(0x100, [[0x5000, 10]]);
    channel.busMaster.write(0, 1, 9);
    assert.deepEqual([first.transfers, slot.ram[0x5000]], [1, 7]);
  });

  test('DMA waits for an absent page, and is made once', () => {
    const { slot, channel, write, describeRegions, first } = setUp();
    describeRegions(0x100, [
      [0x3000, 8],
      [0x7000, 8],
    ]);
    slot.pageFlags[7] = 1;
    channel.busMaster.write(0, 1, 9);
    write(7, 0x81);
    assert.equal(first.transfers, 0);
    assert.throws(() => slot.hostWork.deliver());
    slot.pageFlags[7] = 0;
    slot.hostWork.deliver();
    assert.deepEqual([first.transfers, slot.ram[0x7007]], [1, 16]);
  });

  test('the state survives save and restore', () => {
    const [a, b] = [setUp(), setUp()];
    a.write(6, 0x10);
    a.write(7, 1);
    a.read(0, 4);
    b.channel.restore(a.channel.save());
    assert.equal(b.seen.irq, true);
    assert.equal(b.read(0, 2), 0x0605);
    a.read(0, 2);
    assert.deepEqual(b.channel.save(), a.channel.save());
  });

  test('survives random accesses', () => {
    const random = new SplitMix64(11n);
    const below = (limit: number) => Number(random.next() % BigInt(limit));
    const { slot, channel, first, describeRegions } = setUp([1024, 30]);
    for (let n = 0; n < 50_000; n++) {
      const banks: RegisterBank[] = [channel.commandBlock, channel.controlBlock, channel.busMaster];
      const size = [1, 2, 4][below(3)];
      const offset = below(8 / size) * size;
      const bank = banks[below(3)];
      const value = [below(256), below(2 ** 32), 1, 0x81, 0x82, 9][below(6)];
      if (below(3) === 0) bank.read(offset, size);
      else bank.write(offset, size, size === 4 ? value : value % 2 ** (size * 8));
      if (below(500) === 0) describeRegions(below(0x1000) & ~3, [[below(2 ** 32) & ~1, below(0x10000) & ~1]]);
      if (below(2000) === 0) channel.restore(channel.save());
    }
    slot.hostWork.deliver();
    assert.ok(first.commands.length > 100);
  });
});

test('the PCI function places the bus-master registers and keeps timings', () => {
  const { channel } = setUp();
  let base: number | undefined;
  let bank: RegisterBank | undefined;
  const ide = new Piix3Ide([channel, setUp().channel], (registers) => {
    bank = registers;
    return { place: (there) => (base = there) };
  });
  assert.equal(ide.readConfig(0, 4), 0x70108086);
  assert.equal(ide.readConfig(8, 4), 0x01018000);
  ide.writeConfig(0x40, 4, 0x80008000);
  ide.writeConfig(0x20, 4, 0xc000);
  ide.writeConfig(4, 2, 5);
  assert.equal(base, 0xc000);
  bank?.write(4, 4, 0x12345678);
  bank?.write(12, 2, 0xabcd);
  assert.equal(channel.busMaster.read(4, 4), 0x12345678);
  assert.equal(bank?.read(12, 4), 0xabcc);
  const saved = ide.save();
  ide.writeConfig(0x40, 4, 0);
  ide.restore(saved);
  assert.equal(ide.readConfig(0x40, 4), 0x80008000);
});
