import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Type } from '../../ir/types.ts';
import type { Val } from '../../ir/val.ts';
import { addCore, divCore, type FloatNumber, mulCore, sqrtCore } from './cores.ts';
import {
  type Classified,
  FLOAT_32,
  FLOAT_64,
  FLOAT_80,
  type FloatFormat,
  KIND,
  KIND_NAN,
  type Opened,
} from './operand.ts';
import { controlFromMxcsr, denormalsAreZero, EXCEPTION, ROUND, raiseFlags, roundingOf } from './results.ts';
import { roundAndPack, roundUnbounded, type Wide } from './round.ts';

/** Operations of two operands. */
export type BinaryOperation = 'add' | 'sub' | 'mul' | 'div';

interface Operands {
  readonly a: Opened & Classified;
  readonly c: Opened & Classified;
  /** The sign that takes part for `c`: inverted when subtracting. */
  readonly signC: Val;
}

/** Ends the function with `value` where `condition` holds. */
export function returnIf(b: Builder, condition: Val, value: () => Val): void {
  b.if(condition, () => b.return(value()));
}

function invalid(b: Builder, format: FloatFormat): Val {
  raiseFlags(b, EXCEPTION.IE);
  return format.indefinite(b);
}

const isZero = (x: Classified) => x.kind.and(KIND.zero).nez();
const isInfinite = (x: Classified) => x.kind.and(KIND.infinity).nez();

/** Raises DE for a denormal operand; where that is not masked the operation ends, and its result means nothing. */
export function raiseDenormal(b: Builder, kinds: Val, control: Val): void {
  b.if(kinds.and(KIND.denormal).nez(), () => {
    raiseFlags(b, EXCEPTION.DE);
    b.if(control.and(EXCEPTION.DE).eqz(), () => b.return());
  });
}

/** What an operation does with operands of which one at least is not normal, and none is a NaN. */
type SpecialCases = (b: Builder, format: FloatFormat, operands: Operands, control: Val) => void;

const addSpecial: SpecialCases = (b, format, { a, c, signC }, control) => {
  const differ = a.sign.ne(signC);
  returnIf(b, isInfinite(a).and(isInfinite(c)).and(differ), () => invalid(b, format));
  raiseDenormal(b, a.kind.or(c.kind), control);
  returnIf(b, isInfinite(a), () => format.infinity(b, a.sign));
  returnIf(b, isInfinite(c), () => format.infinity(b, signC));
  const negativeZero = roundingOf(control).eq(ROUND.down).selectIf(differ, a.sign);
  returnIf(b, isZero(a).and(isZero(c)), () => format.zero(b, negativeZero));
  returnIf(b, isZero(a).or(isZero(c)), () => {
    const significand = c.significand.selectIf(isZero(a), a.significand);
    const exponent = c.exponent.selectIf(isZero(a), a.exponent);
    const sign = signC.selectIf(isZero(a), a.sign);
    return roundAndPack(b, format, { sign, exponent, high: significand, low: b.i64(0) }, control);
  });
};

const mulSpecial: SpecialCases = (b, format, { a, c }, control) => {
  const sign = a.sign.xor(c.sign);
  const kinds = a.kind.or(c.kind);
  const both = KIND.infinity | KIND.zero;
  returnIf(b, kinds.and(both).eq(both), () => invalid(b, format));
  raiseDenormal(b, kinds, control);
  returnIf(b, kinds.and(KIND.infinity).nez(), () => format.infinity(b, sign));
  returnIf(b, kinds.and(KIND.zero).nez(), () => format.zero(b, sign));
};

