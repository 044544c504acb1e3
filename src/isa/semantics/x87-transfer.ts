import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { BCD_MAGNITUDE, FLOAT_80_TO_BCD } from '../float/bcd.ts';
import {
  FLOAT_32_OPERAND,
  FLOAT_64_OPERAND,
  FLOAT_80_FROM_INTEGER,
  FLOAT_80_LOADED,
  FLOAT_80_TO_32,
  FLOAT_80_TO_64,
  FLOAT_80_TO_INTEGER,
  openInteger,
} from '../float/convert.ts';
import { FLOAT_32, FLOAT_64, type FloatFormat } from '../float/operand.ts';
import { CONTROL_TRUNCATE, EXCEPTION, INDEFINITE_80, INDEFINITE_WORD, ROUND, roundingOf } from '../float/results.ts';
import { integerShortly, narrowShortly, openShortly, roundsShortly } from '../float/short.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { STATE } from '../registers.ts';
import { shortWay, type Unless } from '../short-way.ts';
import { readTenBytes, writeTenBytes } from './x87-operands.ts';
import {
  codesOfUnderflow,
  EXCEPTIONS,
  finishInstruction,
  finishShortly,
  finishStopped,
  flagsRaised,
  getField,
  indefinite,
  isEmpty,
  mayStore,
  type Number80,
  pushNumber,
  pushShortly,
  readShortly,
  readStack,
  recordData,
  recordInstruction,
  recordPointer,
  replaceStack,
  resultWord,
  STOPS_MEMORY,
  setFlags,
  startComputing,
  startWaiting,
  underflow,
  writeStack,
} from './x87-stack.ts';

/** FLD of 32 or 64 bits: (bits). */
function defineLoad(format: FloatFormat, operand: IrHelper): IrHelper {
  const shape = { params: [format.type], mayFault: true } as const;
  return defineHelper(`x87Load${format.name}`, shape, (b, bits) => {
    setFlags(b, 0);
    const widened = b.call(operand, bits);
    const loaded = b.call(FLOAT_80_LOADED, resultWord(b), widened);
    pushNumber(b, { word: resultWord(b), significand: loaded });
  });
}

const LOAD_32 = { format: FLOAT_32, helper: defineLoad(FLOAT_32, FLOAT_32_OPERAND) } as const;
const LOAD_64 = { format: FLOAT_64, helper: defineLoad(FLOAT_64, FLOAT_64_OPERAND) } as const;

/** FLD of 32 or 64 bits, FLD of 80, FLD of a register. */
function load(l: Lift): void {
  if (!l.isMemory(0)) loadRegister(l);
  else if (l.width(0) === 80) loadExtended(l);
  else loadNarrow(l, l.width(0) === 32 ? LOAD_32 : LOAD_64);
}

function loadExtended(l: Lift): void {
  startComputing(l);
  const { low, high } = readTenBytes(l);
  recordInstruction(l);
  pushNumber(l.b, { word: high, significand: low });
  recordData(l);
}

/** A normal number or zero is pushed in line. */
function loadNarrow(l: Lift, { format, helper }: typeof LOAD_32 | typeof LOAD_64): void {
  const { b } = l;
  startWaiting(l);
  const bits = l.read(0);
  recordPointer(l);
  shortWay(
    b,
    (unless) => pushShortly(b, unless, openShortly(b, format, bits, unless)),
    () => {
      l.markRecord();
      b.call(helper, bits);
      recordData(l);
    },
  );
}

const loadOfRegister = defineHelper('x87LoadRegister', { params: ['i32'], mayFault: true }, (b, index) => {
  setFlags(b, 0);
  const source = readStack(b, index);
  b.if(isEmpty(source), () => underflow(b));
  const none = indefinite(b);
  const word = none.word.selectIf(isEmpty(source), source.word);
  pushNumber(b, { word, significand: none.significand.selectIf(isEmpty(source), source.significand) });
});

function loadRegister(l: Lift): void {
  const { b } = l;
  startWaiting(l);
  const index = l.registerNumber(0);
  recordPointer(l);
  shortWay(
    b,
    (unless) => pushShortly(b, unless, readShortly(b, index, unless)),
    () => {
      l.markRecord();
      b.call(loadOfRegister, index);
    },
  );
}

