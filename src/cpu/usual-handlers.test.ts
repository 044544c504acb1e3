import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tryDecode } from '../isa/decode.ts';
import type { Decoded } from '../isa/operands.ts';
import { HandlerFactory } from './handlers.ts';
import type { Linker, TableFunction } from './linker.ts';
import { UsualHandlers } from './usual-handlers.ts';
import { USUAL_INSTRUCTIONS } from './usual-instructions.ts';

const SYSTEM = 64;

function modeOf(bits: 32 | 64, flat = true) {
  return { bits, stackSize: bits, flatData: flat, flatStack: flat, flatCode: flat } as const;
}

function instructionsOf(bits: 32 | 64): Decoded[] {
  return USUAL_INSTRUCTIONS[bits]
    .trim()
    .split(/\s+/)
    .map((text) => {
      const bytes = Buffer.from(text, 'hex');
      const result = tryDecode((at) => bytes[at], modeOf(bits));
      assert.ok(result.kind === 'instruction' && result.decoded.length === bytes.length, text);
      return result.decoded;
    });
}

/** A factory with a linker that only notes in which functions slots are compiled. */
function bench() {
  const functions = new Map<number, string>();
  const compile = (compiled: readonly TableFunction[]) => {
    for (const { slots, fn } of compiled) for (const slot of slots) functions.set(slot, fn.name);
  };
  const table = new WebAssembly.Table({ element: 'externref', initial: 1 });
  const factory = new HandlerFactory({ table, compile } as unknown as Linker);
  return { factory, usual: new UsualHandlers(factory), functions };
}

for (const bits of [32, 64] as const) {
  describe(`usual handlers of ${bits}-bit code`, () => {
    const mode = modeOf(bits);
    const instructions = instructionsOf(bits);

    /** Has a guest need handlers, one after the other. */
    const need = ({ factory, usual }: ReturnType<typeof bench>, count: number, given = mode) => {
      for (const instruction of instructions.slice(0, count)) {
        factory.handlerFor(instruction, given);
        usual.flush(given);
      }
    };

    it('are one for each instruction of the table', () => {
      const { factory } = bench();
      for (const instruction of instructions) factory.handlerFor(instruction, mode);
      assert.equal(factory.count, instructions.length);
    });

    it('are not made for a program that needs few', () => {
      const made = bench();
      need(made, SYSTEM - 1);
      assert.equal(made.factory.count, SYSTEM - 1);
      assert.ok(![...made.functions.values()].some((name) => name.startsWith('handlers')));
    });

    it('are made together for one that needs many, with those that were there', () => {
      const made = bench();
      need(made, SYSTEM);
      assert.equal(made.factory.count, instructions.length);
      assert.equal(made.functions.size, instructions.length);
      assert.equal(made.functions.get(1), 'handlers1');
      const before = made.functions.size;
      need(made, instructions.length);
      assert.equal(made.functions.size, before);
    });

    it('are not made where segments are not flat', () => {
      const made = bench();
      need(made, 2 * SYSTEM, modeOf(bits, false));
      assert.ok(made.factory.count <= 2 * SYSTEM);
    });
  });
}
