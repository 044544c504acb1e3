import type { Access, FunctionRef, Variable } from './nodes.ts';
import type { Operation } from './ops.ts';
import type { Type } from './types.ts';

/** What a value computation may be given: a value, or a constant of the type that the other side has. */
export type Operand = Val | number | bigint;

/** What a value is: an operation, a constant, a parameter, or something read in order (memory, a variable, a call). */
export type ValKind =
  | Operation
  | { readonly kind: 'const'; readonly value: bigint }
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'link' }
  | ({ readonly kind: 'load'; readonly offset: number } & Access)
  | ({ readonly kind: 'guestLoad'; readonly forWrite: boolean } & Access)
  | { readonly kind: 'call'; readonly callee: FunctionRef };

/** Makes values; implemented by the builder. */
export interface ValMaker {
  op(name: string, ...args: Operand[]): Val;
  /** As `op`, by type and the rest of the name. */
  typedOp(type: Type, name: string, args: readonly Operand[]): Val;
  /** As `typedOp`, of two operands, of which the first is a value. */
  binary(type: Type, name: string, a: Val, b: Operand): Val;
}

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
    return this.#maker.typedOp(this.type, name, [this, ...args]);
  }

  add(other: Operand): Val {
    return this.#maker.binary(this.type, 'add', this, other);
  }
  sub(other: Operand): Val {
    return this.#maker.binary(this.type, 'sub', this, other);
  }
  mul(other: Operand): Val {
    return this.#maker.binary(this.type, 'mul', this, other);
  }
  /** Signed division; the semantics guard against a zero divisor and against overflow before they record it. */
  divS(other: Operand): Val {
    return this.#maker.binary(this.type, 'div_s', this, other);
  }
  divU(other: Operand): Val {
    return this.#maker.binary(this.type, 'div_u', this, other);
  }
  remS(other: Operand): Val {
    return this.#maker.binary(this.type, 'rem_s', this, other);
  }
  remU(other: Operand): Val {
    return this.#maker.binary(this.type, 'rem_u', this, other);
  }
  and(other: Operand): Val {
    return this.#maker.binary(this.type, 'and', this, other);
  }
  or(other: Operand): Val {
    return this.#maker.binary(this.type, 'or', this, other);
  }
  xor(other: Operand): Val {
    return this.#maker.binary(this.type, 'xor', this, other);
  }
  /** All bits inverted (integers). */
  not(): Val {
    return this.#maker.binary(this.type, 'xor', this, -1);
  }
  neg(): Val {
    return this.#maker.typedOp(this.type, 'sub', [0, this]);
  }
  /** Shift counts are taken modulo the width, as WebAssembly does. */
  shl(count: Operand): Val {
    return this.#maker.binary(this.type, 'shl', this, count);
  }
  shrS(count: Operand): Val {
    return this.#maker.binary(this.type, 'shr_s', this, count);
  }
  shrU(count: Operand): Val {
    return this.#maker.binary(this.type, 'shr_u', this, count);
  }
  rotl(count: Operand): Val {
    return this.#maker.binary(this.type, 'rotl', this, count);
  }
  rotr(count: Operand): Val {
    return this.#maker.binary(this.type, 'rotr', this, count);
  }
  clz(): Val {
    return this.do('clz');
  }
  ctz(): Val {
    return this.do('ctz');
  }
  popcnt(): Val {
    return this.do('popcnt');
  }
  eqz(): Val {
    return this.do('eqz');
  }
  /** 1 when not zero, else 0. */
  nez(): Val {
    return this.#maker.binary(this.type, 'ne', this, 0);
  }
  eq(other: Operand): Val {
    return this.#maker.binary(this.type, 'eq', this, other);
  }
  ne(other: Operand): Val {
    return this.#maker.binary(this.type, 'ne', this, other);
  }
  ltS(other: Operand): Val {
    return this.#maker.binary(this.type, 'lt_s', this, other);
  }
  ltU(other: Operand): Val {
    return this.#maker.binary(this.type, 'lt_u', this, other);
  }
  gtS(other: Operand): Val {
    return this.#maker.binary(this.type, 'gt_s', this, other);
  }
  gtU(other: Operand): Val {
    return this.#maker.binary(this.type, 'gt_u', this, other);
  }
  leS(other: Operand): Val {
    return this.#maker.binary(this.type, 'le_s', this, other);
  }
  leU(other: Operand): Val {
    return this.#maker.binary(this.type, 'le_u', this, other);
  }
  geS(other: Operand): Val {
    return this.#maker.binary(this.type, 'ge_s', this, other);
  }
  geU(other: Operand): Val {
    return this.#maker.binary(this.type, 'ge_u', this, other);
  }
  /** The low 32 bits of an i64; an i32 is itself. */
  wrap(): Val {
    return this.type === 'i32' ? this : this.#maker.op('i32.wrap_i64', this);
  }
  /** Zero-extended to i64; an i64 is itself. */
  extU(): Val {
    return this.type === 'i64' ? this : this.#maker.op('i64.extend_i32_u', this);
  }
  /** The bits of a floating-point number; an integer is itself. */
  bits(): Val {
    if (this.type === 'f64') return this.#maker.op('i64.reinterpret_f64', this);
    return this.type === 'f32' ? this.#maker.op('i32.reinterpret_f32', this) : this;
  }
  /** Sign-extended to i64; an i64 is itself. */
  extS(): Val {
    return this.type === 'i64' ? this : this.#maker.op('i64.extend_i32_s', this);
  }
  /** The low `bits` (8, 16 or 32) sign-extended to the value's own type. */
  signExtend(bits: number): Val {
    if (this.type === 'i32' && bits >= 32) return this;
    if (bits === 64) return this;
    return this.do(`extend${bits}_s`);
  }
  /** The low `bits` zero-extended within the value's own type. */
  zeroExtend(bits: number): Val {
    if (bits >= (this.type === 'i32' ? 32 : 64)) return this;
    return this.and((1n << BigInt(bits)) - 1n);
  }
  /** `this` where `condition` (i32) is not zero, else `other`. */
  selectIf(condition: Val, other: Operand): Val {
    return this.#maker.typedOp(this.type, 'select', [this, other, condition]);
  }
}
