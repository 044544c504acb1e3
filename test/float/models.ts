import type { IrHelper } from '../../src/ir/define.ts';
import {
  FLOAT_32_BINARY,
  FLOAT_32_SQRT,
  FLOAT_64_BINARY,
  FLOAT_64_SQRT,
  FLOAT_80_BINARY,
  FLOAT_80_SQRT,
} from '../../src/isa/float/arithmetic.ts';
import { BCD_MAGNITUDE, FLOAT_80_TO_BCD } from '../../src/isa/float/bcd.ts';
import { FLOAT_32_COMPARE, FLOAT_64_COMPARE, FLOAT_80_COMPARE } from '../../src/isa/float/compare.ts';
import {
  FLOAT_32_FROM_INTEGER,
  FLOAT_32_OPERAND,
  FLOAT_32_TO_64,
  FLOAT_32_TO_INTEGER,
  FLOAT_64_FROM_INTEGER,
  FLOAT_64_OPERAND,
  FLOAT_64_TO_32,
  FLOAT_64_TO_INTEGER,
  FLOAT_80_FROM_INTEGER,
  FLOAT_80_LOADED,
  FLOAT_80_TO_32,
  FLOAT_80_TO_64,
  FLOAT_80_TO_INTEGER,
} from '../../src/isa/float/convert.ts';
import { FLOAT_32_INTEGRAL, FLOAT_64_INTEGRAL, FLOAT_80_INTEGRAL } from '../../src/isa/float/integral.ts';
import { FLOAT_80_NEAREST_REMAINDER, FLOAT_80_REMAINDER } from '../../src/isa/float/remainder.ts';
import { CONTROL_TRUNCATE, EXCEPTION, FLOAT_EXPONENT, FLOAT_FLAGS } from '../../src/isa/float/results.ts';
import { EXTRACT, FLOAT_80_EXTRACT, FLOAT_80_SCALE } from '../../src/isa/float/scale.ts';
import { field32, type HelperEngine, setField32 } from './engines.ts';
import type { OperandSource } from './operands.ts';
import type { OracleCase, OracleOutcome } from './oracle.ts';

/** What a model says that the processor gives; what is absent is not compared. */
export interface Expected {
  readonly status: number;
  readonly st0?: bigint;
  readonly st1?: bigint;
  readonly memory?: bigint;
}

/** How one operation of hardware-oracle.c is said with the project's helpers. */
export interface Model {
  readonly name: string;
  readonly operation: number;
  operands(source: OperandSource): Pick<OracleCase, 'st0' | 'st1' | 'memory'>;
  run(engine: HelperEngine, c: OracleCase): Expected;
  /** Bits of the status word that the model gives. */
  readonly statusMask: number;
}

const LOW = (1n << 64n) - 1n;
const word = (x: bigint) => x >> 64n;
const significand = (x: bigint) => x & LOW;

/** Exceptions and C1; and all condition codes. */
const FLAGS_AND_C1 = 0x23f;
const FLAGS_AND_CODES = 0x473f;
const FLAGS = 0x3f;

function flagsOf(engine: HelperEngine): number {
  return field32(engine, FLOAT_FLAGS);
}

/** Calls a helper that gives an 80-bit number. */
function call80(engine: HelperEngine, helper: IrHelper, ...args: bigint[]): bigint {
  const low = engine.call(helper, ...args);
  return (BigInt(field32(engine, FLOAT_EXPONENT)) << 64n) | low;
}

/** Whether an unmasked exception keeps the result from being stored; `stops` are the exceptions that do. */
function prevented(flags: number, control: number, stops: number): boolean {
  return (flags & ~control & stops) !== 0;
}

const STOPS_REGISTER = EXCEPTION.IE | EXCEPTION.DE | EXCEPTION.ZE;
const STOPS_MEMORY = STOPS_REGISTER | EXCEPTION.OE | EXCEPTION.UE;

function relatedPair(source: OperandSource): { st0: bigint; st1: bigint; memory: bigint } {
  const st0 = source.extended();
  const near = st0 ^ (1n << 79n) ^ BigInt(source.below(4));
  return { st0, st1: source.below(4) === 0 ? near : source.extended(), memory: 0n };
}

/** ST0 := helper(ST0, ST1). */
function binary80(name: string, operation: number, helper: IrHelper, statusMask = FLAGS_AND_C1): Model {
  return {
    name,
    operation,
    operands: relatedPair,
    statusMask,
    run(engine, c) {
      const args = [word(c.st0), significand(c.st0), word(c.st1), significand(c.st1), BigInt(c.control)];
      const result = call80(engine, helper, ...args);
      const status = flagsOf(engine);
      return { status, st0: prevented(status, c.control, STOPS_REGISTER) ? c.st0 : result };
    },
  };
}

