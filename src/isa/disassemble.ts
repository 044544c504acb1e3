/** Instructions as text, in Intel syntax as GNU objdump -M intel spells it, with single spaces. */

import { type Fetch, tryDecode } from './decode.ts';
import { operandText, type TextContext } from './disassemble-operands.ts';
import type { Place } from './operand-codes.ts';
import type { Decoded, Mode, Operand } from './operands.ts';
import type { Row } from './rows.ts';

export interface Disassembled {
  readonly text: string;
  /** Bytes; 1 where there is no instruction. */
  readonly length: number;
}

const PREFIX_NAMES: Record<number, string> = {
  38: 'es',
  46: 'cs',
  54: 'ss',
  62: 'ds',
  100: 'fs',
  101: 'gs',
  240: 'lock',
  242: 'repnz',
  243: 'repz',
};

const OPERAND_PREFIX = 0x66;
const ADDRESS_PREFIX = 0x67;
const NOTRACK_PREFIX = 0x3e;

const REX = 0x40;
const REX_W = 8;
const REX_R = 4;
const REX_X = 2;
const REX_B = 1;
const RM_SIB = 4;

interface Prefixes {
  readonly legacy: readonly number[];
  /** The REX byte before the opcode, or 0. */
  readonly rex: number;
  readonly length: number;
}

const isRex = (byte: number, mode: Mode): boolean => mode.bits === 64 && byte >= 0x40 && byte <= 0x4f;

function readPrefixes(fetch: Fetch, mode: Mode): Prefixes {
  const legacy: number[] = [];
  let rex = 0;
  for (let offset = 0; ; offset++) {
    const byte = fetch(offset);
    const isLegacy = byte in PREFIX_NAMES || byte === OPERAND_PREFIX || byte === ADDRESS_PREFIX;
    if (!isLegacy && !isRex(byte, mode)) return { legacy, rex, length: offset };
    if (isLegacy) legacy.push(byte);
    rex = isLegacy ? 0 : byte;
  }
}

function usesAddress({ row, operands }: Decoded): boolean {
  if (row.semantics === 'xlatb') return true;
  return operands.some(({ kind }, position) => kind === 'mem' && row.operands[position].place !== 'moffs');
}

/** SPL, BPL, SIL, DIL and their like, which only REX makes of the byte registers. */
function needsRex(operand: Operand, place: Place): boolean {
  if (operand.kind !== 'reg' || operand.cls !== 'gpr' || operand.width !== 8) return false;
  return place !== 'fixed' && (operand.index & 4) !== 0;
}

/** NOP without operands, which is XCHG of AX with itself. */
const isPlainNop = (row: Row): boolean => row.semantics === 'nop' && row.opcode === 0x90;

/** Whether an operand-size prefix changes how the instruction reads. */
function usesOperandSize(decoded: Decoded): boolean {
  const { row, operandSize, operands } = decoded;
  if (row.prefix === '66' || isPlainNop(row) || row.semantics === 'movsreg') return true;
  if (operandSize === 64) return false;
  if (row.names[0] !== row.names[1] && !row.byAddress) return true;
  if (isSuffixed(decoded)) return true;
  return row.operands.some((plan, position) => {
    const widths = operands[position].kind === 'mem' ? plan.memoryWidths : plan.registerWidths;
    return widths[0] !== widths[1];
  });
}

function isUsedPrefix(byte: number, decoded: Decoded): boolean {
  const { row, operands } = decoded;
  if (byte === OPERAND_PREFIX) return usesOperandSize(decoded);
  if (byte === ADDRESS_PREFIX) return row.byAddress || usesAddress(decoded);
  if (byte === 0xf3 || byte === 0xf2) return row.prefix === (byte === 0xf3 ? 'F3' : 'F2');
  if (byte === 0xf0) return false;
  if (decoded.segOverride < 0 || PREFIX_NAMES[byte] !== SEGMENTS[decoded.segOverride]) return false;
  return (
    row.semantics === 'xlatb' ||
    operands.some((operand, position) => {
      return operand.kind === 'mem' && row.operands[position].place !== 'destination';
    })
  );
}

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const BRANCHES = new Set(['call', 'jmp', 'ret', 'jcc']);

