import type { Builder } from '../ir/builder.ts';
import type { Val } from '../ir/val.ts';
import { ARITHMETIC_FLAGS, FLAG, STATE } from './registers.ts';

/** The six arithmetic flags by name. */
export type FlagName = 'CF' | 'PF' | 'AF' | 'ZF' | 'SF' | 'OF';

/**
 * Records reads and writes of the arithmetic flags. They are kept as a result and a vector of carries (see
 * `STATE.flagResult` and `STATE.flagCarry`), from which each flag is one or two operations away.
 */
export class Flags {
  readonly #b: Builder;

  constructor(b: Builder) {
    this.#b = b;
  }

  /** After `r = a + b` (or with carry in), `width` bits, zero-extended. */
  add(width: number, a: Val, b: Val, r: Val): void {
    this.#store(width, r, a.and(b).or(a.or(b).and(r.not())));
  }

  /** After `r = a - b` (or with borrow in). */
  sub(width: number, a: Val, b: Val, r: Val): void {
    const na = a.not();
    this.#store(width, r, na.and(b).or(na.or(b).and(r)));
  }

  /** After AND, OR, XOR, TEST: CF and OF clear; AF, undefined, clear. */
  logic(width: number, r: Val): void {
    this.#setResult(width, r);
    this.#set(STATE.flagCarry, this.#b.i64(0));
  }

