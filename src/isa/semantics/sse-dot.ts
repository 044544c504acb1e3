import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { FLOAT_32_BINARY, FLOAT_64_BINARY } from '../float/arithmetic.ts';
import { clearFlags } from '../float/results.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import { settle } from '../simd/float-exact.ts';
import { DOUBLE, fromLaneBits, laneBits, mxcsrOf, SINGLE, type SimdFormat } from '../simd/float-format.ts';
import { readVector, requireSse, writeVector } from '../simd/operands.ts';

const BINARY = { f32: FLOAT_32_BINARY, f64: FLOAT_64_BINARY } as const;

function bit(x: Val, n: number): Val {
  return x.shrU(n).and(1);
}

/** Adds neighbours until one number is left. */
function sum(b: Builder, f: SimdFormat, terms: readonly Val[], mxcsr: Val): Val {
  if (terms.length === 1) return terms[0];
  const half = terms.length / 2;
  const [left, right] = [sum(b, f, terms.slice(0, half), mxcsr), sum(b, f, terms.slice(half), mxcsr)];
  return b.call(BINARY[f.float].add, left, right, mxcsr);
}

/** (destination, source, immediate): products that bits 4 and up choose are added, bits 0 and up say where the sum goes. */
function defineDot(f: SimdFormat): IrHelper {
  return defineHelper(
    `sse_${f.float}_dot`,
    { params: ['v128', 'v128', 'i32'], result: 'v128', mayFault: true },
    (b, a, s, imm) => {
      const mxcsr = mxcsrOf(b);
      const zero = b.const(f.bits, 0);
      clearFlags(b);
      const products = Array.from({ length: f.lanes }, (_, i) =>
        b.choose(
          f.bits,
          bit(imm, 4 + i),
          () => b.call(BINARY[f.float].mul, laneBits(b, f, a, i), laneBits(b, f, s, i), mxcsr),
          () => zero,
        ),
      );
      settle(b);
      const total = sum(b, f, products, mxcsr);
      settle(b);
      const lanes = products.map((_, i) => total.selectIf(bit(imm, i), zero));
      return fromLaneBits(b, f, lanes);
    },
  );
}

function dot(f: SimdFormat): Semantics {
  const helper = defineDot(f);
  return (l) => {
    requireSse(l);
    const source = readVector(l, 1);
    l.markRecord();
    writeVector(l, 0, l.b.call(helper, readVector(l, 0), source, l.read(2)));
  };
}

/** Dot products. */
export const SSE_DOT: SemanticsTable = { dpps: dot(SINGLE), dppd: dot(DOUBLE) };
