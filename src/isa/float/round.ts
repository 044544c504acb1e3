import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { CONTROL_FLUSH, EXCEPTION, FLOAT_EXPONENT, ROUND, ROUNDED_UP, raiseFlags, roundingOf } from './results.ts';

/** Bias of the 80-bit format; all exponents inside this folder have it. */
export const BIAS = 16383;
/**
 * What unmasked overflow subtracts from, and unmasked underflow adds to, the exponent (SDM 1, 8.5.4 and 8.5.5). FSCALE may
 * be out of range even then: "massive"; the result is an infinity or zero.
 */
const SCALE = 24576;
export const INTEGER_BIT = 1n << 63n;
export const QUIET_BIT = 1n << 62n;

/** What tells the three formats apart when a number is rounded and packed. Exponents have {@link BIAS}. */
export interface RoundingFormat {
  readonly name: '80' | '64' | '32';
  readonly minExponent: number;
  readonly maxExponent: number;
  /** Significand bits that do not fit, i32: 64 minus the precision. */
  surplusBits(b: Builder, control: Val): Val;
  /** The number as the format's bits; `biased` is the format's own exponent field, `significand` has its integer bit at 63. */
  pack(b: Builder, sign: Val, biased: Val, significand: Val): Val;
}

/** A format of memory and of SSE: sign, `exponentBits`, and a fraction without integer bit. */
function packNarrow(
  b: Builder,
  type: 'i32' | 'i64',
  fractionBits: number,
  sign: Val,
  biased: Val,
  significand: Val,
): Val {
  const width = type === 'i64' ? 64 : 32;
  const fraction = significand.shl(1).shrU(64 - fractionBits);
  const low = type === 'i64' ? fraction : fraction.wrap();
  const place = (field: Val, shift: number) => (type === 'i64' ? field.extU() : field).shl(shift);
  return place(sign, width - 1)
    .or(place(biased, fractionBits))
    .or(b.coerce(type, low));
}

/** Leaves sign and exponent of an 80-bit result. @returns the significand */
export function result80(b: Builder, signExponent: Val, significand: Val): Val {
  b.store(4, b.cpu, FLOAT_EXPONENT.offset, signExponent);
  return significand;
}

/** An operand as a result: a pseudo-denormal becomes the normal number that it is (SDM 1, 8.2.2). */
export function unchanged80(b: Builder, word: Val, significand: Val): Val {
  const pseudo = significand.shrU(63).wrap().and(word.and(0x7fff).eqz());
  return result80(b, word.or(pseudo), significand);
}

export const FORMAT_80: RoundingFormat = {
  name: '80',
  minExponent: 1,
  maxExponent: 0x7ffe,
  surplusBits: (b, control) => {
    const precision = control.and(0x300);
    const narrow = b.i32(40).selectIf(precision.eqz(), 11);
    return narrow.selectIf(precision.and(0x100).eqz(), 0);
  },
  pack: (b, sign, biased, significand) => result80(b, sign.shl(15).or(biased), significand),
};
export const FORMAT_64: RoundingFormat = {
  name: '64',
  minExponent: BIAS - 1022,
  maxExponent: BIAS + 1023,
  surplusBits: (b) => b.i32(11),
  pack: (b, sign, biased, significand) => packNarrow(b, 'i64', 52, sign, biased, significand),
};
export const FORMAT_32: RoundingFormat = {
  name: '32',
  minExponent: BIAS - 126,
  maxExponent: BIAS + 127,
  surplusBits: (b) => b.i32(40),
  pack: (b, sign, biased, significand) => packNarrow(b, 'i32', 23, sign, biased, significand),
};

/** A number with unbounded precision: its top 64 bits, and 64 bits below of which the last may stand for more. */
export interface Wide {
  readonly sign: Val;
  readonly exponent: Val;
  readonly high: Val;
  readonly low: Val;
}

