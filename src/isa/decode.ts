/** From bytes to an instruction. Source: Intel SDM 2, chapter 2 and appendix A. */

import {
  CLASS_66,
  CLASS_F2,
  CLASS_F3,
  CLASS_NONE,
  OpcodeTable,
  slotOf,
  VARIANT_REX_B,
  VARIANT_REX_W,
} from './decode-table.ts';
import type { OperandPlan, Place } from './operand-codes.ts';
import {
  BASE_RIP,
  type Decoded,
  highByteRegister,
  type MemOperand,
  type Mode,
  type Operand,
  register,
  type Size,
} from './operands.ts';
import { ROWS, type Row } from './rows.ts';

/** The byte at an offset from the instruction's start. What it throws, decode throws. */
export type Fetch = (offset: number) => number;

export type DecodeResult =
  | { readonly kind: 'instruction'; readonly decoded: Decoded }
  /** #UD after `length` bytes were fetched. */
  | { readonly kind: 'undefined'; readonly length: number }
  /** Longer than 15 bytes: #GP(0) (Intel SDM 3A, 6.15, interrupt 13). */
  | { readonly kind: 'tooLong' };

/** The longest instruction, in bytes. */
export const MAX_LENGTH = 15;

class TooLong extends Error {}

const LEGACY_TABLE = new OpcodeTable(ROWS, false);
const LONG_TABLE = new OpcodeTable(ROWS, true);

const REX_W = 8;
const REX_R = 4;
const REX_X = 2;
const REX_B = 1;

const SEGMENT_SS = 2;
const SEGMENT_DS = 3;
const SEGMENT_ES = 0;
const BP = 5;
const SP = 4;

const PREFIX_NONE = 0;
const PREFIX_SEGMENT = 1;
const PREFIX_OPERAND = 2;
const PREFIX_ADDRESS = 3;
const PREFIX_LOCK = 4;
const PREFIX_REP = 5;

const PREFIX_KINDS = new Uint8Array(256);
PREFIX_KINDS[0x66] = PREFIX_OPERAND;
PREFIX_KINDS[0x67] = PREFIX_ADDRESS;
PREFIX_KINDS[0xf0] = PREFIX_LOCK;
PREFIX_KINDS[0xf2] = PREFIX_KINDS[0xf3] = PREFIX_REP;
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
for (const byte of SEGMENT_PREFIXES) PREFIX_KINDS[byte] = PREFIX_SEGMENT;

/** Base and index of the 16-bit addressing forms. Source: Intel SDM 2, table 2-1. */
const FORMS_16: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

/** MOV to and from control registers 1, 5..7 and 9..15 is #UD. */
const CONTROL_REGISTERS = [0, 2, 3, 4, 8];

/** The state of decoding one instruction. */
class Cursor {
  readonly fetch: Fetch;
  readonly bits: Size;
  position = 0;
  operandPrefix = false;
  addressPrefix = false;
  lock = false;
  rep: 0 | 0xf2 | 0xf3 = 0;
  segment = -1;
  rex = 0;
  opcode = 0;
  modrm = 0;
  operandSize: Size = 32;
  /** 0, 1, 2 for an operand size of 16, 32, 64. */
  sizeIndex = 0;
  addressSize: Size = 32;

  constructor(fetch: Fetch, bits: Size) {
    this.fetch = fetch;
    this.bits = bits;
  }

  byte(): number {
    if (this.position === MAX_LENGTH) throw new TooLong();
    return this.fetch(this.position++) & 0xff;
  }

  word(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }

  /** Signed. */
  dword(): number {
    const low = this.word();
    return low | (this.word() << 16);
  }

  signedByte(): number {
    return (this.byte() << 24) >> 24;
  }

  qword(): bigint {
    const low = BigInt(this.dword() >>> 0);
    return low | (BigInt(this.dword() >>> 0) << 32n);
  }

