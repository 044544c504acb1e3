import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { VECTOR_OF } from '../registers.ts';

const RAX = 0;

/** What decides on adjustment: a low digit above 9, or AF. */
function adjustLow(l: Lift, al: Val): Val {
  return al.and(15).gtU(9).or(l.flags.read('AF'));
}

/** DAA and DAS (SDM 2A). OF, undefined, is cleared. */
function decimalAdjust(plus: boolean): Semantics {
  return (l) => {
    const al = l.gpr(RAX, 8);
    const low = adjustLow(l, al);
    const high = al.gtU(0x99).or(l.flags.read('CF'));
    const amount = low.mul(6).add(high.mul(0x60));
    const r = (plus ? al.add(amount) : al.sub(amount)).and(0xff);
    const carry = plus ? high : high.or(low.and(al.ltU(6)));
    l.setGpr(RAX, 8, r);
    l.flags.result(8, r, carry, l.b.i32(0), low);
  };
}

/** AAA and AAS (SDM 2A). SF, ZF, PF, undefined, come from AL; OF is cleared. */
function asciiAdjust(sign: 1 | -1): Semantics {
  return (l) => {
    const ax = l.gpr(RAX, 16);
    const adjust = adjustLow(l, ax.and(0xff));
    const r = ax.add(adjust.mul(sign * 0x106)).and(0xff0f);
    l.setGpr(RAX, 16, r);
    l.flags.result(8, r.and(0xff), adjust, l.b.i32(0), adjust);
  };
}

const aam: Semantics = (l) => {
  const base = l.read(0);
  l.raiseIf(base.eqz(), VECTOR_OF.DE);
  const al = l.gpr(RAX, 8);
  const rest = al.remU(base);
  l.setGpr(RAX, 16, al.divU(base).shl(8).or(rest));
  l.flags.logic(8, rest);
};

const aad: Semantics = (l) => {
  const ax = l.gpr(RAX, 16);
  const r = ax.shrU(8).mul(l.read(0)).add(ax).and(0xff);
  l.setGpr(RAX, 16, r);
  l.flags.logic(8, r);
};

/** Decimal arithmetic. */
export const BCD_SEMANTICS: SemanticsTable = {
  daa: decimalAdjust(true),
  das: decimalAdjust(false),
  aaa: asciiAdjust(1),
  aas: asciiAdjust(-1),
  aam,
  aad,
};