/** ST0 := helper(ST0). */
function unary80(name: string, operation: number, helper: IrHelper): Model {
  return {
    name,
    operation,
    operands: relatedPair,
    statusMask: FLAGS_AND_C1,
    run(engine, c) {
      const result = call80(engine, helper, word(c.st0), significand(c.st0), BigInt(c.control));
      const status = flagsOf(engine);
      return { status, st0: prevented(status, c.control, STOPS_REGISTER) ? c.st0 : result };
    },
  };
}

/** memory := helper(ST0), of `bits`. */
function store(name: string, operation: number, bits: number, helper: IrHelper, ...more: bigint[]): Model {
  return {
    name,
    operation,
    operands: relatedPair,
    statusMask: FLAGS_AND_C1,
    run(engine, c) {
      const control = BigInt(name.startsWith('fistt') ? c.control | CONTROL_TRUNCATE : c.control);
      const result = engine.call(helper, word(c.st0), significand(c.st0), control, ...more);
      const status = flagsOf(engine);
      const kept = prevented(status, c.control, STOPS_MEMORY);
      return { status, memory: kept ? c.memory : BigInt.asUintN(bits, result) };
    },
  };
}

function compare80(name: string, operation: number, quiet: bigint): Model {
  return {
    name,
    operation,
    operands: relatedPair,
    statusMask: 0x453f,
    run(engine, c) {
      const args = [word(c.st0), significand(c.st0), word(c.st1), significand(c.st1), quiet];
      const codes = Number(engine.call(FLOAT_80_COMPARE, ...args)) << 8;
      return { status: flagsOf(engine) | codes };
    },
  };
}

const narrow32 = (source: OperandSource) => source.narrow(8, 23);
const narrow64 = (source: OperandSource) => source.narrow(11, 52);

/** FLD of 32 or 64 bits. */
function load(name: string, operation: number, value: (source: OperandSource) => bigint, operand: IrHelper): Model {
  return {
    name,
    operation,
    operands: (source) => ({ st0: 0n, st1: 0n, memory: value(source) }),
    statusMask: FLAGS,
    run(engine, c) {
      const opened = call80(engine, operand, c.memory);
      const result = call80(engine, FLOAT_80_LOADED, word(opened), significand(opened));
      const status = flagsOf(engine);
      return { status, st0: prevented(status, c.control, EXCEPTION.IE) ? c.st0 : result };
    },
  };
}

/** ST0 := helper(ST0, memory). */
function withMemory(
  name: string,
  operation: number,
  value: (source: OperandSource) => bigint,
  operand: IrHelper,
  helper: IrHelper,
): Model {
  return {
    name,
    operation,
    operands: (source) => ({ st0: source.extended(), st1: 0n, memory: value(source) }),
    statusMask: FLAGS_AND_C1,
    run(engine, c) {
      const other = call80(engine, operand, c.memory);
      const st0 = [word(c.st0), significand(c.st0)];
      const second = [word(other), significand(other)];
      const order = name.startsWith('fdivr') ? [...second, ...st0] : [...st0, ...second];
      const result = call80(engine, helper, ...order, BigInt(c.control));
      const status = flagsOf(engine);
      return { status, st0: prevented(status, c.control, STOPS_REGISTER) ? c.st0 : result };
    },
  };
}

const FXTRACT: Model = {
  name: 'fxtract',
  operation: 9,
  operands: relatedPair,
  statusMask: FLAGS,
  run(engine, c) {
    const args = [word(c.st0), significand(c.st0), BigInt(c.control)];
    const exponent = call80(engine, FLOAT_80_EXTRACT, ...args, BigInt(EXTRACT.exponent));
    const fraction = call80(engine, FLOAT_80_EXTRACT, ...args, BigInt(EXTRACT.significand));
    const status = flagsOf(engine);
    return prevented(status, c.control, STOPS_REGISTER)
      ? { status, st0: c.st0 }
      : { status, st0: fraction, st1: exponent };
  },
};

const FBSTP: Model = {
  name: 'fbstp',
  operation: 18,
  operands: relatedPair,
  statusMask: FLAGS_AND_C1,
  run(engine, c) {
    const result = call80(engine, FLOAT_80_TO_BCD, word(c.st0), significand(c.st0), BigInt(c.control));
    const status = flagsOf(engine);
    const untouched = c.memory | ((c.st1 & 0xffffn) << 64n);
    return { status, st1: prevented(status, c.control, STOPS_MEMORY) ? untouched : result };
  },
};

