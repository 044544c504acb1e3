/** Every form of every row in a mode, for generators of test vectors and for the round-trip test. */

import type { OperandPlan } from './operand-codes.ts';
import {
  type ImmOperand,
  type MemOperand,
  type Mode,
  type Operand,
  type RegOperand,
  register,
  type Size,
} from './operands.ts';
import { ROWS, type Row } from './rows.ts';

/** A row at one operand size, with a register or with memory where ModRM allows both. */
export interface Form {
  readonly row: Row;
  readonly mode: Mode;
  readonly operandSize: Size;
  /** Whether the ModRM operand is memory; false where there is none. */
  readonly isMemory: boolean;
}

/** Chooses the free parts of a form's operands. */
export interface OperandChoice {
  /** A register of the class that the form can name; `width` in bits. */
  readonly register: (cls: RegOperand['cls'], width: number) => RegOperand;
  /** An address; its `width` is replaced. */
  readonly memory: () => MemOperand;
  /** An unsigned number of that many bits. */
  readonly immediate: (bits: number) => bigint;
}

const SIZES: readonly Size[] = [16, 32, 64];

function isEncodableSize(row: Row, size: Size, { bits }: Mode): boolean {
  if (bits !== 64) return size === bits || (size !== 64 && row.prefix !== '66');
  if (row.force64) return size === 64;
  if (row.default64) return size !== 32;
  if (row.rexW) return size === 64;
  return !(row.prefix === '66' && size === 16);
}

/** Rows whose meaning depends on the operand size though neither name nor operand shows it. */
const SIZE_DEPENDENT = new Set(['ret', 'retf', 'enter', 'leave', 'pushsreg', 'popsreg', 'sysret', 'sysexit']);

function dependsOnSize(row: Row): boolean {
  if (SIZE_DEPENDENT.has(row.semantics) || (row.names[0] !== row.names[2] && !row.byAddress)) return true;
  return row.operands.some(({ registerWidths, memoryWidths }) =>
    [registerWidths, memoryWidths].some((widths) => widths[0] !== widths[1] || widths[1] !== widths[2]),
  );
}

/** NP, F3, F2 rows cannot have a 66 prefix, or do not heed it. */
function acceptsOperandPrefix(row: Row): boolean {
  return row.prefix === 'any' || row.prefix === 'NFx' || row.map === 2 || row.semantics === 'popcnt';
}

function operandSizes(row: Row, mode: Mode): Size[] {
  const sizes = SIZES.filter((size) => isEncodableSize(row, size, mode));
  const usual = mode.bits === 64 && !row.default64 && !row.force64 ? 32 : mode.bits;
  const natural = sizes.includes(usual) ? usual : sizes[sizes.length - 1];
  if (!dependsOnSize(row)) return [natural];
  if (acceptsOperandPrefix(row) && row.prefix !== 'NP') return sizes;
  return sizes.filter((size) => size === natural || size === 64);
}

function memoryForms(row: Row): boolean[] {
  if (!row.operands.some(({ place }) => place.startsWith('rm'))) return [false];
  if (row.modIgnored || row.form === 'reg') return [false];
  return row.form === 'mem' ? [true] : [false, true];
}

/** All forms of a mode, in the order of the rows; aliases included. */
export function* forms(mode: Mode): Generator<Form> {
  for (const row of ROWS) {
    if (mode.bits === 64 ? row.not64 : row.only64) continue;
    for (const operandSize of operandSizes(row, mode)) {
      for (const isMemory of memoryForms(row)) yield { row, mode, operandSize, isMemory };
    }
  }
}

function chooseImmediate(plan: OperandPlan, size: Size, width: number, choice: OperandChoice): ImmOperand {
  if (plan.place === 'immSigned') {
    const value = BigInt.asUintN(size, BigInt.asIntN(8, choice.immediate(8)));
    return { kind: 'imm', value, width: size };
  }
  if (plan.code !== 'Iz') return { kind: 'imm', value: choice.immediate(width), width };
  const bits = size === 16 ? 16 : 32;
  return { kind: 'imm', value: BigInt.asUintN(size, BigInt.asIntN(bits, choice.immediate(bits))), width: size };
}

function moffs(address: MemOperand, width: number, size: Size, choice: OperandChoice): MemOperand {
  const bare = {
    ...address,
    base: -1,
    index: -1,
    scale: 0 as const,
    disp: 0,
    width,
    seg: address.seg === 2 ? 3 : address.seg,
  };
  const value = choice.immediate(size);
  if (size === 64) return { ...bare, dispBig: value };
  return { ...bare, disp: size === 32 ? Number(BigInt.asIntN(32, value)) : Number(value) };
}

const STRING_BASES: Partial<Record<OperandPlan['place'], number>> = { source: 6, destination: 7 };

function stringOperand(plan: OperandPlan, width: number, { seg }: MemOperand): MemOperand {
  const segment = plan.place === 'destination' ? 0 : seg === 2 ? 3 : seg;
  const base = STRING_BASES[plan.place] ?? -1;
  return { kind: 'mem', seg: segment, base, index: -1, scale: 0, disp: 0, width };
}

function chooseOperand(plan: OperandPlan, form: Form, addressSize: Size, choice: OperandChoice): Operand {
  const index = SIZES.indexOf(form.operandSize);
  const width = plan.registerWidths[index];
  const memoryWidth = plan.memoryWidths[index];
  if (plan.place === 'fixed') return register(plan.cls, plan.index, width);
  if (plan.place === 'one') return { kind: 'imm', value: 1n, width: 8 };
  if (plan.place === 'imm' || plan.place === 'immSigned') return chooseImmediate(plan, form.operandSize, width, choice);
  if (plan.place === 'rel') return { kind: 'rel', disp: Number(BigInt.asIntN(width, choice.immediate(width))) };
  if (plan.place === 'far') {
    const offset = Number(choice.immediate(form.operandSize === 16 ? 16 : 32));
    return { kind: 'far', selector: Number(choice.immediate(16)), offset };
  }
  if (plan.place === 'moffs') return moffs(choice.memory(), memoryWidth, addressSize, choice);
  if (plan.place in STRING_BASES) return stringOperand(plan, memoryWidth, choice.memory());
  if (form.isMemory && plan.place.startsWith('rm')) return { ...choice.memory(), width: memoryWidth };
  return choice.register(plan.cls, width);
}

/** Operands for a form. String and `moffs` operands keep only the segment of the chosen address (SS becomes DS). */
export function chooseOperands(form: Form, addressSize: Size, choice: OperandChoice): Operand[] {
  return form.row.operands.map((plan) => chooseOperand(plan, form, addressSize, choice));
}
