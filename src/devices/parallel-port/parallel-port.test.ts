import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { ParallelPort } from './parallel-port.ts';

const [DATA, STATUS, CONTROL] = [0, 1, 2];
const IDLE = 0x0c;
const STROBE = 0x0d;
const INTERRUPT = 0x10;

function setUp() {
  const printed: number[] = [];
  const line = { level: false, edges: 0 };
  const irq = {
    set: (level: boolean) => {
      if (level && !line.level) line.edges++;
      line.level = level;
    },
  };
  const port = new ParallelPort(irq, (byte) => printed.push(byte));
  const print = (byte: number, control = 0) => {
    port.write(DATA, 1, byte);
    port.write(CONTROL, 1, STROBE | control);
    port.write(CONTROL, 1, IDLE | control);
  };
  return { port, printed, line, print };
}

test('a byte is printed at each strobe, once', () => {
  const { port, printed, line, print } = setUp();
  assert.equal(port.read(STATUS, 1) & 0xf8, 0xd8);
  print(0x41);
  port.write(CONTROL, 1, STROBE);
  port.write(CONTROL, 1, STROBE);
  assert.deepEqual(printed, [0x41, 0x41]);
  assert.equal(line.edges, 0);
});

test('a printer that is reset or not selected takes nothing', () => {
  const { port, printed } = setUp();
  for (const control of [0x08, 0x04, 0x00]) {
    port.write(CONTROL, 1, control);
    port.write(CONTROL, 1, control | 1);
  }
  assert.deepEqual(printed, []);
});

test('an acknowledgement interrupts where that is enabled, until the status is read', () => {
  const { port, line, print } = setUp();
  print(1, INTERRUPT);
  assert.deepEqual(line, { level: true, edges: 1 });
  port.read(STATUS, 1);
  assert.equal(line.level, false);
  print(2, INTERRUPT);
  port.write(CONTROL, 1, IDLE);
  assert.deepEqual(line, { level: false, edges: 2 });
});

test('data that was written is read back, unless the lines are released', () => {
  const { port } = setUp();
  port.write(DATA, 1, 0x55);
  assert.equal(port.read(DATA, 1), 0x55);
  port.write(CONTROL, 1, IDLE | 0x20);
  assert.equal(port.read(DATA, 1), 0xff);
  assert.equal(port.read(CONTROL, 1), 0xec);
});

test('survives random accesses, and its state is restored', () => {
  const random = new SplitMix64(9n);
  const below = (limit: number) => Number(random.next() % BigInt(limit));
  const { port } = setUp();
  for (let n = 0; n < 10_000; n++) {
    if (below(2)) assert.ok(port.read(below(3), 1) <= 0xff);
    else port.write(below(3), 1, below(256));
    const other = setUp();
    other.port.restore(port.save());
    assert.deepEqual(other.port.save(), port.save());
  }
  assert.throws(() => port.restore({ version: 2 }), /version 2/);
});
