import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abstractGuest } from '../../src/ir/builder.ts';
import type { IrHelper } from '../../src/ir/define.ts';
import { Evaluator } from '../../src/ir/evaluate.ts';
import {
  type BinaryOperation,
  FLOAT_32_BINARY,
  FLOAT_32_SQRT,
  FLOAT_64_BINARY,
  FLOAT_64_SQRT,
} from '../../src/isa/float/arithmetic.ts';
import { STATE, STATE_BYTES } from '../../src/isa/registers.ts';
import { defineExact, type ExactLane } from '../../src/isa/simd/float-exact.ts';
import { DOUBLE, SINGLE, type SimdFormat } from '../../src/isa/simd/float-format.ts';
import { binaryShortcut, sqrtShortcut } from '../../src/isa/simd/float-shortcut.ts';

const ROUNDS = 400;
const memory = new DataView(new ArrayBuffer(STATE_BYTES));
const evaluator = new Evaluator(
  {
    memory,
    guestLoad: () => assert.fail('no guest memory'),
    guestStore: () => assert.fail('no guest memory'),
    hostCall: () => assert.fail('no host'),
    tailCallIndirect: () => assert.fail('no table'),
  },
  { pendingOffset: STATE.pending.offset, guest: abstractGuest },
);

let seed = 12345n;
function below(limit: number): number {
  seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
  return Number((seed >> 33n) % BigInt(limit));
}

/** Bits of a number that is often short, so that results are often exact, and sometimes close to a limit. */
function operand(f: SimdFormat): bigint {
  const kind = below(8);
  const sign = BigInt(below(2)) << BigInt(f.width - 1);
  if (kind === 0) return sign;
  const bias = (f.maxExponent - 1) / 2;
  const exponents = [1, 2, 3, bias - 30, bias, bias + below(40), bias - below(40), f.maxExponent - 1];
  const exponent = BigInt(exponents[kind < 6 ? 4 + below(3) : below(exponents.length)]);
  const fraction = BigInt.asUintN(f.fractionBits, (BigInt(below(2 ** 31)) << 31n) | BigInt(below(2 ** 31)));
  const kept = below(3) === 0 ? fraction : (fraction >> BigInt(below(f.fractionBits))) << BigInt(below(f.fractionBits));
  return sign | (exponent << BigInt(f.fractionBits)) | BigInt.asUintN(f.fractionBits, kept);
}

/** What a helper gives, and MXCSR after it. */
function run(helper: IrHelper, operands: readonly bigint[], mxcsr: number): [bigint, number] {
  memory.setUint32(STATE.mxcsr.offset, mxcsr, true);
  const result = evaluator.call(helper, [0n, ...operands, 0n]);
  return [result, memory.getUint32(STATE.mxcsr.offset, true)];
}

function assertSame(f: SimdFormat, name: string, lane: ExactLane, shortcut: ReturnType<typeof sqrtShortcut>, n: 1 | 2) {
  const definition = { format: f, operands: n, lane: () => lane } as const;
  const { scalar: quick } = defineExact({ ...definition, name: `test_${name}_quick`, shortcut });
  const { scalar: exact } = defineExact({ ...definition, name: `test_${name}_exact` });
  for (let round = 0; round < ROUNDS; round++) {
    const operands = Array.from({ length: n }, () => operand(f));
    const mxcsr = below(3) === 0 ? 0x1fa0 : 0x1f80;
    const label = `${name}(${operands.map((value) => value.toString(16))})`;
    assert.deepEqual(run(quick, operands, mxcsr), run(exact, operands, mxcsr), label);
  }
}

for (const f of [SINGLE, DOUBLE]) {
  const binary = f === SINGLE ? FLOAT_32_BINARY : FLOAT_64_BINARY;
  const sqrt = f === SINGLE ? FLOAT_32_SQRT : FLOAT_64_SQRT;
  for (const operation of ['add', 'sub', 'mul', 'div'] as BinaryOperation[]) {
    test(`the shortcut of ${f.float} ${operation} gives what the exact helper gives`, () => {
      const lane: ExactLane = (b, mxcsr, [a, s]) => b.call(binary[operation], a, s, mxcsr);
      assertSame(f, `${f.float}_${operation}`, lane, binaryShortcut(f, operation), 2);
    });
  }
  test(`the shortcut of ${f.float} sqrt gives what the exact helper gives`, () => {
    const lane: ExactLane = (b, mxcsr, [a]) => b.call(sqrt, a, mxcsr);
    assertSame(f, `${f.float}_sqrt`, lane, sqrtShortcut(f), 1);
  });
}
