/**
 * An assembler for tests, the privileged suite and firmware, made from the rows. Intel syntax near NASM's:
 *
 *   label:                       also .local, which belongs to the label before it
 *   name equ EXPRESSION          C's operators; $ is the address of the statement
 *   bits 16|32|64                the mode of what follows
 *   org ADDRESS, align N         zero bytes up to an address
 *   db dw dd dq VALUE, …         db also takes "text"
 *   times N STATEMENT
 *   [PREFIX …] MNEMONIC OPERAND, …      ; comment
 *
 * Prefixes: lock, rep, repe, repz, repne, repnz, o16 o32 o64, a16 a32 a64, and a segment register. Memory: `dword [fs:eax+4*ebx+8]`,
 * `[rel label]`; `ptr` and a segment before the bracket are accepted. `far` marks an indirect far branch, `8:label` is a
 * direct one, `short` and `near` fix the size of a branch.
 */

import { AssemblyError, evaluate } from './assemble-expression.ts';
import { readOperand, splitOutside } from './assemble-operands.ts';
import { type SourceInstruction, selectEncoding } from './assemble-select.ts';
import type { Mode, Size } from './operands.ts';

export { AssemblyError } from './assemble-expression.ts';

export interface AssembleOptions {
  readonly bits: 16 | 32 | 64;
  /** Address of the first byte; 0 if absent. */
  readonly origin?: bigint | number;
  /** Names defined outside. */
  readonly symbols?: Readonly<Record<string, bigint | number>>;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  /** Labels and names; those of local labels are `label.local`. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

interface Statement {
  readonly line: number;
  readonly text: string;
  /** The last label before, for local names. */
  readonly scope: string;
  /** Bytes in the pass before: a branch may grow but never shrink, so that the passes end. */
  length: number;
}

const MAX_PASSES = 40;
const DATA_SIZES: Record<string, number> = { db: 8, dw: 16, dd: 32, dq: 64 };
const REPEATS: Record<string, 0xf2 | 0xf3> = { rep: 0xf3, repe: 0xf3, repz: 0xf3, repne: 0xf2, repnz: 0xf2 };
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

const withoutComment = (line: string): string => splitOutside(line, ';')[0];

/** Splits the source into statements, a label being one. */
function readStatements(source: string): Statement[] {
  const statements: Statement[] = [];
  let scope = '';
  for (const [index, line] of source.split('\n').entries()) {
    const [, label, rest] = /^(?:([\w.@]+):(?!\s*\[))?\s*(.*)$/s.exec(withoutComment(line)) ?? [];
    if (label !== undefined && !label.startsWith('.')) scope = label;
    if (label !== undefined) statements.push({ line: index + 1, text: `${label}:`, scope, length: 0 });
    if (rest) statements.push({ line: index + 1, text: rest.trim(), scope, length: 0 });
  }
  return statements;
}

const littleEndian = (value: bigint, bits: number): number[] =>
  Array.from({ length: bits / 8 }, (_, byte) => Number((value >> BigInt(8 * byte)) & 0xffn));

/** The first word and what follows it. */
function splitWord(text: string): [string, string] {
  const end = text.search(/\s/);
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end).trim()];
}

/** One pass over the statements, with the names that the passes before found. */
class Pass {
  readonly bytes: number[] = [];
  readonly origin: bigint;
  readonly known: ReadonlyMap<string, bigint>;
  readonly symbols: Map<string, bigint>;
  readonly isFirst: boolean;
  mode: Mode;
  scope = '';
  start = 0n;

  constructor({ bits, origin = 0, symbols = {} }: AssembleOptions, known: ReadonlyMap<string, bigint> | undefined) {
    this.mode = { bits };
    this.origin = BigInt(origin);
    this.symbols = new Map(Object.entries(symbols).map(([name, value]) => [name, BigInt(value)]));
    this.known = known ?? this.symbols;
    this.isFirst = known === undefined;
  }

  get address(): bigint {
    return this.origin + BigInt(this.bytes.length);
  }

  /** In the first pass, what is not known yet is near. */
  readonly lookup = (name: string): bigint | undefined => {
    if (name === '$') return this.start;
    const full = name.startsWith('.') ? this.scope + name : name;
    return this.symbols.get(full) ?? this.known.get(full) ?? (this.isFirst ? this.start : undefined);
  };

  evaluate(text: string): bigint {
    return evaluate(text, this.lookup);
  }

  run(statement: Statement): void {
    this.scope = statement.scope;
    this.start = this.address;
    const before = this.bytes.length;
    this.statement(statement.text, statement.length);
    statement.length = this.bytes.length - before;
  }