/** Pushes what raises nothing by itself. */
function pushExact(l: Lift, number: Number80): void {
  const { b } = l;
  recordPointer(l);
  shortWay(
    b,
    (unless) => pushShortly(b, unless, number),
    () => {
      l.markRecord();
      setFlags(b, 0);
      pushNumber(b, number);
    },
  );
}

function loadInteger(l: Lift): void {
  const { b } = l;
  startWaiting(l);
  const { sign, exponent, significand } = openInteger(b, l.read(0).signExtend(l.width(0)).extS());
  const word = sign.shl(15).or(exponent).selectIf(significand.nez(), 0);
  pushExact(l, { word, significand });
  recordData(l);
}

function loadDecimal(l: Lift): void {
  startComputing(l);
  const { low, high } = readTenBytes(l);
  recordInstruction(l);
  const significand = l.b.call(FLOAT_80_FROM_INTEGER, l.b.call(BCD_MAGNITUDE, low, high));
  pushNumber(l.b, { word: resultWord(l.b).or(high.and(0x8000)), significand });
  recordData(l);
}

/** Ten bytes: the low eight, and the high two. */
interface TenBytes {
  readonly low: Val;
  readonly high: Val;
}

/** What a store of ten bytes is to store, if it stores: ST0 converted, or the format's indefinite. */
interface TenByteFormat {
  readonly convert: (l: Lift, number: Number80) => TenBytes;
  readonly indefinite: (l: Lift) => TenBytes;
}

/** FST of 80 bits, FBSTP: memory := ST0. An unmasked exception but PE leaves memory and stack as they are. */
function storeTenBytes(l: Lift, format: TenByteFormat, pops: number): void {
  const { b } = l;
  startComputing(l);
  const own = readStack(b, 0);
  const none = format.indefinite(l);
  const low = b.variable('i64', none.low);
  const high = b.variable('i32', none.high);
  b.if(
    isEmpty(own),
    () => underflow(b),
    () => {
      const value = format.convert(l, own);
      b.set(low, value.low);
      b.set(high, value.high);
    },
  );
  b.if(mayStore(b, STOPS_MEMORY), () => writeTenBytes(l, b.get(low), b.get(high)));
  recordInstruction(l);
  finishInstruction(b, { pops, stops: STOPS_MEMORY });
  recordData(l);
}

const EXTENDED_FORMAT: TenByteFormat = {
  convert: (_l, { word, significand }) => ({ low: significand, high: word }),
  indefinite: ({ b }) => ({ low: b.i64(INDEFINITE_80), high: b.i32(INDEFINITE_WORD) }),
};

/** What FST stores in 32 or 64 bits, whatever is in ST0; exceptions in FLOAT_FLAGS. */
function defineStore(format: FloatFormat, convert: IrHelper): IrHelper {
  return defineHelper(`x87Store${format.name}`, { result: format.type }, (b) => {
    setFlags(b, 0);
    const own = readStack(b, 0);
    b.if(isEmpty(own), () => {
      underflow(b);
      b.return(format.indefinite(b));
    });
    return b.call(convert, own.word, own.significand, getField(b, STATE.fcw));
  });
}

const STORE_32 = { format: FLOAT_32, helper: defineStore(FLOAT_32, FLOAT_80_TO_32) } as const;
const STORE_64 = { format: FLOAT_64, helper: defineStore(FLOAT_64, FLOAT_80_TO_64) } as const;

/** Bits to be stored, i32 or i64, and what converting to them has raised. */
interface Stored {
  readonly bits: Val;
  readonly raised: Val;
}

/** FST and FIST of up to 64 bits. An unmasked exception but PE leaves memory and stack as they are. */
function storeNarrow(l: Lift, type: 'i32' | 'i64', pops: 0 | 1, short: (unless: Unless) => Stored, long: IrHelper) {
  const { b } = l;
  startWaiting(l);
  const bits = b.variable(type, 0);
  const raised = b.variable('i32', 0);
  const take = (stored: Stored) => {
    b.set(bits, stored.bits);
    b.set(raised, stored.raised);
  };
  shortWay(
    b,
    (unless) => take(short(unless)),
    () => take({ bits: b.call(long), raised: flagsRaised(b) }),
  );
  const unmasked = b.get(raised).and(getField(b, STATE.fcw).not()).and(EXCEPTIONS);
  b.if(unmasked.and(STOPS_MEMORY).eqz(), () => l.write(0, b.get(bits)));
  recordPointer(l);
  b.if(
    unmasked,
    () => {
      l.markRecord();
      finishStopped(b, STOPS_MEMORY, pops);
      recordData(l);
    },
    () => finishShortly(b, pops, b.get(raised)),
  );
}

