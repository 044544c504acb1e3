/** From a row and operands to bytes: the decoder's counterpart, for tests, firmware and the assembler. */

import type { OperandPlan } from './operand-codes.ts';
import {
  BASE_RIP,
  type ImmOperand,
  type MemOperand,
  type Mode,
  type Operand,
  type RegOperand,
  type Size,
} from './operands.ts';
import type { Row } from './rows.ts';

export interface EncodeOptions {
  readonly mode: Mode;
  readonly operandSize: Size;
  readonly addressSize: Size;
  readonly lock?: boolean;
  readonly rep?: 0 | 0xf2 | 0xf3;
  /** A segment prefix 0..5 where no memory operand names it (XLATB, MONITOR, MASKMOVQ); -1 or absent for none. */
  readonly segOverride?: number;
}

/** The operands, sizes or prefixes do not fit the row in this mode. */
export class EncodeError extends Error {}

const REX = 0x40;
const REX_W = 8;
const REX_R = 4;
const REX_X = 2;
const REX_B = 1;
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const MAP_BYTES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const MANDATORY: Record<Row['prefix'], number> = { any: 0, NP: 0, NFx: 0, '66': 0x66, F3: 0xf3, F2: 0xf2 };
const SP = 4;
const BP = 5;
const RM_16 = ['3,6', '3,7', '5,6', '5,7', '6,-1', '7,-1', '5,-1', '3,-1'];

/** What is known of the instruction while its operands are placed. */
interface Draft {
  rex: number;
  /** AH, CH, DH, BH are there, which no instruction with REX can name. */
  forbidsRex: boolean;
  segment: number;
  opcode: number;
  modrm: number;
  /** SIB byte and displacement. */
  address: number[];
  immediates: number[];
}

const littleEndian = (value: bigint, bits: number): number[] =>
  Array.from({ length: bits / 8 }, (_, byte) => Number((value >> BigInt(8 * byte)) & 0xffn));

const fitsByte = (disp: number): boolean => disp >= -128 && disp <= 127;

function sizeIndex(size: Size): number {
  return size === 16 ? 0 : size === 32 ? 1 : 2;
}

/** Whether the operand size can be encoded for the row, and the prefix or REX.W that does it. */
function operandSizePrefix(row: Row, { mode, operandSize }: EncodeOptions): { prefix: boolean; rexW: boolean } {
  if (mode.bits !== 64) {
    if (operandSize === 64) throw new EncodeError(`operand size 64 in ${mode.bits}-bit mode: ${row.text}`);
    return { prefix: operandSize !== mode.bits, rexW: false };
  }
  if (row.force64 || row.default64) {
    if (operandSize === 64) return { prefix: false, rexW: row.rexW };
    if (operandSize === 16 && row.default64) return { prefix: true, rexW: false };
    throw new EncodeError(`operand size ${operandSize} in 64-bit mode: ${row.text}`);
  }
  if (row.rexW && operandSize !== 64) throw new EncodeError(`needs operand size 64: ${row.text}`);
  return { prefix: operandSize === 16, rexW: operandSize === 64 };
}

/** Writes a register number into a field, and its fourth bit into REX. */
function placeRegister(draft: Draft, operand: RegOperand, rexBit: number): number {
  if (operand.high) {
    draft.forbidsRex = true;
    return operand.index + 4;
  }
  if (operand.index >= 8) draft.rex |= REX | rexBit;
  else if (operand.cls === 'gpr' && operand.width === 8 && operand.index >= 4) draft.rex |= REX;
  return operand.index & 7;
}

function placeDisplacement(draft: Draft, disp: number, canOmit: boolean, longBits: 16 | 32): void {
  if (disp === 0 && canOmit) return;
  const isByte = fitsByte(disp);
  draft.modrm |= isByte ? 0x40 : 0x80;
  draft.address.push(...littleEndian(BigInt(disp), isByte ? 8 : longBits));
}

function placeMemory16(draft: Draft, { base, index, disp }: MemOperand): void {
  if (base < 0 && index < 0) {
    draft.modrm |= 6;
    draft.address.push(...littleEndian(BigInt(disp), 16));
    return;
  }
  const rm = RM_16.indexOf(`${base},${index}`);
  if (rm < 0) throw new EncodeError('no such 16-bit address');
  draft.modrm |= rm;
  placeDisplacement(draft, disp, rm !== 6, 16);
}