export interface Rounded {
  /** The significand cut to its precision and rounded; zero where it was carried out of 64 bits. */
  readonly significand: Val;
  /** i32: 1 where rounding carried out of 64 bits. */
  readonly carry: Val;
  /** Bits for the flags: PE, and {@link ROUNDED_UP}. */
  readonly flags: Val;
}

/** Rounds `high`:`low` (bit 63 of `high` need not be set) at `surplus` bits above the bottom of `high`. */
export function roundSignificand(b: Builder, wide: Wide, surplus: Val, control: Val): Rounded {
  const { sign, high, low } = wide;
  const unit = b.i64(1).shl(surplus.extU());
  const cut = high.shl(b.i32(64).sub(surplus).extU()).or(low.nez().extU());
  const fraction = low.selectIf(surplus.eqz(), cut);
  const kept = high.and(unit.neg());
  const inexact = fraction.nez();
  const rounding = roundingOf(control);
  const odd = high.and(unit).nez();
  const nearest = fraction.geU(INTEGER_BIT).and(fraction.ne(INTEGER_BIT).or(odd));
  const away = inexact.and(rounding.eq(b.i32(ROUND.up).sub(sign)));
  const up = nearest.selectIf(rounding.eqz(), away);
  const significand = kept.add(unit.selectIf(up, 0));
  return {
    significand,
    carry: significand.ltU(kept),
    flags: b.i32(EXCEPTION.PE).or(up.shl(9)).selectIf(inexact, 0),
  };
}

/** Helpers that round give an i64 whatever the format. */
const ROUND_SHAPE = { params: ['i32', 'i32', 'i64', 'i64', 'i32'], result: 'i64' } as const;

function wideOf(sign: Val, exponent: Val, high: Val, low: Val): Wide {
  return { sign, exponent, high, low };
}

function defineOverflow(format: RoundingFormat): IrHelper {
  const special = format.maxExponent - format.minExponent + 2;
  return defineHelper(`floatOverflow${format.name}`, ROUND_SHAPE, (b, sign, exponent, high, low, control) => {
    const surplus = format.surplusBits(b, control);
    b.if(control.and(EXCEPTION.OE).eqz(), () => {
      const rounded = roundSignificand(b, wideOf(sign, exponent, high, low), surplus, control);
      const scaled = exponent.add(rounded.carry).sub(SCALE);
      const massive = scaled.gtS(0x7ffe);
      const inexact = b.i32(EXCEPTION.PE | ROUNDED_UP).selectIf(massive, rounded.flags);
      raiseFlags(b, inexact.or(EXCEPTION.OE));
      const significand = rounded.significand.or(INTEGER_BIT).selectIf(massive.eqz(), INTEGER_BIT);
      b.return(format.pack(b, sign, b.i32(0x7fff).selectIf(massive, scaled), significand).extU());
    });
    const rounding = roundingOf(control);
    const infinite = rounding.eqz().or(rounding.eq(b.i32(ROUND.up).sub(sign)));
    raiseFlags(b, b.i32(EXCEPTION.OE | EXCEPTION.PE).or(infinite.shl(9)));
    const largest = b.i64(1).shl(surplus.extU()).neg();
    const biased = b.i32(special).selectIf(infinite, special - 1);
    return format.pack(b, sign, biased, b.i64(INTEGER_BIT).selectIf(infinite, largest)).extU();
  });
}

/** Shifts right until the exponent is the smallest, keeping what falls out as one bit. */
function denormalize(b: Builder, wide: Wide, minExponent: number): Wide {
  const shift = b.i32(minExponent).sub(wide.exponent);
  const near = shift.ltU(64);
  const count = shift.extU();
  const rest = wide.low.nez().extU();
  const nearLow = wide.high.shl(1).shl(b.i64(63).sub(count)).or(rest);
  const farLow = wide.high.or(rest).selectIf(shift.eq(64), 1);
  return {
    sign: wide.sign,
    exponent: b.i32(minExponent),
    high: wide.high.shrU(count).selectIf(near, 0),
    low: nearLow.selectIf(near, farLow),
  };
}

