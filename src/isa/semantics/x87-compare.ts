import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { COMPARED, FLOAT_80_COMPARE } from '../float/compare.ts';
import { FLOAT_32_OPERAND, FLOAT_64_OPERAND } from '../float/convert.ts';
import { FLOAT_32, FLOAT_64, type FloatFormat } from '../float/operand.ts';
import { compareShortly, openShortly } from '../float/short.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { shortWay } from '../short-way.ts';
import { readOperand } from './x87-operands.ts';
import {
  CONDITION_CODES,
  codesOfUnderflow,
  FSW,
  finishInstruction,
  finishUsual,
  flagsRaised,
  isEmpty,
  popStack,
  readShortly,
  readStack,
  recordData,
  recordInstruction,
  resultWord,
  setFlags,
  startComputing,
  startWaiting,
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
  readonly pops?: 0 | 1 | 2;
}

/** In what {@link defineCompare} gives: exceptions are in FLOAT_FLAGS. Without it there are none. */
const RAISED = 1 << 31;

/** Compares ST0 with a register or with bits of memory: (number or bits) → COMPARED, perhaps with {@link RAISED}. */
function defineCompare(name: string, format: FloatFormat | undefined, operand: IrHelper | undefined, quiet: boolean) {
  const shape = { params: [format?.type ?? 'i32'], result: 'i32' } as const;
  return defineHelper(`x87Compare${name}${quiet ? 'Quietly' : ''}`, shape, (b, source) => {
    shortWay(
      b,
      (unless) => {
        const own = readShortly(b, 0, unless);
        const other = format === undefined ? readShortly(b, source, unless) : openShortly(b, format, source, unless);
        b.return(compareShortly(b, own, other, unless));
      },
      () => {
        setFlags(b, 0);
        const significand = operand === undefined ? undefined : b.call(operand, source);
        const other = significand === undefined ? readStack(b, source) : { word: resultWord(b), significand };
        b.return(b.call(compare, other.word, other.significand, quiet ? 1 : 0).or(RAISED));
      },
    );
  });
}

/** Comparisons by where the other operand is. */
function defineComparisons(quiet: boolean) {
  return {
    register: defineCompare('Register', undefined, undefined, quiet),
    single: defineCompare('Single', FLOAT_32, FLOAT_32_OPERAND, quiet),
    double: defineCompare('Double', FLOAT_64, FLOAT_64_OPERAND, quiet),
  };
}

const COMPARISONS = defineComparisons(false);
const QUIET_COMPARISONS = defineComparisons(true);

/** Ends a comparison by setting the condition codes, which an unmasked exception does not prevent. */
function finishWithCodes(l: Lift, compared: Val, pops: number): void {
  setFlags(l.b, flagsRaised(l.b).or(compared.and(COMPARED.unordered).shl(8)));
  finishInstruction(l.b, { codes: CONDITION_CODES, pops });
}

/** Compares with memory, the register named, or ST1. */
function comparedOf(l: Lift, quiet: boolean, register: Val): Val {
  const helpers = quiet ? QUIET_COMPARISONS : COMPARISONS;
  const memory = l.isMemory(0) ? l.read(0) : undefined;
  recordInstruction(l);
  if (memory === undefined) return l.b.call(helpers.register, register);
  return l.b.call(l.width(0) === 32 ? helpers.single : helpers.double, memory);
}

/** FCOM and its kin. */
function comparison({ quiet = false, pops = 0 }: Variant = {}): Semantics {
  return (l) => {
    const { b } = l;
    startWaiting(l);
    const named = l.isMemory(0) || l.shape.operands.length === 0 ? b.i32(1) : l.registerNumber(0);
    const compared = comparedOf(l, quiet, named);
    b.if(
      compared.ltS(0),
      () => finishWithCodes(l, compared, pops),
      () => finishUsual(b, compared.shl(8), CONDITION_CODES, b.i32(pops)),
    );
    if (l.isMemory(0)) recordData(l);
  };
}

/** FICOM and FICOMP. */
function integerComparison(pops: 0 | 1): Semantics {
  return (l) => {
    startComputing(l);
    const { word, significand } = readOperand(l, true);
    recordInstruction(l);
    finishWithCodes(l, l.b.call(compare, word, significand, 0), pops);
    recordData(l);
  };
}

/** FCOMI and its kin: ZF, PF and CF tell the result, OF, SF and AF are cleared, even where IE is unmasked. */
function comparisonToFlags({ quiet = false, pops = 0 }: Variant = {}): Semantics {
  return (l) => {
    const { b } = l;
    startWaiting(l);
    const compared = comparedOf(l, quiet, l.registerNumber(1));
    l.flags.compared(compared.and(COMPARED.unordered));
    b.if(
      compared.ltS(0),
      () => finishInstruction(b, { codes: codesOfUnderflow(b), pops }),
      () => {
        if (pops === 1) popStack(b, b.i32(1));
      },
    );
  };
}

/** FTST: compares with zero. */
function test(l: Lift): void {
  startComputing(l);
  recordInstruction(l);
  finishWithCodes(l, l.b.call(compare, 0, 0, 0), 0);
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
  ficom: integerComparison(0),
  ficomp: integerComparison(1),
  fcomi: comparisonToFlags(),
  fcomip: comparisonToFlags({ pops: 1 }),
  fucomi: comparisonToFlags({ quiet: true }),
  fucomip: comparisonToFlags({ quiet: true, pops: 1 }),
  ftst: test,
  fxam: examine,
};
