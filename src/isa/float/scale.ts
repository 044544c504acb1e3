import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { raiseDenormal, returnIf } from './arithmetic.ts';
import { type Classified, FLOAT_80, KIND, KIND_NAN, type Opened } from './operand.ts';
import { EXCEPTION, FULL_PRECISION, raiseFlags } from './results.ts';
import { BIAS, FORMAT_80, result80, roundAndPack, unchanged80 } from './round.ts';

type Number80 = Opened & Classified;

function openBoth(b: Builder, words: readonly [Val, Val], bits: readonly [Val, Val]): [Number80, Number80] {
  const [a, c] = bits.map((significand, i) => {
    const x = FLOAT_80.open(b, significand, words[i]);
    return { ...x, ...FLOAT_80.classify(b, x, b.i32(0)) };
  });
  return [a, c];
}

/** The exponent's change: c truncated to an integer, and no more than surely overflows or underflows. */
function scaleOf(b: Builder, c: Number80): Val {
  const exponent = c.exponent.sub(BIAS);
  const whole = c.significand.shrU(b.i32(63).sub(exponent).extU()).wrap();
  const limited = b.i32(0x20000).selectIf(exponent.gtS(16), whole);
  const magnitude = b.i32(0).selectIf(exponent.ltS(0), limited);
  return magnitude.neg().selectIf(c.sign, magnitude);
}

/** FSCALE: (word and significand of ST0, of ST1, FCW) → significand (SDM 2, table 3-36). */
export const FLOAT_80_SCALE = defineHelper(
  'float80Scale',
  { params: ['i32', 'i64', 'i32', 'i64', 'i32'], result: 'i64' },
  (b, wordA, bitsA, wordC, bitsC, control) => {
    const [a, c] = openBoth(b, [wordA, wordC], [bitsA, bitsC]);
    const kinds = a.kind.or(c.kind);
    returnIf(b, kinds.and(KIND_NAN).nez(), () => FLOAT_80.nan(b, a, c));
    const infinite = c.kind.and(KIND.infinity).nez();
    const opposed = b.i32(KIND.infinity).selectIf(c.sign, KIND.zero);
    returnIf(b, infinite.and(a.kind.and(opposed).nez()), () => {
      raiseFlags(b, EXCEPTION.IE);
      return FLOAT_80.indefinite(b);
    });
    raiseDenormal(b, kinds, control);
    const unchanged = a.kind
      .and(KIND.infinity | KIND.zero)
      .or(c.kind.and(KIND.zero))
      .nez();
    returnIf(b, unchanged, () => unchanged80(b, wordA, bitsA));
    returnIf(b, infinite.and(c.sign), () => FLOAT_80.zero(b, a.sign));
    returnIf(b, infinite, () => FLOAT_80.infinity(b, a.sign));
    const exponent = a.exponent.add(scaleOf(b, c));
    return roundAndPack(
      b,
      FORMAT_80,
      { sign: a.sign, exponent, high: a.significand, low: b.i64(0) },
      control.or(FULL_PRECISION),
    );
  },
);

/** The two results of FXTRACT: which of them the helper is to give. */
export const EXTRACT = { significand: 0, exponent: 1 } as const;

/** The exponent of a number as an 80-bit number. */
function exponentAsNumber(b: Builder, exponent: Val): Val {
  const value = exponent.sub(BIAS);
  const sign = value.shrU(31);
  const magnitude = value.neg().selectIf(sign, value).extU();
  const shift = magnitude.clz();
  const word = b
    .i32(BIAS + 63)
    .sub(shift.wrap())
    .or(sign.shl(15));
  return result80(b, word.selectIf(value.nez(), 0), magnitude.shl(shift));
}

/** FXTRACT: (word, significand, FCW, one of {@link EXTRACT}) → significand. Both results raise the same. */
export const FLOAT_80_EXTRACT = defineHelper(
  'float80Extract',
  { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64' },
  (b, word, bits, control, which) => {
    const opened = FLOAT_80.open(b, bits, word);
    const x = { ...opened, ...FLOAT_80.classify(b, opened, b.i32(0)) };
    returnIf(b, x.kind.and(KIND_NAN).nez(), () => FLOAT_80.nan(b, x));
    returnIf(b, x.kind.and(KIND.infinity).nez(), () => FLOAT_80.infinity(b, x.sign.and(which.eqz())));
    returnIf(b, x.kind.and(KIND.zero).nez(), () => {
      raiseFlags(b, EXCEPTION.ZE);
      returnIf(b, which, () => FLOAT_80.infinity(b, b.i32(1)));
      return FLOAT_80.zero(b, x.sign);
    });
    raiseDenormal(b, x.kind, control);
    returnIf(b, which, () => exponentAsNumber(b, x.exponent));
    return FLOAT_80.pack(b, x.sign, b.i32(BIAS), x.significand);
  },
);