/** FST of 32 or 64 bits. A number that is normal before and after, and rounded to nearest, is converted in line. */
function storeFloat(l: Lift, { format, helper }: typeof STORE_32 | typeof STORE_64, pops: 0 | 1): void {
  const { b } = l;
  const short = (unless: Unless) => {
    unless(roundsShortly(getField(b, STATE.fcw)).eqz());
    const { bits, flags } = narrowShortly(b, format, readShortly(b, 0, unless), unless);
    return { bits, raised: flags };
  };
  storeNarrow(l, format.type === 'i64' ? 'i64' : 'i32', pops, short, helper);
}

/** What FIST stores, whatever is in ST0; exceptions in FLOAT_FLAGS. */
function defineStoreInteger(width: 16 | 32 | 64, truncate: boolean): IrHelper {
  const type = width === 64 ? 'i64' : 'i32';
  return defineHelper(`x87Store${truncate ? 'Truncated' : 'Integer'}${width}`, { result: type }, (b) => {
    setFlags(b, 0);
    const own = readStack(b, 0);
    b.if(isEmpty(own), () => {
      underflow(b);
      b.return(-(1n << BigInt(width - 1)));
    });
    const control = getField(b, STATE.fcw).or(truncate ? CONTROL_TRUNCATE : 0);
    const value = b.call(FLOAT_80_TO_INTEGER, own.word, own.significand, control, width);
    return width === 64 ? value : value.wrap();
  });
}

const WIDTHS = [16, 32, 64] as const;
const storeIntegers = (truncate: boolean) =>
  new Map(WIDTHS.map((width) => [width, defineStoreInteger(width, truncate)]));
const STORE_INTEGER = storeIntegers(false);
const STORE_TRUNCATED = storeIntegers(true);

const INDEFINITE_DECIMAL = 0xc000000000000000n;
const DECIMAL_FORMAT: TenByteFormat = {
  convert(l, { word, significand }) {
    const low = l.b.call(FLOAT_80_TO_BCD, word, significand, l.get(STATE.fcw));
    return { low, high: resultWord(l.b) };
  },
  indefinite: ({ b }) => ({ low: b.i64(INDEFINITE_DECIMAL), high: b.i32(0xffff) }),
};

/** FST and FSTP. */
function store(pops: 0 | 1): Semantics {
  return (l) => {
    if (!l.isMemory(0)) storeRegister(l, pops);
    else if (l.width(0) === 80) storeTenBytes(l, EXTENDED_FORMAT, pops);
    else storeFloat(l, l.width(0) === 32 ? STORE_32 : STORE_64, pops);
  };
}

const storeToRegister = defineHelper(
  'x87StoreRegister',
  { params: ['i32', 'i32'], mayFault: true },
  (b, index, pops) => {
    setFlags(b, 0);
    const own = readStack(b, 0);
    b.if(isEmpty(own), () => underflow(b));
    const none = indefinite(b);
    const word = none.word.selectIf(isEmpty(own), own.word);
    const significand = none.significand.selectIf(isEmpty(own), own.significand);
    b.if(mayStore(b, EXCEPTION.IE), () => writeStack(b, index, { word, significand }));
    finishInstruction(b, { pops });
  },
);

function storeRegister(l: Lift, pops: 0 | 1): void {
  const { b } = l;
  startWaiting(l);
  const index = l.registerNumber(0);
  recordPointer(l);
  shortWay(
    b,
    (unless) => {
      writeStack(b, index, readShortly(b, 0, unless));
      finishShortly(b, pops);
    },
    () => {
      l.markRecord();
      b.call(storeToRegister, index, pops);
    },
  );
}

