import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { COMPARED, FLOAT_80_COMPARE } from '../float/compare.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { readOperand } from './x87-operands.ts';
import {
  CONDITION_CODES,
  codesOfUnderflow,
  FSW,
  finishInstruction,
  flagsRaised,
  isEmpty,
  type Number80,
  readStack,
  recordData,
  recordInstruction,
  setFlags,
  startComputing,
  underflow,
} from './x87-stack.ts';

/** Compares ST0 with a number: (word, significand, 1 if quiet NaNs are allowed) → COMPARED; exceptions in FLOAT_FLAGS. */
const compare = defineHelper(
  'x87Compare',
  { params: ['i32', 'i64', 'i32'], result: 'i32' },
  (b, word, significand, quiet) => {
    const own = readStack(b, 0);
    b.if(isEmpty(own).or(isEmpty({ word, significand })), () => {
      underflow(b);
      b.return(COMPARED.unordered);
    });
    return b.call(FLOAT_80_COMPARE, own.word, own.significand, word, significand, quiet);
  },
);

interface Variant {
  readonly quiet?: boolean;
  readonly pops?: 1 | 2;
  readonly integer?: boolean;
}

function compareWith(l: Lift, { word, significand }: Number80, quiet: boolean): Val {
  recordInstruction(l);
  return l.b.call(compare, word, significand, quiet ? 1 : 0);
}

/** Ends a comparison by setting the condition codes, which an unmasked exception does not prevent. */
function finishWithCodes(l: Lift, compared: Val, pops: number): void {
  setFlags(l.b, flagsRaised(l.b).or(compared.shl(8)));
  finishInstruction(l.b, { codes: CONDITION_CODES, pops });
}

/** The other operand: memory, the register named, or ST1. */
function otherOperand(l: Lift, integer: boolean): Number80 {
  if (l.isMemory(0)) return readOperand(l, integer);
  return readStack(l.b, l.shape.operands.length === 0 ? 1 : l.registerNumber(0));
}

/** FCOM and its kin. */
function comparison({ quiet = false, pops, integer = false }: Variant = {}): Semantics {
  return (l) => {
    startComputing(l);
    const compared = compareWith(l, otherOperand(l, integer), quiet);
    finishWithCodes(l, compared, pops ?? 0);
    if (l.isMemory(0)) recordData(l);
  };
}

/** FCOMI and its kin: ZF, PF and CF tell the result, OF, SF and AF are cleared, even where IE is unmasked. */
function comparisonToFlags({ quiet = false, pops }: Variant = {}): Semantics {
  return (l) => {
    startComputing(l);
    const compared = compareWith(l, readStack(l.b, l.registerNumber(1)), quiet);
    l.flags.writeWord(compared);
    finishInstruction(l.b, { codes: codesOfUnderflow(l.b), pops: pops ?? 0 });
  };
}

/** FTST: compares with zero. */
function test(l: Lift): void {
  startComputing(l);
  const zero = { word: l.b.i32(0), significand: l.b.i64(0) };
  finishWithCodes(l, compareWith(l, zero, false), 0);
}

/** FXAM: what is in ST0, and its sign (SDM 2, table 3-42). */
function examine(l: Lift): void {
  startComputing(l);
  const { b } = l;
  const own = readStack(b, 0);
  const exponent = own.word.and(0x7fff);
  const fraction = own.significand.shl(1).nez();
  const integer = own.significand.shrU(63).wrap();
  const special = b.i32(FSW.C0).selectIf(fraction, FSW.C2 | FSW.C0);
  const normal = special.selectIf(exponent.eq(0x7fff), FSW.C2);
  const small = b.i32(FSW.C3 | FSW.C2).selectIf(own.significand.nez(), FSW.C3);
  const present = small.selectIf(exponent.eqz(), normal.selectIf(integer, 0));
  const kind = b.i32(FSW.C3 | FSW.C0).selectIf(isEmpty(own), present);
  recordInstruction(l);
  setFlags(b, kind.or(own.word.shrU(15).and(1).shl(9)));
  finishInstruction(b, { codes: CONDITION_CODES });
}

export const X87_COMPARE: SemanticsTable = {
  fcom: comparison(),
  fcomp: comparison({ pops: 1 }),
  fcompp: comparison({ pops: 2 }),
  fucom: comparison({ quiet: true }),
  fucomp: comparison({ quiet: true, pops: 1 }),
  fucompp: comparison({ quiet: true, pops: 2 }),
  ficom: comparison({ integer: true }),
  ficomp: comparison({ integer: true, pops: 1 }),
  fcomi: comparisonToFlags(),
  fcomip: comparisonToFlags({ pops: 1 }),
  fucomi: comparisonToFlags({ quiet: true }),
  fucomip: comparisonToFlags({ quiet: true, pops: 1 }),
  ftst: test,
  fxam: examine,
};