const divSpecial: SpecialCases = (b, format, { a, c }, control) => {
  const sign = a.sign.xor(c.sign);
  returnIf(
    b,
    a.kind
      .and(c.kind)
      .and(KIND.infinity | KIND.zero)
      .nez(),
    () => invalid(b, format),
  );
  returnIf(b, isZero(c).and(isInfinite(a).eqz()), () => {
    raiseFlags(b, EXCEPTION.ZE);
    return format.infinity(b, sign);
  });
  raiseDenormal(b, a.kind.or(c.kind), control);
  returnIf(b, isInfinite(a), () => format.infinity(b, sign));
  returnIf(b, isInfinite(c).or(isZero(a)), () => format.zero(b, sign));
};

interface BinaryDefinition {
  readonly special: SpecialCases;
  readonly core: (b: Builder, a: FloatNumber, c: FloatNumber) => Wide;
}

const BINARY: Readonly<Record<BinaryOperation, BinaryDefinition>> = {
  add: { special: addSpecial, core: addCore },
  sub: { special: addSpecial, core: addCore },
  mul: { special: mulSpecial, core: mulCore },
  div: { special: divSpecial, core: divCore },
};

/** Records a whole operation: the core for normal numbers, special cases before it for all others. */
function recordBinary(
  b: Builder,
  format: FloatFormat,
  operation: BinaryOperation,
  a: Opened,
  c: Opened,
  control: Val,
  flushDenormals: Val,
): Val {
  const { special, core } = BINARY[operation];
  const exponents = [b.variable('i32', a.exponent), b.variable('i32', c.exponent)];
  const significands = [b.variable('i64', a.significand), b.variable('i64', c.significand)];
  const signC = operation === 'sub' ? c.sign.xor(1) : c.sign;
  b.if(a.normal.and(c.normal).eqz(), () => {
    const operands = [a, c].map((x) => ({ ...x, ...format.classify(b, x, flushDenormals) }));
    const [x, y] = operands;
    returnIf(b, x.kind.or(y.kind).and(KIND_NAN).nez(), () => format.nan(b, x, y));
    special(b, format, { a: x, c: y, signC }, control);
    operands.forEach((operand, i) => {
      b.set(exponents[i], operand.exponent);
      b.set(significands[i], operand.significand);
    });
  });
  const number = (i: number, sign: Val) => ({
    sign,
    exponent: b.get(exponents[i]),
    significand: b.get(significands[i]),
  });
  const wide = core(b, number(0, a.sign), number(1, signC));
  if (core === addCore) {
    returnIf(b, wide.high.eqz(), () => format.zero(b, roundingOf(control).eq(ROUND.down)));
  }
  return roundAndPack(b, format, wide, control);
}

/** A result that needs no second look: sign and exponent word, significand, and PE with ROUNDED_UP where inexact. */
export interface OrdinaryResult {
  readonly word: Val;
  readonly significand: Val;
  readonly flags: Val;
}

/**
 * The usual case of an operation of the x87, recorded in place: both operands and the result are normal numbers, and nothing
 * is raised that is not masked. Everything else goes on behind it, as if nothing had been done.
 */
export function ifOrdinary(
  b: Builder,
  operation: BinaryOperation,
  a: Opened,
  c: Opened,
  control: Val,
  then: (result: OrdinaryResult) => void,
): void {
  const { core } = BINARY[operation];
  b.if(a.normal.and(c.normal), () => {
    const wide = core(b, a, operation === 'sub' ? { ...c, sign: c.sign.xor(1) } : c);
    const { inRange, biased, significand, flags } = roundUnbounded(b, FLOAT_80, wide, control);
    const masked = flags.and(control.not()).and(EXCEPTION.PE).eqz();
    const notZero = core === addCore ? wide.high.nez() : 1;
    b.if(inRange.and(masked).and(notZero), () => then({ word: wide.sign.shl(15).or(biased), significand, flags }));
  });
}

