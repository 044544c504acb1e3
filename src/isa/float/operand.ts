import type { Builder } from '../../ir/builder.ts';
import type { Type } from '../../ir/types.ts';
import type { Val } from '../../ir/val.ts';
import { EXCEPTION, INDEFINITE_80, INDEFINITE_WORD, raiseFlags } from './results.ts';
import { FORMAT_32, FORMAT_64, FORMAT_80, INTEGER_BIT, QUIET_BIT, type RoundingFormat, result80 } from './round.ts';

/** What a number is; bits, so that the kinds of two operands can be tested together. */
export const KIND = { denormal: 1, zero: 2, infinity: 4, quiet: 8, signalling: 16, invalid: 32 } as const;
export const KIND_NAN = KIND.quiet | KIND.signalling | KIND.invalid;

/** In the sign and exponent word of an 80-bit operand: it has been widened from a denormal of a narrower format. */
export const WAS_DENORMAL = 1 << 16;

/** An operand in its own format's bits, and taken apart. Exponent and significand are those of a normal number, or mean nothing. */
export interface Opened {
  readonly bits: Val;
  /** Sign and exponent word of an 80-bit number, with {@link WAS_DENORMAL}; else unused. */
  readonly word: Val;
  readonly sign: Val;
  readonly exponent: Val;
  /** With the integer bit at 63. */
  readonly significand: Val;
  /** i32: whether the number is normal, so that `exponent` and `significand` are its own. */
  readonly normal: Val;
}

/** An operand that is not normal, found out about. A denormal has been normalised. */
export interface Classified {
  /** i32 of {@link KIND}, 0 when normal. */
  readonly kind: Val;
  readonly exponent: Val;
  readonly significand: Val;
}

/** A format that operations take operands in and give results in. */
export interface FloatFormat extends RoundingFormat {
  readonly type: Type;
  open(b: Builder, bits: Val, word: Val): Opened;
  /** @param flushDenormals i32: denormals are zero, without an exception */
  classify(b: Builder, operand: Opened, flushDenormals: Val): Classified;
  /** The biased exponent of infinities and NaNs. */
  readonly specialExponent: number;
  /** The result of an operation with a NaN or an invalid encoding among its operands; `c` absent for one operand. */
  nan(b: Builder, a: Opened & Classified, c?: Opened & Classified): Val;
  zero(b: Builder, sign: Val): Val;
  infinity(b: Builder, sign: Val): Val;
  /** The default NaN ("real indefinite"). */
  indefinite(b: Builder): Val;
}

/** Classifies by value: `low` values of exponent, zero significand and so on, in the 80-bit spelling without integer bit. */
function kindOf(b: Builder, special: Val, fraction: Val, quiet: Val): Val {
  const whole = b.i32(KIND.infinity).selectIf(fraction.eqz(), b.i32(KIND.quiet).selectIf(quiet, KIND.signalling));
  return whole.selectIf(special, b.i32(KIND.zero).selectIf(fraction.eqz(), KIND.denormal));
}

/** Gives the exponent and significand of a denormal whose unnormalised significand is `raw`. */
function normalize(b: Builder, kind: Val, operand: Opened, raw: Val, minExponent: number): Classified {
  const denormal = kind.eq(KIND.denormal);
  const shift = raw.clz();
  return {
    kind,
    exponent: b.i32(minExponent).sub(shift.wrap()).selectIf(denormal, operand.exponent),
    significand: raw.shl(shift).selectIf(denormal, operand.significand),
  };
}

/** The x87's choice between two NaNs: quiet before signalling, then the larger significand, then the positive one. */
function nan80(b: Builder, a: Opened & Classified, c?: Opened & Classified): Val {
  const kinds = c === undefined ? a.kind : a.kind.or(c.kind);
  b.if(kinds.and(KIND.signalling | KIND.invalid).nez(), () => raiseFlags(b, EXCEPTION.IE));
  b.if(kinds.and(KIND.invalid).nez(), () => b.return(result80(b, b.i32(INDEFINITE_WORD), b.i64(INDEFINITE_80))));
  if (c === undefined) return result80(b, a.word, a.significand.or(QUIET_BIT));
  const onlyA = c.kind.and(KIND_NAN).eqz();
  const bothNan = a.kind.and(KIND_NAN).nez().and(c.kind.and(KIND_NAN).nez());
  const rank = a.kind.sub(c.kind);
  const larger = a.significand.gtU(c.significand).or(a.significand.eq(c.significand).and(a.sign.leU(c.sign)));
  const firstOfTwo = larger.selectIf(rank.eqz(), rank.ltS(0));
  const first = firstOfTwo.selectIf(bothNan, onlyA);
  const significand = a.significand.selectIf(first, c.significand).or(QUIET_BIT);
  return result80(b, a.word.selectIf(first, c.word), significand);
}

