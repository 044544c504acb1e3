import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { raiseDenormal, returnIf } from './arithmetic.ts';
import {
  FLOAT_32,
  FLOAT_64,
  FLOAT_80,
  type FloatFormat,
  KIND,
  KIND_NAN,
  type Opened,
  WAS_DENORMAL,
} from './operand.ts';
import {
  CONTROL_TRUNCATE,
  controlFromMxcsr,
  denormalsAreZero,
  EXCEPTION,
  FLOAT_FLAGS,
  ROUNDED_UP,
  raisedFlags,
  raiseFlags,
} from './results.ts';
import { BIAS, INTEGER_BIT, QUIET_BIT, result80, roundAndPack, roundSignificand } from './round.ts';

/** A NaN of another format: quiet, its fraction cut or filled up at the right. */
function convertNan(b: Builder, to: FloatFormat, x: Opened, kind: Val): Val {
  b.if(kind.and(KIND.signalling | KIND.invalid).nez(), () => raiseFlags(b, EXCEPTION.IE));
  returnIf(b, kind.and(KIND.invalid).nez(), () => to.indefinite(b));
  return to.pack(b, x.sign, b.i32(to.specialExponent), x.significand.or(QUIET_BIT | INTEGER_BIT));
}

interface Conversion {
  readonly from: FloatFormat;
  readonly to: FloatFormat;
  /** Whether a denormal operand raises DE. */
  readonly raisesDenormal: boolean;
}

/** Rounds a number of one format to a narrower one, or widens it exactly. */
function recordConversion(
  b: Builder,
  { from, to, raisesDenormal }: Conversion,
  x: Opened,
  control: Val,
  flush: Val,
): Val {
  const exponent = b.variable('i32', x.exponent);
  const significand = b.variable('i64', x.significand);
  b.if(x.normal.eqz(), () => {
    const found = from.classify(b, x, flush);
    returnIf(b, found.kind.and(KIND_NAN).nez(), () => convertNan(b, to, x, found.kind));
    returnIf(b, found.kind.and(KIND.zero).nez(), () => to.zero(b, x.sign));
    returnIf(b, found.kind.and(KIND.infinity).nez(), () => to.infinity(b, x.sign));
    if (raisesDenormal) raiseDenormal(b, found.kind, control);
    b.set(exponent, found.exponent);
    b.set(significand, found.significand);
  });
  const [e, high] = [b.get(exponent), b.get(significand)];
  if (to.minExponent < from.minExponent) return to.pack(b, x.sign, e.sub(to.minExponent - 1), high);
  return roundAndPack(b, to, { sign: x.sign, exponent: e, high, low: b.i64(0) }, control);
}

function sseConversion(from: FloatFormat, to: FloatFormat): IrHelper {
  const shape = { params: [from.type, 'i32'], result: to.type } as const;
  return defineHelper(`float${from.name}To${to.name}`, shape, (b, bits, mxcsr) => {
    const x = from.open(b, bits, b.i32(0));
    const conversion = { from, to, raisesDenormal: true };
    return recordConversion(b, conversion, x, controlFromMxcsr(mxcsr), denormalsAreZero(mxcsr));
  });
}

/** CVTSS2SD: (bits i32, MXCSR) → bits i64. */
export const FLOAT_32_TO_64 = sseConversion(FLOAT_32, FLOAT_64);
/** CVTSD2SS: (bits i64, MXCSR) → bits i32. */
export const FLOAT_64_TO_32 = sseConversion(FLOAT_64, FLOAT_32);

/** A store that overflows or underflows unmasked does not take place: it raises nothing else. */
function forgetInexact(b: Builder, control: Val): void {
  const flags = raisedFlags(b);
  b.if(flags.and(control.not()).and(EXCEPTION.OE | EXCEPTION.UE), () => {
    b.store(4, b.cpu, FLOAT_FLAGS.offset, flags.and(~(EXCEPTION.PE | ROUNDED_UP)));
  });
}

