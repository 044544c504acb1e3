import type { IrFunction, Stmt, Variable } from '../ir/nodes.ts';
import type { Val } from '../ir/val.ts';
import { operandsOf } from './operands-of.ts';

/** How a value comes to be where it is needed. */
export const PLACE = {
  /** Nothing needs it. */
  none: 0,
  /** It is computed where it is used. */
  inline: 1,
  /** It is computed where it stands and kept in a local. */
  local: 2,
  /** It is a variable that does not change until its last use: the variable's own local serves. */
  alias: 3,
} as const;

/** A loop that is being walked through: values from before it must outlive it when it uses them. */
interface OpenLoop {
  readonly start: number;
  readonly outliving: number[];
}

/**
 * Decides for each value of a function whether it gets a local, and for how long. Statements are numbered in the order
 * of their text; the end of a loop has a number too. Whoever emits counts in the same way.
 */
export class LocalPlan {
  /** Uses by what is executed regularly, and by what rarely is, by value. */
  readonly #hot: Uint32Array;
  readonly #cold: Uint32Array;
  readonly #place: Uint8Array;
  readonly #defined: Int32Array;
  readonly #lastUse: Int32Array;
  readonly #loops: OpenLoop[] = [];
  /** Values that are variables, with their numbers, and where variables are set. */
  readonly #reads: { readonly value: Val; readonly variable: Variable }[] = [];
  readonly #sets = new Map<number, number[]>();
  /** What dies, in the order of positions, and where each position's begin. */
  #dying = new Int32Array(0);
  #dyingFrom = new Int32Array(0);
  #position = 0;

  constructor(fn: IrFunction) {
    this.#hot = new Uint32Array(fn.idCount);
    this.#cold = new Uint32Array(fn.idCount);
    this.#place = new Uint8Array(fn.idCount);
    this.#defined = new Int32Array(fn.idCount).fill(-1);
    this.#lastUse = new Int32Array(fn.idCount).fill(-1);
    this.#countUses(fn.body, false);
    this.#walk(fn.body);
    this.#findAliases();
    this.#listDying();
  }

  place(value: Val): number {
    return this.#place[value.id];
  }

  /** Whether anything needs a value. */
  isUsed(value: Val): boolean {
    return this.#hot[value.id] + this.#cold[value.id] > 0;
  }

  /** Visits the values and variables whose locals are free behind statement `position`. */
  forEachDying(position: number, visit: (id: number) => void): void {
    const end = this.#dyingFrom[position + 1];
    for (let i = this.#dyingFrom[position]; i < end; i++) visit(this.#dying[i]);
  }

  /** Values are recorded before their uses, so one walk from the end sees all uses of a value before the value. */
  #countUses(statements: readonly Stmt[], cold: boolean): void {
    for (let i = statements.length - 1; i >= 0; i--) {
      const s = statements[i];
      if (s.kind === 'if') {
        this.#countUses(s.otherwise, cold);
        this.#countUses(s.consequent, cold || s.cold);
      } else if (s.kind === 'block' || s.kind === 'loop') this.#countUses(s.body, cold);
      if (s.kind === 'let') this.#countLet(s.value, cold);
      else for (const value of operandsOf(s)) this.#count(value, cold ? 0 : 1, cold ? 1 : 0);
    }
  }

  #countLet(value: Val, cold: boolean): void {
    const [hot, rare] = [this.#hot[value.id], this.#cold[value.id]];
    const { kind } = value.what;
    if (kind === 'op') {
      this.#place[value.id] = hot > 1 ? PLACE.local : hot + rare > 0 ? PLACE.inline : PLACE.none;
      // What is computed where it is used is computed there each time.
      for (const arg of value.args) {
        if (hot > 1) this.#count(arg, cold ? 0 : 1, cold ? 1 : 0);
        else if (hot + rare > 0) this.#count(arg, hot, Math.min(rare, 2));
      }
      return;
    }
    if (hot + rare === 0 && kind !== 'call' && kind !== 'guestLoad') return;
    this.#place[value.id] = PLACE.local;
    for (const arg of value.args) this.#count(arg, cold ? 0 : 1, cold ? 1 : 0);
  }