const sibByte = (scale: number, index: number, base: number): number => (scale << 6) | ((index & 7) << 3) | (base & 7);

/** Addresses without a base register: absolute, relative to RIP, or an index alone. */
function placeBaseless(draft: Draft, { base, index, scale, disp }: MemOperand, mode: Mode): void {
  if (base === BASE_RIP && (mode.bits !== 64 || index >= 0)) throw new EncodeError('no such RIP-relative address');
  if (index >= 0 || (mode.bits === 64 && base !== BASE_RIP)) {
    if (index >= 8) draft.rex |= REX | REX_X;
    draft.modrm |= SP;
    draft.address.push(index >= 0 ? sibByte(scale, index, BP) : sibByte(0, SP, BP));
  } else {
    draft.modrm |= BP;
  }
  draft.address.push(...littleEndian(BigInt(disp), 32));
}

function placeMemory(draft: Draft, operand: MemOperand, { mode, addressSize }: EncodeOptions): void {
  const { base, index, scale, disp } = operand;
  if (addressSize === 16) {
    placeMemory16(draft, operand);
    return;
  }
  if (index === SP) throw new EncodeError('ESP and RSP cannot be an index');
  if (base < 0 || base === BASE_RIP) {
    placeBaseless(draft, operand, mode);
    return;
  }
  if (base >= 8) draft.rex |= REX | REX_B;
  if (index >= 8) draft.rex |= REX | REX_X;
  const hasSib = index >= 0 || (base & 7) === SP;
  draft.modrm |= hasSib ? SP : base & 7;
  if (hasSib) draft.address.push(sibByte(index < 0 ? 0 : scale, index < 0 ? SP : index, base));
  placeDisplacement(draft, disp, (base & 7) !== BP, 32);
}

/** The segment that an address uses without a prefix. */
export function defaultSegment({ base }: MemOperand): number {
  return base === SP || base === BP ? 2 : 3;
}

function placeSegment(draft: Draft, operand: MemOperand, mode: Mode): void {
  if (operand.seg === defaultSegment(operand)) return;
  if (mode.bits === 64 && operand.seg < 4) throw new EncodeError('only FS and GS can be named in 64-bit mode');
  draft.segment = operand.seg;
}

/** Bits of an immediate in the instruction. */
function immediateBits(plan: OperandPlan, operand: ImmOperand): number {
  if (plan.place === 'immSigned') return 8;
  return operand.width === 64 && plan.code !== 'Iv' ? 32 : operand.width;
}

function placeImmediate(draft: Draft, plan: OperandPlan, operand: ImmOperand): void {
  const bits = immediateBits(plan, operand);
  if (BigInt.asUintN(operand.width, BigInt.asIntN(bits, operand.value)) !== operand.value) {
    throw new EncodeError(`immediate ${operand.value} does not fit ${plan.code}`);
  }
  draft.immediates.push(...littleEndian(operand.value, bits));
}

type Placer = (draft: Draft, operand: Operand, plan: OperandPlan, options: EncodeOptions) => void;

const registerOf = (operand: Operand): RegOperand => {
  if (operand.kind !== 'reg') throw new EncodeError(`a register is needed, not ${operand.kind}`);
  return operand;
};
const memoryOf = (operand: Operand): MemOperand => {
  if (operand.kind !== 'mem') throw new EncodeError(`memory is needed, not ${operand.kind}`);
  return operand;
};

const placeRm: Placer = (draft, operand, plan, options) => {
  if (operand.kind === 'mem' && plan.place !== 'rmReg') {
    placeSegment(draft, operand, options.mode);
    placeMemory(draft, operand, options);
    return;
  }
  if (plan.place === 'rmMem') throw new EncodeError('memory is needed');
  draft.modrm |= 0xc0 | placeRegister(draft, registerOf(operand), REX_B);
};

const placeImm: Placer = (draft, operand, plan) => {
  if (operand.kind !== 'imm') throw new EncodeError(`an immediate is needed, not ${operand.kind}`);
  placeImmediate(draft, plan, operand);
};

const nothing: Placer = () => undefined;

