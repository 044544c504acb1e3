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

/**
 * The sum for each lane of the result. They differ only when several products are NaNs: the first operand of an addition
 * wins, and processors take the operands in another order in each lane (observed; the manual leaves it open).
 */
function sums(f: SimdFormat, products: readonly Val[], add: (x: Val, y: Val) => Val): Val[] {
  const [p0, p1, p2, p3] = products;
  if (f.lanes === 2) return [add(p0, p1), add(p1, p0)];
  const even = [add(p1, p0), add(p3, p2)];
  const odd = [add(p0, p1), add(p2, p3)];
  return [add(even[0], even[1]), add(odd[0], odd[1]), add(even[1], even[0]), add(odd[1], odd[0])];
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
      const totals = sums(f, products, (x, y) => b.call(BINARY[f.float].add, x, y, mxcsr));
      settle(b);
      const lanes = totals.map((total, i) => total.selectIf(bit(imm, i), zero));
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
