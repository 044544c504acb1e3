import type { ValKind } from './kinds.ts';
import { familyOf, type Op, type OpFamily, opFor, opNamed } from './ops.ts';
import type { Type } from './types.ts';

/** What a value computation may be given: a value, or a constant of the type that the other side has. */
export type Operand = Val | number | bigint;

/** Makes values; implemented by the builder. */
export interface ValMaker {
  operation(op: Op, ...args: Operand[]): Val;
  /** As {@link operation}, of one operand, which is a value: most operations have one or two. */
  unary(op: Op, a: Val): Val;
  /** As {@link operation}, of two operands, of which the first is a value. */
  binary(op: Op, a: Val, b: Operand): Val;
}

const OP = {
  add: familyOf('add'),
  sub: familyOf('sub'),
  mul: familyOf('mul'),
  divS: familyOf('div_s'),
  divU: familyOf('div_u'),
  remS: familyOf('rem_s'),
  remU: familyOf('rem_u'),
  and: familyOf('and'),
  or: familyOf('or'),
  xor: familyOf('xor'),
  shl: familyOf('shl'),
  shrS: familyOf('shr_s'),
  shrU: familyOf('shr_u'),
  rotl: familyOf('rotl'),
  rotr: familyOf('rotr'),
  clz: familyOf('clz'),
  ctz: familyOf('ctz'),
  popcnt: familyOf('popcnt'),
  eqz: familyOf('eqz'),
  eq: familyOf('eq'),
  ne: familyOf('ne'),
  ltS: familyOf('lt_s'),
  ltU: familyOf('lt_u'),
  gtS: familyOf('gt_s'),
  gtU: familyOf('gt_u'),
  leS: familyOf('le_s'),
  leU: familyOf('le_u'),
  geS: familyOf('ge_s'),
  geU: familyOf('ge_u'),
  select: familyOf('select'),
};

const SIGN_EXTENSION: Readonly<Record<number, OpFamily>> = {
  8: familyOf('extend8_s'),
  16: familyOf('extend16_s'),
  32: familyOf('extend32_s'),
};

const CONVERSION = {
  wrap: opNamed('i32.wrap_i64'),
  extendU: opNamed('i64.extend_i32_u'),
  extendS: opNamed('i64.extend_i32_s'),
  bitsOfF64: opNamed('i64.reinterpret_f64'),
  bitsOfF32: opNamed('i32.reinterpret_f32'),
};

/**
 * A value of the IR. Its methods record an operation on it and give the result; comparisons give an i32 of 0 or 1.
 * Methods are named after the WebAssembly operations that they record. Among statements it is its own computation.
 */
export class Val {
  readonly kind = 'let';
  readonly id: number;
  readonly type: Type;
  readonly what: ValKind;
  readonly args: readonly Val[];
  readonly #maker: ValMaker;

  constructor(maker: ValMaker, id: number, type: Type, what: ValKind, args: readonly Val[]) {
    this.#maker = maker;
    this.id = id;
    this.type = type;
    this.what = what;
    this.args = args;
  }

  /** Records `<type of this>.<name>`. */
  do(name: string, ...args: Operand[]): Val {
    return this.#maker.operation(opNamed(`${this.type}.${name}`), this, ...args);
  }