  /** After INC (`plus`) or DEC: as add or sub of 1, but CF stays. */
  increment(width: number, a: Val, r: Val, plus: boolean): void {
    const kept = this.#carry();
    const word = carryWord(width, plus ? a.and(r.not()) : a.not().and(r));
    const overflow = kept
      .xor(word)
      .shrU(1)
      .xor(word)
      .and(1n << 62n);
    this.#setResult(width, r);
    this.#set(
      STATE.flagCarry,
      word
        .and(LOW_62)
        .or(kept.and(1n << 63n))
        .or(overflow),
    );
  }

  /** ZF, SF, PF from `r`; CF and OF (i32, 0 or 1) as given; AF (undefined) as given or clear. */
  result(width: number, r: Val, cf: Val, of: Val, af?: Val): void {
    this.#setResult(width, r);
    this.#setCarries(cf, of, af);
  }

  /** One flag, i32, 0 or 1. */
  read(flag: FlagName): Val {
    switch (flag) {
      case 'CF':
        return this.#carry().shrU(63).wrap();
      case 'PF': {
        const odd = this.#result().wrap().and(0xff).popcnt();
        return odd.xor(this.#carry().wrap().shrU(1)).not().and(1);
      }
      case 'AF':
        return this.#carry().wrap().shrU(3).and(1);
      case 'ZF':
        return this.#result().eqz();
      case 'SF':
        return this.#result().shrU(63).xor(this.#carry().and(1)).wrap();
      case 'OF': {
        const carry = this.#carry();
        return carry.xor(carry.shl(1)).shrU(63).wrap();
      }
    }
  }

  /** Sets one flag to `value` (i32, 0 or 1); the others stay. */
  write(flag: 'CF' | 'ZF', value: Val): void {
    if (flag === 'ZF') {
      const others = this.word().and(~FLAG.ZF);
      this.writeWord(others.or(value.shl(6)));
      return;
    }
    const of = this.read('OF');
    this.#set(STATE.flagCarry, this.#carry().and(LOW_62).or(topBits(value, of)));
  }

  /** Sets CF and OF (i32, 0 or 1); the others stay. */
  writeCarryOverflow(cf: Val, of: Val): void {
    this.#set(STATE.flagCarry, this.#carry().and(LOW_62).or(topBits(cf, of)));
  }

  /** The six flags at their places in EFLAGS, i32, other bits zero. */
  word(): Val {
    const carry = this.#carry();
    const result = this.#result();
    const low = carry.wrap();
    const cf = carry.shrU(63).wrap();
    const of = carry.xor(carry.shl(1)).shrU(63).wrap();
    const pf = result.wrap().and(0xff).popcnt().xor(low.shrU(1)).not().and(1);
    const sf = result.shrU(63).wrap().xor(low.and(1));
    return cf.or(pf.shl(2)).or(low.and(8).shl(1)).or(result.eqz().shl(6)).or(sf.shl(7)).or(of.shl(11));
  }

  /** Sets the six flags from their places in EFLAGS. */
  writeWord(word: Val): void {
    const bit = (mask: number) => word.shrU(Math.log2(mask)).and(1);
    const zf = bit(FLAG.ZF);
    this.#set(STATE.flagResult, zf.xor(1).extU());
    const inverts = bit(FLAG.SF).or(bit(FLAG.PF).xor(zf).shl(1)).or(bit(FLAG.AF).shl(3));
    this.#set(STATE.flagCarry, inverts.extU().or(topBits(bit(FLAG.CF), bit(FLAG.OF))));
  }

  /** The flags from what a comparison of two numbers gives: 0, CF alone, ZF alone, or CF, PF and ZF, in one word. */
  compared(word: Val): void {
    const less = word.and(FLAG.CF);
    this.#set(STATE.flagResult, word.and(FLAG.ZF).eqz().extU());
    // Equal numbers have PF clear, against the parity of the result: bit 1.
    this.#set(STATE.flagCarry, this.#b.i64(3n << 62n).selectIf(less, word.shrU(5).extU()));
  }

  /** EFLAGS as PUSHF stores it, i32. */
  eflags(): Val {
    return this.#b.load('i32', 4, this.#b.cpu, STATE.eflags.offset).or(this.word());
  }

  /** Sets those bits of EFLAGS that `mask` has. */
  writeEflags(value: Val, mask: Val): void {
    const kept = this.eflags().and(mask.not());
    const all = kept.or(value.and(mask)).or(2);
    this.#b.store(4, this.#b.cpu, STATE.eflags.offset, all.and(~ARITHMETIC_FLAGS));
    this.writeWord(all);
  }

  /** Condition `cc` (0 O … 15 NLE; SDM 1, table B-1), i32, 0 or 1. */
  condition(cc: number): Val {
    const positive = this.#positiveCondition(cc >> 1);
    return (cc & 1) === 0 ? positive : positive.xor(1);
  }

  #positiveCondition(cc: number): Val {
    switch (cc) {
      case 0:
        return this.read('OF');
      case 1:
        return this.read('CF');
      case 2:
        return this.read('ZF');
      case 3:
        return this.read('CF').or(this.read('ZF'));
      case 4:
        return this.read('SF');
      case 5:
        return this.read('PF');
      case 6:
        return this.read('SF').xor(this.read('OF'));
      default:
        return this.read('SF').xor(this.read('OF')).or(this.read('ZF'));
    }
  }

  #store(width: number, r: Val, carries: Val): void {
    this.#setResult(width, r);
    this.#set(STATE.flagCarry, carryWord(width, carries));
  }

  #setResult(width: number, r: Val): void {
    this.#set(STATE.flagResult, width === 64 ? r : r.signExtend(width).extS());
  }

  #setCarries(cf: Val, of: Val, af?: Val): void {
    const top = topBits(cf, of);
    this.#set(STATE.flagCarry, af === undefined ? top : top.or(af.shl(3).extU()));
  }

  #result(): Val {
    return this.#b.load('i64', 8, this.#b.cpu, STATE.flagResult.offset);
  }

  #carry(): Val {
    return this.#b.load('i64', 8, this.#b.cpu, STATE.flagCarry.offset);
  }

  #set(field: { offset: number }, value: Val): void {
    this.#b.store(8, this.#b.cpu, field.offset, value);
  }
}

const LOW_62 = (1n << 62n) - 1n;

/** The carry word from the carries out of each bit of a `width`-bit operation. */
function carryWord(width: number, carries: Val): Val {
  if (width === 64) return carries.and(~3n);
  const af = carries.and(8).extU();
  return carries
    .extU()
    .shl(64 - width)
    .or(af);
}

/** Bits 63 and 62 of the carry word: CF, and CF xor OF. */
function topBits(cf: Val, of: Val): Val {
  return cf.extU().shl(63).or(cf.xor(of).extU().shl(62));
}
