import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from './decode.ts';
import { addressSizes, EncodeError, encode } from './encode.ts';
import { chooseOperands, type Form, forms, type OperandChoice } from './encode-forms.ts';
import {
  BASE_RIP,
  highByteRegister,
  type MemOperand,
  type Mode,
  type RegOperand,
  register,
  type Size,
} from './operands.ts';
import { ROWS } from './rows.ts';

/** Numbers below `limit` (up to 2 ** 32), the same in each run. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const pick = <T>(below: (limit: number) => number, values: readonly T[]): T => values[below(values.length)];

const FORMS_16: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
  [-1, -1],
];

function chooseMemory(below: (limit: number) => number, mode: Mode, addressSize: Size): MemOperand {
  const disp = pick(below, [0, 1, -1, 127, -128, 128, addressSize === 16 ? 0x7fff : 0x7fffffff]);
  const count = mode.bits === 64 ? 16 : 8;
  let [base, index] = pick(below, FORMS_16);
  if (addressSize !== 16) {
    base = below(count + 1) - 1;
    index = pick(below, [-1, below(count)]);
    if (index === 4) index = -1;
    if (mode.bits === 64 && index < 0 && below(4) === 0) base = BASE_RIP;
  }
  const usual = base === 4 || base === 5 ? 2 : 3;
  const seg = pick(below, [usual, mode.bits === 64 ? 4 : 0, 5]);
  const scale = (index < 0 || addressSize === 16 ? 0 : below(4)) as 0 | 1 | 2 | 3;
  return {
    kind: 'mem',
    seg,
    base,
    index,
    scale,
    disp: base < 0 && addressSize === 16 ? disp & 0xffff : disp,
    width: 0,
  };
}

const COUNTS: Record<RegOperand['cls'], number> = { gpr: 16, xmm: 16, seg: 6, cr: 5, dr: 8, st: 8, mmx: 8 };

function choiceOf(below: (limit: number) => number, mode: Mode, addressSize: Size): OperandChoice {
  return {
    register: (cls, width) => {
      if (cls === 'cr') return register('cr', pick(below, mode.bits === 64 ? [0, 2, 3, 4, 8] : [0, 2, 3, 4]), width);
      if (cls === 'gpr' && width === 8 && below(4) === 0) return highByteRegister(below(4));
      const limit = mode.bits === 64 ? COUNTS[cls] : Math.min(8, COUNTS[cls]);
      const isUnreachable = mode.bits !== 64 && cls === 'gpr' && width === 8;
      return register(cls, below(isUnreachable ? 4 : limit), width);
    },
    memory: () => chooseMemory(below, mode, addressSize),
    immediate: (bits) => BigInt.asUintN(bits, (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32))),
  };
}

/** False where there is no such instruction: MOV to CS, XCHG where it is NOP, high bytes beside REX. */
function roundTrip(form: Form, below: (limit: number) => number): boolean {
  const { row, mode, operandSize } = form;
  const addressSize = pick(below, addressSizes(mode));
  const operands = chooseOperands(form, addressSize, choiceOf(below, mode, addressSize));
  const first = operands[0];
  if (row.semantics === 'movsreg' && first.kind === 'reg' && first.index === 1) return false;
  if (row.text.startsWith('90+r') && first.kind === 'reg' && first.index === 0) return false;
  const lock = row.lock && first.kind === 'mem' && below(2) === 0;
  let bytes: number[];
  try {
    bytes = encode(row, operands, { mode, operandSize, addressSize, lock });
  } catch (error) {
    assert.ok(error instanceof EncodeError, `${row.text}: ${error}`);
    return false;
  }
  const decoded = decode((offset) => bytes[offset], mode);
  const what = `${row.text} in ${mode.bits}-bit mode: ${bytes.map((byte) => byte.toString(16)).join(' ')}`;
  assert.equal(decoded?.row.text, row.text, what);
  assert.deepEqual(decoded.operands, operands, what);
  assert.equal(decoded.length, bytes.length, what);
  assert.equal(decoded.lock, lock, what);
  assert.deepEqual([decoded.operandSize, decoded.addressSize], [operandSize, addressSize], what);
  return true;
}

const ATTEMPTS = 24;
const WANTED = 6;

for (const bits of [16, 32, 64] as const) {
  test(`every form in ${bits}-bit mode decodes to the row and operands it was encoded from`, () => {
    const below = numbers(bits);
    for (const form of forms({ bits })) {
      let done = 0;
      for (let attempt = 0; attempt < ATTEMPTS && done < WANTED; attempt++) if (roundTrip(form, below)) done++;
      assert.ok(done > 0, `${form.row.text} at size ${form.operandSize} was never encoded`);
    }
  });
}

test('every row has a form in some mode', () => {
  const seen = new Set<number>();
  for (const bits of [16, 32, 64] as const) for (const form of forms({ bits })) seen.add(form.row.id);
  assert.equal(seen.size, ROWS.length);
});

const rowNamed = (text: string): (typeof ROWS)[number] => {
  const row = ROWS.find((candidate) => candidate.text.startsWith(text));
  assert.ok(row, text);
  return row;
};

test('what cannot be encoded is refused', () => {
  const add = rowNamed('00 /r');
  const long = { mode: { bits: 64 }, operandSize: 32, addressSize: 64 } as const;
  assert.throws(() => encode(add, [highByteRegister(0), register('gpr', 8, 8)], long), EncodeError);
  assert.throws(() => encode(rowNamed('06 '), [register('seg', 0, 16)], long), EncodeError);
  assert.throws(() => encode(rowNamed('01 /r'), [], long), EncodeError);
  const eax = register('gpr', 0, 32);
  assert.throws(() => encode(rowNamed('05 '), [eax, { kind: 'imm', value: 1n << 32n, width: 32 }], long), EncodeError);
  assert.throws(() => encode(rowNamed('70 '), [{ kind: 'rel', disp: 128 }], { ...long, operandSize: 64 }), EncodeError);
});
