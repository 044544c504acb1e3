import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../isa/decode.ts';
import { HandlerFactory } from './handlers.ts';
import type { Linker, TableFunction } from './linker.ts';

const MODE = { bits: 32, stackSize: 32, flatData: true, flatStack: true, flatCode: true } as const;

/** A factory whose handlers are compiled by nobody: the table only shows which slots are used. */
function bench(most: number) {
  const table = new WebAssembly.Table({ element: 'externref', initial: 1 });
  const compile = (functions: readonly TableFunction[]) => {
    for (const { slots, fn } of functions) for (const slot of slots) table.set(slot, fn.name);
  };
  const factory = new HandlerFactory({ table, compile } as unknown as Linker, most);
  const handler = (...code: number[]) => {
    const decoded = decode((at) => code[at], MODE);
    assert.ok(decoded);
    return factory.handlerFor(decoded, MODE);
  };
  return { factory, table, handler };
}

test('a full factory forgets all handlers but the special ones', () => {
  const { factory, table, handler } = bench(7);
  const special = factory.special(32);
  const first = handler(0x90);
  factory.flush();
  assert.equal(factory.isFull, false);
  const second = handler(0x01, 0xc8);
  factory.flush();
  assert.equal(factory.isFull, true);
  factory.startOver();
  assert.equal(factory.isFull, false);
  assert.deepEqual([table.get(first.slot), table.get(second.slot)], [null, null]);
  assert.notEqual(table.get(special.stop.slot), null);
  assert.equal(factory.special(32), special);
});

test('handlers made after starting over use the freed slots and are compiled again', () => {
  const { factory, table, handler } = bench(6);
  factory.special(32);
  const { slot } = handler(0x90);
  factory.flush();
  factory.startOver();
  handler(0x01, 0xc8);
  assert.equal(handler(0x90).slot, slot + 1);
  factory.flush();
  assert.match(String(table.get(slot + 1)), /NOP|XCHG/);
});
