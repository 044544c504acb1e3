import type { IrFunction, Stmt } from './nodes.ts';
import { operandsOf } from './operands-of.ts';
import type { Val } from './val.ts';

/**
 * An IR function as text for people: statements in order, operations, by their WebAssembly names, nested where they are
 * used once. Values that are needed more than once are numbered (`%12`), variables are named (`$s0`), labels begin with `@`.
 */
export function printFunction(fn: IrFunction): string {
  return new Printer(fn).print();
}

class Printer {
  readonly #fn: IrFunction;
  readonly #uses = new Map<number, number>();
  readonly #lines: string[] = [];
  #depth = 1;

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#countIn(fn.body);
  }

  print(): string {
    const { name, params, result, body } = this.#fn;
    const given = params.map(({ type }, i) => `%p${i}: ${type}`).join(', ');
    this.#lines.push(`${name}(${given})${result === undefined ? '' : `: ${result}`}`);
    this.#list(body);
    return `${this.#lines.join('\n')}\n`;
  }

  #countIn(statements: readonly Stmt[]): void {
    for (const s of statements) {
      if (s.kind === 'let') this.#countAll(s.args);
      else this.#countAll(operandsOf(s));
      for (const list of listsOf(s)) this.#countIn(list);
    }
  }

  #countAll(values: readonly Val[]): void {
    for (const { id } of values) this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
  }

  #list(statements: readonly Stmt[]): void {
    for (const s of statements) this.#statement(s);
  }

  #statement(s: Stmt): void {
    const text = s.kind === 'let' ? this.#let(s) : this.#head(s);
    if (text !== undefined) this.#lines.push('  '.repeat(this.#depth) + text);
    const [first, second] = listsOf(s);
    if (first !== undefined) this.#nested(first);
    if (second === undefined || second.length === 0) return;
    this.#lines.push(`${'  '.repeat(this.#depth)}else`);
    this.#nested(second);
  }

  #nested(statements: readonly Stmt[]): void {
    this.#depth++;
    this.#list(statements);
    this.#depth--;
  }

  #let(value: Val): string | undefined {
    const uses = this.#uses.get(value.id) ?? 0;
    if (value.what.kind === 'call') return uses === 0 ? this.#compute(value) : `%${value.id} = ${this.#compute(value)}`;
    return uses < 2 && value.what.kind === 'op' ? undefined : `%${value.id} = ${this.#compute(value)}`;
  }

  #head(s: Exclude<Stmt, Val>): string {
    switch (s.kind) {
      case 'set':
        return `$${s.variable.name} = ${this.#value(s.value)}`;
      case 'store':
      case 'guestStore': {
        const offset = s.kind === 'store' ? ` + ${s.offset}` : '';
        return `${s.kind}${s.bytes * 8} [${this.#value(s.address)}${offset}] = ${this.#value(s.value)}`;
      }
      case 'if':
        return `${s.cold ? 'if rarely' : 'if'} ${this.#value(s.condition)}`;
      case 'block':
      case 'loop':
        return `${s.kind} @${s.label.id}`;
      case 'break':
      case 'continue':
        return `${s.kind} @${s.label.id}`;
      case 'switch':
        return `switch ${this.#value(s.index)} [${s.targets.map(({ id }) => `@${id}`).join(' ')}]`;
      case 'tailCall':
        return `continue in ${s.callee.name}(${this.#values(s.args)})`;
      default:
        return `${s.kind}(${this.#values(operandsOf(s))})`;
    }
  }

  #values(values: readonly Val[]): string {
    return values.map((value) => this.#value(value)).join(', ');
  }

  #value(value: Val): string {
    const { what } = value;
    if (what.kind === 'const') return constantText(what.value);
    if (what.kind === 'param') return `%p${what.index}`;
    return what.kind === 'op' && this.#uses.get(value.id) === 1 ? this.#compute(value) : `%${value.id}`;
  }

  #compute({ what, args, type }: Val): string {
    switch (what.kind) {
      case 'op':
        return `${what.name}${what.imm === 0n ? '' : `<${what.imm}>`}(${this.#values(args)})`;
      case 'variable':
        return `$${what.variable.name}`;
      case 'load':
        return `${type}.load${what.bytes * 8}${what.signed ? '_s' : ''} [${this.#value(args[0])} + ${what.offset}]`;
      case 'call':
        return `${what.callee.name}(${this.#values(args)})`;
      default:
        return `${what.kind}(${this.#values(args)})`;
    }
  }
}

function constantText(value: bigint): string {
  return value < 10n ? `${value}` : `0x${value.toString(16)}`;
}

function listsOf(s: Stmt): readonly (readonly Stmt[])[] {
  if (s.kind === 'if') return [s.consequent, s.otherwise];
  return s.kind === 'block' || s.kind === 'loop' ? [s.body] : [];
}
