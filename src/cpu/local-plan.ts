import { type Block, blocksFrom, type IrFunction, type Stmt, type Variable } from '../ir/nodes.ts';
import { operandsOf } from '../ir/operands-of.ts';
import { Val } from '../ir/val.ts';

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

/** A loop: values from before it must outlive it when it uses them. */
interface Loop {
  /** Position of its statement; -1 while the walk is inside, where nothing from before it has been met. */
  start: number;
  readonly end: number;
  /** Number of the loop around it. */
  readonly outer: number;
}

const NEVER = -1;
/** The number of no loop. */
const NO_LOOP = 0;

/**
 * Decides for each value of a function whether it gets a local, and for how long. Statements are numbered in the order
 * of their text, from {@link firstPosition} on; the end of a loop has a number too. Whoever emits counts in the same way.
 *
 * Values are recorded before their uses, so one walk from the end sees all uses of a value before the value.
 */
export class LocalPlan {
  /** Uses by what is executed regularly, and by what rarely is, by value. */
  readonly #hot: Int32Array;
  readonly #cold: Int32Array;
  readonly #place: Int32Array;
  /** Position of the last use of a value or variable, and the number of the loop it lies in. */
  readonly #lastUse: Int32Array;
  readonly #loopOfLast: Int32Array;
  /** Where each variable is set first, and the next place behind the walk where it is set. */
  readonly #firstSet: Int32Array;
  readonly #variables: Variable[] = [];
  /** By number. */
  readonly #loops: Loop[] = [{ start: NEVER, end: NEVER, outer: NO_LOOP }];
  /** Number of the loop around the walk. */
  #loop = NO_LOOP;
  #position: number;
  /** What dies, in the order of positions, and where each position's begin. */
  readonly #dying: Int32Array;
  readonly #dyingFrom: Int32Array;

  constructor(fn: IrFunction) {
    const { idCount, positionCount } = fn;
    // One piece of memory for all: V8 allocates each outside its heap.
    const all = new Int32Array(7 * idCount + positionCount + 2);
    const part = (n: number) => all.subarray(n * idCount, (n + 1) * idCount);
    this.#hot = part(0);
    this.#cold = part(1);
    this.#place = part(2);
    this.#lastUse = part(3).fill(NEVER);
    this.#loopOfLast = part(4);
    this.#firstSet = part(5).fill(NEVER);
    this.#dying = part(6);
    this.#dyingFrom = all.subarray(7 * idCount);
    this.#position = positionCount;
    this.#walk(fn.body, false);
    for (const { id, lasting } of this.#variables) if (!lasting) this.#outliveLoops(id, this.#firstSet[id]);
    this.#listDying(positionCount);
  }

  /** Position of the first statement. */
  get firstPosition(): number {
    return this.#position;
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

  #walk(statements: readonly Stmt[], cold: boolean, from = 0): void {
    for (let i = statements.length - 1; i >= from; i--) {
      const statement = statements[i];
      if (statement instanceof Val) this.#let(statement, --this.#position, cold);
      else this.#statement(statement, cold);
    }
  }

  #statement(s: Exclude<Stmt, Val>, cold: boolean): void {
    switch (s.kind) {
      case 'set':
        this.#set(s.variable, s.value, --this.#position, cold);
        return;
      case 'if':
        this.#walk(s.otherwise, cold);
        this.#walk(s.consequent, cold || s.cold);
        break;
      case 'block':
        this.#walkBlocks(blocksFrom(s), cold);
        return;
      case 'loop':
        this.#walkLoop(s.body, cold);
        return;
    }
    const at = --this.#position;
    if (s.kind === 'if') this.#use(s.condition, at, cold);
    else if (s.kind === 'store') {
      this.#use(s.address, at, cold);
      this.#use(s.value, at, cold);
    } else for (const value of operandsOf(s)) this.#use(value, at, cold);
  }