const PLACERS: Record<OperandPlan['place'], Placer> = {
  rm: placeRm,
  rmReg: placeRm,
  rmMem: placeRm,
  reg: (draft, operand) => {
    draft.modrm |= placeRegister(draft, registerOf(operand), REX_R) << 3;
  },
  opcode: (draft, operand) => {
    draft.opcode |= placeRegister(draft, registerOf(operand), REX_B);
  },
  stI: (draft, operand) => {
    draft.modrm |= registerOf(operand).index;
  },
  fixed: nothing,
  one: nothing,
  destination: nothing,
  imm: placeImm,
  immSigned: placeImm,
  source: (draft, operand, _plan, { mode }) => placeSegment(draft, memoryOf(operand), mode),
  rel: (draft, operand, plan, { operandSize }) => {
    if (operand.kind !== 'rel') throw new EncodeError(`a displacement is needed, not ${operand.kind}`);
    const bits = plan.registerWidths[sizeIndex(operandSize)];
    if (BigInt.asIntN(bits, BigInt(operand.disp)) !== BigInt(operand.disp))
      throw new EncodeError('branch out of range');
    draft.immediates.push(...littleEndian(BigInt(operand.disp), bits));
  },
  far: (draft, operand, _plan, { operandSize }) => {
    if (operand.kind !== 'far') throw new EncodeError(`a far pointer is needed, not ${operand.kind}`);
    draft.immediates.push(...littleEndian(BigInt(operand.offset), operandSize === 16 ? 16 : 32));
    draft.immediates.push(...littleEndian(BigInt(operand.selector), 16));
  },
  moffs: (draft, operand, _plan, { mode, addressSize }) => {
    const { disp, dispBig } = memoryOf(operand);
    placeSegment(draft, memoryOf(operand), mode);
    draft.immediates.push(...littleEndian(dispBig ?? BigInt(disp), addressSize));
  },
};

function prefixBytes(row: Row, draft: Draft, options: EncodeOptions, hasOperandPrefix: boolean): number[] {
  const bytes: number[] = [];
  if (draft.segment >= 0) bytes.push(SEGMENT_PREFIXES[draft.segment]);
  if (options.addressSize !== options.mode.bits) bytes.push(0x67);
  if (options.lock) bytes.push(0xf0);
  if (hasOperandPrefix) bytes.push(0x66);
  if (options.rep) bytes.push(options.rep);
  if (MANDATORY[row.prefix] !== 0) bytes.push(MANDATORY[row.prefix]);
  if (draft.rex !== 0) {
    if (draft.forbidsRex) throw new EncodeError('AH, CH, DH and BH cannot be used with REX');
    bytes.push(draft.rex);
  }
  return bytes;
}

/** Address sizes that a mode can have. */
export function addressSizes({ bits }: Mode): readonly Size[] {
  return bits === 64 ? [64, 32] : [32, 16];
}

function checkMode(row: Row, operands: readonly Operand[], { mode, addressSize }: EncodeOptions): void {
  if (mode.bits === 64 ? row.not64 : row.only64) throw new EncodeError(`not in ${mode.bits}-bit mode: ${row.text}`);
  if (!addressSizes(mode).includes(addressSize)) throw new EncodeError(`no address size ${addressSize} here`);
  if (operands.length !== row.operands.length) throw new EncodeError(`wrong number of operands: ${row.text}`);
}

function startModrm(row: Row): number {
  if (row.modrm === 'exact') return row.modrmValue;
  if (row.modrm === 'digit') return (row.written === 'reg' ? 0xc0 : 0) | (row.modrmValue << 3);
  return 0;
}

/**
 * The bytes of one instruction, with the shortest displacement.
 * @throws EncodeError where operands, sizes or prefixes do not fit the row
 */
export function encode(row: Row, operands: readonly Operand[], options: EncodeOptions): number[] {
  checkMode(row, operands, options);
  const size = operandSizePrefix(row, options);
  if (size.prefix && row.prefix === '66') throw new EncodeError(`operand size ${options.operandSize}: ${row.text}`);
  const draft: Draft = {
    rex: size.rexW ? REX | REX_W : 0,
    forbidsRex: false,
    segment: options.segOverride ?? -1,
    opcode: row.opcode,
    modrm: startModrm(row),
    address: [],
    immediates: [],
  };
  for (const [position, plan] of row.operands.entries()) {
    PLACERS[plan.place](draft, operands[position], plan, options);
  }
  const prefixes = prefixBytes(row, draft, options, size.prefix);
  const modrm = row.modrm === 'none' ? [] : [draft.modrm];
  return [...prefixes, ...MAP_BYTES[row.map], draft.opcode, ...modrm, ...draft.address, ...draft.immediates];
}
