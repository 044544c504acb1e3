import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Operand, Val } from '../../ir/val.ts';
import {
  type BinaryOperation,
  byOperation,
  FLOAT_80_BINARY,
  FLOAT_80_SQRT,
  ifOrdinary,
  returnIf,
} from '../float/arithmetic.ts';
import { FLOAT_32_OPERAND, FLOAT_64_OPERAND } from '../float/convert.ts';
import { FLOAT_80_INTEGRAL } from '../float/integral.ts';
import { FLOAT_32, FLOAT_64, FLOAT_80, type FloatFormat } from '../float/operand.ts';
import { FLOAT_80_NEAREST_REMAINDER, FLOAT_80_REMAINDER, QUOTIENT_KNOWN } from '../float/remainder.ts';
import { EXCEPTION } from '../float/results.ts';
import { EXTRACT, FLOAT_80_EXTRACT, FLOAT_80_SCALE } from '../float/scale.ts';
import { computeShortly, computesShortly, rootShortly, type ShortNumber } from '../float/short.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { STATE } from '../registers.ts';
import { shortWay, type Unless } from '../short-way.ts';
import { readOperand } from './x87-operands.ts';
import {
  FSW,
  finishInstruction,
  finishShortly,
  finishUsual,
  flagsRaised,
  getField,
  indefinite,
  isEmpty,
  mayStore,
  type Number80,
  readShortly,
  readStack,
  recordData,
  recordInstruction,
  recordPointer,
  replaceStack,
  resultWord,
  STOPS_REGISTER,
  setField,
  setFlags,
  startComputing,
  startWaiting,
  underflow,
  unmaskedExceptions,
  writeStack,
} from './x87-stack.ts';

/** Writes a result to ST(index) unless an unmasked exception keeps it out. */
function storeResult(b: Builder, index: Val | number, number: Number80): void {
  b.if(mayStore(b, STOPS_REGISTER), () => writeStack(b, index, number));
}

/** Bits of the options of {@link BINARY}: the operands change places; above, how many registers are popped. */
const REVERSED = 1;
const POPS_SHIFT = 1;

/** The operation's operands in order: ST(target) and the other, or the other way round. */
function ordered(reversed: Val, own: Number80, other: Number80): [Number80, Number80] {
  const choose = (a: Number80, c: Number80) => ({
    word: a.word.selectIf(reversed, c.word),
    significand: a.significand.selectIf(reversed, c.significand),
  });
  return [choose(other, own), choose(own, other)];
}

/** The significand of the result for any operands that are there. */
function computeAny(b: Builder, operation: BinaryOperation, first: Number80, second: Number80): Val {
  const control = getField(b, STATE.fcw);
  const helper = FLOAT_80_BINARY[operation];
  return b.call(helper, first.word, first.significand, second.word, second.significand, control);
}

/** Ends a helper that changes nothing, and returns 1, where an exception was raised that is not masked. */
function finishMasked(b: Builder, target: Operand, significand: Val, pops: Val): Val {
  returnIf(b, unmaskedExceptions(b), () => b.i32(1));
  replaceStack(b, target, { word: resultWord(b), significand });
  finishUsual(b, flagsRaised(b).and(0xffff), FSW.C1, pops);
  return b.i32(0);
}

/** What {@link BINARY} does is given by these: (target, operand's word, significand, options). */
const BINARY_PARAMS = ['i32', 'i32', 'i64', 'i32'] as const;

/**
 * ST(target) := ST(target) op operand, or with the operands exchanged, where neither is empty and nothing is raised that is
 * not masked. Else nothing changes, and 1 is returned.
 */
function defineMasked(operation: BinaryOperation): IrHelper {
  const shape = { params: BINARY_PARAMS, result: 'i32' } as const;
  return defineHelper(`x87_${operation}_masked`, shape, (b, target, word, significand, options) => {
    const own = readStack(b, target);
    const pops = options.shrU(POPS_SHIFT);
    const control = getField(b, STATE.fcw);
    const [first, second] = ordered(options.and(REVERSED), own, { word, significand });
    const [a, c] = [first, second].map((x) => FLOAT_80.open(b, x.significand, x.word));
    ifOrdinary(b, operation, a, c, control, (result) => {
      replaceStack(b, target, result);
      finishUsual(b, result.flags, FSW.C1, pops);
      b.return(0);
    });
    returnIf(b, isEmpty(first).or(isEmpty(second)), () => b.i32(1));
    setFlags(b, 0);
    return finishMasked(b, target, computeAny(b, operation, first, second), pops);
  });
}