/** FST of 32 or 64 bits: (sign and exponent word, significand, FCW) → bits. FLOAT_FLAGS are this store's alone. */
function storeConversion(to: FloatFormat): IrHelper {
  const shape = { params: ['i32', 'i64', 'i32'], result: to.type } as const;
  return defineHelper(`float80To${to.name}`, shape, (b, word, bits, control) => {
    const conversion = { from: FLOAT_80, to, raisesDenormal: false };
    const result = recordConversion(b, conversion, FLOAT_80.open(b, bits, word), control, b.i32(0));
    forgetInexact(b, control);
    return result;
  });
}

export const FLOAT_80_TO_32 = storeConversion(FLOAT_32);
export const FLOAT_80_TO_64 = storeConversion(FLOAT_64);

/**
 * A number of memory as an 80-bit operand of the x87, exactly and without exceptions: (bits) → significand, and in
 * FLOAT_EXPONENT its sign and exponent word, with WAS_DENORMAL where it was one. A signalling NaN stays signalling.
 */
function operandConversion(from: FloatFormat): IrHelper {
  return defineHelper(`float${from.name}Operand`, { params: [from.type], result: 'i64' }, (b, bits) => {
    const x = from.open(b, bits, b.i32(0));
    const sign = x.sign.shl(15);
    b.if(x.normal.eqz(), () => {
      const { kind, exponent, significand } = from.classify(b, x, b.i32(0));
      returnIf(b, kind.and(KIND.zero).nez(), () => FLOAT_80.zero(b, x.sign));
      const special = kind.and(KIND_NAN | KIND.infinity).nez();
      const word = b.i32(0x7fff).selectIf(special, exponent.or(WAS_DENORMAL));
      b.return(result80(b, word.or(sign), significand));
    });
    return result80(b, x.exponent.or(sign), x.significand);
  });
}
export const FLOAT_32_OPERAND = operandConversion(FLOAT_32);
export const FLOAT_64_OPERAND = operandConversion(FLOAT_64);

/**
 * What FLD does to an operand of memory after {@link FLOAT_32_OPERAND}: (word, significand) → significand, raising DE for
 * a denormal and IE for a signalling NaN, which becomes quiet.
 */
export const FLOAT_80_LOADED = defineHelper(
  'float80Loaded',
  { params: ['i32', 'i64'], result: 'i64' },
  (b, word, bits) => {
    b.if(word.geU(WAS_DENORMAL), () => raiseFlags(b, EXCEPTION.DE));
    const nan = word.and(0x7fff).eq(0x7fff).and(bits.shl(1).nez());
    b.if(nan.and(bits.and(QUIET_BIT).eqz()), () => raiseFlags(b, EXCEPTION.IE));
    return result80(b, word.and(0xffff), bits.or(b.i64(QUIET_BIT).selectIf(nan, 0)));
  },
);

/** An integer taken apart: sign, exponent, normalised significand; zero has significand zero. */
export function openInteger(b: Builder, value: Val): { sign: Val; exponent: Val; significand: Val } {
  const sign = value.shrU(63);
  const magnitude = value.xor(sign.neg()).add(sign);
  const shift = magnitude.clz();
  return { sign: sign.wrap(), exponent: b.i32(BIAS + 63).sub(shift.wrap()), significand: magnitude.shl(shift) };
}

/** FILD: (i64) → significand of the 80-bit number; exact. */
export const FLOAT_80_FROM_INTEGER = defineHelper(
  'float80FromInteger',
  { params: ['i64'], result: 'i64' },
  (b, value) => {
    const { sign, exponent, significand } = openInteger(b, value);
    return result80(b, sign.shl(15).or(exponent).selectIf(value.nez(), 0), significand);
  },
);

function fromInteger(to: FloatFormat): IrHelper {
  return defineHelper(`float${to.name}FromInteger`, { params: ['i64', 'i32'], result: to.type }, (b, value, mxcsr) => {
    returnIf(b, value.eqz(), () => to.zero(b, b.i32(0)));
    const { sign, exponent, significand } = openInteger(b, value);
    return roundAndPack(b, to, { sign, exponent, high: significand, low: b.i64(0) }, controlFromMxcsr(mxcsr));
  });
}
/** CVTSI2SS: (i64, MXCSR) → bits i32. */
export const FLOAT_32_FROM_INTEGER = fromInteger(FLOAT_32);
/** CVTSI2SD: (i64, MXCSR) → bits i64. */
export const FLOAT_64_FROM_INTEGER = fromInteger(FLOAT_64);