  /** Reads all prefixes, and the first opcode byte into `opcode`. */
  readPrefixes(): void {
    for (;;) {
      const byte = this.byte();
      const kind = PREFIX_KINDS[byte];
      if (kind !== PREFIX_NONE) {
        this.rex = 0;
        this.readPrefix(kind, byte);
      } else if (this.bits === 64 && byte >= 0x40 && byte <= 0x4f) {
        this.rex = byte;
      } else {
        this.opcode = byte;
        return;
      }
    }
  }

  readPrefix(kind: number, byte: number): void {
    if (kind === PREFIX_OPERAND) this.operandPrefix = true;
    else if (kind === PREFIX_ADDRESS) this.addressPrefix = true;
    else if (kind === PREFIX_LOCK) this.lock = true;
    else if (kind === PREFIX_REP) this.rep = byte as 0xf2 | 0xf3;
    else if (this.bits !== 64 || byte >= 0x64) this.segment = SEGMENT_PREFIXES.indexOf(byte);
  }

  prefixClass(): number {
    if (this.rep !== 0) return this.rep === 0xf3 ? CLASS_F3 : CLASS_F2;
    return this.operandPrefix ? CLASS_66 : CLASS_NONE;
  }

  /** Reads the rest of the opcode and the ModRM byte. */
  readRow(): Row | undefined {
    let map = 0;
    if (this.opcode === 0x0f) {
      this.opcode = this.byte();
      map = 1;
      if (this.opcode === 0x38 || this.opcode === 0x3a) {
        map = this.opcode === 0x38 ? 2 : 3;
        this.opcode = this.byte();
      }
    }
    const cell = (this.bits === 64 ? LONG_TABLE : LEGACY_TABLE).cell(map, this.opcode);
    if (cell === undefined) return undefined;
    const rexVariant = (this.rex & REX_W ? VARIANT_REX_W : 0) | (this.rex & REX_B ? VARIANT_REX_B : 0);
    const variant = this.prefixClass() | rexVariant;
    if (!cell.hasModrm) return cell.row(variant, 0);
    this.modrm = this.byte();
    return cell.row(variant, slotOf(this.modrm));
  }

  setSizes(row: Row): void {
    this.addressSize = this.addressPrefix ? (this.bits === 32 ? 16 : 32) : this.bits;
    this.operandSize = this.effectiveOperandSize(row);
    this.sizeIndex = this.operandSize === 16 ? 0 : this.operandSize === 32 ? 1 : 2;
  }

  effectiveOperandSize(row: Row): Size {
    const prefix = this.operandPrefix && row.prefix !== '66';
    if (this.bits !== 64) return prefix === (this.bits === 32) ? 16 : 32;
    if (row.force64 || this.rex & REX_W) return 64;
    if (prefix) return 16;
    return row.default64 ? 64 : 32;
  }

  generalRegister(number: number, rexBit: number, width: number): Operand {
    if (width === 8 && this.rex === 0 && number >= 4) return highByteRegister(number - 4);
    return register('gpr', number | (this.rex & rexBit ? 8 : 0), width);
  }

  registerOperand(plan: OperandPlan, number: number, rexBit: number, width: number): Operand | undefined {
    if (plan.cls === 'gpr') return this.generalRegister(number, rexBit, width);
    if (plan.cls === 'mmx') return register('mmx', number, width);
    if (plan.cls === 'seg') return number < 6 ? register('seg', number, width) : undefined;
    const index = number | (this.rex & rexBit ? 8 : 0);
    if (plan.cls === 'cr' && !CONTROL_REGISTERS.includes(index)) return undefined;
    if (plan.cls === 'dr' && index > 7) return undefined;
    return register(plan.cls, index, width);
  }

