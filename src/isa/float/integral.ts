import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { raiseDenormal, returnIf } from './arithmetic.ts';
import { FLOAT_80, KIND, KIND_NAN } from './operand.ts';
import { EXCEPTION, ROUND, raiseFlags } from './results.ts';
import { BIAS, INTEGER_BIT, result80, roundSignificand } from './round.ts';

/** Rounds a finite number to an integral one; the result is packed as an 80-bit number. */
function roundIntegral(b: Builder, sign: Val, exponent: Val, significand: Val, control: Val): Val {
  const small = exponent.ltS(BIAS);
  const fraction = significand.selectIf(exponent.eq(BIAS - 1), 1);
  const surplus = b.i32(0).selectIf(small, b.i32(BIAS + 63).sub(exponent));
  const high = b.i64(0).selectIf(small, significand);
  const rounded = roundSignificand(b, { sign, exponent, high, low: fraction.selectIf(small, 0) }, surplus, control);
  b.if(rounded.flags.nez(), () => raiseFlags(b, rounded.flags));
  returnIf(b, small, () => {
    const one = rounded.significand.nez();
    return FLOAT_80.pack(b, sign, b.i32(BIAS).selectIf(one, 0), b.i64(INTEGER_BIT).selectIf(one, 0));
  });
  return FLOAT_80.pack(b, sign, exponent.add(rounded.carry), rounded.significand.or(INTEGER_BIT));
}

/** FRNDINT: (word, significand, FCW) → significand. */
export const FLOAT_80_INTEGRAL = defineHelper(
  'float80Integral',
  { params: ['i32', 'i64', 'i32'], result: 'i64' },
  (b, word, bits, control) => {
    const x = FLOAT_80.open(b, bits, word);
    b.if(x.normal.eqz(), () => {
      const found = FLOAT_80.classify(b, x, b.i32(0));
      returnIf(b, found.kind.and(KIND_NAN).nez(), () => FLOAT_80.nan(b, { ...x, ...found }));
      returnIf(b, found.kind.and(KIND.zero | KIND.infinity).nez(), () => result80(b, word, bits));
      raiseDenormal(b, found.kind, control);
    });
    returnIf(b, x.exponent.geS(BIAS + 63), () => result80(b, word, bits));
    return roundIntegral(b, x.sign, x.exponent, bits, control);
  },
);

/** Bits of the immediate operand of ROUNDSS and its kin (SDM 2, ROUNDPD). */
const ROUND_BY_MXCSR = 4;
const SUPPRESS_PRECISION = 8;

/** The four roundings of a number that is no NaN, by WebAssembly's own operations. */
function integralBy(x: Val, rounding: Val): Val {
  const upOrZero = x.do('ceil').selectIf(rounding.eq(ROUND.up), x.do('trunc'));
  const notNearest = x.do('floor').selectIf(rounding.eq(ROUND.down), upOrZero);
  return x.do('nearest').selectIf(rounding.eqz(), notNearest);
}

function narrowIntegral(type: 'i32' | 'i64', exponentMask: bigint, fractionBits: number): IrHelper {
  const float = type === 'i64' ? 'f64' : 'f32';
  const name = `float${type === 'i64' ? 64 : 32}Integral`;
  const quiet = 1n << BigInt(fractionBits - 1);
  const signBit = type === 'i64' ? 1n << 63n : 1n << 31n;
  return defineHelper(name, { params: [type, 'i32', 'i32'], result: type }, (b, bits, mode, mxcsr) => {
    const magnitude = bits.and(signBit - 1n);
    returnIf(b, magnitude.gtU(exponentMask), () => {
      b.if(bits.and(quiet).eqz(), () => raiseFlags(b, EXCEPTION.IE));
      return bits.or(quiet);
    });
    const flushed = magnitude.ltU(1n << BigInt(fractionBits)).and(mxcsr.shrU(6));
    returnIf(b, flushed.and(1), () => bits.and(signBit));
    const rounding = mxcsr.shrU(13).selectIf(mode.and(ROUND_BY_MXCSR), mode).and(3);
    const rounded = integralBy(b.op(`${float}.reinterpret_${type}`, bits), rounding);
    const result = b.op(`${type}.reinterpret_${float}`, rounded);
    const inexact = result.ne(bits).and(mode.and(SUPPRESS_PRECISION).eqz());
    b.if(inexact, () => raiseFlags(b, EXCEPTION.PE));
    return result;
  });
}

/** ROUNDSS: (bits, immediate, MXCSR) → bits. */
export const FLOAT_32_INTEGRAL = narrowIntegral('i32', 0x7f800000n, 23);
/** ROUNDSD: (bits, immediate, MXCSR) → bits. */
export const FLOAT_64_INTEGRAL = narrowIntegral('i64', 0x7ff0000000000000n, 52);