/** FIST, FISTTP. Numbers that fit are converted in line where they are integral, truncated or rounded to nearest. */
function storeInteger(pops: 0 | 1, truncate = false): Semantics {
  return (l) => {
    const { b } = l;
    const width = l.width(0) as 16 | 32 | 64;
    const helper = (truncate ? STORE_TRUNCATED : STORE_INTEGER).get(width);
    if (helper === undefined) throw new Error(`no integers of ${width} bits`);
    const short = (unless: Unless) => {
      const control = getField(b, STATE.fcw).or(truncate ? CONTROL_TRUNCATE : 0);
      const { value, flags } = integerShortly(b, readShortly(b, 0, unless), control, width, unless);
      return { bits: width === 64 ? value : value.wrap(), raised: flags };
    };
    storeNarrow(l, width === 64 ? 'i64' : 'i32', pops, short, helper);
  };
}

/** Exchanges ST0 with ST(index); an empty one counts as the indefinite when the underflow is masked. */
const exchange = defineHelper('x87Exchange', { params: ['i32'], mayFault: true }, (b, index) => {
  setFlags(b, 0);
  const numbers = [readStack(b, 0), readStack(b, index)];
  const none = indefinite(b);
  const [first, second] = numbers.map((number) => ({
    word: none.word.selectIf(isEmpty(number), number.word),
    significand: none.significand.selectIf(isEmpty(number), number.significand),
  }));
  b.if(isEmpty(numbers[0]).or(isEmpty(numbers[1])), () => underflow(b));
  b.if(mayStore(b, EXCEPTION.IE), () => {
    writeStack(b, 0, second);
    writeStack(b, index, first);
  });
  finishInstruction(b);
});

function exchangeRegisters(l: Lift): void {
  const { b } = l;
  startWaiting(l);
  const index = l.registerNumber(0);
  recordPointer(l);
  shortWay(
    b,
    (unless) => {
      const [first, second] = [readShortly(b, 0, unless), readShortly(b, index, unless)];
      replaceStack(b, 0, second);
      replaceStack(b, index, first);
      finishShortly(b);
    },
    () => {
      l.markRecord();
      b.call(exchange, index);
    },
  );
}

/** FCMOVcc. An empty operand is an underflow whether or not the condition holds. */
function conditionalMove(l: Lift): void {
  const { b } = l;
  startComputing(l);
  const [own, other] = [readStack(b, 0), readStack(b, l.registerNumber(1))];
  recordInstruction(l);
  b.if(
    isEmpty(own).or(isEmpty(other)),
    () => {
      underflow(b);
      b.if(mayStore(b, EXCEPTION.IE), () => writeStack(b, 0, indefinite(b)));
    },
    () => b.if(l.flags.condition(l.shape.cc), () => writeStack(b, 0, other)),
  );
  finishInstruction(b, { codes: codesOfUnderflow(b) });
}

function exactConstant(word: number, significand: bigint): Semantics {
  return (l) => {
    startWaiting(l);
    pushExact(l, { word: l.b.i32(word), significand: l.b.i64(significand) });
  };
}

/** An irrational constant by its significand rounded down; `nearestUp` where the nearest one is the next. */
function irrational(word: number, down: bigint, nearestUp: boolean): Semantics {
  return (l) => {
    startWaiting(l);
    const rounding = roundingOf(getField(l.b, STATE.fcw));
    const up = rounding.eq(ROUND.up).or(nearestUp ? rounding.eqz() : 0);
    pushExact(l, { word: l.b.i32(word), significand: up.extU().add(down) });
  };
}

export const X87_TRANSFER: SemanticsTable = {
  fld: load,
  fild: loadInteger,
  fbld: loadDecimal,
  fst: store(0),
  fstp: store(1),
  fist: storeInteger(0),
  fistp: storeInteger(1),
  fisttp: storeInteger(1, true),
  fbstp: (l) => storeTenBytes(l, DECIMAL_FORMAT, 1),
  fxch: exchangeRegisters,
  fcmovcc: conditionalMove,
  fldz: exactConstant(0, 0n),
  fld1: exactConstant(0x3fff, 1n << 63n),
  fldpi: irrational(0x4000, 0xc90fdaa22168c234n, true),
  fldl2t: irrational(0x4000, 0xd49a784bcd1b8afen, false),
  fldl2e: irrational(0x3fff, 0xb8aa3b295c17f0bbn, true),
  fldlg2: irrational(0x3ffd, 0x9a209a84fbcff798n, true),
  fldln2: irrational(0x3ffe, 0xb17217f7d1cf79abn, true),
};
