import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MmioBus, PortBus } from './bus.ts';

/** Logs accesses; reads give the offset repeated in every byte, plus a tag. */
function recorder(tag: number = 0) {
  const log: string[] = [];
  return {
    log,
    read(offset: number, size: number): number {
      log.push(`r${size}@${offset}`);
      let value = 0;
      for (let i = 0; i < size; i++) value += (tag + offset + i) * 256 ** i;
      return value;
    },
    write(offset: number, size: number, value: number): void {
      log.push(`w${size}@${offset}=${value.toString(16)}`);
    },
  };
}

test('an unmapped address reads as ones and swallows writes', () => {
  for (const bus of [new PortBus(), new MmioBus()]) {
    assert.equal(bus.read(0x1234, 1), 0xff);
    assert.equal(bus.read(0x1234, 2), 0xffff);
    assert.equal(bus.read(0x1234, 4), 0xffffffff);
    bus.write(0x1234, 4, 1);
  }
});

test('a chip sees offsets from its base', () => {
  const [bus, chip] = [new PortBus(), recorder(0x80)];
  bus.map(0x3f8, 8, chip, 'chip', 1);
  assert.equal(bus.read(0x3fd, 1), 0x85);
  bus.write(0x3ff, 1, 0x1ab);
  assert.deepEqual(chip.log, ['r1@5', 'w1@7=ab']);
});

test('a wide access to an 8-bit chip arrives byte by byte, lowest first', () => {
  const [bus, chip] = [new PortBus(), recorder(0x10)];
  bus.map(0x40, 4, chip, 'chip', 1);
  assert.equal(bus.read(0x40, 4), 0x13121110);
  bus.write(0x40, 2, 0xbeef);
  assert.deepEqual(chip.log, ['r1@0', 'r1@1', 'r1@2', 'r1@3', 'w1@0=ef', 'w1@1=be']);
});

test('a narrow access to a wide register reads its low bits, and no more of them than it asked for', () => {
  for (const bus of [new PortBus(), new MmioBus()]) {
    bus.map(0xc000, 8, { read: () => 0x89abcdef, write: () => {} }, 'chip', 4);
    assert.deepEqual(
      [1, 2, 4].map((size) => bus.read(0xc000, size)),
      [0xef, 0xcdef, 0x89abcdef],
    );
    assert.equal(bus.read(0xc001, 2), 0xefef);
  }
});

test('a chip never sees a misaligned access', () => {
  const [bus, chip] = [new PortBus(), recorder()];
  bus.map(0x100, 8, chip, 'chip', 4);
  assert.equal(bus.read(0x102, 4), 0x05040302);
  bus.read(0x103, 2);
  assert.deepEqual(chip.log, ['r2@2', 'r2@4', 'r1@3', 'r1@4']);
});

test('an access that leaves a chip continues in its neighbour or the void', () => {
  const [bus, a, b] = [new MmioBus(), recorder(0x10), recorder(0x20)];
  bus.map(0x1000, 4, a, 'a', 4);
  bus.map(0x1004, 4, b, 'b', 4);
  assert.equal(bus.read(0x1002, 4), 0x21201312);
  assert.equal(bus.read(0x1006, 4), 0xffff2322);
});

test('a dword access at the last port wraps to port 0', () => {
  const [bus, first, last] = [new PortBus(), recorder(0x40), recorder(0x80)];
  bus.map(0, 4, first, 'first', 1);
  bus.map(0xffff, 1, last, 'last', 1);
  assert.equal(bus.read(0xffff, 4), 0x42414080);
});

test('the owner of the first byte takes the whole access', () => {
  const [bus, reset, host] = [new PortBus(), recorder(), recorder()];
  bus.map(0xcf9, 1, reset, 'reset', 1);
  bus.map(0xcf8, 8, host, 'host', 4);
  bus.write(0xcf8, 4, 0x80000000);
  bus.write(0xcf9, 1, 6);
  assert.deepEqual(host.log, ['w4@0=80000000']);
  assert.deepEqual(reset.log, ['w1@0=6']);
});

test('of overlapping mappings the first wins, and the other shows when it goes', () => {
  for (const bus of [new PortBus(), new MmioBus()]) {
    const [fixed, moved] = [recorder(0x10), recorder(0x80)];
    const first = bus.map(0x20, 4, fixed, 'fixed', 1);
    const second = bus.map(0x1c, 16, moved, 'moved', 1);
    assert.deepEqual(
      [0x1b, 0x1c, 0x20, 0x23, 0x24, 0x2c].map((a) => bus.read(a, 1)),
      [0xff, 0x80, 0x10, 0x13, 0x88, 0xff],
    );
    bus.unmap(first);
    bus.unmap(first);
    assert.equal(bus.read(0x20, 1), 0x84);
    bus.unmap(second);
    assert.equal(bus.read(0x20, 1), 0xff);
  }
});

test('a mapping can move', () => {
  const [bus, chip] = [new MmioBus(), recorder(0x10)];
  const old = bus.map(0xfe000000, 0x1000, chip, 'bar', 4);
  bus.read(0xfe000000, 4);
  bus.unmap(old);
  bus.map(2 ** 40, 0x1000, chip, 'bar', 4);
  assert.equal(bus.read(0xfe000000, 4), 0xffffffff);
  assert.equal(bus.read(2 ** 40 + 0x10, 1), 0x20);
});

test('the found mapping is the same as by linear search, for random mappings', () => {
  let seed = 1;
  const random = (limit: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const bus = new MmioBus();
  const tags = Array.from({ length: 30 }, (_, i) => {
    const [base, length] = [random(1000), 1 + random(100)];
    const device = { read: () => i, write: () => {} };
    return { base, length, mapping: bus.map(base, length, device, `${i}`, 1) };
  });
  for (const { mapping } of tags.splice(5, 10)) bus.unmap(mapping);
  for (let address = 0; address < 1200; address++) {
    const owner = tags.find(({ base, length }) => address >= base && address < base + length);
    assert.equal(bus.read(address, 1), owner ? Number(owner.mapping.name) : 0xff);
  }
});

test('a mapping outside the address space is refused', () => {
  const bus = new PortBus();
  for (const [base, length] of [
    [0xffff, 2],
    [-1, 1],
    [0, 0],
    [Number.NaN, 1],
  ]) {
    assert.throws(() => bus.map(base, length, recorder(), 'chip', 1), RangeError);
  }
});