/** As {@link defineMasked}, in every case. */
function defineBinary(operation: BinaryOperation): IrHelper {
  const shape = { params: BINARY_PARAMS, mayFault: true } as const;
  return defineHelper(`x87_${operation}`, shape, (b, target, word, significand, options) => {
    const own = readStack(b, target);
    const pops = options.shrU(POPS_SHIFT);
    const [first, second] = ordered(options.and(REVERSED), own, { word, significand });
    setFlags(b, 0);
    b.if(isEmpty(first).or(isEmpty(second)), () => {
      underflow(b);
      storeResult(b, target, indefinite(b));
      finishInstruction(b, { pops });
      b.return();
    });
    const result = computeAny(b, operation, first, second);
    storeResult(b, target, { word: resultWord(b), significand: result });
    finishInstruction(b, { pops });
  });
}

const MASKED = byOperation(defineMasked);
const BINARY = byOperation(defineBinary);

/** Does an operation by {@link MASKED}, and by {@link BINARY} where that does not do. */
function operate(
  l: Lift,
  operation: BinaryOperation,
  target: Operand,
  { word, significand }: Number80,
  options: number,
) {
  const { b } = l;
  b.ifRarely(b.call(MASKED[operation], target, word, significand, options), () => {
    l.markRecord();
    b.call(BINARY[operation], target, word, significand, options);
    if (l.isMemory(0)) recordData(l);
  });
}

interface Variant {
  readonly reversed?: boolean;
  readonly pops?: 0 | 1;
  readonly integer?: boolean;
}

/** Where an operation has its second operand: in the stack, or in memory as bits of this format. */
const SOURCES = { register: undefined, single: FLOAT_32, double: FLOAT_64 } as const;
type Source = keyof typeof SOURCES;

/** An operand in memory as {@link BINARY} takes it. */
const OPERANDS = { single: FLOAT_32_OPERAND, double: FLOAT_64_OPERAND } as const;

/** A normal number of memory. */
function readNormal(b: Builder, format: FloatFormat, bits: Val, unless: Unless): ShortNumber {
  const { normal, sign, exponent, significand } = format.open(b, bits, b.i32(0));
  unless(normal.eqz());
  return { word: sign.shl(15).or(exponent), significand, isNormal: true };
}

/** Any number of memory, by one of {@link OPERANDS}. */
function readAny(b: Builder, operand: IrHelper, bits: Val): Number80 {
  const significand = b.call(operand, bits);
  return { word: resultWord(b), significand };
}

/** FADD and its kin: destination and source in the stack, or ST0 and memory. Normal numbers are computed in line. */
function arithmetic(operation: BinaryOperation, variant: Variant = {}): Semantics {
  if (variant.integer) return integerArithmetic(operation, variant);
  const { reversed = false, pops = 0 } = variant;
  return (l) => {
    const { b } = l;
    startWaiting(l);
    const source: Source = !l.isMemory(0) ? 'register' : l.width(0) === 32 ? 'single' : 'double';
    const format = SOURCES[source];
    const target = format === undefined ? l.registerNumber(0) : b.i32(0);
    const operand = format === undefined ? l.registerNumber(1) : l.read(0);
    recordPointer(l);
    shortWay(
      b,
      (unless) => {
        unless(computesShortly(getField(b, STATE.fcw)).eqz());
        const own = readShortly(b, target, unless);
        const other = format === undefined ? readShortly(b, operand, unless) : readNormal(b, format, operand, unless);
        const [first, second] = reversed ? [other, own] : [own, other];
        const result = computeShortly(b, operation, first, second, unless);
        replaceStack(b, target, result);
        finishShortly(b, pops, result.flags);
      },
      () => {
        const other = source === 'register' ? readStack(b, operand) : readAny(b, OPERANDS[source], operand);
        operate(l, operation, target, other, (reversed ? REVERSED : 0) | (pops << POPS_SHIFT));
      },
    );
  };
}