const FBLD: Model = {
  name: 'fbld',
  operation: 27,
  operands(source) {
    const digit = () => BigInt(source.below(10));
    const digits = (n: number) => Array.from({ length: n }, digit).reduce((all, d) => (all << 4n) | d, 0n);
    return { st0: 0n, st1: digits(2) | (source.bits() & 0x8000n), memory: digits(16) };
  },
  statusMask: FLAGS,
  run(engine, c) {
    const magnitude = engine.call(BCD_MAGNITUDE, c.memory, c.st1 & 0xffffn);
    const result = call80(engine, FLOAT_80_FROM_INTEGER, magnitude);
    return { status: 0, st0: result | ((c.st1 & 0x8000n) << 64n) };
  },
};

const FILD: Model = {
  name: 'fild m64',
  operation: 37,
  operands: (source) => ({ st0: 0n, st1: 0n, memory: source.bits() >> BigInt(source.below(64)) }),
  statusMask: FLAGS,
  run: (engine, c) => ({ status: 0, st0: call80(engine, FLOAT_80_FROM_INTEGER, c.memory) }),
};

/** The x87's operations. */
export const X87_MODELS: readonly Model[] = [
  binary80('fadd', 0, FLOAT_80_BINARY.add),
  binary80('fsub', 1, FLOAT_80_BINARY.sub),
  binary80('fmul', 2, FLOAT_80_BINARY.mul),
  binary80('fdiv', 3, FLOAT_80_BINARY.div),
  unary80('fsqrt', 4, FLOAT_80_SQRT),
  binary80('fprem', 5, FLOAT_80_REMAINDER, FLAGS_AND_CODES),
  binary80('fprem1', 6, FLOAT_80_NEAREST_REMAINDER, FLAGS_AND_CODES),
  unary80('frndint', 7, FLOAT_80_INTEGRAL),
  binary80('fscale', 8, FLOAT_80_SCALE),
  FXTRACT,
  store('fst m32', 10, 32, FLOAT_80_TO_32),
  store('fst m64', 11, 64, FLOAT_80_TO_64),
  store('fist m16', 12, 16, FLOAT_80_TO_INTEGER, 16n),
  store('fist m32', 13, 32, FLOAT_80_TO_INTEGER, 32n),
  store('fistp m64', 14, 64, FLOAT_80_TO_INTEGER, 64n),
  store('fisttp m16', 15, 16, FLOAT_80_TO_INTEGER, 16n),
  store('fisttp m32', 16, 32, FLOAT_80_TO_INTEGER, 32n),
  store('fisttp m64', 17, 64, FLOAT_80_TO_INTEGER, 64n),
  FBSTP,
  load('fld m32', 19, narrow32, FLOAT_32_OPERAND),
  load('fld m64', 20, narrow64, FLOAT_64_OPERAND),
  compare80('fcom', 21, 0n),
  compare80('fucom', 22, 1n),
  withMemory('fadd m32', 25, narrow32, FLOAT_32_OPERAND, FLOAT_80_BINARY.add),
  withMemory('fadd m64', 26, narrow64, FLOAT_64_OPERAND, FLOAT_80_BINARY.add),
  FBLD,
  withMemory('fdivr m64', 34, narrow64, FLOAT_64_OPERAND, FLOAT_80_BINARY.div),
  FILD,
];

type SseRun = (engine: HelperEngine, c: OracleCase) => bigint;

/** An operation of SSE on the low lane: first operand and result in `memory`, second operand in ST0. */
function sse(
  name: string,
  operation: number,
  value: (source: OperandSource) => bigint,
  bits: number,
  run: SseRun,
): Model {
  const keepsUpper = !name.startsWith('to') && !name.startsWith('truncated');
  return {
    name,
    operation,
    operands(source) {
      const memory = value(source);
      const opposite = memory ^ (1n << BigInt(operation >= 200 ? 63 : 31)) ^ BigInt(source.below(3));
      return { st0: source.below(4) === 0 ? opposite : value(source), st1: 0n, memory };
    },
    statusMask: FLAGS,
    run(engine, c) {
      const result = BigInt.asUintN(bits, run(engine, c));
      const above = keepsUpper ? (c.memory >> BigInt(bits)) << BigInt(bits) : 0n;
      return { memory: result | above, status: flagsOf(engine) };
    },
  };
}

interface SseHelpers {
  readonly binary: typeof FLOAT_32_BINARY;
  readonly sqrt: IrHelper;
  readonly convert: IrHelper;
  readonly compare: IrHelper;
  readonly toInteger: IrHelper;
  readonly fromInteger: IrHelper;
  readonly integral: IrHelper;
}

/** LAHF after a comparison: AH, with bit 1 set. */
const lahf = (compared: bigint) => (compared | 2n) << 8n;

