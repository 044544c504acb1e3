/** Operands of assembly source, before a row is chosen for them. */

import { AssemblyError, evaluate, type Lookup } from './assemble-expression.ts';
import { generalName } from './disassemble-operands.ts';
import { BASE_RIP, highByteRegister, type RegOperand, register, type Size } from './operands.ts';

export interface SourceMemory {
  readonly kind: 'mem';
  /** Bits, where the source says so. */
  readonly width: number | undefined;
  /** Segment 0..5, or -1. */
  readonly seg: number;
  readonly base: number;
  readonly index: number;
  readonly scale: 0 | 1 | 2 | 3;
  readonly disp: bigint;
  /** By the registers; undefined without. */
  readonly addressSize: Size | undefined;
  /** `rel`: `disp` is a target, to be reached from RIP. */
  readonly isRelative: boolean;
  readonly isFar: boolean;
}

export interface SourceValue {
  readonly kind: 'value';
  readonly value: bigint;
  readonly width: number | undefined;
  /** `short` or `near`: the size of a branch. */
  readonly distance: 'short' | 'near' | undefined;
}

export interface SourceFar {
  readonly kind: 'far';
  readonly selector: bigint;
  readonly offset: bigint;
}

export type SourceOperand = RegOperand | SourceMemory | SourceValue | SourceFar;

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const WIDTHS: Record<string, number> = {
  byte: 8,
  word: 16,
  dword: 32,
  fword: 48,
  qword: 64,
  tbyte: 80,
  oword: 128,
  xmmword: 128,
};

function nameRegisters(): Map<string, RegOperand> {
  const names = new Map<string, RegOperand>();
  for (const width of [8, 16, 32, 64]) {
    for (let index = 0; index < 16; index++) names.set(generalName(index, width), register('gpr', index, width));
  }
  for (const [index, name] of ['ah', 'ch', 'dh', 'bh'].entries()) names.set(name, highByteRegister(index));
  for (const [index, name] of SEGMENTS.entries()) names.set(name, register('seg', index, 16));
  names.set('st', register('st', 0, 80));
  for (let index = 0; index < 8; index++) {
    names.set(`st${index}`, register('st', index, 80));
    names.set(`st(${index})`, register('st', index, 80));
    names.set(`mm${index}`, register('mmx', index, 64));
    names.set(`dr${index}`, register('dr', index, 32));
  }
  for (let index = 0; index < 16; index++) {
    names.set(`xmm${index}`, register('xmm', index, 128));
    names.set(`cr${index}`, register('cr', index, 32));
  }
  return names;
}

const REGISTERS = nameRegisters();