function recordSqrt(b: Builder, format: FloatFormat, a: Opened, control: Val, flushDenormals: Val): Val {
  const exponent = b.variable('i32', a.exponent);
  const significand = b.variable('i64', a.significand);
  b.if(a.normal.eqz(), () => {
    const x = { ...a, ...format.classify(b, a, flushDenormals) };
    returnIf(b, x.kind.and(KIND_NAN).nez(), () => format.nan(b, x));
    returnIf(b, isZero(x), () => format.zero(b, x.sign));
    returnIf(b, x.sign, () => invalid(b, format));
    returnIf(b, isInfinite(x), () => format.infinity(b, x.sign));
    raiseDenormal(b, x.kind, control);
    b.set(exponent, x.exponent);
    b.set(significand, x.significand);
  });
  returnIf(b, a.sign, () => invalid(b, format));
  const wide = sqrtCore(b, { sign: a.sign, exponent: b.get(exponent), significand: b.get(significand) });
  return roundAndPack(b, format, wide, control);
}

const OPERATIONS: readonly BinaryOperation[] = ['add', 'sub', 'mul', 'div'];

/** A helper for each operation. */
export function byOperation(
  make: (operation: BinaryOperation) => IrHelper,
): Readonly<Record<BinaryOperation, IrHelper>> {
  const [add, sub, mul, div] = OPERATIONS.map(make);
  return { add, sub, mul, div };
}

/** The x87's operations: (a's sign and exponent word, a's significand, c's word, c's significand, FCW) → significand. */
export const FLOAT_80_BINARY = byOperation((operation) =>
  defineHelper(
    `float80_${operation}`,
    { params: ['i32', 'i64', 'i32', 'i64', 'i32'], result: 'i64' },
    (b, wordA, bitsA, wordC, bitsC, control) => {
      const [a, c] = [FLOAT_80.open(b, bitsA, wordA), FLOAT_80.open(b, bitsC, wordC)];
      return recordBinary(b, FLOAT_80, operation, a, c, control, b.i32(0));
    },
  ),
);

/** The x87's square root: (sign and exponent word, significand, FCW) → significand. */
export const FLOAT_80_SQRT = defineHelper(
  'float80_sqrt',
  { params: ['i32', 'i64', 'i32'], result: 'i64' },
  (b, word, bits, control) => recordSqrt(b, FLOAT_80, FLOAT_80.open(b, bits, word), control, b.i32(0)),
);

function narrowBinary(format: FloatFormat, type: Type): Readonly<Record<BinaryOperation, IrHelper>> {
  return byOperation((operation) =>
    defineHelper(
      `float${format.name}_${operation}`,
      { params: [type, type, 'i32'], result: type },
      (b, bitsA, bitsC, mxcsr) => {
        const [a, c] = [bitsA, bitsC].map((bits) => format.open(b, bits, b.i32(0)));
        return recordBinary(b, format, operation, a, c, controlFromMxcsr(mxcsr), denormalsAreZero(mxcsr));
      },
    ),
  );
}

function narrowSqrt(format: FloatFormat, type: Type): IrHelper {
  return defineHelper(`float${format.name}_sqrt`, { params: [type, 'i32'], result: type }, (b, bits, mxcsr) =>
    recordSqrt(b, format, format.open(b, bits, b.i32(0)), controlFromMxcsr(mxcsr), denormalsAreZero(mxcsr)),
  );
}

/**
 * SSE's operations on single precision, exact in every case: (a bits, c bits, MXCSR) → bits, i32. Exceptions are added
 * to FLOAT_FLAGS whether masked or not; after an unmasked one the result means nothing.
 */
export const FLOAT_32_BINARY = narrowBinary(FLOAT_32, 'i32');
/** As {@link FLOAT_32_BINARY} for double precision, i64. */
export const FLOAT_64_BINARY = narrowBinary(FLOAT_64, 'i64');
/** (bits, MXCSR) → bits. */
export const FLOAT_32_SQRT = narrowSqrt(FLOAT_32, 'i32');
/** (bits, MXCSR) → bits. */
export const FLOAT_64_SQRT = narrowSqrt(FLOAT_64, 'i64');
