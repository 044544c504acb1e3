import type { Row } from './rows.ts';

/** The code segment's default size: 16 or 32 by CS.D, 64 by CS.L in long mode. */
export interface Mode {
  readonly bits: 16 | 32 | 64;
}

export type Size = 16 | 32 | 64;

export type RegClass = 'gpr' | 'seg' | 'cr' | 'dr' | 'st' | 'mmx' | 'xmm';

/** A register. `width` is the number of low bits that the row uses, not the size of the register. */
export interface RegOperand {
  readonly kind: 'reg';
  readonly cls: RegClass;
  /** gpr and xmm 0..15, seg 0..5 (ES CS SS DS FS GS), st and mmx 0..7. */
  readonly index: number;
  /** AH, CH, DH or BH: bits 15..8 of gpr `index` 0..3. */
  readonly high: boolean;
  readonly width: number;
}

/** `base` of an address relative to the next instruction. */
export const BASE_RIP = 16;

/** A memory reference; its address is computed modulo 2 ** addressSize of the instruction. */
export interface MemOperand {
  readonly kind: 'mem';
  /** Segment register 0..5: the override, or the default of the addressing form. */
  readonly seg: number;
  /** -1 none, a gpr 0..15, or BASE_RIP. */
  readonly base: number;
  /** -1 none, or a gpr 0..15. */
  readonly index: number;
  readonly scale: 0 | 1 | 2 | 3;
  /** Signed 32-bit; a 16-bit displacement without a base is zero-extended. */
  readonly disp: number;
  /** The address of a 64-bit `moffs` form, which replaces `disp`. */
  readonly dispBig?: bigint;
  /** Bits accessed; 0 where the row only uses the address, or the size depends on machine state (XSAVE). */
  readonly width: number;
}

/** An immediate, extended as the row says and then held as an unsigned number of `width` bits. */
export interface ImmOperand {
  readonly kind: 'imm';
  readonly value: bigint;
  readonly width: number;
}

/** A branch displacement in bytes, signed, from the end of the instruction. */
export interface RelOperand {
  readonly kind: 'rel';
  readonly disp: number;
}

/** A direct far pointer, with an unsigned offset of the operand size. */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: number;
}

export type Operand = RegOperand | MemOperand | ImmOperand | RelOperand | FarOperand;

/** One instruction. A prefix that is part of the row's opcode is not told again in `operandSize` or `rep`. */
export interface Decoded {
  readonly row: Row;
  /** Bytes, 1..15. */
  readonly length: number;
  readonly operandSize: Size;
  readonly addressSize: Size;
  readonly lock: boolean;
  /** The last REP prefix, whether or not the instruction heeds it. */
  readonly rep: 0 | 0xf2 | 0xf3;
  /** -1, or the segment 0..5 of the override in effect (FS and GS only in 64-bit mode). */
  readonly segOverride: number;
  readonly operands: readonly Operand[];
}

/** The widths at which rows use registers. */
const WIDTHS = [8, 16, 32, 64, 80, 128];

function registersOf(cls: RegClass, count: number, high: boolean): RegOperand[][] {
  return Array.from({ length: count }, (_, index) => {
    const byWidth: RegOperand[] = [];
    for (const width of WIDTHS) byWidth[width] = { kind: 'reg', cls, index, high, width };
    return byWidth;
  });
}

const REGISTERS: Record<RegClass, RegOperand[][]> = {
  gpr: registersOf('gpr', 16, false),
  seg: registersOf('seg', 6, false),
  cr: registersOf('cr', 16, false),
  dr: registersOf('dr', 8, false),
  st: registersOf('st', 8, false),
  mmx: registersOf('mmx', 8, false),
  xmm: registersOf('xmm', 16, false),
};
const HIGH_BYTES = registersOf('gpr', 4, true).map((byWidth) => byWidth[8]);

/** The one shared operand object for a register and width in bits (up to 128). */
export function register(cls: RegClass, index: number, width: number): RegOperand {
  return REGISTERS[cls][index][width];
}

/** AH, CH, DH, BH for `index` 0..3. */
export function highByteRegister(index: number): RegOperand {
  return HIGH_BYTES[index];
}
