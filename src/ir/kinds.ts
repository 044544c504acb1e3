import type { Access, FunctionRef, Variable } from './nodes.ts';
import type { Op } from './ops.ts';

/** What a value is: an operation, a constant, a parameter, or something read in order (memory, a variable, a call). */
export type ValKind = Operation | Constant | Parameter | Reading | LinkRead | Load | GuestLoad | Call;

/** An operation with its immediate. */
export interface Operation {
  readonly kind: 'op';
  readonly name: string;
  readonly op: Op;
  readonly imm: bigint;
}
/** A bit pattern. It may change until the function is finished. */
export interface Constant {
  readonly kind: 'const';
  value: bigint;
}
export interface Parameter {
  readonly kind: 'param';
  readonly index: number;
}
export interface Reading {
  readonly kind: 'variable';
  readonly variable: Variable;
}
export interface LinkRead {
  readonly kind: 'link';
}
/** A load from host memory. Its offset may change until the function is finished. */
export interface Load extends Access {
  readonly kind: 'load';
  offset: number;
}
export interface GuestLoad extends Access {
  readonly kind: 'guestLoad';
  readonly forWrite: boolean;
}
export interface Call {
  readonly kind: 'call';
  readonly callee: FunctionRef;
}

/**
 * The fields of all kinds. What goes through the values of a function meets them in turn: V8 compiles that for one class of
 * objects, and looks properties up by their names when there are more than four.
 */
class AnyKind {
  readonly kind: ValKind['kind'];
  name = '';
  op: Op | undefined = undefined;
  imm = 0n;
  value = 0n;
  index = 0;
  variable: Variable | undefined = undefined;
  bytes = 0;
  signed = false;
  offset = 0;
  forWrite = false;
  callee: FunctionRef | undefined = undefined;

  constructor(kind: ValKind['kind']) {
    this.kind = kind;
  }
}

export function operation(op: Op, imm: bigint): Operation {
  const made = new AnyKind('op');
  made.name = op.name;
  made.op = op;
  made.imm = imm;
  return made as Operation;
}

export function constant(value: bigint): Constant {
  const made = new AnyKind('const');
  made.value = value;
  return made as Constant;
}

export function parameter(index: number): Parameter {
  const made = new AnyKind('param');
  made.index = index;
  return made as Parameter;
}

export function reading(variable: Variable): Reading {
  const made = new AnyKind('variable');
  made.variable = variable;
  return made as Reading;
}

export function linkRead(): LinkRead {
  return new AnyKind('link') as LinkRead;
}

export function load(bytes: Access['bytes'], signed: boolean, offset: number): Load {
  const made = new AnyKind('load');
  made.bytes = bytes;
  made.signed = signed;
  made.offset = offset;
  return made as Load;
}

export function guestLoad({ bytes, signed }: Access, forWrite: boolean): GuestLoad {
  const made = new AnyKind('guestLoad');
  made.bytes = bytes;
  made.signed = signed;
  made.forWrite = forWrite;
  return made as GuestLoad;
}

export function call(callee: FunctionRef): Call {
  const made = new AnyKind('call');
  made.callee = callee;
  return made as Call;
}