  statement(text: string, minimum: number): void {
    const [word, rest] = splitWord(text);
    const equ = /^equ\s+(.*)$/is.exec(rest);
    if (word.endsWith(':')) this.define(word.slice(0, -1), this.address);
    else if (equ) this.define(word, this.evaluate(equ[1]));
    else if (word.toLowerCase() in DATA_SIZES) this.data(rest, DATA_SIZES[word.toLowerCase()]);
    else if (!this.directive(word.toLowerCase(), rest)) this.instruction(text, minimum);
  }

  define(name: string, value: bigint): void {
    const full = name.startsWith('.') ? this.scope + name : name;
    if (this.symbols.has(full)) throw new AssemblyError(`"${full}" is defined twice`);
    this.symbols.set(full, value);
  }

  data(rest: string, bits: number): void {
    for (const item of splitOutside(rest, ',')) {
      const text = /^"(.*)"$/s.exec(item);
      if (text) this.bytes.push(...new TextEncoder().encode(text[1]));
      else this.bytes.push(...littleEndian(this.evaluate(item), bits));
    }
  }

  directive(word: string, rest: string): boolean {
    if (word === 'bits') this.mode = { bits: this.size(rest) };
    else if (word === 'org') this.fillTo(this.evaluate(rest));
    else if (word === 'align') {
      const unit = this.evaluate(rest);
      this.fillTo(((this.address + unit - 1n) / unit) * unit);
    } else if (word === 'times') this.times(rest);
    else return false;
    return true;
  }

  size(text: string): Size {
    const bits = Number(this.evaluate(text));
    if (bits !== 16 && bits !== 32 && bits !== 64) throw new AssemblyError(`bits ${text}: 16, 32 or 64`);
    return bits;
  }

  fillTo(address: bigint): void {
    if (address < this.address) throw new AssemblyError(`0x${address.toString(16)} is already passed`);
    for (let count = address - this.address; count > 0n; count--) this.bytes.push(0);
  }

  times(rest: string): void {
    const [, count, text] = /^(\([^)]*\)|\S+)\s+(.*)$/s.exec(rest) ?? [];
    if (text === undefined) throw new AssemblyError('times N STATEMENT');
    for (let remaining = this.evaluate(count); remaining > 0n; remaining--) this.statement(text, 0);
  }

  instruction(text: string, minimum: number): void {
    this.bytes.push(...selectEncoding(this.readInstruction(text), this.mode, this.address, minimum));
  }

  readInstruction(text: string): SourceInstruction {
    let rest = text;
    let lock = false;
    let rep: SourceInstruction['rep'] = 0;
    let segment = -1;
    const sizes: Record<string, Size | undefined> = {};
    for (;;) {
      const [word, after] = splitWord(rest);
      const prefix = word.toLowerCase();
      const size = /^([oa])(16|32|64)$/.exec(prefix);
      if (prefix === 'lock') lock = true;
      else if (prefix in REPEATS) rep = REPEATS[prefix];
      else if (SEGMENTS.includes(prefix) && after !== '') segment = SEGMENTS.indexOf(prefix);
      else if (size) sizes[size[1]] = Number(size[2]) as Size;
      else {
        const operands = after === '' ? [] : splitOutside(after, ',').map((item) => readOperand(item, this.lookup));
        const mnemonic = word.toUpperCase();
        return { mnemonic, operands, operandSize: sizes.o, addressSize: sizes.a, lock, rep, segment };
      }
      rest = after;
    }
  }
}

function runPass(
  statements: readonly Statement[],
  options: AssembleOptions,
  known?: ReadonlyMap<string, bigint>,
): Pass {
  const pass = new Pass(options, known);
  for (const statement of statements) {
    try {
      pass.run(statement);
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      throw new AssemblyError(`line ${statement.line}: ${error.message}: ${statement.text}`);
    }
  }
  return pass;
}

const isSame = (a: ReadonlyMap<string, bigint>, b: ReadonlyMap<string, bigint>): boolean =>
  a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);

/**
 * Assembles a source text.
 * @throws AssemblyError with the line that is not understood, names nothing or has no encoding
 */
export function assemble(source: string, options: AssembleOptions): Assembled {
  const statements = readStatements(source);
  let pass = runPass(statements, options);
  for (let count = 0; count < MAX_PASSES; count++) {
    const next = runPass(statements, options, pass.symbols);
    if (isSame(next.symbols, pass.symbols)) return { bytes: Uint8Array.from(next.bytes), symbols: next.symbols };
    pass = next;
  }
  throw new AssemblyError('the addresses do not settle');
}
