/**
 * The rows: every encoding of the processor, one line each, read from the tables under encodings/.
 *
 *   opcode | MNEMONIC operands | attributes
 *
 * Opcode, as in Intel SDM 2, 3.1.1: `NP` no 66/F2/F3 prefix, `NFx` no F2/F3 prefix, `66` `F3` `F2` a prefix that is part of the
 * opcode, `REX.W`; the opcode bytes; `+r` a register in the low bits of the opcode; `/r` a ModRM byte, `/0`..`/7` one
 * with that number in its reg field, then `mem` or `reg` where only that form exists; a byte after the opcode is the
 * whole ModRM byte, `+i` with ST(i) in its low bits. Without a prefix token, prefixes do not select the row.
 *
 * Mnemonic: `CBW/CWDE/CDQE` are the names for operand sizes 16, 32 and 64 (the last name serves the larger sizes too).
 *
 * Operands: the codes of Intel SDM 2 appendix A.2; also `Ibs` a byte sign-extended to the operand size, `Z` a register in the opcode,
 * `STi`, `M32fp` `M16int` `M80bcd` … x87 data, `M14/28` `M94/108` x87 state by operand size, `M512` bytes, and `Rv/Mw` a pair
 * of register and memory code.
 *
 * Attributes:
 *   o64 only in 64-bit mode         i64 not in 64-bit mode
 *   d64 operand size 64 in 64-bit mode (16 by prefix, 32 not encodable)     f64 always 64 there
 *   lock LOCK allowed if operand 1 is memory     rep, repz REP allowed; repz also tests ZF
 *   cc=N condition 0..15            sem=NAME key of the semantics (else the first mnemonic in lower case)
 *   feat=NAME CPUID feature         alias a second encoding of another row, never chosen by the assembler
 *   byaddr names go by address size norexb not with REX.B      modany the mod field is ignored, always a register
 */

import { FAMILIES } from './encodings/index.ts';
import { type OperandPlan, readOperandPlan } from './operand-codes.ts';

export type PrefixRule = 'any' | 'NP' | 'NFx' | '66' | 'F3' | 'F2';
export type RepRule = 'none' | 'rep' | 'repz';

export interface Row {
  /** Position in ROWS; stable only within one version. */
  readonly id: number;
  readonly family: string;
  /** The row as written. */
  readonly text: string;
  /** As written, with all names. */
  readonly mnemonic: string;
  /** Names for operand (or address) size 16, 32, 64. */
  readonly names: readonly [string, string, string];
  readonly semantics: string;
  readonly operandCodes: readonly string[];
  readonly operands: readonly OperandPlan[];
  readonly prefix: PrefixRule;
  readonly rexW: boolean;
  /** 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A. */
  readonly map: 0 | 1 | 2 | 3;
  readonly opcode: number;
  readonly opcodeRegister: boolean;
  readonly modrm: 'none' | 'any' | 'digit' | 'exact';
  /** The number in ModRM.reg, or the whole ModRM byte; 0 where unused. */
  readonly modrmValue: number;
  /** `+i`: the eight ModRM bytes from `modrmValue` on. */
  readonly stackRegister: boolean;
  /** Forms written in the row. */
  readonly written: '' | 'mem' | 'reg';
  /** Forms that exist, by `written` and by the operand codes. */
  readonly form: 'any' | 'mem' | 'reg';
  readonly only64: boolean;
  readonly not64: boolean;
  readonly default64: boolean;
  readonly force64: boolean;
  readonly lock: boolean;
  readonly rep: RepRule;
  /** Condition code 0..15, or -1. */
  readonly condition: number;
  /** CPUID feature, or '' for the base set. */
  readonly feature: string;
  readonly alias: boolean;
  readonly byAddress: boolean;
  readonly noRexB: boolean;
  readonly modIgnored: boolean;
}

type OpcodeFields = Pick<
  Row,
  'prefix' | 'rexW' | 'map' | 'opcode' | 'opcodeRegister' | 'modrm' | 'modrmValue' | 'stackRegister' | 'written'
>;

const OPCODE_COLUMN = 21;
const INSTRUCTION_COLUMN = 27;
const OPCODE_PATTERN =
  /^(?:(NP|NFx|66|F3|F2) )?(REX\.W )?(0F (?:38 |3A )?)?([0-9A-F]{2})(\+r)?(?: (\/r|\/[0-7]|[0-9A-F]{2}))?(\+i)?(?: (mem|reg))?$/;
const MAPS: Record<string, 0 | 1 | 2 | 3> = { '': 0, '0F ': 1, '0F 38 ': 2, '0F 3A ': 3 };
const FLAGS = ['o64', 'i64', 'd64', 'f64', 'lock', 'rep', 'repz', 'alias', 'byaddr', 'norexb', 'modany'];
const VALUES = ['cc', 'sem', 'feat'];

function readModrm(text: string): Pick<Row, 'modrm' | 'modrmValue'> {
  if (text === '') return { modrm: 'none', modrmValue: 0 };
  if (text === '/r') return { modrm: 'any', modrmValue: 0 };
  if (text[0] === '/') return { modrm: 'digit', modrmValue: Number(text[1]) };
  return { modrm: 'exact', modrmValue: Number.parseInt(text, 16) };
}

