import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { VECTOR_OF } from '../registers.ts';

type Combine = (a: Val, b: Val) => Val;

/** ADD and ADC. */
function addition(withCarry: boolean): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const b = l.read(1);
    const sum = withCarry ? a.add(b).add(carryIn(l, w)) : a.add(b);
    const r = sum.zeroExtend(w);
    l.write(0, r);
    l.flags.add(w, a, b, r);
  };
}

/** SUB and SBB. */
function subtraction(withBorrow: boolean): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const b = l.read(1);
    const difference = withBorrow ? a.sub(b).sub(carryIn(l, w)) : a.sub(b);
    const r = difference.zeroExtend(w);
    l.write(0, r);
    l.flags.sub(w, a, b, r);
  };
}

function carryIn(l: Lift, width: number): Val {
  const cf = l.flags.read('CF');
  return width === 64 ? cf.extU() : cf;
}

function bitwise(combine: Combine): Semantics {
  return (l) => {
    const r = combine(l.readForWrite(0), l.read(1));
    l.write(0, r);
    l.flags.logic(l.width(0), r);
  };
}

const cmp: Semantics = (l) => {
  const w = l.width(0);
  const a = l.read(0);
  const b = l.read(1);
  l.flags.sub(w, a, b, a.sub(b).zeroExtend(w));
};

const test: Semantics = (l) => {
  const r = l.read(0).and(l.read(1));
  l.flags.logic(l.width(0), r);
};

function increment(plus: boolean): Semantics {
  return (l) => {
    const w = l.width(0);
    const a = l.readForWrite(0);
    const r = a.add(plus ? 1 : -1).zeroExtend(w);
    l.write(0, r);
    l.flags.increment(w, a, r, plus);
  };
}

const neg: Semantics = (l) => {
  const w = l.width(0);
  const a = l.readForWrite(0);
  const r = a.neg().zeroExtend(w);
  l.write(0, r);
  l.flags.sub(w, l.int(w, 0), a, r);
};

const not: Semantics = (l) => {
  l.write(0, l.readForWrite(0).not());
};

/** The sum goes to the destination last where that is a register: both operands may be the same one. */
const xadd: Semantics = (l) => {
  const w = l.width(0);
  const a = l.readForWrite(0);
  const b = l.read(1);
  const r = a.add(b).zeroExtend(w);
  if (l.isMemory(0)) {
    l.write(0, r);
    l.write(1, a);
  } else {
    l.write(1, a);
    l.write(0, r);
  }
  l.flags.add(w, a, b, r);
};

/** The destination is written in either case, the accumulator only where they differ (SDM 2A, CMPXCHG). */
const cmpxchg: Semantics = (l) => {
  const w = l.width(0);
  const old = l.readForWrite(0);
  const source = l.read(1);
  const accumulator = l.gpr(0, w);
  const equal = accumulator.eq(old);
  if (l.isMemory(0)) {
    l.write(0, source.selectIf(equal, old));
    l.b.if(equal.eqz(), () => l.setGpr(0, w, old));
  } else {
    l.b.if(
      equal,
      () => l.write(0, source),
      () => l.setGpr(0, w, old),
    );
  }
  l.flags.sub(w, accumulator, old, accumulator.sub(old).zeroExtend(w));
};

/** The registers `high`:`low` as one 64-bit value. */
function pair(l: Lift, high: number, low: number): Val {
  return l.gpr(high, 32).extU().shl(32).or(l.gpr(low, 32).extU());
}

const cmpxchg8b: Semantics = (l) => {
  const old = l.readForWrite(0);
  const equal = pair(l, 2, 0).eq(old);
  l.write(0, pair(l, 1, 3).selectIf(equal, old));
  l.b.if(equal.eqz(), () => {
    l.setGpr(0, 32, old.wrap());
    l.setGpr(2, 32, old.shrU(32).wrap());
  });
  l.flags.write('ZF', equal);
};

const cmpxchg16b: Semantics = (l) => {
  const address = l.address(16, true);
  l.raiseIf(address.and(15).nez(), VECTOR_OF.GP);
  const segment = l.segment();
  const low = l.b.guestLoad('i64', 8, address, segment, true);
  const high = l.b.guestLoad('i64', 8, address.add(8), segment, true);
  const equal = l.gpr(0, 64).eq(low).and(l.gpr(2, 64).eq(high));
  l.b.guestStore(8, address, segment, l.gpr(3, 64).selectIf(equal, low));
  l.b.guestStore(8, address.add(8), segment, l.gpr(1, 64).selectIf(equal, high));
  l.b.if(equal.eqz(), () => {
    l.setGpr(0, 64, low);
    l.setGpr(2, 64, high);
  });
  l.flags.write('ZF', equal);
};

/** Integer arithmetic, logic and compare. */
export const ALU_SEMANTICS: SemanticsTable = {
  add: addition(false),
  adc: addition(true),
  sub: subtraction(false),
  sbb: subtraction(true),
  and: bitwise((a, b) => a.and(b)),
  or: bitwise((a, b) => a.or(b)),
  xor: bitwise((a, b) => a.xor(b)),
  cmp,
  test,
  inc: increment(true),
  dec: increment(false),
  neg,
  not,
  xadd,
  cmpxchg,
  cmpxchg8b,
  cmpxchg16b,
};
