import type { Val } from '../../ir/val.ts';
import { type FlagName, Flags } from '../../isa/flags.ts';
import type { JitBuilder } from './jit-builder.ts';

/** Flags whose words are computed where they are needed, and compare-and-branch from the operands. */
export class JitFlags extends Flags {
  readonly #builder: JitBuilder;

  constructor(b: JitBuilder) {
    super(b);
    this.#builder = b;
  }

  override add(width: number, a: Val, b: Val, r: Val): void {
    super.add(width, a, b, r);
    this.#builder.flagSource = isPlain(r, 'add', a, b) ? { kind: 'add', width, a, b, r } : { kind: 'other', width, r };
  }

  override sub(width: number, a: Val, b: Val, r: Val): void {
    super.sub(width, a, b, r);
    this.#builder.flagSource = isPlain(r, 'sub', a, b) ? { kind: 'sub', width, a, b, r } : { kind: 'other', width, r };
  }

  override logic(width: number, r: Val): void {
    super.logic(width, r);
    this.#builder.flagSource = { kind: 'logic', width, r };
  }

  override increment(width: number, a: Val, r: Val, plus: boolean): void {
    this.#builder.settleFlags();
    super.increment(width, a, r, plus);
    this.#builder.flagSource = { kind: 'other', width, r };
  }

  override result(width: number, r: Val, cf: Val, of: Val, af?: Val): void {
    super.result(width, r, cf, of, af);
    this.#builder.flagSource = { kind: 'other', width, r };
  }

  override write(flag: 'CF' | 'ZF', value: Val): void {
    this.#builder.settleFlags();
    super.write(flag, value);
  }

  override writeCarryOverflow(cf: Val, of: Val): void {
    this.#builder.settleFlags();
    super.writeCarryOverflow(cf, of);
  }

  override read(flag: FlagName): Val {
    return this.#fromSource(flag) ?? super.read(flag);
  }

  override condition(cc: number): Val {
    const found = this.#compare(cc >> 1);
    if (found === undefined) return super.condition(cc);
    return (cc & 1) === 0 ? found : found.eqz();
  }

  #fromSource(flag: FlagName): Val | undefined {
    const source = this.#builder.flagSource;
    if (source === undefined) return undefined;
    switch (flag) {
      case 'ZF':
        return source.r.eqz();
      case 'SF':
        return isNegative(source.r, source.width);
      case 'CF':
        if (source.kind === 'sub') return source.a.ltU(source.b);
        if (source.kind === 'add') return source.r.ltU(source.a);
        return source.kind === 'logic' ? this.#builder.i32(0) : undefined;
      case 'OF':
        return source.kind === 'logic' ? this.#builder.i32(0) : undefined;
      default:
        return undefined;
    }
  }

  /** An even condition (cc >> 1), where a comparison tells. */
  #compare(pair: number): Val | undefined {
    const source = this.#builder.flagSource;
    if (source === undefined) return undefined;
    const { width } = source;
    if (source.kind === 'sub') {
      const { a, b } = source;
      const signed = (v: Val) => (width < 32 ? v.signExtend(width) : v);
      switch (pair) {
        case 2:
          return a.eq(b);
        case 3:
          return a.leU(b);
        case 6:
          return signed(a).ltS(signed(b));
        case 7:
          return signed(a).leS(signed(b));
      }
    }
    if (source.kind === 'logic') {
      if (pair === 6) return isNegative(source.r, width);
      if (pair === 7) return (width < 32 ? source.r.signExtend(width) : source.r).leS(0);
      if (pair === 3) return source.r.eqz();
    }
    return undefined;
  }
}

/** Whether `r` is just `a` plus or minus `b`, reduced to the operands' width. */
function isPlain(r: Val, op: 'add' | 'sub', a: Val, b: Val): boolean {
  let sum = r;
  if (sum.what.kind === 'op' && sum.what.name.endsWith('.and') && sum.args[1].what.kind === 'const') sum = sum.args[0];
  const { what, args } = sum;
  return what.kind === 'op' && what.name === `${a.type}.${op}` && args[0] === a && args[1] === b;
}

/** The sign of a zero-extended value of `width` bits, i32 0 or 1. */
function isNegative(value: Val, width: number): Val {
  if (width >= 32) return value.ltS(0);
  return value.shrU(width - 1).and(1);
}
