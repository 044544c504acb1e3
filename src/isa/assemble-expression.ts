/** Whole-number expressions of assembly source: C's operators and precedence, on unbounded integers. */

/** Values of names; undefined for a name that has none yet. */
export type Lookup = (name: string) => bigint | undefined;

/** The source is not valid. */
export class AssemblyError extends Error {}

const TOKEN = /\s*(0x[0-9a-f_]+|0b[01_]+|\d+|'(?:[^'])'|[\w.$@]+|<<|>>|[-+*/%&|^~()])/iy;

const LEVELS: readonly Record<string, (a: bigint, b: bigint) => bigint>[] = [
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '<<': (a, b) => a << b, '>>': (a, b) => a >> b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => a / b, '%': (a, b) => a % b },
];

const UNARY: Record<string, (a: bigint) => bigint> = { '-': (a) => -a, '+': (a) => a, '~': (a) => ~a };

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new AssemblyError(`"${text.slice(start).trim()}" is not understood`);
    tokens.push(match[1]);
  }
  return tokens;
}

class Evaluator {
  readonly tokens: string[];
  readonly lookup: Lookup;
  position = 0;

  constructor(text: string, lookup: Lookup) {
    this.tokens = tokenize(text);
    this.lookup = lookup;
  }

  all(): bigint {
    const value = this.binary(0);
    if (this.position < this.tokens.length) throw new AssemblyError(`"${this.tokens[this.position]}" is not expected`);
    return value;
  }

  binary(level: number): bigint {
    if (level === LEVELS.length) return this.primary();
    let value = this.binary(level + 1);
    for (;;) {
      const apply = LEVELS[level][this.tokens[this.position]];
      if (!apply) return value;
      this.position++;
      value = apply(value, this.binary(level + 1));
    }
  }

  primary(): bigint {
    const token = this.tokens[this.position++];
    if (token === undefined) throw new AssemblyError('an expression ends too early');
    if (token in UNARY) return UNARY[token](this.primary());
    if (token === '(') {
      const value = this.binary(0);
      if (this.tokens[this.position++] !== ')') throw new AssemblyError('a ) is missing');
      return value;
    }
    if (token[0] === "'") return BigInt(token.charCodeAt(1));
    if (/^\d/.test(token)) return BigInt(token.replaceAll('_', ''));
    const value = this.lookup(token);
    if (value === undefined) throw new AssemblyError(`"${token}" is not defined`);
    return value;
  }
}

/** @throws AssemblyError for bad syntax or a name without a value */
export function evaluate(text: string, lookup: Lookup): bigint {
  return new Evaluator(text, lookup).all();
}
