import type { Semantics, SemanticsTable } from '../lift.ts';
import { FLAG, STATE } from '../registers.ts';

const AH = 0;
const RAX = 0;
/** The flags that SAHF and LAHF move. */
const LOW_FLAGS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF;

const sahf: Semantics = (l) => {
  const of = l.flags.read('OF').shl(11);
  l.flags.writeWord(l.highByte(AH).and(LOW_FLAGS).or(of));
};

const lahf: Semantics = (l) => l.setHighByte(AH, l.flags.word().and(LOW_FLAGS).or(2));

const salc: Semantics = (l) => l.setGpr(RAX, 8, l.flags.read('CF').neg());

const cmc: Semantics = (l) => l.flags.write('CF', l.flags.read('CF').xor(1));

const carry =
  (value: 0 | 1): Semantics =>
  (l) =>
    l.flags.write('CF', l.b.i32(value));

const cld: Semantics = (l) => l.set(STATE.eflags, l.get(STATE.eflags).and(~FLAG.DF));
const std: Semantics = (l) => l.set(STATE.eflags, l.get(STATE.eflags).or(FLAG.DF));

/** Instructions that move or set single flags. */
export const FLAGS_SEMANTICS: SemanticsTable = { sahf, lahf, salc, cmc, clc: carry(0), stc: carry(1), cld, std };
