import { defineHelper } from '../../ir/define.ts';
import { returnIf } from './arithmetic.ts';
import { FLOAT_80_TO_INTEGER } from './convert.ts';
import { EXCEPTION, FLOAT_EXPONENT, FLOAT_FLAGS, raisedFlags } from './results.ts';
import { result80 } from './round.ts';

/** The largest number of 18 decimal digits. */
const LARGEST = 999_999_999_999_999_999n;
/** The packed BCD indefinite: its bytes 8–9, and 0–7. */
const INDEFINITE_WORD = 0xffff;
const INDEFINITE_LOW = 0xc000_0000_0000_0000n;

/**
 * FBSTP: (word, significand, FCW) → bytes 0–7 of the packed decimal, with bytes 8–9 in FLOAT_EXPONENT. IE where it does
 * not fit.
 */
export const FLOAT_80_TO_BCD = defineHelper(
  'float80ToBcd',
  { params: ['i32', 'i64', 'i32'], result: 'i64' },
  (b, word, bits, control) => {
    const before = raisedFlags(b);
    const value = b.call(FLOAT_80_TO_INTEGER, word, bits, control, 64);
    const negative = value.shrU(63);
    const magnitude = value.xor(negative.neg()).add(negative);
    returnIf(b, magnitude.gtU(LARGEST), () => {
      b.store(4, b.cpu, FLOAT_EXPONENT.offset, b.i32(INDEFINITE_WORD));
      b.store(4, b.cpu, FLOAT_FLAGS.offset, before.or(EXCEPTION.IE));
      return b.i64(INDEFINITE_LOW);
    });
    const rest = b.variable('i64', magnitude);
    const low = b.variable('i64', 0);
    const place = b.variable('i64', 0);
    b.loop((again) => {
      const n = b.get(rest);
      b.set(low, b.get(low).or(n.remU(10).shl(b.get(place))));
      b.set(rest, n.divU(10));
      b.set(place, b.get(place).add(4));
      b.if(b.get(place).ltU(64), () => b.continue(again));
    });
    const top = b.get(rest).wrap();
    const high = top.divU(10).shl(4).or(top.remU(10));
    return result80(b, high.or(word.and(0x8000)), b.get(low));
  },
);

/** FBLD: (bytes 0–7, bytes 8–9) → the magnitude as an integer. Digits above 9 are undefined (SDM 2, FBLD). */
export const BCD_MAGNITUDE = defineHelper('bcdMagnitude', { params: ['i64', 'i32'], result: 'i64' }, (b, low, high) => {
  const value = b.variable('i64', high.shrU(4).and(15).mul(10).add(high.and(15)).extU());
  const place = b.variable('i64', 64);
  b.loop((again) => {
    const next = b.get(place).sub(4);
    b.set(value, b.get(value).mul(10).add(low.shrU(next).and(15)));
    b.set(place, next);
    b.if(next.nez(), () => b.continue(again));
  });
  return b.get(value);
});
