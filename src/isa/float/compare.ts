import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { returnIf } from './arithmetic.ts';
import { FLOAT_32, FLOAT_64, FLOAT_80, type FloatFormat, KIND, KIND_NAN, type Opened } from './operand.ts';
import { denormalsAreZero, EXCEPTION, raiseFlags } from './results.ts';

/**
 * What comparisons give: EFLAGS' CF, PF and ZF at their places, as FCOMI and COMISS set them; shifted left by 8 they
 * are C0, C2 and C3 of FSW.
 */
export const COMPARED = { greater: 0, less: 1, equal: 0x40, unordered: 0x45 } as const;

/** Below every exponent: that of zero, for comparing. */
const ZERO_EXPONENT = -0x10000;

/** Compares two numbers neither of which is a NaN; zeros have a lower exponent than all others, and significand 0. */
export function order(b: Builder, signA: Val, a: readonly [Val, Val], signC: Val, c: readonly [Val, Val]): Val {
  const [exponentA, significandA] = a;
  const [exponentC, significandC] = c;
  const sameExponent = exponentA.eq(exponentC);
  const same = sameExponent.and(significandA.eq(significandC));
  const smaller = significandA.ltU(significandC).selectIf(sameExponent, exponentA.ltS(exponentC));
  const bothZero = same.and(significandA.eqz());
  const less = smaller.xor(signA).selectIf(signA.eq(signC), signA);
  const equal = bothZero.or(same.and(signA.eq(signC)));
  return b.i32(COMPARED.equal).selectIf(equal, less);
}

/** @param quiet i32: a quiet NaN is no invalid operand */
function recordCompare(b: Builder, format: FloatFormat, a: Opened, c: Opened, flush: Val, quiet: Val): Val {
  const operands = [a, c];
  const exponents = operands.map((x) => b.variable('i32', x.exponent));
  const significands = operands.map((x) => b.variable('i64', x.significand));
  b.if(a.normal.and(c.normal).eqz(), () => {
    const found = operands.map((x) => format.classify(b, x, flush));
    const kinds = found[0].kind.or(found[1].kind);
    returnIf(b, kinds.and(KIND_NAN).nez(), () => {
      const invalid = kinds
        .and(KIND.signalling | KIND.invalid)
        .nez()
        .or(quiet.eqz());
      b.if(invalid, () => raiseFlags(b, EXCEPTION.IE));
      return b.i32(COMPARED.unordered);
    });
    b.if(kinds.and(KIND.denormal).nez(), () => raiseFlags(b, EXCEPTION.DE));
    found.forEach(({ kind, exponent, significand }, i) => {
      const zero = kind.and(KIND.zero).nez();
      b.set(exponents[i], b.i32(ZERO_EXPONENT).selectIf(zero, exponent));
      b.set(significands[i], b.i64(0).selectIf(zero, significand));
    });
  });
  const [keyA, keyC] = operands.map((_, i) => [b.get(exponents[i]), b.get(significands[i])] as const);
  return order(b, a.sign, keyA, c.sign, keyC);
}

/** FCOM and FUCOM: (word and significand of a, of c, 1 if quiet NaNs are allowed) → {@link COMPARED}. */
export const FLOAT_80_COMPARE = defineHelper(
  'float80Compare',
  { params: ['i32', 'i64', 'i32', 'i64', 'i32'], result: 'i32' },
  (b, wordA, bitsA, wordC, bitsC, quiet) => {
    const [a, c] = [FLOAT_80.open(b, bitsA, wordA), FLOAT_80.open(b, bitsC, wordC)];
    return recordCompare(b, FLOAT_80, a, c, b.i32(0), quiet);
  },
);

function narrowCompare(format: FloatFormat): IrHelper {
  const shape = { params: [format.type, format.type, 'i32', 'i32'], result: 'i32' } as const;
  return defineHelper(`float${format.name}Compare`, shape, (b, bitsA, bitsC, mxcsr, quiet) => {
    const [a, c] = [bitsA, bitsC].map((bits) => format.open(b, bits, b.i32(0)));
    return recordCompare(b, format, a, c, denormalsAreZero(mxcsr), quiet);
  });
}
/** (a bits, c bits, MXCSR, 1 if quiet NaNs raise nothing) → {@link COMPARED}; for COMISS, UCOMISS, CMPSS, MINSS. */
export const FLOAT_32_COMPARE = narrowCompare(FLOAT_32);
/** As {@link FLOAT_32_COMPARE}, double precision. */
export const FLOAT_64_COMPARE = narrowCompare(FLOAT_64);
