import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import type { BinaryOperation } from '../float/arithmetic.ts';
import { STATE } from '../registers.ts';
import {
  hasUsualControls,
  isNotTiny,
  isSafeResult,
  isZero,
  MXCSR,
  mxcsrOf,
  powerBits,
  type SimdFormat,
  toBits,
  toFloat,
} from './float-format.ts';

/**
 * Ways to a result, and to whether it is exact, with the host's own arithmetic. They end the function where they know
 * both, and otherwise leave everything to the exact helpers. Numbers that are neither normal nor zero never come here.
 */

/** Ends the function with `result`, PE being set where it is `inexact`. */
function finish(b: Builder, result: Val, inexact: Val): void {
  b.if(inexact, () => b.store(4, b.cpu, STATE.mxcsr.offset, mxcsrOf(b).or(MXCSR.PE)));
  b.return(result);
}

/** Bits of a normal number's significand, and below it, that are zero at the end. */
function trailingZeros(b: Builder, f: SimdFormat, bits: Val): Val {
  return bits.or(b.const(f.bits, powerBits(f, 1))).ctz();
}

/** Whether x · y, computed without rounding, differs from p, of which it is the nearest; or finishes nothing where that is hard to say. */
function finishByProduct(b: Builder, f: SimdFormat, result: Val, x: Val, y: Val, p: Val): void {
  if (f.float === 'f32') {
    const [wideX, wideY, wideP] = [x, y, p].map((v) => b.op('f64.promote_f32', v));
    finish(b, result, wideX.mul(wideY).ne(wideP));
    return;
  }
  const zeros = trailingZeros(b, f, toBits(f, x, b)).add(trailingZeros(b, f, toBits(f, y, b)));
  b.if(zeros.ltU(f.fractionBits), () => finish(b, result, b.i32(1)));
  b.if(zeros.gtU(f.fractionBits), () => finish(b, result, x.mul(y).ne(p)));
}

/** The rounding error of r = x + y is itself a number, which six operations give (Knuth, TAOCP 2, 4.2.2, theorem B). */
function finishBySum(b: Builder, result: Val, x: Val, y: Val, r: Val, subtract: boolean): void {
  const part = r.sub(x);
  const rest = x.sub(r.sub(part));
  const error = subtract ? rest.sub(y.add(part)) : rest.add(y.sub(part));
  const zero = error.eq(0);
  const known = zero.or(error.do('lt', 0)).or(error.do('gt', 0));
  b.if(known, () => finish(b, result, zero.xor(1)));
}

/** The shortcut of addition, subtraction, multiplication and division. */
export function binaryShortcut(
  f: SimdFormat,
  operation: BinaryOperation,
): (b: Builder, operands: readonly Val[]) => void {
  return (b, [a, s]) => {
    const mxcsr = mxcsrOf(b);
    const [zeroA, zeroS] = [isZero(a), isZero(s)];
    const tame = isNotTiny(f, a).or(zeroA).and(isNotTiny(f, s).or(zeroS));
    b.if(hasUsualControls(mxcsr).and(tame), () => {
      const [x, y] = [toFloat(f, a, b), toFloat(f, s, b)];
      const r = x.do(operation, y);
      const result = toBits(f, r, b);
      const sum = operation === 'add' || operation === 'sub';
      b.if(isZero(result).and(sum ? b.i32(1) : zeroA.or(zeroS)), () => b.return(result));
      b.if(isSafeResult(f, result), () => {
        b.if(mxcsr.and(MXCSR.PE), () => b.return(result));
        if (sum) finishBySum(b, result, x, y, r, operation === 'sub');
        else if (operation === 'mul') finishByProduct(b, f, result, x, y, r);
        else finishByProduct(b, f, result, r, y, x);
      });
    });
  };
}

/** The shortcut of the square root. */
export function sqrtShortcut(f: SimdFormat): (b: Builder, operands: readonly Val[]) => void {
  return (b, [a]) => {
    const mxcsr = mxcsrOf(b);
    const least = powerBits(f, 1);
    const positive = a.sub(least).ltU(powerBits(f, f.maxExponent) - least);
    b.if(hasUsualControls(mxcsr).and(positive), () => {
      const x = toFloat(f, a, b);
      const r = x.do('sqrt');
      const result = toBits(f, r, b);
      b.if(mxcsr.and(MXCSR.PE), () => b.return(result));
      finishByProduct(b, f, result, r, r, x);
    });
  };
}
