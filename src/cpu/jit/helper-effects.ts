import type { BuilderTarget } from '../../ir/builder.ts';
import { isHelper } from '../../ir/define.ts';
import type { Access, FunctionRef, Stmt } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';

/** A part of the state block. */
export interface StateRange {
  readonly offset: number;
  readonly bytes: Access['bytes'];
}

/** What a call does beside giving a result. */
export interface Effects {
  readonly reads: readonly StateRange[];
  readonly writes: readonly StateRange[];
  /** It may reach guest memory or the host. */
  readonly leaves: boolean;
}

/** Offset in the state block that `address` + `offset` has, where that is fixed. */
export function stateOffset(cpu: Val, address: Val, offset: number): number | undefined {
  if (address === cpu) return offset;
  const { what, args } = address;
  if (what.kind !== 'op' || what.name !== 'i32.add' || args[0] !== cpu) return undefined;
  const added = args[1].what;
  return added.kind === 'const' ? Number(BigInt.asIntN(32, added.value)) + offset : undefined;
}

/**
 * Finds what helpers do to the state block. Places that are computed lie outside what regions keep in variables: helpers
 * reach general registers and fields by name alone, and vector registers besides by addresses that they are given.
 */
export class HelperEffects {
  readonly #target: BuilderTarget;
  /** Helpers that reach guest memory. */
  readonly #outward: ReadonlySet<string>;
  readonly #known = new Map<string, Effects>();

  /** @param outward names of the helpers through which guest memory and the host are reached */
  constructor(target: BuilderTarget, outward: readonly string[]) {
    this.#target = target;
    this.#outward = new Set(outward);
  }

  of(callee: FunctionRef): Effects {
    let effects = this.#known.get(callee.name);
    if (effects === undefined) {
      effects = this.#find(callee);
      this.#known.set(callee.name, effects);
    }
    return effects;
  }

  #find(callee: FunctionRef): Effects {
    if (!isHelper(callee) || this.#outward.has(callee.name)) return { reads: [], writes: [], leaves: true };
    const fn = callee.record(this.#target);
    const search = new Search(fn.params[0], (inner) => this.of(inner));
    search.walk(fn.body);
    return search;
  }
}

/** The effects of one recorded function. */
class Search implements Effects {
  readonly reads: StateRange[] = [];
  readonly writes: StateRange[] = [];
  leaves = false;
  readonly #cpu: Val;
  readonly #effectsOf: (callee: FunctionRef) => Effects;

  constructor(cpu: Val, effectsOf: (callee: FunctionRef) => Effects) {
    this.#cpu = cpu;
    this.#effectsOf = effectsOf;
  }

  walk(statements: readonly Stmt[]): void {
    for (const s of statements) {
      if (s.kind === 'let') this.#value(s);
      else if (s.kind === 'store') this.#note(this.writes, s.address, s.offset, s.bytes);
      else if (s.kind === 'tailCall') this.#call(s.callee);
      else if (s.kind === 'tailCallIndirect' || s.kind === 'guestStore') this.leaves = true;
      else if (s.kind === 'block' || s.kind === 'loop') this.walk(s.body);
      else if (s.kind === 'if') {
        this.walk(s.consequent);
        this.walk(s.otherwise);
      }
    }
  }

  #value(value: Val): void {
    const { what } = value;
    if (what.kind === 'load') this.#note(this.reads, value.args[0], what.offset, what.bytes);
    else if (what.kind === 'call') this.#call(what.callee);
    else if (what.kind === 'guestLoad') this.leaves = true;
  }

  #note(list: StateRange[], address: Val, offset: number, bytes: Access['bytes']): void {
    const at = stateOffset(this.#cpu, address, offset);
    if (at !== undefined) list.push({ offset: at, bytes });
  }

  #call(callee: FunctionRef): void {
    const effects = this.#effectsOf(callee);
    this.reads.push(...effects.reads);
    this.writes.push(...effects.writes);
    this.leaves ||= effects.leaves;
  }
}