function sseModels(first: number, width: 32 | 64, value: (source: OperandSource) => bigint, h: SseHelpers): Model[] {
  const mxcsr = (c: OracleCase) => BigInt(c.control);
  const integer = (source: OperandSource) => source.bits() >> BigInt(source.below(64));
  const model = (name: string, n: number, bits: number, run: SseRun) =>
    sse(`${name} ${width}`, first + n, value, bits, run);
  const convert = (name: string, n: number, to: number, truncate: bigint) =>
    model(name, n, to, (engine, c) => engine.call(h.toInteger, c.memory, mxcsr(c), BigInt(to), truncate));
  const from = (name: string, n: number, bits: number) =>
    sse(`${name} ${width}`, first + n, integer, width, (engine, c) =>
      engine.call(h.fromInteger, BigInt.asIntN(bits, c.memory), mxcsr(c)),
    );
  return [
    ...(['add', 'sub', 'mul', 'div'] as const).map((operation, n) =>
      model(operation, n, width, (engine, c) => engine.call(h.binary[operation], c.memory, c.st0, mxcsr(c))),
    ),
    model('sqrt', 4, width, (engine, c) => engine.call(h.sqrt, c.memory, mxcsr(c))),
    model('convert', 5, 96 - width, (engine, c) => engine.call(h.convert, c.memory, mxcsr(c))),
    model('comi', 6, 64, (engine, c) => lahf(engine.call(h.compare, c.memory, c.st0, mxcsr(c), 0n))),
    model('ucomi', 7, 64, (engine, c) => lahf(engine.call(h.compare, c.memory, c.st0, mxcsr(c), 1n))),
    convert('to i32', 8, 32, 0n),
    convert('to i64', 9, 64, 0n),
    convert('truncated to i32', 10, 32, 1n),
    convert('truncated to i64', 11, 64, 1n),
    from('from i32', 12, 32),
    from('from i64', 13, 64),
    model('round', 14, width, (engine, c) => engine.call(h.integral, c.memory, 4n, mxcsr(c))),
    model('round without precision', 15, width, (engine, c) => engine.call(h.integral, c.memory, 12n, mxcsr(c))),
  ];
}

/** SSE's operations. */
export const SSE_MODELS: readonly Model[] = [
  ...sseModels(100, 32, narrow32, {
    binary: FLOAT_32_BINARY,
    sqrt: FLOAT_32_SQRT,
    convert: FLOAT_32_TO_64,
    compare: FLOAT_32_COMPARE,
    toInteger: FLOAT_32_TO_INTEGER,
    fromInteger: FLOAT_32_FROM_INTEGER,
    integral: FLOAT_32_INTEGRAL,
  }),
  ...sseModels(200, 64, narrow64, {
    binary: FLOAT_64_BINARY,
    sqrt: FLOAT_64_SQRT,
    convert: FLOAT_64_TO_32,
    compare: FLOAT_64_COMPARE,
    toInteger: FLOAT_64_TO_INTEGER,
    fromInteger: FLOAT_64_FROM_INTEGER,
    integral: FLOAT_64_INTEGRAL,
  }),
];

/** Control words: often with some exceptions unmasked (x87), all roundings, precisions, DAZ and FTZ (SSE). */
export function controlFor(model: Model, source: OperandSource): number {
  const rounding = source.below(4);
  if (model.operation < 100) {
    const masks = source.below(3) === 0 ? source.below(64) : 0x3f;
    return masks | 0x40 | (source.pick([0, 1, 2, 3, 3, 3]) << 8) | (rounding << 10);
  }
  const flush = source.below(3) === 0 ? 0x8000 : 0;
  const zeros = source.below(3) === 0 ? 0x40 : 0;
  return 0x1f80 | (rounding << 13) | flush | zeros;
}

/** How a model's outcome differs from the processor's, or undefined. */
export function difference(model: Model, engine: HelperEngine, c: OracleCase, real: OracleOutcome): string | undefined {
  setField32(engine, FLOAT_FLAGS, 0);
  const expected = model.run(engine, c);
  const seen = {
    status: real.status & model.statusMask,
    st0: expected.st0 === undefined ? undefined : real.st0,
    st1: expected.st1 === undefined ? undefined : real.st1,
    memory: expected.memory === undefined ? undefined : real.memory,
  };
  const ours = { ...expected, status: expected.status & model.statusMask };
  const show = (x: Partial<Expected>) =>
    [x.status, x.st0, x.st1, x.memory].map((v) => (v === undefined ? '-' : v.toString(16))).join(' ');
  if (show(ours) === show(seen)) return undefined;
  const operands = [c.st0, c.st1, c.memory].map((v) => v.toString(16)).join(' ');
  return `${model.name} control ${c.control.toString(16)} of ${operands}: ours ${show(ours)}, processor ${show(seen)}`;
}