function defineUnderflow(format: RoundingFormat): IrHelper {
  return defineHelper(`floatUnderflow${format.name}`, ROUND_SHAPE, (b, sign, exponent, high, low, control) => {
    const wide = wideOf(sign, exponent, high, low);
    const surplus = format.surplusBits(b, control);
    b.if(control.and(EXCEPTION.UE).eqz(), () => {
      const rounded = roundSignificand(b, wide, surplus, control);
      const scaled = exponent.add(rounded.carry).add(SCALE);
      const massive = scaled.ltS(1);
      const inexact = b.i32(EXCEPTION.PE).selectIf(massive, rounded.flags);
      raiseFlags(b, inexact.or(EXCEPTION.UE));
      const significand = rounded.significand.or(INTEGER_BIT).selectIf(massive.eqz(), 0);
      b.return(format.pack(b, sign, b.i32(0).selectIf(massive, scaled), significand).extU());
    });
    b.if(control.and(CONTROL_FLUSH).nez(), () => {
      raiseFlags(b, EXCEPTION.UE | EXCEPTION.PE);
      b.return(format.pack(b, sign, b.i32(0), b.i64(0)).extU());
    });
    const rounded = roundSignificand(b, denormalize(b, wide, format.minExponent), surplus, control);
    const flags = rounded.flags;
    raiseFlags(b, flags.or(b.i32(EXCEPTION.UE).selectIf(flags.nez(), 0)));
    return format.pack(b, sign, rounded.significand.shrU(63).wrap(), rounded.significand).extU();
  });
}

/** A number rounded to a format's precision. */
export interface RoundedNumber {
  /** i32: whether the exponent is that of a normal number; else the rest means nothing. */
  readonly inRange: Val;
  /** The format's own exponent field. */
  readonly biased: Val;
  readonly significand: Val;
  /** PE and {@link ROUNDED_UP}, not raised yet. */
  readonly flags: Val;
}

/** Rounds as if the range were unbounded: what is in range then has its final value (SDM 1, 4.9.1.5). */
export function roundUnbounded(b: Builder, format: RoundingFormat, wide: Wide, control: Val): RoundedNumber {
  const rounded = roundSignificand(b, wide, format.surplusBits(b, control), control);
  const biased = wide.exponent.add(rounded.carry).sub(format.minExponent - 1);
  return {
    inRange: biased.sub(1).leU(format.maxExponent - format.minExponent),
    biased,
    significand: rounded.significand.or(INTEGER_BIT),
    flags: rounded.flags,
  };
}

/**
 * Rounds (sign, exponent, high, low, control) to the format's precision and range, raising OE, UE and PE.
 * `high` has bit 63 set; the exponent may be any. Tininess is detected after rounding.
 */
function defineRound(format: RoundingFormat): IrHelper {
  const overflow = defineOverflow(format);
  const underflow = defineUnderflow(format);
  return defineHelper(`floatRound${format.name}`, ROUND_SHAPE, (b, sign, exponent, high, low, control) => {
    const rounded = roundUnbounded(b, format, wideOf(sign, exponent, high, low), control);
    b.if(rounded.inRange.eqz(), () => {
      b.if(rounded.biased.gtS(0), () => b.tailCall(overflow, sign, exponent, high, low, control));
      b.tailCall(underflow, sign, exponent, high, low, control);
    });
    b.if(rounded.flags.nez(), () => raiseFlags(b, rounded.flags));
    return format.pack(b, sign, rounded.biased, rounded.significand).extU();
  });
}

const ROUND_HELPERS = { 80: defineRound(FORMAT_80), 64: defineRound(FORMAT_64), 32: defineRound(FORMAT_32) } as const;

/** Records a call that rounds and packs. @returns the format's bits; for the 80-bit format the significand */
export function roundAndPack(b: Builder, format: RoundingFormat, wide: Wide, control: Val): Val {
  const { sign, exponent, high, low } = wide;
  const bits = b.call(ROUND_HELPERS[format.name], sign, exponent, high, low, control);
  return format.name === '32' ? bits.wrap() : bits;
}