/** FIADD and its kin. */
function integerArithmetic(operation: BinaryOperation, { reversed }: Variant): Semantics {
  return (l) => {
    startWaiting(l);
    const operand = readOperand(l, true);
    recordPointer(l);
    operate(l, operation, 0, operand, reversed ? REVERSED : 0);
  };
}

/** ST0 := helper(ST0, FCW): where it is not empty and nothing is raised that is not masked, and in every case. */
interface Unary {
  /** Returns 1, and changes nothing, where it does not do. */
  readonly masked: IrHelper;
  readonly any: IrHelper;
}

function defineUnary(name: string, compute: IrHelper): Unary {
  const masked = defineHelper(`x87_${name}_masked`, { result: 'i32' }, (b) => {
    const own = readStack(b, 0);
    returnIf(b, isEmpty(own), () => b.i32(1));
    setFlags(b, 0);
    const significand = b.call(compute, own.word, own.significand, getField(b, STATE.fcw));
    return finishMasked(b, 0, significand, b.i32(0));
  });
  const any = defineHelper(`x87_${name}`, { mayFault: true }, (b) => {
    const own = readStack(b, 0);
    setFlags(b, 0);
    b.if(isEmpty(own), () => {
      underflow(b);
      storeResult(b, 0, indefinite(b));
      finishInstruction(b);
      b.return();
    });
    const significand = b.call(compute, own.word, own.significand, getField(b, STATE.fcw));
    storeResult(b, 0, { word: resultWord(b), significand });
    finishInstruction(b);
  });
  return { masked, any };
}

function operateOnTop(l: Lift, { masked, any }: Unary): void {
  const { b } = l;
  b.ifRarely(b.call(masked), () => {
    l.markRecord();
    b.call(any);
  });
}

const ROOT = defineUnary('sqrt', FLOAT_80_SQRT);
const INTEGRAL = defineUnary('integral', FLOAT_80_INTEGRAL);

/** FRNDINT. */
function roundToIntegral(l: Lift): void {
  startWaiting(l);
  recordPointer(l);
  operateOnTop(l, INTEGRAL);
}

/** FSQRT. */
function squareRoot(l: Lift): void {
  const { b } = l;
  startWaiting(l);
  recordPointer(l);
  shortWay(
    b,
    (unless) => {
      unless(computesShortly(getField(b, STATE.fcw)).eqz());
      const result = rootShortly(b, readShortly(b, 0, unless), unless);
      replaceStack(b, 0, result);
      finishShortly(b, 0, result.flags);
    },
    () => operateOnTop(l, ROOT),
  );
}

/** ST0 := helper(ST0, ST1, FCW). A remainder clears C2, and C0 and C3 where it tells the quotient by them. */
function defineOfTwo(name: string, compute: IrHelper, isRemainder = false): IrHelper {
  const always = isRemainder ? FSW.C1 | FSW.C2 : FSW.C1;
  return defineHelper(`x87_${name}`, { mayFault: true }, (b) => {
    const [first, second] = [readStack(b, 0), readStack(b, 1)];
    b.if(isEmpty(first).or(isEmpty(second)), () => {
      underflow(b);
      storeResult(b, 0, indefinite(b));
      finishInstruction(b, { codes: always });
      b.return();
    });
    const control = getField(b, STATE.fcw);
    const significand = b.call(compute, first.word, first.significand, second.word, second.significand, control);
    storeResult(b, 0, { word: resultWord(b), significand });
    const told = flagsRaised(b).and(QUOTIENT_KNOWN).nez();
    finishInstruction(b, { codes: b.i32(always | FSW.C0 | FSW.C3).selectIf(told, always) });
  });
}

/** An instruction without operands that a helper executes. */
function byHelper(helper: IrHelper): Semantics {
  return (l) => {
    startComputing(l);
    recordInstruction(l);
    l.b.call(helper);
  };
}