  memoryOperand(width: number): MemOperand {
    if (this.addressSize === 16) return this.memory16(width);
    const mod = this.modrm >> 6;
    let rm = this.modrm & 7;
    let index = -1;
    let scale = 0;
    if (rm === SP) {
      const sib = this.byte();
      rm = sib & 7;
      index = ((sib >> 3) & 7) | (this.rex & REX_X ? 8 : 0);
      scale = sib >> 6;
      if (index === SP) index = -1;
      if (rm === BP && mod === 0) return this.memory(-1, index, scale, this.dword(), width);
    } else if (rm === BP && mod === 0) {
      return this.memory(this.bits === 64 ? BASE_RIP : -1, -1, 0, this.dword(), width);
    }
    const disp = mod === 0 ? 0 : mod === 1 ? this.signedByte() : this.dword();
    return this.memory(rm | (this.rex & REX_B ? 8 : 0), index, scale, disp, width);
  }

  memory16(width: number): MemOperand {
    const mod = this.modrm >> 6;
    const rm = this.modrm & 7;
    if (mod === 0 && rm === 6) return this.memory(-1, -1, 0, this.word(), width);
    const [base, index] = FORMS_16[rm];
    const disp = mod === 0 ? 0 : mod === 1 ? this.signedByte() : (this.word() << 16) >> 16;
    return this.memory(base, index, 0, disp, width);
  }

  memory(base: number, index: number, scale: number, disp: number, width: number): MemOperand {
    const usual = base === BP || base === SP ? SEGMENT_SS : SEGMENT_DS;
    const seg = this.segment >= 0 ? this.segment : usual;
    return { kind: 'mem', seg, base, index, scale: scale as 0 | 1 | 2 | 3, disp, width };
  }

  absoluteMemory(width: number): MemOperand {
    const seg = this.segment >= 0 ? this.segment : SEGMENT_DS;
    if (this.addressSize === 64) {
      return { kind: 'mem', seg, base: -1, index: -1, scale: 0, disp: 0, dispBig: this.qword(), width };
    }
    const disp = this.addressSize === 16 ? this.word() : this.dword();
    return { kind: 'mem', seg, base: -1, index: -1, scale: 0, disp, width };
  }

  /** An immediate of `width` bits; a 64-bit operand size has 32 bits, sign-extended, but for MOV Zv,Iv. */
  immediate(plan: OperandPlan): Operand {
    const width = plan.code === 'Iz' ? this.operandSize : plan.registerWidths[this.sizeIndex];
    if (width === 8) return { kind: 'imm', value: BigInt(this.byte()), width };
    if (width === 16) return { kind: 'imm', value: BigInt(this.word()), width };
    if (width === 32) return { kind: 'imm', value: BigInt(this.dword() >>> 0), width };
    if (plan.code === 'Iv') return { kind: 'imm', value: this.qword(), width };
    return { kind: 'imm', value: BigInt.asUintN(64, BigInt(this.dword())), width };
  }

  signedImmediate(): Operand {
    const value = BigInt.asUintN(this.operandSize, BigInt(this.signedByte()));
    return { kind: 'imm', value, width: this.operandSize };
  }

  relative(width: number): Operand {
    if (width === 8) return { kind: 'rel', disp: this.signedByte() };
    return { kind: 'rel', disp: width === 16 ? (this.word() << 16) >> 16 : this.dword() };
  }

  farPointer(): Operand {
    const offset = this.operandSize === 16 ? this.word() : this.dword() >>> 0;
    return { kind: 'far', selector: this.word(), offset };
  }

  readOperands(row: Row): Operand[] | undefined {
    const operands: Operand[] = [];
    for (const plan of row.operands) {
      const operand = READERS[plan.place](this, plan, row);
      if (operand === undefined) return undefined;
      operands.push(operand);
    }
    return operands;
  }
}

type Reader = (cursor: Cursor, plan: OperandPlan, row: Row) => Operand | undefined;