function prefixName(byte: number, decoded: Decoded, mode: Mode): string {
  const { row } = decoded;
  if (byte === OPERAND_PREFIX) return mode.bits === 16 ? 'data32' : 'data16';
  if (byte === ADDRESS_PREFIX) return mode.bits === 32 ? 'addr16' : 'addr32';
  if (byte === 0xf3 && row.rep === 'rep') return 'rep';
  if (byte === 0xf2 && BRANCHES.has(row.semantics)) return 'bnd';
  const isIndirect = row.opcode === 0xff && row.map === 0;
  if (byte === NOTRACK_PREFIX && isIndirect && BRANCHES.has(row.semantics)) return 'notrack';
  return PREFIX_NAMES[byte];
}

/** The bits of REX that the instruction uses, with 40h if any does or a byte register needs it. */
function usedRex({ row, operands, operandSize }: Decoded, rex: number, modrm: number): number {
  let used = 0;
  const sizeMatters = row.operands.some((plan) => plan.registerWidths[1] !== plan.registerWidths[2]);
  const namesMatter = row.names[1] !== row.names[2] && !row.byAddress;
  if (row.rexW || (operandSize === 64 && !row.force64 && !row.default64 && (sizeMatters || namesMatter))) used |= REX_W;
  if (row.operands.some(({ place, cls }) => place === 'reg' && cls !== 'mmx' && cls !== 'seg')) used |= REX_R;
  const memory = row.operands.find(({ place }) => place.startsWith('rm'));
  if (memory && modrm < 0xc0) used |= (modrm & 7) === RM_SIB ? REX_X | REX_B : REX_B;
  else if ((memory && memory.cls !== 'mmx') || row.opcodeRegister) used |= REX_B;
  if (operands.some((operand, position) => needsRex(operand, row.operands[position].place))) used |= REX;
  return rex & used ? (rex & used) | REX : used & REX;
}

function rexName(rex: number): string {
  const bits = `${rex & REX_W ? 'W' : ''}${rex & REX_R ? 'R' : ''}${rex & REX_X ? 'X' : ''}${rex & REX_B ? 'B' : ''}`;
  return bits === '' ? 'rex' : `rex.${bits}`;
}

function prefixTexts(prefixes: Prefixes, context: TextContext): string[] {
  const { decoded, mode, modrm } = context;
  const remaining = prefixes.legacy.filter((byte, position) => {
    const isLast = prefixes.legacy.lastIndexOf(byte) === position;
    return !(isLast && isUsedPrefix(byte, decoded));
  });
  const texts = remaining.map((byte) => prefixName(byte, decoded, mode));
  if (prefixes.rex !== 0 && usedRex(decoded, prefixes.rex, modrm) !== prefixes.rex) texts.push(rexName(prefixes.rex));
  return texts;
}

/** Names that objdump spells otherwise than the manual. */
const SPELLINGS: Record<string, string> = {
  sal: 'shl',
  xlatb: 'xlat',
  movsb: 'movs',
  cmpsb: 'cmps',
  stosb: 'stos',
  lodsb: 'lods',
  scasb: 'scas',
  insb: 'ins',
  outsb: 'outs',
  fneni: 'fneni(8087 only)',
  fndisi: 'fndisi(8087 only)',
  fnsetpm: 'fnsetpm(287 only)',
};

/** Instructions with a suffix for an operand size which no operand shows, where it is not the mode's own. */
const SUFFIXED = new Set(
  'ret retf leave enter pushsreg popsreg pusha popa pushf popf iret call jmp sgdt sidt lgdt lidt'.split(' '),
);
const DESCRIPTOR_TABLES = new Set(['sgdt', 'sidt', 'lgdt', 'lidt']);

/** Whether a size suffix may be needed: not where a register or memory operand shows the size. */
function isSuffixed({ row }: Decoded): boolean {
  if (DESCRIPTOR_TABLES.has(row.semantics)) return true;
  if (row.operands.some(({ code, place }) => place.startsWith('rm') || place === 'opcode' || code === 'Jb'))
    return false;
  return SUFFIXED.has(row.semantics) || row.semantics === 'push';
}

const STRINGS = new Set(['movs', 'cmps', 'stos', 'lods', 'scas', 'ins', 'outs']);

const COMPARISONS = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const MULTIPLIES: Record<number, string> = { 0: 'lql', 1: 'hql', 16: 'lqh', 17: 'hqh' };