  add(other: Operand): Val {
    return this.#maker.binary(opFor(OP.add, this.type), this, other);
  }
  sub(other: Operand): Val {
    return this.#maker.binary(opFor(OP.sub, this.type), this, other);
  }
  mul(other: Operand): Val {
    return this.#maker.binary(opFor(OP.mul, this.type), this, other);
  }
  /** Signed division; the semantics guard against a zero divisor and against overflow before they record it. */
  divS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.divS, this.type), this, other);
  }
  divU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.divU, this.type), this, other);
  }
  remS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.remS, this.type), this, other);
  }
  remU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.remU, this.type), this, other);
  }
  and(other: Operand): Val {
    return this.#maker.binary(opFor(OP.and, this.type), this, other);
  }
  or(other: Operand): Val {
    return this.#maker.binary(opFor(OP.or, this.type), this, other);
  }
  xor(other: Operand): Val {
    return this.#maker.binary(opFor(OP.xor, this.type), this, other);
  }
  /** All bits inverted (integers). */
  not(): Val {
    return this.#maker.binary(opFor(OP.xor, this.type), this, -1);
  }
  neg(): Val {
    return this.#maker.operation(opFor(OP.sub, this.type), 0, this);
  }
  /** Shift counts are taken modulo the width, as WebAssembly does. */
  shl(count: Operand): Val {
    return this.#maker.binary(opFor(OP.shl, this.type), this, count);
  }
  shrS(count: Operand): Val {
    return this.#maker.binary(opFor(OP.shrS, this.type), this, count);
  }
  shrU(count: Operand): Val {
    return this.#maker.binary(opFor(OP.shrU, this.type), this, count);
  }
  rotl(count: Operand): Val {
    return this.#maker.binary(opFor(OP.rotl, this.type), this, count);
  }
  rotr(count: Operand): Val {
    return this.#maker.binary(opFor(OP.rotr, this.type), this, count);
  }
  clz(): Val {
    return this.#maker.unary(opFor(OP.clz, this.type), this);
  }
  ctz(): Val {
    return this.#maker.unary(opFor(OP.ctz, this.type), this);
  }
  popcnt(): Val {
    return this.#maker.unary(opFor(OP.popcnt, this.type), this);
  }
  eqz(): Val {
    return this.#maker.unary(opFor(OP.eqz, this.type), this);
  }
  /** 1 when not zero, else 0. */
  nez(): Val {
    return this.#maker.binary(opFor(OP.ne, this.type), this, 0);
  }
  eq(other: Operand): Val {
    return this.#maker.binary(opFor(OP.eq, this.type), this, other);
  }
  ne(other: Operand): Val {
    return this.#maker.binary(opFor(OP.ne, this.type), this, other);
  }
  ltS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.ltS, this.type), this, other);
  }
  ltU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.ltU, this.type), this, other);
  }
  gtS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.gtS, this.type), this, other);
  }
  gtU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.gtU, this.type), this, other);
  }
  leS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.leS, this.type), this, other);
  }
  leU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.leU, this.type), this, other);
  }
  geS(other: Operand): Val {
    return this.#maker.binary(opFor(OP.geS, this.type), this, other);
  }
  geU(other: Operand): Val {
    return this.#maker.binary(opFor(OP.geU, this.type), this, other);
  }
  /** The low 32 bits of an i64; an i32 is itself. */
  wrap(): Val {
    return this.type === 'i32' ? this : this.#maker.unary(CONVERSION.wrap, this);
  }
  /** Zero-extended to i64; an i64 is itself. */
  extU(): Val {
    return this.type === 'i64' ? this : this.#maker.unary(CONVERSION.extendU, this);
  }
  /** The bits of a floating-point number; an integer is itself. */
  bits(): Val {
    if (this.type === 'f64') return this.#maker.unary(CONVERSION.bitsOfF64, this);
    return this.type === 'f32' ? this.#maker.unary(CONVERSION.bitsOfF32, this) : this;
  }
  /** Sign-extended to i64; an i64 is itself. */
  extS(): Val {
    return this.type === 'i64' ? this : this.#maker.unary(CONVERSION.extendS, this);
  }
  /** The low `bits` (8, 16 or 32) sign-extended to the value's own type. */
  signExtend(bits: number): Val {
    if (this.type === 'i32' && bits >= 32) return this;
    if (bits === 64) return this;
    return this.#maker.unary(opFor(SIGN_EXTENSION[bits], this.type), this);
  }
  /** The low `bits` zero-extended within the value's own type. */
  zeroExtend(bits: number): Val {
    if (bits >= (this.type === 'i32' ? 32 : 64)) return this;
    return this.and((1n << BigInt(bits)) - 1n);
  }
  /** `this` where `condition` (i32) is not zero, else `other`. */
  selectIf(condition: Val, other: Operand): Val {
    return this.#maker.operation(opFor(OP.select, this.type), this, other, condition);
  }
}