const readRm: Reader = (cursor, plan, row) =>
  cursor.modrm >= 0xc0 || row.modIgnored
    ? cursor.registerOperand(plan, cursor.modrm & 7, REX_B, plan.registerWidths[cursor.sizeIndex])
    : cursor.memoryOperand(plan.memoryWidths[cursor.sizeIndex]);

const SHIFT_BY_ONE: Operand = { kind: 'imm', value: 1n, width: 8 };

/** String operands: rSI in DS or the override, rDI always in ES. */
const stringOperand = (seg: number, base: number, width: number): MemOperand => ({
  kind: 'mem',
  seg,
  base,
  index: -1,
  scale: 0,
  disp: 0,
  width,
});

const READERS: Record<Place, Reader> = {
  rm: readRm,
  rmReg: readRm,
  rmMem: readRm,
  reg: (cursor, plan) =>
    cursor.registerOperand(plan, (cursor.modrm >> 3) & 7, REX_R, plan.registerWidths[cursor.sizeIndex]),
  opcode: (cursor, plan) => cursor.generalRegister(cursor.opcode & 7, REX_B, plan.registerWidths[cursor.sizeIndex]),
  fixed: (cursor, plan) => register(plan.cls, plan.index, plan.registerWidths[cursor.sizeIndex]),
  one: () => SHIFT_BY_ONE,
  imm: (cursor, plan) => cursor.immediate(plan),
  immSigned: (cursor) => cursor.signedImmediate(),
  rel: (cursor, plan) => cursor.relative(plan.registerWidths[cursor.sizeIndex]),
  far: (cursor) => cursor.farPointer(),
  moffs: (cursor, plan) => cursor.absoluteMemory(plan.memoryWidths[cursor.sizeIndex]),
  source: (cursor, plan) => {
    const seg = cursor.segment >= 0 ? cursor.segment : SEGMENT_DS;
    return stringOperand(seg, 6, plan.memoryWidths[cursor.sizeIndex]);
  },
  destination: (cursor, plan) => stringOperand(SEGMENT_ES, 7, plan.memoryWidths[cursor.sizeIndex]),
  stI: (cursor) => register('st', cursor.modrm & 7, 80),
};

/** Combinations that every row's operands allow but the instruction does not: LOCK on a register, MOV to CS. */
function isForbidden(cursor: Cursor, row: Row, operands: readonly Operand[]): boolean {
  const first = operands[0];
  if (cursor.lock && !(row.lock && first?.kind === 'mem')) return true;
  return row.semantics === 'movsreg' && first.kind === 'reg' && first.index === 1;
}

function decodeWith(cursor: Cursor): Decoded | undefined {
  cursor.readPrefixes();
  const row = cursor.readRow();
  if (row === undefined) return undefined;
  cursor.setSizes(row);
  const operands = cursor.readOperands(row);
  if (operands === undefined || isForbidden(cursor, row, operands)) return undefined;
  return {
    row,
    length: cursor.position,
    operandSize: cursor.operandSize,
    addressSize: cursor.addressSize,
    lock: cursor.lock,
    rep: row.prefix === 'F2' || row.prefix === 'F3' ? 0 : cursor.rep,
    segOverride: cursor.segment,
    operands,
  };
}

/** Decodes one instruction, and tells apart the ways in which there may be none. */
export function tryDecode(fetch: Fetch, mode: Mode): DecodeResult {
  const cursor = new Cursor(fetch, mode.bits);
  try {
    const decoded = decodeWith(cursor);
    return decoded ? { kind: 'instruction', decoded } : { kind: 'undefined', length: cursor.position };
  } catch (error) {
    if (error instanceof TooLong) return { kind: 'tooLong' };
    throw error;
  }
}

/** Decodes one instruction; undefined where it is #UD, or longer than 15 bytes (tryDecode tells which). */
export function decode(fetch: Fetch, mode: Mode): Decoded | undefined {
  const result = tryDecode(fetch, mode);
  return result.kind === 'instruction' ? result.decoded : undefined;
}
