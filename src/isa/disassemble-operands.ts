/** Operands as text, in Intel syntax as GNU objdump -M intel spells it. */

import { BASE_RIP, type Decoded, type MemOperand, type Mode, type Operand, type RegOperand } from './operands.ts';

/** What text needs beyond the decoded instruction. */
export interface TextContext {
  readonly decoded: Decoded;
  readonly mode: Mode;
  /** Address of the instruction. */
  readonly address: bigint;
  /** The ModRM byte, and the SIB byte or 0; -1 where the row has no ModRM byte. */
  readonly modrm: number;
  readonly sib: number;
}

const WORD_NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const BYTE_NAMES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const HIGH_NAMES = ['ah', 'ch', 'dh', 'bh'];
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const POINTERS: Record<number, string> = {
  8: 'BYTE PTR ',
  16: 'WORD PTR ',
  32: 'DWORD PTR ',
  48: 'FWORD PTR ',
  64: 'QWORD PTR ',
  80: 'TBYTE PTR ',
  128: 'XMMWORD PTR ',
};

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const signed = (value: number): string => (value < 0 ? `-${hex(-value)}` : `+${hex(value)}`);

/** Name of a general register at a width of 8, 16, 32 or 64 bits; the low byte for 8. */
export function generalName(index: number, width: number): string {
  if (index >= 8) return `r${index}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[width]}`;
  if (width === 8) return BYTE_NAMES[index];
  return `${{ 16: '', 32: 'e', 64: 'r' }[width]}${WORD_NAMES[index]}`;
}

function registerName({ cls, index, high, width }: RegOperand, isFirstStack: boolean): string {
  if (cls === 'gpr') return high ? HIGH_NAMES[index] : generalName(index, width);
  if (cls === 'seg') return SEGMENT_NAMES[index];
  if (cls === 'st') return isFirstStack ? 'st' : `st(${index})`;
  return `${{ cr: 'cr', dr: 'dr', mmx: 'mm', xmm: 'xmm' }[cls]}${index}`;
}

const NO_INDEX = 4;

/** The index part, with objdump's eiz or riz for a SIB byte that has none and does not need to be there. */
function indexText({ base, index }: MemOperand, { decoded, mode, modrm, sib }: TextContext): string {
  const size = decoded.addressSize;
  if (size === 16) return index < 0 ? '' : generalName(index, 16);
  const hasSib = modrm >= 0 && (modrm & 7) === NO_INDEX;
  if (!hasSib) return '';
  const scale = sib >> 6;
  if (index >= 0) return `${generalName(index, size)}*${1 << scale}`;
  const isNeeded = base < 0 ? mode.bits === 32 || size < mode.bits : (base & 7) !== NO_INDEX;
  return scale !== 0 || isNeeded ? `${size === 64 ? 'r' : 'e'}iz*${1 << scale}` : '';
}

function absoluteText(operand: MemOperand, size: number): string {
  if (operand.dispBig !== undefined) return hex(operand.dispBig);
  return hex(BigInt.asUintN(size, BigInt(operand.disp)));
}

/** base, index and displacement in brackets, or a bare address. */
function addressText(operand: MemOperand, context: TextContext): string {
  const { decoded, mode, modrm } = context;
  const size = decoded.addressSize;
  if (operand.base === BASE_RIP) {
    return `[${size === 32 ? 'eip' : 'rip'}+${hex(BigInt.asUintN(64, BigInt(operand.disp)))}]`;
  }
  const base = operand.base < 0 ? '' : generalName(operand.base, size);
  const parts = [base, indexText(operand, context)].filter((part) => part !== '').join('+');
  if (parts === '') return absoluteText(operand, modrm >= 0 && mode.bits === 64 ? 64 : size);
  const hasDisplacement = modrm >= 0 && (modrm >> 6 !== 0 || operand.base < 0);
  return `[${parts}${hasDisplacement ? signed(operand.disp) : ''}]`;
}

function memoryText(operand: MemOperand, context: TextContext, showsWidth: boolean): string {
  const address = addressText(operand, context);
  const { segOverride } = context.decoded;
  const isImplied = context.modrm < 0 || !address.startsWith('[');
  const segment = segOverride >= 0 || isImplied ? `${SEGMENT_NAMES[operand.seg]}:` : '';
  return `${showsWidth ? (POINTERS[operand.width] ?? '') : ''}${segment}${address}`;
}

/** A 16-bit displacement wraps in its 64 KiB, and an operand-size prefix leaves only those 16 bits. */
function targetText(disp: number, isWord: boolean, { decoded, mode, address }: TextContext): string {
  const target = BigInt.asUintN(mode.bits === 64 ? 64 : 32, address + BigInt(decoded.length + disp));
  if (!isWord) return hex(target);
  const segment = mode.bits === 16 ? ((address + BigInt(decoded.length)) >> 16n) << 16n : 0n;
  return hex(segment | BigInt.asUintN(16, target));
}

/** Rows whose memory operand is only an address, or is a structure that has no size name. */
const WITHOUT_WIDTH = new Set(['lea', 'sgdt', 'sidt', 'lgdt', 'lidt']);

/** Text of operand number `position`. */
export function operandText(operand: Operand, position: number, context: TextContext): string {
  const { row } = context.decoded;
  const plan = row.operands[position];
  if (operand.kind === 'reg') {
    const isWholeRegister = row.semantics === 'movsreg' && operand.cls === 'gpr';
    return isWholeRegister
      ? generalName(operand.index, context.decoded.operandSize)
      : registerName(operand, plan.code === 'ST0');
  }
  if (operand.kind === 'imm') return plan.code === '1' ? '1' : hex(operand.value);
  if (operand.kind === 'rel') {
    return targetText(operand.disp, plan.registerWidths[0] === 16 && context.decoded.operandSize === 16, context);
  }
  if (operand.kind === 'far') return `${hex(operand.selector)}:${hex(operand.offset)}`;
  return memoryText(operand, context, plan.place !== 'moffs' && !WITHOUT_WIDTH.has(row.semantics));
}
