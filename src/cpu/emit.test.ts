import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperandSource } from '../../test/float/operands.ts';
import { abstractGuest, type Builder } from '../ir/builder.ts';
import { defineHelper, type IrHelper } from '../ir/define.ts';
import { Evaluator } from '../ir/evaluate.ts';
import type { Variable } from '../ir/nodes.ts';
import { OPS, type Op } from '../ir/ops.ts';
import { simdOps } from '../ir/ops-simd.ts';
import { BITS, type Type } from '../ir/types.ts';
import type { Val } from '../ir/val.ts';
import type { Bound } from './emit.ts';
import { Linker } from './linker.ts';

const TARGET = { pendingOffset: 0, guest: abstractGuest };
const PAGES = 1;
/** The state block of these tests: what functions load from and store to, offsets 0–255. */
const BASE = 1024;
const BLOCK_BYTES = 256;
const OPERANDS = [0, 8, 16];
const RESULT = 24;

/** Runs helpers as WebAssembly and with the evaluator, on memories of their own. */
class BothEngines {
  readonly memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  readonly emitted = new DataView(this.memory.buffer);
  readonly evaluated = new DataView(new ArrayBuffer(PAGES * 65536));
  readonly #linker: Linker;
  readonly #evaluator: Evaluator;

  constructor() {
    const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' });
    const memoryImport = { shared: false, memory64: false, maximumPages: PAGES };
    this.#linker = new Linker(this.memory, memoryImport, table, {}, TARGET);
    const refuse = () => assert.fail('nothing outside is called');
    const world = { memory: this.evaluated, guestLoad: refuse, guestStore: refuse, hostCall: refuse };
    this.#evaluator = new Evaluator({ ...world, tailCallIndirect: refuse }, TARGET);
  }

  /** Makes all helpers known at once. @param bound what they may rely upon */
  compile(helpers: readonly IrHelper[], bound?: Bound): void {
    this.#linker.compile([], helpers, bound);
  }

  set(offset: number, value: bigint): void {
    this.emitted.setBigUint64(BASE + offset, value, true);
    this.evaluated.setBigUint64(BASE + offset, value, true);
  }

  /** @param base what the WebAssembly is told of where the state block lies */
  run(helper: IrHelper, base = BASE): void {
    const native = this.#linker.helper(helper) as (base: number) => void;
    native(base);
    this.#evaluator.call(helper, [BigInt(BASE)]);
  }

  block(view: DataView): string {
    return Buffer.from(view.buffer, view.byteOffset + BASE, BLOCK_BYTES).toString('hex');
  }
}

const bytesOf = (type: Type) => (BITS[type] / 8) as 4 | 8;

/** A helper that applies an operation to what it loads, and stores the result. */
function helperOf(op: Op): IrHelper {
  return defineHelper(`apply ${op.name}`, {}, (b) => {
    const args = op.params.map((type, i) => b.load(type, bytesOf(type), b.cpu, OPERANDS[i]));
    b.store(bytesOf(op.result), b.cpu, RESULT, b.op(op.name, ...args));
  });
}

/** Whether WebAssembly defines the result: divisions may trap. */
function isDefined(op: Op, args: readonly bigint[]): boolean {
  const [, name] = op.name.split('.');
  if (!/^(div|rem)_/.test(name)) return true;
  const bits = BigInt(BITS[op.params[0]]);
  const overflows = name === 'div_s' && args[0] === 1n << (bits - 1n) && args[1] === (1n << bits) - 1n;
  return args[1] !== 0n && !overflows;
}

/** The result's bits, with every NaN made the same: WebAssembly leaves open which one an operation gives. */
function comparable(op: Op, bits: bigint): bigint {
  const arithmetic = /^f(32|64)\.(add|sub|mul|div|sqrt|ceil|floor|trunc|nearest|demote|promote)/.test(op.name);
  if (!arithmetic) return bits;
  const infinity = op.result === 'f32' ? 0x7f80_0000n : 0x7ff0_0000_0000_0000n;
  return BigInt.asUintN(BITS[op.result] - 1, bits) > infinity ? -1n : bits;
}

function operandOf(type: Type, source: OperandSource): bigint {
  if (type === 'f32') return source.narrow(8, 23);
  if (type === 'f64') return source.narrow(11, 52);
  return BigInt.asUintN(BITS[type], source.fraction(64) ^ (source.bits() & 1n ? 0n : 1n << 63n));
}

const vectorOps = new Set(simdOps().map(({ name }) => name));
const SCALAR_OPS = [...OPS.values()].filter((op) => !vectorOps.has(op.name) && !op.params.includes('v128'));