function suffixed({ row, operandSize }: Decoded, mode: Mode): string {
  const usual = mode.bits === 64 && !row.default64 && !row.force64 ? 32 : mode.bits;
  const name = row.names[0].toLowerCase();
  const isExplicit = DESCRIPTOR_TABLES.has(row.semantics) && mode.bits !== 64;
  return operandSize === usual && !isExplicit ? name : `${name}${{ 16: 'w', 32: 'd', 64: 'q' }[operandSize]}`;
}

function ordinaryName(decoded: Decoded, mode: Mode): string {
  const { row, operandSize, addressSize } = decoded;
  if (STRINGS.has(row.semantics)) return row.semantics;
  if (isSuffixed(decoded)) return suffixed(decoded, mode);
  const size = row.byAddress ? addressSize : operandSize;
  const name = row.names[size === 16 ? 0 : size === 32 ? 1 : 2].toLowerCase();
  if (name === 'mov' && (row.operands.some(({ place }) => place === 'moffs') || row.operandCodes[1] === 'Iv')) {
    const isLong = row.operandCodes[1] === 'Iv' ? operandSize === 64 : mode.bits === 64;
    return isLong ? 'movabs' : 'mov';
  }
  return SPELLINGS[name] ?? name;
}

/** A comparison or multiplication whose immediate is told in its name. */
function nameWithPredicate({ row, operands }: Decoded): string | undefined {
  const last = operands[operands.length - 1];
  if (last?.kind !== 'imm') return undefined;
  const value = Number(last.value);
  const compare = /^CMP([PS][SD])$/.exec(row.names[0]);
  if (compare && value < COMPARISONS.length) return `cmp${COMPARISONS[value]}${compare[1].toLowerCase()}`;
  if (row.semantics === 'pclmulqdq' && value in MULTIPLIES) return `pclmul${MULTIPLIES[value]}qdq`;
  return undefined;
}

/** Instructions whose text does not follow from their row. */
function exceptionalText({ decoded, mode }: TextContext): string | undefined {
  const { row, operandSize, addressSize, segOverride } = decoded;
  if (isPlainNop(row) && operandSize === 16 && mode.bits !== 16) return 'xchg ax,ax';
  if (isPlainNop(row) && operandSize === 32 && mode.bits === 16) return 'xchg eax,eax';
  if (row.semantics === 'xlatb') {
    const base = { 16: 'bx', 32: 'ebx', 64: 'rbx' }[addressSize];
    return `xlat BYTE PTR ${SEGMENTS[segOverride >= 0 ? segOverride : 3]}:[${base}]`;
  }
  return undefined;
}

function instructionText(context: TextContext): string {
  const { decoded, mode } = context;
  const exceptional = exceptionalText(context);
  if (exceptional !== undefined) return exceptional;
  const predicate = nameWithPredicate(decoded);
  const operands = predicate ? decoded.operands.slice(0, -1) : decoded.operands;
  const texts = operands.map((operand, position) => operandText(operand, position, context));
  return `${predicate ?? ordinaryName(decoded, mode)} ${texts.join(',')}`.trim();
}

function contextOf(decoded: Decoded, fetch: Fetch, mode: Mode, address: bigint, prefixLength: number): TextContext {
  const { row } = decoded;
  if (row.modrm === 'none') return { decoded, mode, address, modrm: -1, sib: 0 };
  const position = prefixLength + [1, 2, 3, 3][row.map];
  const hasSib = position + 1 < decoded.length;
  return { decoded, mode, address, modrm: fetch(position), sib: hasSib ? fetch(position + 1) : 0 };
}

/**
 * The text of one instruction, or `(bad)` where there is none.
 * @param fetch the byte at an offset from the instruction's start
 * @param address where the instruction lies, for branch targets
 */
export function disassemble(fetch: Fetch, mode: Mode, address: bigint): Disassembled {
  const result = tryDecode(fetch, mode);
  if (result.kind !== 'instruction') return { text: '(bad)', length: 1 };
  const prefixes = readPrefixes(fetch, mode);
  const context = contextOf(result.decoded, fetch, mode, address, prefixes.length);
  const text = [...prefixTexts(prefixes, context), instructionText(context)].join(' ');
  return { text, length: result.decoded.length };
}