/**
 * Rounds a finite number to an integer of `bits` (i32: 16, 32 or 64), by the control word's rounding.
 * (sign, exponent, significand, control, bits) → i64, sign-extended; the integer indefinite with IE where it does not fit.
 */
const roundToInteger = defineHelper(
  'floatRoundToInteger',
  { params: ['i32', 'i32', 'i64', 'i32', 'i32'], result: 'i64' },
  (b, sign, exponent, significand, control, bits) => {
    const limit = b.i64(1).shl(bits.sub(1).extU());
    const shift = b.i32(BIAS + 63).sub(exponent);
    const count = shift.extU();
    const fits = shift.ltU(64);
    const low = significand.shl(1).shl(b.i64(63).sub(count));
    const fraction = significand.selectIf(shift.eq(64), 1);
    const wide = { sign, exponent, high: significand.shrU(count).selectIf(fits, 0), low: low.selectIf(fits, fraction) };
    const rounded = roundSignificand(b, wide, b.i32(0), control);
    const tooLarge = rounded.significand.gtU(limit.sub(sign.xor(1).extU())).or(rounded.carry);
    b.if(tooLarge.or(shift.ltS(0)), () => {
      raiseFlags(b, EXCEPTION.IE);
      b.return(limit.neg());
    });
    b.if(rounded.flags.nez(), () => raiseFlags(b, rounded.flags));
    const negative = sign.extU();
    return rounded.significand.xor(negative.neg()).add(negative);
  },
);

function recordToInteger(b: Builder, from: FloatFormat, x: Opened, control: Val, flush: Val, bits: Val): Val {
  const exponent = b.variable('i32', x.exponent);
  const significand = b.variable('i64', x.significand);
  b.if(x.normal.eqz(), () => {
    const found = from.classify(b, x, flush);
    returnIf(b, found.kind.and(KIND.zero).nez(), () => b.i64(0));
    returnIf(b, found.kind.and(KIND_NAN | KIND.infinity).nez(), () => {
      raiseFlags(b, EXCEPTION.IE);
      return b.i64(1).shl(bits.sub(1).extU()).neg();
    });
    b.set(exponent, found.exponent);
    b.set(significand, found.significand);
  });
  return b.call(roundToInteger, x.sign, b.get(exponent), b.get(significand), control, bits);
}

/** FIST and FISTTP: (word, significand, FCW, bits 16, 32 or 64) → i64, sign-extended. {@link CONTROL_TRUNCATE} truncates. */
export const FLOAT_80_TO_INTEGER = defineHelper(
  'float80ToInteger',
  { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64' },
  (b, word, bits, control, width) =>
    recordToInteger(b, FLOAT_80, FLOAT_80.open(b, bits, word), control, b.i32(0), width),
);

function toInteger(from: FloatFormat): IrHelper {
  const shape = { params: [from.type, 'i32', 'i32', 'i32'], result: 'i64' } as const;
  return defineHelper(`float${from.name}ToInteger`, shape, (b, bits, mxcsr, width, truncate) => {
    const control = controlFromMxcsr(mxcsr).or(b.i32(CONTROL_TRUNCATE).selectIf(truncate, 0));
    return recordToInteger(b, from, from.open(b, bits, b.i32(0)), control, denormalsAreZero(mxcsr), width);
  });
}
/** CVT(T)SS2SI: (bits i32, MXCSR, width 32 or 64, 1 to truncate) → i64, sign-extended. */
export const FLOAT_32_TO_INTEGER = toInteger(FLOAT_32);
/** CVT(T)SD2SI: (bits i64, MXCSR, width 32 or 64, 1 to truncate) → i64, sign-extended. */
export const FLOAT_64_TO_INTEGER = toInteger(FLOAT_64);
