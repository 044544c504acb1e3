/** The choice of a row for an instruction of assembly source. */

import { AssemblyError } from './assemble-expression.ts';
import type { SourceMemory, SourceOperand, SourceValue } from './assemble-operands.ts';
import { defaultSegment, EncodeError, encode } from './encode.ts';
import type { OperandPlan } from './operand-codes.ts';
import { BASE_RIP, type MemOperand, type Mode, type Operand, register, type Size } from './operands.ts';
import { ROWS, type Row } from './rows.ts';

export interface SourceInstruction {
  /** Upper case. */
  readonly mnemonic: string;
  readonly operands: readonly SourceOperand[];
  readonly operandSize: Size | undefined;
  readonly addressSize: Size | undefined;
  readonly lock: boolean;
  readonly rep: 0 | 0xf2 | 0xf3;
  /** A segment prefix 0..5 before the mnemonic, or -1. */
  readonly segment: number;
}

const CONDITIONS: Record<string, string> = {
  C: 'B',
  NAE: 'B',
  NC: 'AE',
  NB: 'AE',
  Z: 'E',
  NZ: 'NE',
  NA: 'BE',
  NBE: 'A',
  PE: 'P',
  PO: 'NP',
  NGE: 'L',
  NL: 'GE',
  NG: 'LE',
  NLE: 'G',
};

const SYNONYMS: Record<string, string> = {
  LOOPZ: 'LOOPE',
  LOOPNZ: 'LOOPNE',
  SAL: 'SHL',
  XLAT: 'XLATB',
  RETN: 'RET',
  WAIT: 'FWAIT',
  MOVABS: 'MOV',
};

/** The manual's first name of an instruction: JZ is JE. */
function canonical(mnemonic: string): string {
  const conditional = /^(J|SET|CMOV)(\w+)$/.exec(mnemonic);
  if (conditional && conditional[2] in CONDITIONS) return conditional[1] + CONDITIONS[conditional[2]];
  return SYNONYMS[mnemonic] ?? mnemonic;
}

const SIZES: readonly Size[] = [16, 32, 64];
const SUFFIXES = ['W', 'D', 'Q'];

/** Rows whose size may be told by a suffix: RETFQ, PUSHFW, LGDTD. */
const SUFFIXED = new Set(
  'ret retf leave enter push pushsreg popsreg pusha popa pushf popf iret call jmp sgdt sidt lgdt lidt'.split(' '),
);

function hasName(row: Row, mnemonic: string, operandSize: Size, addressSize: Size): boolean {
  const index = SIZES.indexOf(row.byAddress ? addressSize : operandSize);
  if (row.names[index] === mnemonic) return true;
  if (row.rep !== 'none' && row.semantics === mnemonic.toLowerCase()) return true;
  const isExtended = row.names[2].startsWith(row.names[0]);
  if (!isExtended) return false;
  return mnemonic === row.names[0] || (SUFFIXED.has(row.semantics) && mnemonic === row.names[0] + SUFFIXES[index]);
}

interface Attempt {
  readonly instruction: SourceInstruction;
  readonly mode: Mode;
  readonly address: bigint;
  readonly operandSize: Size;
  readonly addressSize: Size;
}

/** Whether a 64-bit address is one that a 32-bit displacement, sign-extended, reaches. */
const fitsSigned32 = (value: bigint): boolean => BigInt.asIntN(32, value) === BigInt.asIntN(64, value);

const FAR_BRANCHES = new Set(['callf', 'jmpf']);

/** An indirect far branch is marked by `far`, or by a size that no near one has. */
function isFarAsWritten(row: Row, { isFar, width }: SourceMemory): boolean {
  const isFarRow = FAR_BRANCHES.has(row.semantics);
  return isFarRow ? isFar || width === 48 || width === 80 : !isFar;
}

function matchMemory(plan: OperandPlan, source: SourceMemory, row: Row, attempt: Attempt): MemOperand | undefined {
  const width = plan.memoryWidths[SIZES.indexOf(attempt.operandSize)];
  if (source.width !== undefined && width !== 0 && source.width !== width) return undefined;
  if (!isFarAsWritten(row, source)) return undefined;
  const bits = attempt.addressSize;
  if (bits === 64 && plan.place !== 'moffs' && !source.isRelative && !fitsSigned32(source.disp)) return undefined;
  const { base, index, scale } = source;
  const isBare16 = bits === 16 && base < 0 && index < 0;
  const disp = Number(isBare16 ? BigInt.asUintN(16, source.disp) : BigInt.asIntN(Math.min(bits, 32), source.disp));
  const seg = source.seg >= 0 ? source.seg : attempt.instruction.segment;
  const operand: MemOperand = { kind: 'mem', seg, base, index, scale, disp, width };
  const usual = defaultSegment(operand);
  return seg < 0 ? { ...operand, seg: usual } : operand;
}