describe('emitted WebAssembly', () => {
  it('gives what the evaluator gives, for every scalar operation', () => {
    const engines = new BothEngines();
    const source = new OperandSource(11);
    const helpers = SCALAR_OPS.map((op) => ({ op, helper: helperOf(op) }));
    engines.compile(helpers.map(({ helper }) => helper));
    for (const { op, helper } of helpers) {
      for (let round = 0; round < 100; round++) {
        const args = op.params.map((type) => operandOf(type, source));
        if (!isDefined(op, args)) continue;
        args.forEach((value, i) => {
          engines.set(OPERANDS[i], value);
        });
        engines.set(RESULT, 0n);
        engines.run(helper);
        const result = (view: DataView) =>
          comparable(op, BigInt.asUintN(BITS[op.result], view.getBigUint64(BASE + RESULT, true)));
        const label = `${op.name}(${args.map((value) => value.toString(16))})`;
        assert.equal(result(engines.emitted), result(engines.evaluated), label);
      }
    }
  });

  it('gives what the evaluator gives, for random programs', () => {
    const engines = new BothEngines();
    const programs = randomPrograms();
    engines.compile(programs);
    for (const program of programs) compareOnRandomBlocks(engines, program, BASE);
  });

  it('finds the state block where it is bound to, whatever it is told', () => {
    const engines = new BothEngines();
    const programs = randomPrograms();
    engines.compile(programs, { vectorAddress: () => undefined, state: BASE });
    for (const program of programs) compareOnRandomBlocks(engines, program, 2 * BASE);
  });

  it('narrow loads and stores take the low bytes, with or without sign', () => {
    const engines = new BothEngines();
    const helper = defineHelper('narrow', {}, (b) => {
      let slot = 8;
      for (const type of ['i32', 'i64'] as const) {
        for (const bytes of [1, 2, 4] as const) {
          for (const signed of [false, true])
            b.store(8, b.cpu, 8 * slot++, b.load(type, bytes, b.cpu, 3, signed).extU());
          b.store(bytes, b.cpu, 8 * slot++, b.load(type, bytesOf(type), b.cpu, 8));
        }
      }
    });
    engines.set(0, 0x8091_a2b3_c4d5_e6f7n);
    engines.set(8, 0xfedc_ba98_7654_3210n);
    engines.run(helper);
    assert.equal(engines.block(engines.emitted), engines.block(engines.evaluated));
    assert.equal(engines.emitted.getBigUint64(BASE + 64, true), 0xc4n);
    assert.equal(engines.emitted.getBigUint64(BASE + 72, true), 0xffff_ffc4n);
  });
});

const BINARY = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_u', 'shr_s', 'rotl', 'rotr'] as const;
const COMPARE = ['eq', 'ne', 'lt_u', 'lt_s', 'ge_u', 'gt_s'] as const;
const VARIABLES = 4;
const DEPTH = 4;

/** A helper that other programs call: so small that the call itself is what is tested. */
const mix = defineHelper('mix', { params: ['i64', 'i64'], result: 'i64' }, (b, x, y) => {
  b.if(x.ltU(y), () => b.return(x.rotl(7)));
  return x.xor(y);
});

/** Writes random code: values, variables, memory, calls, and structured control flow that always ends. */
class ProgramWriter {
  readonly #b: Builder;
  readonly #source: OperandSource;
  readonly #variables: Variable[];

  constructor(b: Builder, seed: number) {
    this.#b = b;
    this.#source = new OperandSource(seed + 100);
    this.#variables = Array.from({ length: VARIABLES }, (_, i) => b.variable('i64', b.load('i64', 8, b.cpu, 8 * i)));
  }

  write(): void {
    this.#list(DEPTH);
    this.#variables.forEach((variable, i) => {
      this.#b.store(8, this.#b.cpu, 8 * i, this.#b.get(variable));
    });
  }

  #list(depth: number): void {
    for (let n = 1 + this.#source.below(4); n > 0; n--) this.#statement(depth);
  }

  #value(depth = 3): Val {
    const b = this.#b;
    const kind = depth === 0 ? this.#source.below(3) : this.#source.below(7);
    if (kind === 0) return b.i64(this.#source.fraction(64));
    if (kind === 1) return b.load('i64', 8, b.cpu, 8 * this.#source.below(BLOCK_BYTES / 8));
    if (kind === 2) return b.get(this.#source.pick(this.#variables));
    if (kind === 3) return this.#value(depth - 1).selectIf(this.#condition(depth - 1), this.#value(depth - 1));
    if (kind === 4) return b.call(mix, this.#value(depth - 1), this.#value(depth - 1));
    return this.#value(depth - 1).do(this.#source.pick(BINARY), this.#value(depth - 1));
  }

  #condition(depth = 2): Val {
    return this.#value(depth).do(this.#source.pick(COMPARE), this.#value(depth));
  }

  #statement(depth: number): void {
    const b = this.#b;
    const kind = depth === 0 ? this.#source.below(3) : this.#source.below(8);
    if (kind <= 1) b.set(this.#source.pick(this.#variables), this.#value());
    else if (kind === 2) b.store(8, b.cpu, 8 * this.#source.below(BLOCK_BYTES / 8), this.#value());
    else if (kind === 3) b.if(this.#condition(), () => this.#list(depth - 1));
    else if (kind === 4) {
      b.if(
        this.#condition(),
        () => this.#list(depth - 1),
        () => this.#list(depth - 1),
      );
    } else if (kind === 5) this.#block(depth);
    else if (kind === 6) this.#loop(depth);
    else b.if(this.#condition(), () => b.return());
  }

  #block(depth: number): void {
    const b = this.#b;
    b.block((label) => {
      this.#list(depth - 1);
      b.if(this.#condition(), () => b.break(label));
      this.#list(depth - 1);
    });
  }

  #loop(depth: number): void {
    const b = this.#b;
    const left = b.variable('i32', 1 + this.#source.below(3));
    b.loop((label) => {
      this.#list(depth - 1);
      b.set(left, b.get(left).sub(1));
      b.if(this.#condition(), () => b.break(label));
      b.if(b.get(left), () => b.continue(label));
    });
  }
}

function randomPrograms(): IrHelper[] {
  return Array.from({ length: 60 }, (_, seed) =>
    defineHelper(`program ${seed}`, {}, (b) => new ProgramWriter(b, seed).write()),
  );
}

function compareOnRandomBlocks(engines: BothEngines, program: IrHelper, base: number): void {
  const source = new OperandSource(12);
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < BLOCK_BYTES; at += 8) engines.set(at, source.bits() >> BigInt(source.below(64)));
    engines.run(program, base);
    assert.equal(engines.block(engines.emitted), engines.block(engines.evaluated), program.name);
  }
}