/** The 80-bit format of the x87: explicit integer bit, some encodings invalid (SDM 1, 8.2.2). */
export const FLOAT_80: FloatFormat = {
  ...FORMAT_80,
  type: 'i64',
  specialExponent: 0x7fff,
  open(_b, bits, word) {
    const exponent = word.and(0x7fff);
    const normal = exponent.sub(1).ltU(0x7ffe).and(bits.shrU(63).wrap()).and(word.ltU(WAS_DENORMAL));
    return { bits, word, sign: word.shrU(15).and(1), exponent, significand: bits, normal };
  },
  classify(b, operand) {
    const { exponent, significand, normal } = operand;
    const integer = significand.shrU(63).wrap();
    const special = exponent.eq(0x7fff);
    const basic = kindOf(b, special, significand.shl(special.extU()), significand.shrU(62).wrap().and(1));
    const invalid = exponent.nez().and(integer.eqz());
    const kind = b.i32(KIND.invalid).selectIf(invalid, b.i32(0).selectIf(normal, basic));
    const own = normalize(b, kind, operand, significand, 1);
    const widened = operand.word.geU(WAS_DENORMAL);
    return {
      kind: b.i32(KIND.denormal).selectIf(widened, kind),
      exponent: exponent.selectIf(widened, own.exponent),
      significand: own.significand,
    };
  },
  nan: nan80,
  zero: (b, sign) => result80(b, sign.shl(15), b.i64(0)),
  infinity: (b, sign) => result80(b, sign.shl(15).or(0x7fff), b.i64(INTEGER_BIT)),
  indefinite: (b) => result80(b, b.i32(INDEFINITE_WORD), b.i64(INDEFINITE_80)),
};

/** A format of SSE: hidden integer bit, and of two NaNs the first operand is the result. */
function narrowFormat(format: RoundingFormat, type: 'i32' | 'i64', fractionBits: number): FloatFormat {
  const width = type === 'i64' ? 64 : 32;
  const exponentMask = (1 << (width - 1 - fractionBits)) - 1;
  const special = BigInt(exponentMask) << BigInt(fractionBits);
  const quiet = 1n << BigInt(fractionBits - 1);
  const signBit = 1n << BigInt(width - 1);
  const fractionOf = (bits: Val) => bits.extU().shl(64 - fractionBits);
  return {
    ...format,
    type,
    specialExponent: exponentMask,
    open(b, bits) {
      const biased = bits.shrU(fractionBits).wrap().and(exponentMask);
      return {
        bits,
        word: b.i32(0),
        sign: bits.shrU(width - 1).wrap(),
        exponent: biased.add(format.minExponent - 1),
        significand: fractionOf(bits).shrU(1).or(INTEGER_BIT),
        normal: biased.sub(1).ltU(exponentMask - 1),
      };
    },
    classify(b, operand, flushDenormals) {
      const fraction = fractionOf(operand.bits);
      const isSpecial = operand.exponent.eq(exponentMask + format.minExponent - 1);
      const basic = kindOf(b, isSpecial, fraction, fraction.shrU(63).wrap());
      const flushed = b.i32(KIND.zero).selectIf(basic.eq(KIND.denormal).and(flushDenormals), basic);
      const kind = b.i32(0).selectIf(operand.normal, flushed);
      return normalize(b, kind, operand, fraction.shrU(1), format.minExponent);
    },
    nan(b, a, c) {
      const kinds = c === undefined ? a.kind : a.kind.or(c.kind);
      b.if(kinds.and(KIND.signalling).nez(), () => raiseFlags(b, EXCEPTION.IE));
      const chosen = c === undefined ? a.bits : a.bits.selectIf(a.kind.and(KIND_NAN), c.bits);
      return chosen.or(quiet);
    },
    zero: (_b, sign) => (type === 'i64' ? sign.extU() : sign).shl(width - 1),
    infinity: (_b, sign) => (type === 'i64' ? sign.extU() : sign).shl(width - 1).or(special),
    indefinite: (b) => b.const(type, signBit | special | quiet),
  };
}

export const FLOAT_64 = narrowFormat(FORMAT_64, 'i64', 52);
export const FLOAT_32 = narrowFormat(FORMAT_32, 'i32', 23);