function matchMoffs(plan: OperandPlan, source: SourceMemory, row: Row, attempt: Attempt): MemOperand | undefined {
  if (source.base >= 0 || source.index >= 0) return undefined;
  const operand = matchMemory(plan, source, row, attempt);
  return operand && { ...operand, dispBig: BigInt.asUintN(attempt.addressSize, source.disp) };
}

function matchImmediate(plan: OperandPlan, source: SourceValue, { operandSize }: Attempt): Operand | undefined {
  const isOperandSized = plan.code === 'Iz' || plan.place === 'immSigned';
  const width = isOperandSized ? operandSize : plan.registerWidths[SIZES.indexOf(operandSize)];
  if (source.width !== undefined && source.width !== width) return undefined;
  const limit = 1n << BigInt(width);
  if (source.value >= limit || source.value < -limit / 2n) return undefined;
  return { kind: 'imm', value: BigInt.asUintN(width, source.value), width };
}

function matchRegister(plan: OperandPlan, source: SourceOperand, row: Row, attempt: Attempt): Operand | undefined {
  if (source.kind !== 'reg' || source.cls !== plan.cls) return undefined;
  const width = plan.registerWidths[SIZES.indexOf(attempt.operandSize)];
  const isAnyWidth = source.cls !== 'gpr' || (row.semantics === 'movsreg' && source.width >= 16);
  if (!isAnyWidth && source.width !== width) return undefined;
  if (plan.place === 'fixed' && (source.index !== plan.index || source.high)) return undefined;
  return source.high ? source : register(source.cls, source.index, width);
}

/** A branch target; the displacement is set once the length is known. */
function matchTarget(plan: OperandPlan, source: SourceOperand): Operand | undefined {
  if (source.kind !== 'value') return undefined;
  if (source.distance !== undefined && (source.distance === 'short') !== (plan.code === 'Jb')) return undefined;
  return { kind: 'rel', disp: 0 };
}

type Matcher = (plan: OperandPlan, source: SourceOperand, row: Row, attempt: Attempt) => Operand | undefined;

const matchAddress: Matcher = (plan, source, row, attempt) =>
  source.kind === 'mem' ? matchMemory(plan, source, row, attempt) : undefined;
const matchValue: Matcher = (plan, source, _row, attempt) =>
  source.kind === 'value' ? matchImmediate(plan, source, attempt) : undefined;

const STRING_BASES = { source: 6, destination: 7 };

const matchString: Matcher = (plan, source, row, attempt) => {
  const base = STRING_BASES[plan.place as 'source' | 'destination'];
  if (source.kind !== 'mem' || source.base !== base || source.index >= 0 || source.disp !== 0n) return undefined;
  return matchMemory(plan, source, row, attempt);
};

const MATCHERS: Record<OperandPlan['place'], Matcher> = {
  rm: (plan, source, row, attempt) =>
    (source.kind === 'mem' ? matchAddress : matchRegister)(plan, source, row, attempt),
  rmReg: matchRegister,
  rmMem: matchAddress,
  reg: matchRegister,
  opcode: matchRegister,
  fixed: matchRegister,
  stI: matchRegister,
  one: (plan, source, row, attempt) =>
    source.kind === 'value' && source.value === 1n ? matchValue(plan, source, row, attempt) : undefined,
  imm: matchValue,
  immSigned: matchValue,
  rel: matchTarget,
  far: (_plan, source) =>
    source.kind === 'far'
      ? { kind: 'far', selector: Number(source.selector), offset: Number(source.offset) }
      : undefined,
  moffs: (plan, source, row, attempt) => (source.kind === 'mem' ? matchMoffs(plan, source, row, attempt) : undefined),
  source: matchString,
  destination: matchString,
};

/** Operands that a string instruction without written operands has. */
function impliedOperands(row: Row, { operandSize, instruction }: Attempt): Operand[] {
  const index = SIZES.indexOf(operandSize);
  return row.operands.map((plan) => {
    if (plan.place === 'fixed') return register(plan.cls, plan.index, plan.registerWidths[index]);
    const isSource = plan.place === 'source';
    const seg = isSource ? (instruction.segment >= 0 ? instruction.segment : 3) : 0;
    return { kind: 'mem', seg, base: isSource ? 6 : 7, index: -1, scale: 0, disp: 0, width: plan.memoryWidths[index] };
  });
}