/** Splits at a separator that stands outside brackets and quotes. */
export function splitOutside(text: string, separator: string): string[] {
  const parts = [''];
  let depth = 0;
  let isQuoted = false;
  for (const character of text) {
    if (character === "'" || character === '"') isQuoted = !isQuoted;
    if (character === '[' || character === '(') depth++;
    if (character === ']' || character === ')') depth--;
    if (character === separator && depth === 0 && !isQuoted) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

interface Address {
  base: RegOperand | undefined;
  index: RegOperand | undefined;
  scale: 0 | 1 | 2 | 3;
  isRip: boolean;
  rest: string;
}

const SCALES: Record<string, 0 | 1 | 2 | 3> = { 1: 0, 2: 1, 4: 2, 8: 3 };

function addRegister(address: Address, found: RegOperand, scale: string | undefined): void {
  if (scale === undefined && !address.base) address.base = found;
  else if (!address.index && SCALES[scale ?? 1] !== undefined) {
    address.index = found;
    address.scale = SCALES[scale ?? 1];
  } else throw new AssemblyError('an address has one base and one index, with scale 1, 2, 4 or 8');
}

/** One term with its sign: a register, a scaled register, or a part of the displacement. */
function addTerm(address: Address, sign: string, term: string): void {
  const [first, second] = term.split('*').map((part) => part.trim());
  const isFirst = REGISTERS.has(lower(first));
  const scaled = REGISTERS.get(lower(isFirst ? first : second));
  if (scaled?.cls === 'gpr' && sign === '+') {
    addRegister(address, scaled, isFirst ? second : first);
  } else if (/^[re]ip$/i.test(term) && sign === '+') {
    address.isRip = true;
  } else {
    address.rest += `${sign}(${term})`;
  }
}

function readAddress(text: string): Address {
  const address: Address = { base: undefined, index: undefined, scale: 0, isRip: false, rest: '' };
  for (const [position, part] of splitOutside(text, '+').entries()) {
    for (const [inner, term] of splitOutside(part, '-').entries()) {
      if (term === '' && (position > 0 || inner > 0)) throw new AssemblyError(`address "${text}" is not understood`);
      if (term !== '') addTerm(address, inner === 0 ? '+' : '-', term);
    }
  }
  return address;
}

const BASES_16 = [3, 5];

/** Puts the registers in the places that the encoding has: ESP is never an index, BX and BP come first. */
function orderRegisters(address: Address): void {
  const { base, index, scale } = address;
  const isWord = (base ?? index)?.width === 16;
  const isStackIndex = index?.index === 4 && scale === 0;
  const isSwapped16 = isWord && index !== undefined && BASES_16.includes(index.index);
  if (isStackIndex || isSwapped16) {
    address.base = index;
    address.index = base;
  }
}

const MEMORY =
  /^(?:(byte|word|dword|fword|qword|tbyte|oword|xmmword)\s+)?(?:ptr\s+)?(far\s+)?(?:([c-gs]s)\s*:\s*)?\[(.*)\]$/i;
const BARE_ADDRESS = /^(?:(byte|word|dword|fword|qword|tbyte|oword|xmmword)\s+)?(?:ptr\s+)?()([c-gs]s)\s*:\s*([^[]*)$/i;
const FAR_WIDTH = /^(far\s+)(byte|word|dword|fword|qword|tbyte)\b/i;
const INSIDE = /^(?:(rel)\s+)?(?:([c-gs]s)\s*:)?(.*)$/is;

const lower = (text: string | undefined): string => (text ?? '').toLowerCase();

function readMemory(text: string, lookup: Lookup): SourceMemory | undefined {
  const match = MEMORY.exec(text.replace(FAR_WIDTH, '$2 $1')) ?? BARE_ADDRESS.exec(text);
  if (!match) return undefined;
  const [, widthName, far, outerSegment, content] = match;
  const [, rel, innerSegment, inside] = INSIDE.exec(content.trim()) ?? [];
  const address = readAddress((inside ?? '').trim());
  orderRegisters(address);
  const registers = [address.base, address.index].filter((found) => found !== undefined);
  return {
    kind: 'mem',
    width: WIDTHS[lower(widthName)],
    seg: SEGMENTS.indexOf(lower(outerSegment ?? innerSegment)),
    base: address.isRip || rel ? BASE_RIP : (address.base?.index ?? -1),
    index: address.index?.index ?? -1,
    scale: address.scale,
    disp: address.rest === '' ? 0n : evaluate(address.rest, lookup),
    addressSize: registers.length > 0 ? (registers[0].width as Size) : undefined,
    isRelative: rel !== undefined,
    isFar: far !== undefined && far !== '',
  };
}

const VALUE = /^(?:(short|near)\s+)?(?:(byte|word|dword|qword)\s+)?(.+)$/is;

/** Reads one operand. @throws AssemblyError */
export function readOperand(text: string, lookup: Lookup): SourceOperand {
  const named = REGISTERS.get(text.toLowerCase());
  if (named) return named;
  const memory = readMemory(text, lookup);
  if (memory) return memory;
  const [selector, offset] = splitOutside(text.replace(/^far\s+/i, ''), ':');
  if (offset !== undefined) {
    return { kind: 'far', selector: evaluate(selector, lookup), offset: evaluate(offset, lookup) };
  }
  const [, distance, widthName, expression] = VALUE.exec(text) ?? [];
  return {
    kind: 'value',
    value: evaluate(expression ?? '', lookup),
    width: WIDTHS[lower(widthName)],
    distance: distance?.toLowerCase() as 'short' | 'near' | undefined,
  };
}