function readOpcode(text: string): OpcodeFields {
  const match = OPCODE_PATTERN.exec(text);
  if (!match) throw new Error(`opcode column "${text}" is not understood`);
  const [, prefix, rexW, map = '', opcode, plusR, modrmText = '', plusI, form = ''] = match;
  const { modrm, modrmValue } = readModrm(modrmText);
  return {
    prefix: (prefix ?? 'any') as PrefixRule,
    rexW: rexW !== undefined,
    map: MAPS[map],
    opcode: Number.parseInt(opcode, 16),
    opcodeRegister: plusR !== undefined,
    modrm,
    modrmValue,
    stackRegister: plusI !== undefined,
    written: form as Row['written'],
  };
}

function readAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const [name, value] = word.split('=');
    if (!(value === undefined ? FLAGS : VALUES).includes(name)) throw new Error(`attribute "${word}" is not known`);
    attributes.set(name, value ?? '');
  }
  return attributes;
}

function readNames(mnemonic: string): [string, string, string] {
  const names = mnemonic.split('/');
  return [names[0], names[1] ?? names[0], names[2] ?? names[1] ?? names[0]];
}

function existingForm(written: Row['written'], operands: readonly OperandPlan[]): Row['form'] {
  if (written !== '') return written;
  if (operands.some(({ place }) => place === 'rmMem')) return 'mem';
  return operands.some(({ place }) => place === 'rmReg') ? 'reg' : 'any';
}

function repRule(attributes: Map<string, string>): RepRule {
  if (attributes.has('repz')) return 'repz';
  return attributes.has('rep') ? 'rep' : 'none';
}

/** Reads one line. @throws Error that names the part which is not understood. */
export function readRow(text: string, id: number, family: string): Row {
  const [opcodeText, instruction, attributeText = ''] = text.split('|').map((column) => column.trim());
  const [mnemonic, operandText] = instruction.split(' ');
  const operandCodes = operandText ? operandText.split(',') : [];
  const operands = operandCodes.map(readOperandPlan);
  const opcode = readOpcode(opcodeText);
  const attributes = readAttributes(attributeText);
  const names = readNames(mnemonic);
  return {
    id,
    family,
    text,
    mnemonic,
    names,
    semantics: attributes.get('sem') ?? names[0].toLowerCase(),
    operandCodes,
    operands,
    prefix: opcode.prefix,
    rexW: opcode.rexW,
    map: opcode.map,
    opcode: opcode.opcode,
    opcodeRegister: opcode.opcodeRegister,
    modrm: opcode.modrm,
    modrmValue: opcode.modrmValue,
    stackRegister: opcode.stackRegister,
    written: opcode.written,
    form: existingForm(opcode.written, operands),
    only64: attributes.has('o64') || opcode.rexW,
    not64: attributes.has('i64'),
    default64: attributes.has('d64'),
    force64: attributes.has('f64'),
    lock: attributes.has('lock'),
    rep: repRule(attributes),
    condition: Number(attributes.get('cc') ?? -1),
    feature: attributes.get('feat') ?? '',
    alias: attributes.has('alias'),
    byAddress: attributes.has('byaddr'),
    noRexB: attributes.has('norexb'),
    modIgnored: attributes.has('modany'),
  };
}

const hexByte = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

function printModrm(row: Row): string {
  if (row.modrm === 'none') return '';
  if (row.modrm === 'any') return ' /r';
  return row.modrm === 'digit' ? ` /${row.modrmValue}` : ` ${hexByte(row.modrmValue)}`;
}

function printOpcode(row: Row): string {
  const prefix = row.prefix === 'any' ? '' : `${row.prefix} `;
  const map = ['', '0F ', '0F 38 ', '0F 3A '][row.map];
  const form = row.written === '' ? '' : ` ${row.written}`;
  const plusR = row.opcodeRegister ? '+r' : '';
  const plusI = row.stackRegister ? '+i' : '';
  return `${prefix}${row.rexW ? 'REX.W ' : ''}${map}${hexByte(row.opcode)}${plusR}${printModrm(row)}${plusI}${form}`;
}

function printAttributes(row: Row): string {
  const words: [boolean, string][] = [
    [row.only64 && !row.rexW, 'o64'],
    [row.not64, 'i64'],
    [row.default64, 'd64'],
    [row.force64, 'f64'],
    [row.byAddress, 'byaddr'],
    [row.modIgnored, 'modany'],
    [row.noRexB, 'norexb'],
    [row.alias, 'alias'],
    [row.lock, 'lock'],
    [row.rep !== 'none', row.rep],
    [row.condition >= 0, `cc=${row.condition}`],
    [row.semantics !== row.names[0].toLowerCase(), `sem=${row.semantics}`],
    [row.feature !== '', `feat=${row.feature}`],
  ];
  return words
    .filter(([present]) => present)
    .map(([, word]) => word)
    .join(' ');
}

/** Writes a row from its fields, as the tables spell it. */
export function printRow(row: Row): string {
  const instruction = `${row.mnemonic} ${row.operandCodes.join(',')}`.trim();
  const attributes = printAttributes(row);
  const columns = `${printOpcode(row).padEnd(OPCODE_COLUMN)}| ${instruction}`;
  return attributes === '' ? columns : `${columns.padEnd(OPCODE_COLUMN + 2 + INSTRUCTION_COLUMN)}| ${attributes}`;
}

function readAllRows(): Row[] {
  const rows: Row[] = [];
  for (const family of FAMILIES) {
    for (const line of family.rows.split('\n')) {
      if (line !== '') rows.push(readRow(line, rows.length, family.name));
    }
  }
  return rows;
}

/** Every row, in the order of the tables. */
export const ROWS: readonly Row[] = readAllRows();