/** FXTRACT: the exponent replaces ST0 and the significand is pushed, both or neither. */
const extract = defineHelper('x87_extract', { mayFault: true }, (b) => {
  const own = readStack(b, 0);
  const control = getField(b, STATE.fcw);
  const full = isEmpty(readStack(b, 7)).eqz();
  const lost = isEmpty(own).or(full);
  const part = (which: number) => {
    const significand = b.call(FLOAT_80_EXTRACT, own.word.and(0xffff), own.significand, control, which);
    return { word: resultWord(b), significand };
  };
  const [exponent, fraction] = [part(EXTRACT.exponent), part(EXTRACT.significand)];
  b.if(lost, () => {
    const overflowed = isEmpty(own).eqz().and(full);
    setFlags(b, b.i32(EXCEPTION.IE | FSW.SF).or(b.i32(FSW.C1).selectIf(overflowed, 0)));
  });
  const none = indefinite(b);
  const choose = (n: Number80) => ({
    word: none.word.selectIf(lost, n.word),
    significand: none.significand.selectIf(lost, n.significand),
  });
  b.if(mayStore(b, STOPS_REGISTER), () => {
    writeStack(b, 0, choose(exponent));
    setField(b, STATE.top, getField(b, STATE.top).sub(1).and(7));
    writeStack(b, 0, choose(fraction));
  });
  finishInstruction(b);
});

const underflowOfSign = defineHelper('x87UnderflowOfSign', { mayFault: true }, (b) => {
  underflow(b);
  storeResult(b, 0, indefinite(b));
  finishInstruction(b);
});

/** FABS and FCHS: only the sign changes, whatever the number is. */
function signOperation(change: (word: Val) => Val): Semantics {
  return (l) => {
    const { b } = l;
    startWaiting(l);
    recordPointer(l);
    shortWay(
      b,
      (unless) => {
        const { word, significand } = readShortly(b, 0, unless);
        replaceStack(b, 0, { word: change(word), significand });
        finishShortly(b);
      },
      () => {
        l.markRecord();
        b.call(underflowOfSign);
      },
    );
  };
}

/** The transcendental functions by the number under which the system helper knows them. */
export const TRANSCENDENTAL = {
  f2xm1: 0,
  fyl2x: 1,
  fyl2xp1: 2,
  fptan: 3,
  fpatan: 4,
  fsin: 5,
  fcos: 6,
  fsincos: 7,
} as const;

/** These reduce their argument first, and tell by C2 whether they could. */
const REDUCING: readonly number[] = [
  TRANSCENDENTAL.fptan,
  TRANSCENDENTAL.fsin,
  TRANSCENDENTAL.fcos,
  TRANSCENDENTAL.fsincos,
];

/** The system helper works on the register stack and tells how many registers are to be popped. */
function transcendental(which: number): Semantics {
  const codes = REDUCING.includes(which) ? FSW.C1 | FSW.C2 : FSW.C1;
  return (l) => {
    startComputing(l);
    recordInstruction(l);
    const pops = l.system('fpuTranscendental', which);
    finishInstruction(l.b, { pops: pops.wrap(), codes });
  };
}

export const X87_ARITHMETIC: SemanticsTable = {
  fadd: arithmetic('add'),
  fsub: arithmetic('sub'),
  fsubr: arithmetic('sub', { reversed: true }),
  fmul: arithmetic('mul'),
  fdiv: arithmetic('div'),
  fdivr: arithmetic('div', { reversed: true }),
  faddp: arithmetic('add', { pops: 1 }),
  fsubp: arithmetic('sub', { pops: 1 }),
  fsubrp: arithmetic('sub', { reversed: true, pops: 1 }),
  fmulp: arithmetic('mul', { pops: 1 }),
  fdivp: arithmetic('div', { pops: 1 }),
  fdivrp: arithmetic('div', { reversed: true, pops: 1 }),
  fiadd: arithmetic('add', { integer: true }),
  fisub: arithmetic('sub', { integer: true }),
  fisubr: arithmetic('sub', { reversed: true, integer: true }),
  fimul: arithmetic('mul', { integer: true }),
  fidiv: arithmetic('div', { integer: true }),
  fidivr: arithmetic('div', { reversed: true, integer: true }),
  fsqrt: squareRoot,
  frndint: roundToIntegral,
  fscale: byHelper(defineOfTwo('scale', FLOAT_80_SCALE)),
  fprem: byHelper(defineOfTwo('remainder', FLOAT_80_REMAINDER, true)),
  fprem1: byHelper(defineOfTwo('nearestRemainder', FLOAT_80_NEAREST_REMAINDER, true)),
  fxtract: byHelper(extract),
  fabs: signOperation((word) => word.and(0x7fff)),
  fchs: signOperation((word) => word.xor(0x8000)),
  ...Object.fromEntries(Object.entries(TRANSCENDENTAL).map(([name, which]) => [name, transcendental(which)])),
};
