import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VmPort } from './vmport.ts';

const [EAX, ECX, EDX, EBX] = [0, 1, 2, 3];
const MAGIC = 0x564d5868;
const [DATA, STATUS, COMMAND] = [39, 40, 41];
const [ENABLE, DISABLE, ABSOLUTE] = [0x45414552, 0xf5, 0x53424152];

function setUp() {
  const registers = new Array<number>(8).fill(0);
  let events = 0;
  const port = new VmPort(
    {
      get: (register) => registers[register],
      set: (register, value) => {
        registers[register] = value;
      },
    },
    () => events++,
  );
  /** As a driver calls it. @returns EAX */
  const call = (command: number, argument = 0): number => {
    registers[EAX] = MAGIC;
    registers[ECX] = command;
    registers[EBX] = argument;
    registers[EAX] = port.read(0, 4);
    return registers[EAX];
  };
  return { port, registers, call, events: () => events };
}

test('the port tells that it is there, to those who know the word', () => {
  const { port, registers, call } = setUp();
  assert.equal(port.read(0, 4), 0xffffffff);
  assert.equal(call(10), 6);
  assert.equal(registers[EBX], MAGIC);
  assert.equal(call(999), 0xffffffff);
  assert.equal(port.read(0, 1), 0xff);
});

test('a driver that enables the pointer gets packets of where it is', () => {
  const { port, registers, call, events } = setUp();
  assert.equal(call(STATUS), 0xffff0000);
  call(COMMAND, ENABLE);
  assert.equal(call(STATUS), 1);
  assert.equal(call(DATA, 1), 0x3442554a);
  port.point(1, 2, 0, 0);
  assert.equal(port.isActive, false);
  call(COMMAND, ABSOLUTE);
  assert.equal(port.isActive, true);
  port.point(0x7fff, 100, -1, 1 | 4);
  assert.equal(events(), 1);
  assert.equal(call(STATUS), 4);
  assert.equal(call(DATA, 4), 0x28);
  assert.deepEqual([registers[EBX], registers[ECX], registers[EDX]], [0xfffe, 200, 0xffffffff]);
  call(COMMAND, DISABLE);
  assert.equal(call(STATUS), 0xffff0000);
});

test('packets that nobody fetches do not pile up, and asking for too much turns the pointer off', () => {
  const { port, call } = setUp();
  call(COMMAND, ENABLE);
  call(COMMAND, ABSOLUTE);
  for (let i = 0; i < 10_000; i++) port.point(i & 0x7fff, 0, 0, 0);
  assert.ok(call(STATUS) <= 1024);
  assert.equal(call(DATA, 7), 0xffffffff);
  assert.equal(port.isActive, false);
});

test('a restored port goes on with its packets', () => {
  const { port, call } = setUp();
  call(COMMAND, ENABLE);
  call(COMMAND, ABSOLUTE);
  port.point(3, 4, 0, 0);
  const other = setUp();
  other.port.restore(port.save());
  assert.equal(other.call(STATUS), 5);
  assert.equal(other.port.isActive, true);
  assert.throws(() => other.port.restore({ version: 7 }), /version 7/);
});