  /** Walks blocks that each begin with the next one. */
  #walkBlocks(blocks: readonly Block[], cold: boolean): void {
    const innermost = blocks.length - 1;
    for (const [i, { body }] of blocks.entries()) this.#walk(body, cold, i === innermost ? 0 : 1);
    this.#position -= blocks.length;
  }

  #walkLoop(body: readonly Stmt[], cold: boolean): void {
    const loop: Loop = { start: NEVER, end: --this.#position, outer: this.#loop };
    this.#loop = this.#loops.push(loop) - 1;
    this.#walk(body, cold);
    this.#loop = loop.outer;
    loop.start = --this.#position;
  }

  #let(value: Val, at: number, cold: boolean): void {
    const { id, what, args } = value;
    const [hot, rare] = [this.#hot[id], this.#cold[id]];
    if (what.kind === 'op') {
      if (hot + rare === 0) return;
      if (hot <= 1) {
        this.#place[id] = PLACE.inline;
        for (const arg of args) this.#useWith(arg, id, hot, rare);
        return;
      }
    } else if (hot + rare === 0 && what.kind !== 'call' && what.kind !== 'guestLoad') return;
    this.#place[id] = PLACE.local;
    if (this.#lastUse[id] === NEVER) this.#lastUse[id] = at;
    this.#outliveLoops(id, at);
    if (what.kind === 'variable') this.#read(what.variable, id, at);
    else for (const arg of args) this.#use(arg, at, cold);
  }

  /** A value that is what a variable is at `at`. */
  #read(variable: Variable, id: number, at: number): void {
    const nextSet = this.#firstSet[variable.id];
    const isAlias = nextSet === NEVER || nextSet >= this.#lastUse[id];
    if (isAlias) this.#place[id] = PLACE.alias;
    if (variable.lasting) return;
    if (isAlias) this.#touch(variable.id, this.#lastUse[id], this.#loopOfLast[id]);
    else this.#touch(variable.id, at, this.#loop);
  }

  #set(variable: Variable, value: Val, at: number, cold: boolean): void {
    if (this.#firstSet[variable.id] === NEVER) this.#variables.push(variable);
    this.#firstSet[variable.id] = at;
    if (!variable.lasting) this.#touch(variable.id, at, this.#loop);
    this.#use(value, at, cold);
  }

  #use(value: Val, at: number, cold: boolean): void {
    const { id, args, what } = value;
    if (args.length === 0 && isAlwaysThere(what.kind)) return;
    if (cold) this.#cold[id]++;
    else this.#hot[id]++;
    this.#touch(id, at, this.#loop);
  }

  /** An operand of a value that is computed where it is used: it is used there, each time. */
  #useWith(value: Val, user: number, hot: number, rare: number): void {
    const { id, args, what } = value;
    if (args.length === 0 && isAlwaysThere(what.kind)) return;
    this.#hot[id] += hot;
    this.#cold[id] += Math.min(rare, 2);
    this.#touch(id, this.#lastUse[user], this.#loopOfLast[user]);
  }

  /** Notes that something is needed at a position. */
  #touch(id: number, at: number, loop: number): void {
    if (at <= this.#lastUse[id]) return;
    this.#lastUse[id] = at;
    this.#loopOfLast[id] = loop;
  }

  /** What is there since before a loop that uses it is needed until the loop ends. */
  #outliveLoops(id: number, since: number): void {
    let loop = this.#loopOfLast[id];
    for (; loop !== NO_LOOP && this.#loops[loop].start > since; loop = this.#loops[loop].outer) {
      this.#lastUse[id] = this.#loops[loop].end;
    }
    this.#loopOfLast[id] = loop;
  }

  /** Sorts what dies by position. */
  #listDying(positions: number): void {
    const [from, dying, lastUse] = [this.#dyingFrom, this.#dying, this.#lastUse];
    for (let id = 0; id < lastUse.length; id++) if (lastUse[id] >= 0) from[lastUse[id]]++;
    // Where each position's end, which go down to where they begin while they are filled in.
    for (let at = 0; at <= positions; at++) from[at + 1] += from[at];
    for (let id = 0; id < lastUse.length; id++) if (lastUse[id] >= 0) dying[--from[lastUse[id]]] = id;
  }
}

/** Constants and parameters need no local. */
function isAlwaysThere(kind: Val['what']['kind']): boolean {
  return kind === 'const' || kind === 'param';
}