function matchOperands(row: Row, attempt: Attempt): Operand[] | undefined {
  const sources = attempt.instruction.operands;
  if (sources.length === 0 && row.rep !== 'none') return impliedOperands(row, attempt);
  if (sources.length !== row.operands.length) return undefined;
  const operands: Operand[] = [];
  for (const [position, plan] of row.operands.entries()) {
    const operand = MATCHERS[plan.place](plan, sources[position], row, attempt);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return operands;
}

/** Sets displacements that count from the end of the instruction. */
function resolve(operands: readonly Operand[], attempt: Attempt, length: number): Operand[] {
  const end = attempt.address + BigInt(length);
  return operands.map((operand, position) => {
    const source = attempt.instruction.operands[position];
    if (operand.kind === 'rel' && source?.kind === 'value') {
      const bits = attempt.mode.bits === 64 ? 64 : attempt.operandSize;
      return { kind: 'rel', disp: Number(BigInt.asIntN(bits, source.value - end)) };
    }
    if (operand.kind === 'mem' && operand.base === BASE_RIP && source?.kind === 'mem' && source.isRelative) {
      if (!fitsSigned32(source.disp - end)) throw new EncodeError('target too far from RIP');
      return { ...operand, disp: Number(BigInt.asIntN(32, source.disp - end)) };
    }
    return operand;
  });
}

interface Candidate {
  readonly row: Row;
  readonly bytes: readonly number[];
  readonly isUsualSize: boolean;
  /** Width of a memory operand, or -1. */
  readonly memoryWidth: number;
}

function tryEncode(row: Row, attempt: Attempt): Candidate | undefined {
  const operands = matchOperands(row, attempt);
  if (operands === undefined) return undefined;
  const { mode, operandSize, addressSize, instruction } = attempt;
  const hasMemory = operands.some(({ kind }) => kind === 'mem');
  const segOverride = hasMemory ? -1 : instruction.segment;
  const options = { mode, operandSize, addressSize, segOverride, lock: instruction.lock, rep: instruction.rep };
  try {
    const { length } = encode(row, operands, options);
    const bytes = encode(row, resolve(operands, attempt, length), options);
    const usual = mode.bits === 64 && !row.default64 && !row.force64 ? 32 : mode.bits;
    const memory = operands.find(({ kind }) => kind === 'mem');
    const memoryWidth = memory?.kind === 'mem' ? memory.width : -1;
    return { row, bytes, isUsualSize: operandSize === usual, memoryWidth };
  } catch (error) {
    if (error instanceof EncodeError) return undefined;
    throw error;
  }
}

const ROWS_BY_NAME = Map.groupBy(
  ROWS.filter((row) => !row.alias).flatMap((row) => {
    const names = new Set([...row.names, ...(row.rep === 'none' ? [] : [row.semantics.toUpperCase()])]);
    for (const name of row.names)
      if (SUFFIXED.has(row.semantics)) for (const suffix of SUFFIXES) names.add(name + suffix);
    return [...names].map((name) => ({ name, row }));
  }),
  ({ name }) => name,
);

/** Operands that MOVABS names: a 64-bit immediate or address. */
const LONG_OPERANDS = ['Iv', 'Ob', 'Ov'];

function usualAddressSize({ operands }: SourceInstruction, { bits }: Mode): Size {
  const memory = operands.find((operand) => operand.kind === 'mem' && operand.addressSize !== undefined);
  return memory?.kind === 'mem' && memory.addressSize ? memory.addressSize : bits;
}

function candidates(instruction: SourceInstruction, mode: Mode, address: bigint): Candidate[] {
  const mnemonic = canonical(instruction.mnemonic);
  const found: Candidate[] = [];
  const usual = usualAddressSize(instruction, mode);
  for (const { row } of ROWS_BY_NAME.get(mnemonic) ?? []) {
    if (instruction.mnemonic === 'MOVABS' && !row.operandCodes.some((code) => LONG_OPERANDS.includes(code))) continue;
    for (const operandSize of instruction.operandSize ? [instruction.operandSize] : SIZES) {
      for (const addressSize of row.byAddress && !instruction.addressSize
        ? SIZES
        : [instruction.addressSize ?? usual]) {
        if (!hasName(row, mnemonic, operandSize, addressSize)) continue;
        const candidate = tryEncode(row, { instruction, mode, address, operandSize, addressSize });
        if (candidate) found.push(candidate);
      }
    }
  }
  return found;
}

function isAmbiguous(found: readonly Candidate[], { operands }: SourceInstruction): boolean {
  const memory = operands.find(({ kind }) => kind === 'mem');
  if (memory?.kind !== 'mem' || memory.width !== undefined) return false;
  return new Set(found.map(({ memoryWidth }) => memoryWidth)).size > 1;
}

/**
 * The bytes of an instruction: of the usual operand size where the source leaves it open, then the shortest that has at
 * least `minimum` bytes.
 * @throws AssemblyError where no row fits, or the size of a memory operand is open
 */
export function selectEncoding(
  instruction: SourceInstruction,
  mode: Mode,
  address: bigint,
  minimum: number,
): readonly number[] {
  const all = candidates(instruction, mode, address);
  const usual = all.filter(({ isUsualSize }) => isUsualSize);
  const found = usual.length > 0 ? usual : all;
  if (found.length === 0) throw new AssemblyError(`no ${mode.bits}-bit encoding of ${instruction.mnemonic} fits`);
  if (isAmbiguous(found, instruction)) throw new AssemblyError('the size of the memory operand is not clear');
  const sorted = found.toSorted((a, b) => a.bytes.length - b.bytes.length || a.row.id - b.row.id);
  return (sorted.find(({ bytes }) => bytes.length >= minimum) ?? sorted[sorted.length - 1]).bytes;
}