  #count(value: Val, hot: number, cold: number): void {
    this.#hot[value.id] += hot;
    this.#cold[value.id] += cold;
  }

  #walk(statements: readonly Stmt[]): void {
    for (const s of statements) this.#statement(s);
  }

  #statement(s: Stmt): void {
    const at = this.#position++;
    if (s.kind === 'let') this.#let(s.value, at);
    else for (const value of operandsOf(s)) this.#use(value, at);
    if (s.kind === 'set') this.#set(s.variable, at);
    else if (s.kind === 'if') {
      this.#walk(s.consequent);
      this.#walk(s.otherwise);
    } else if (s.kind === 'block') this.#walk(s.body);
    else if (s.kind === 'loop') this.#loop(s.body, at);
  }

  #loop(body: readonly Stmt[], start: number): void {
    const loop: OpenLoop = { start, outliving: [] };
    this.#loops.push(loop);
    this.#walk(body);
    this.#loops.pop();
    const end = this.#position++;
    for (const id of loop.outliving) this.#touch(id, end);
  }

  #let(value: Val, at: number): void {
    if (this.#place[value.id] !== PLACE.local) return;
    for (const arg of value.args) this.#use(arg, at);
    this.#defined[value.id] = at;
    this.#lastUse[value.id] = at;
    if (value.what.kind !== 'variable') return;
    const { variable } = value.what;
    if (!variable.lasting) this.#touch(variable.id, at);
    this.#reads.push({ value, variable });
  }

  #set({ id, lasting }: Variable, at: number): void {
    const sets = this.#sets.get(id);
    if (sets === undefined) this.#sets.set(id, [at]);
    else sets.push(at);
    if (lasting) return;
    if (this.#defined[id] < 0) this.#defined[id] = at;
    this.#touch(id, at);
  }

  #use(value: Val, at: number): void {
    const { kind } = value.what;
    if (kind === 'const' || kind === 'param') return;
    if (kind === 'op' && this.#place[value.id] === PLACE.inline) for (const arg of value.args) this.#use(arg, at);
    else this.#touch(value.id, at);
  }

  /** Notes that something is needed at a position. */
  #touch(id: number, at: number): void {
    if (at > this.#lastUse[id]) this.#lastUse[id] = at;
    for (const loop of this.#loops) {
      if (loop.start <= this.#defined[id]) continue;
      loop.outliving.push(id);
      return;
    }
  }

  #findAliases(): void {
    for (const { value, variable } of this.#reads) {
      const [from, to] = [this.#defined[value.id], this.#lastUse[value.id]];
      if (isAnyBetween(this.#sets.get(variable.id) ?? [], from, to)) continue;
      this.#place[value.id] = PLACE.alias;
      if (!variable.lasting && to > this.#lastUse[variable.id]) this.#lastUse[variable.id] = to;
    }
    this.#reads.length = 0;
  }

  /** Sorts what dies by position. */
  #listDying(): void {
    const from = new Int32Array(this.#position + 2);
    for (const at of this.#lastUse) if (at >= 0) from[at + 1]++;
    for (let at = 0; at <= this.#position; at++) from[at + 1] += from[at];
    const next = from.slice();
    const dying = new Int32Array(from[this.#position + 1]);
    this.#lastUse.forEach((at, id) => {
      if (at >= 0) dying[next[at]++] = id;
    });
    this.#dying = dying;
    this.#dyingFrom = from;
  }
}

/** Whether a list of ascending numbers has one above `low` and below `high`. */
function isAnyBetween(ascending: readonly number[], low: number, high: number): boolean {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (ascending[middle] > low) to = middle;
    else from = middle + 1;
  }
  return from < ascending.length && ascending[from] < high;
}
