import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitFunction } from '../cpu/emit.ts';
import { ModuleWriter } from '../wasm/module.ts';
import { abstractGuest, Builder } from './builder.ts';
import type { IrFunction } from './nodes.ts';
import type { OpRow } from './ops.ts';
import { lanesOf, simdOps } from './ops-simd.ts';
import { BITS, bitsOf, type Type } from './types.ts';

const RESULT = 64;
const OPERANDS = [0, 16, 32];

/** A function that loads the operands from fixed addresses and stores the operation's result. */
function functionOf(op: OpRow, imm: bigint, name: string): IrFunction {
  const b = new Builder({ pendingOffset: 0, guest: abstractGuest }, ['i32']);
  const args = op.params.map((type, i) => b.load(type, (BITS[type] / 8) as 4, b.cpu, OPERANDS[i]));
  const result = b.opWithImmediate(op.name, imm, ...args);
  b.store((BITS[op.result] / 8) as 4, b.cpu, RESULT, result);
  return b.finish(name);
}

interface Case {
  readonly op: OpRow;
  readonly imm: bigint;
  readonly run: (base: number) => void;
}

/** Compiles every operation, with a few immediates where it has one, into one module. */
function compileCases(memory: WebAssembly.Memory): Case[] {
  const plans = simdOps().flatMap((op) => immediatesOf(op).map((imm, i) => ({ op, imm, name: `${op.name}#${i}` })));
  const writer = new ModuleWriter();
  const type = writer.type(['i32'], []);
  for (const { op, imm, name } of plans) {
    const code = emitFunction(functionOf(op, imm, name), {
      memory64: false,
      functionIndex: () => assert.fail('no calls'),
    });
    writer.export(name, writer.addFunction(name, type, code));
  }
  const bytes = writer.finish({ shared: false, memory64: false, maximumPages: 1 });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { memory, table } });
  return plans.map(({ op, imm, name }) => ({ op, imm, run: exports[name] as (base: number) => void }));
}

function immediatesOf(op: OpRow): bigint[] {
  if (op.immediateBytes === 16) return [0x0f1e020d1c1b0a091807161504131211n, 0x00010203101112130405060714151617n];
  return op.immediateBytes === 1 ? [0n, 1n] : [0n];
}

/** A small deterministic source of operands that often hit the borders of lanes. */
class Operands {
  #state = 0x2545f4914f6cdd1dn;

  word(): bigint {
    this.#state = BigInt.asUintN(64, this.#state * 6364136223846793005n + 1442695040888963407n);
    return this.#state >> 32n;
  }

  of(type: Type): bigint {
    let value = 0n;
    for (let i = 0; i < 4; i++) value = (value << 32n) | this.#part();
    return bitsOf(type, value);
  }

  #part(): bigint {
    const kind = this.word() % 8n;
    if (kind === 0n) return 0n;
    if (kind === 1n) return 0xffff_ffffn;
    if (kind === 2n) return 0x8000_8080n;
    if (kind === 3n) return 0x7fff_7f7fn;
    if (kind === 4n) return 0x3fc0_0000n + (this.word() & 0x00ff_ffffn);
    return this.word();
  }
}

function put(view: DataView, address: number, value: bigint): void {
  view.setBigUint64(address, BigInt.asUintN(64, value), true);
  view.setBigUint64(address + 8, value >> 64n, true);
}

function get(view: DataView, address: number, type: Type): bigint {
  return bitsOf(type, view.getBigUint64(address, true) | (view.getBigUint64(address + 8, true) << 64n));
}

/** Floating-point results, with every NaN made the same: WebAssembly leaves NaN bits open. */
function comparable(name: string, value: bigint): bigint[] {
  const wide = /^f64x2\.(ceil|floor|trunc|nearest|sqrt|add|sub|mul|div|promote)/.test(name);
  const single = /^f32x4\.(ceil|floor|trunc|nearest|sqrt|add|sub|mul|div|demote)/.test(name);
  if (wide) return lanesOf(value, 2).map((v) => ((v & ~(1n << 63n)) > 0x7ff0n << 48n ? -1n : v));
  if (single) return lanesOf(value, 4).map((v) => ((v & 0x7fff_ffffn) > 0x7f80_0000n ? -1n : v));
  return [value];
}

test('every SIMD operation gives the same in the evaluator and in WebAssembly', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const view = new DataView(memory.buffer);
  const operands = new Operands();
  for (const { op, imm, run } of compileCases(memory)) {
    for (let round = 0; round < 60; round++) {
      const args = op.params.map((type) => operands.of(type));
      args.forEach((value, i) => {
        put(view, OPERANDS[i], value);
      });
      put(view, RESULT, 0n);
      run(0);
      const expected = bitsOf(op.result, op.evaluate(args, imm));
      const label = `${op.name}(${args.map((value) => value.toString(16))})`;
      assert.deepEqual(comparable(op.name, get(view, RESULT, op.result)), comparable(op.name, expected), label);
    }
  }
});
