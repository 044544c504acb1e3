import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { Uart16550 } from './uart16550.ts';

const CHARACTER_NANOS_AT_115200 = 86_805n;

class Bench {
  readonly clock = new ManualClock();
  readonly sent: number[] = [];
  irq = false;
  irqEdges = 0;
  drained = 0;
  #receive: (byte: number) => boolean = () => false;
  readonly uart = new Uart16550(
    this.clock,
    { set: (level) => this.#onIrq(level) },
    { send: (byte) => this.sent.push(byte), onByte: (receive) => (this.#receive = receive) },
    () => this.drained++,
  );

  #onIrq(level: boolean): void {
    if (level && !this.irq) this.irqEdges++;
    this.irq = level;
  }

  /** Bytes from outside. */
  /** @returns whether the chip took it */
  offer(char: string): boolean {
    return this.#receive(char.charCodeAt(0));
  }

  type(text: string): void {
    for (const char of text) this.offer(char);
  }

  in(register: number): number {
    return this.uart.read(register, 1);
  }

  out(register: number, value: number): void {
    this.uart.write(register, 1, value);
  }

  wait(nanos: bigint): void {
    this.clock.advanceTo(this.clock.nowNanos() + nanos);
  }

  /** 115200 8N1, FIFOs with trigger level 8, RTS and DTR on, receiver interrupt on. */
  open(): this {
    this.out(3, 0x83);
    this.out(0, 1);
    this.out(1, 0);
    this.out(3, 0x03);
    this.out(2, 0x87);
    this.wait(CHARACTER_NANOS_AT_115200);
    this.out(4, 0x0b);
    this.out(1, 0x01);
    return this;
  }

  readAll(): string {
    let text = '';
    while (this.in(5) & 1) text += String.fromCharCode(this.in(0));
    return text;
  }
}

test('a byte written to THR has left at once and the transmitter is empty again', () => {
  const bench = new Bench();
  bench.out(0, 0x41);
  assert.deepEqual(bench.sent, [0x41]);
  assert.equal(bench.in(5) & 0x60, 0x60);
});

test('the THRE interrupt comes when enabled and after each byte, and reading IIR ends it', () => {
  const bench = new Bench();
  bench.out(1, 0x02);
  assert.equal(bench.irq, true);
  assert.equal(bench.in(2), 0x02);
  assert.equal(bench.irq, false);
  assert.equal(bench.in(2), 0x01);
  bench.out(0, 0x41);
  bench.out(0, 0x42);
  assert.equal(bench.irqEdges, 3, 'every byte makes an edge');
  bench.out(1, 0x00);
  assert.equal(bench.irq, false);
  bench.out(1, 0x02);
  assert.equal(bench.in(2), 0x02);
});

test('the divisor latch hides RBR, THR and IER', () => {
  const bench = new Bench();
  bench.out(1, 0x05);
  bench.out(3, 0x80);
  bench.out(0, 0x34);
  bench.out(1, 0x12);
  assert.equal(bench.in(0), 0x34);
  assert.equal(bench.in(1), 0x12);
  assert.deepEqual(bench.sent, []);
  bench.out(3, 0x03);
  assert.equal(bench.in(1), 0x05);
  assert.equal(bench.in(3), 0x03);
});

test('the chip answers the probes that tell a 16550A', () => {
  const bench = new Bench();
  bench.out(1, 0xff);
  assert.equal(bench.in(1), 0x0f);
  bench.out(1, 0);
  bench.out(7, 0xa5);
  assert.equal(bench.in(7), 0xa5);
  bench.out(2, 0x01);
  assert.equal(bench.in(2), 0xc1);
  bench.out(2, 0x21);
  assert.equal(bench.in(2), 0xc1, 'there is no 64-byte FIFO');
  bench.out(2, 0);
  assert.equal(bench.in(2), 0x01);
  bench.out(4, 0x1a);
  assert.equal(bench.in(6) & 0xf0, 0x90);
});

test('received data interrupts at the trigger level', () => {
  const bench = new Bench().open();
  bench.type('1234567');
  assert.equal(bench.irq, false);
  bench.type('8');
  assert.equal(bench.in(2), 0xc4);
  assert.equal(bench.in(0), 0x31);
  assert.equal(bench.irq, false);
  assert.equal(bench.readAll(), '2345678');
});

test('bytes below the trigger level are announced after four character times', () => {
  const bench = new Bench().open();
  bench.type('ab');
  bench.wait(4n * CHARACTER_NANOS_AT_115200 - 1n);
  assert.equal(bench.irq, false);
  bench.wait(2n);
  assert.equal(bench.in(2), 0xcc);
  assert.equal(bench.in(0), 0x61);
  assert.equal(bench.irq, false, 'a read ends the time-out');
  bench.wait(4n * CHARACTER_NANOS_AT_115200);
  assert.equal(bench.in(2), 0xcc);
  assert.equal(bench.readAll(), 'b');
});

test('without FIFOs one byte at a time is announced', () => {
  const bench = new Bench();
  bench.out(1, 0x01);
  bench.type('xyz');
  assert.equal(bench.in(2), 0x04);
  assert.equal(bench.in(0), 0x78);
  assert.equal(bench.irq, true);
  assert.equal(bench.readAll(), 'yz');
  assert.equal(bench.irq, false);
});

test('a flood of bytes is delivered whole and in order, and the sender is told when there is room', () => {
  const bench = new Bench().open();
  const text = 'The quick brown fox. '.repeat(1000);
  bench.type(text);
  assert.equal(bench.uart.inboundSpace, 65536 - text.length + 16);
  assert.equal(bench.drained, 0);
  assert.equal(bench.readAll(), text);
  assert.equal(bench.drained, 1);
});

test('a byte beyond the bound is refused, to be offered again', () => {
  const bench = new Bench();
  bench.type('x'.repeat(65536));
  assert.equal(bench.offer('y'), false);
  bench.open();
  assert.equal(bench.in(0), 0x78);
  assert.equal(bench.offer('y'), true);
});

test('a peer is silent until the guest listens: by RTS, by the interrupt or by polling', () => {
  const byRts = new Bench();
  byRts.type('a');
  assert.equal(byRts.in(5) & 1, 0);
  byRts.out(4, 0x02);
  assert.equal(byRts.in(5) & 1, 1);
  const byInterrupt = new Bench();
  byInterrupt.type('a');
  byInterrupt.out(1, 0x01);
  assert.equal(byInterrupt.irq, true);
  const byPolling = new Bench();
  byPolling.type('ab');
  let polls = 0;
  while ((byPolling.in(5) & 1) === 0) polls++;
  assert.ok(polls < 32);
  assert.equal(byPolling.in(0), 0x61);
  const byPollingWithTheModem = new Bench();
  byPollingWithTheModem.type('a');
  for (polls = 0; polls < 32 && (byPollingWithTheModem.in(5) & 1) === 0; polls++) {
    byPollingWithTheModem.in(4);
    byPollingWithTheModem.in(6);
  }
  assert.equal(byPollingWithTheModem.in(0), 0x61);
});

test('a receiver reset empties the FIFO and loses nothing', () => {
  const bench = new Bench().open();
  bench.type('hello world');
  bench.out(2, 0x83);
  assert.equal(bench.in(5) & 1, 0);
  bench.wait(CHARACTER_NANOS_AT_115200);
  assert.equal(bench.readAll(), 'hello world');
});

test('loopback returns bytes and modem outputs and sends nothing', () => {
  const bench = new Bench();
  bench.out(2, 0x01);
  bench.out(4, 0x10);
  bench.in(6);
  bench.type('q');
  bench.out(0, 0x5a);
  assert.deepEqual(bench.sent, []);
  assert.equal(bench.in(0), 0x5a);
  assert.equal(bench.in(5) & 1, 0, 'the outside end is cut off');
  bench.out(4, 0x14);
  assert.equal(bench.in(6), 0x40);
  bench.out(4, 0x11);
  assert.equal(bench.in(6), 0x26, 'RI fell and DSR rose');
  for (let i = 0; i < 17; i++) bench.out(0, i);
  assert.equal(bench.in(5) & 0x02, 0x02, 'the seventeenth byte overruns');
});

test('a changed modem input interrupts when enabled and reading MSR ends it', () => {
  const bench = new Bench();
  bench.out(1, 0x08);
  bench.out(4, 0x10);
  assert.equal(bench.in(2), 0x00);
  assert.equal(bench.in(6), 0x0b);
  assert.equal(bench.irq, false);
});

test('line status comes before data, data before THRE', () => {
  const bench = new Bench();
  bench.out(4, 0x10);
  bench.out(0, 1);
  bench.out(0, 2);
  bench.out(1, 0x0f);
  assert.equal(bench.in(2), 0x06);
  bench.in(5);
  assert.equal(bench.in(2), 0x04);
  bench.in(0);
  assert.equal(bench.in(2), 0x02);
  assert.equal(bench.in(2), 0x00);
});

test('a restored chip goes on with its bytes, its time-out and its interrupt', () => {
  const first = new Bench().open();
  first.type('abc');
  first.wait(1000n);
  const second = new Bench();
  second.wait(first.clock.nowNanos());
  second.uart.restore(first.uart.save());
  assert.deepEqual(second.uart.save(), first.uart.save());
  second.wait(4n * CHARACTER_NANOS_AT_115200 - 1000n);
  assert.equal(second.in(2), 0xcc);
  second.type('d');
  assert.equal(second.readAll(), 'abcd');
  const third = new Bench();
  first.out(1, 0x03);
  third.uart.restore(first.uart.save());
  assert.equal(third.irq, true);
});

test('a restore that empties the inbound queue lets a paused sender go on', () => {
  const bench = new Bench();
  const atPowerOn = bench.uart.save();
  bench.type('x'.repeat(10_000));
  bench.uart.restore(atPowerOn);
  assert.equal(bench.drained, 1);
});

test('a record of another version is refused', () => {
  assert.throws(() => new Bench().uart.restore({ version: 2 }), /version 2/);
});

test('no access of any value, size or offset throws, and reads stay bytes', () => {
  const bench = new Bench();
  for (let i = 0; i < 20000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    bench.uart.write((value >> 7) & 15, [1, 2, 4][i % 3], value);
    if (i % 3 === 0) bench.type('z');
    const read = bench.in((value >> 20) & 15);
    assert.ok(Number.isInteger(read) && read >= 0 && read <= 0xff);
    bench.wait(BigInt(value & 0xffff));
  }
});
