/** A set of slots, by their bits: an integer, of which a number holds 53. */
export type SlotSet = number;

export const NO_SLOTS: SlotSet = 0;
const UPPER = 2 ** 32;

/** The set of one slot. @param n its number, below 53 */
export function slotNumber(n: number): SlotSet {
  return 2 ** n;
}

export function union(one: SlotSet, other: SlotSet): SlotSet {
  const low = (one | other) >>> 0;
  if (one < UPPER && other < UPPER) return low;
  return (upper(one) | upper(other)) * UPPER + low;
}

export function intersection(one: SlotSet, other: SlotSet): SlotSet {
  const low = (one & other) >>> 0;
  if (one < UPPER || other < UPPER) return low;
  return (upper(one) & upper(other)) * UPPER + low;
}

/** What `one` has and `other` has not. */
export function difference(one: SlotSet, other: SlotSet): SlotSet {
  const low = (one & ~other) >>> 0;
  if (one < UPPER) return low;
  return (upper(one) & ~upper(other)) * UPPER + low;
}

/** How many slots a set has. */
export function sizeOf(slots: SlotSet): number {
  let size = 0;
  for (let rest = slots; rest > 0; rest = Math.floor(rest / 2)) size += rest % 2;
  return size;
}

function upper(slots: SlotSet): number {
  return Math.floor(slots / UPPER);
}

/** What has been set since a block began. */
interface Written {
  /** On all ways. */
  readonly surely: SlotSet;
  /** On some. */
  readonly maybe: SlotSet;
}

/** A place at which a region is left in, or behind, a block. */
export interface Exit extends Written {
  readonly node: number;
}

/** Ways that part, while they are recorded. */
export interface SlotFork extends Written {
  readonly ended: boolean;
  /** What is set behind all ways that have been recorded; undefined: none of them leads on. */
  surelyBehind: SlotSet | undefined;
  maybeBehind: SlotSet;
}

interface Edge extends Exit {
  readonly to: number;
}

/**
 * Finds out, while a region is recorded, what its variables have to be loaded for where it is entered, and which of them
 * differ from the state block where it is left: the first by what is read before it is set, the second by what may have been
 * set, along all ways through the region's blocks.
 */
export class SlotFlow {
  readonly #exposed: SlotSet[];
  readonly #edges: Edge[] = [];
  readonly #exits: Exit[] = [];
  /** The block that is being recorded. */
  #node: number | undefined;
  #surely = NO_SLOTS;
  #maybe = NO_SLOTS;
  /** The way that is being recorded has led out of the block. */
  #ended = false;

  constructor(blockCount: number) {
    this.#exposed = new Array<SlotSet>(blockCount).fill(NO_SLOTS);
  }

  /** A block is recorded from here on; undefined: what is recorded belongs to none. */
  start(node: number | undefined): void {
    this.#node = node;
    this.#surely = NO_SLOTS;
    this.#maybe = NO_SLOTS;
    this.#ended = false;
  }

  read(slot: SlotSet): void {
    if (intersection(this.#surely, slot) === NO_SLOTS) this.#expose(slot);
  }

  write(slot: SlotSet): void {
    this.#surely = union(this.#surely, slot);
    this.#maybe = union(this.#maybe, slot);
  }

  /** Another block is gone to. */
  goTo(to: number): void {
    this.#edges.push({ ...this.#here(), to });
    this.#ended = true;
  }

  /** The region is left. */
  leave(): Exit {
    const exit = this.#here();
    this.#exits.push(exit);
    this.#ended = true;
    return exit;
  }

  /** Ways part of which one is gone, or none where they are not all. Each is recorded between {@link startWay} and {@link endWay}. */
  fork(areAll: boolean): SlotFork {
    const [surely, maybe, ended] = [this.#surely, this.#maybe, this.#ended];
    return { surely, maybe, ended, surelyBehind: areAll ? undefined : surely, maybeBehind: maybe };
  }

  startWay({ surely, maybe }: SlotFork): void {
    this.#surely = surely;
    this.#maybe = maybe;
    this.#ended = false;
  }

  endWay(fork: SlotFork): void {
    if (this.#ended) return;
    const { surelyBehind } = fork;
    fork.surelyBehind = surelyBehind === undefined ? this.#surely : intersection(surelyBehind, this.#surely);
    fork.maybeBehind = union(fork.maybeBehind, this.#maybe);
  }

  /** All ways have been recorded. */
  merge({ surely, ended, surelyBehind, maybeBehind }: SlotFork): void {
    this.#ended = ended;
    this.#surely = surelyBehind ?? surely;
    this.#maybe = maybeBehind;
    // What is set on some ways keeps its value on the others.
    this.#expose(difference(maybeBehind, this.#surely));
  }

  /** Records what may be left at any place of it. */
  throughout(record: () => void): void {
    const surely = this.#surely;
    record();
    this.#surely = surely;
    this.#expose(difference(this.#maybe, surely));
  }

  /** Control may go on from any of these exits at any of these blocks, with all that variables hold. */
  join(exits: readonly Exit[], nodes: readonly number[]): void {
    for (const exit of exits) for (const to of nodes) this.#edges.push({ ...exit, to });
  }

  /** What may have been set, and not stored, where blocks begin: by block. */
  dirtyAtStart(): SlotSet[] {
    const dirty = this.#exposed.map(() => NO_SLOTS);
    untilStable(() => {
      let changed = false;
      for (const { node, to, maybe } of this.#edges) {
        const now = union(dirty[to], union(dirty[node], maybe));
        changed ||= now !== dirty[to];
        dirty[to] = now;
      }
      return changed;
    });
    return dirty;
  }

  /** What has to be loaded before blocks, by block. @param dirty as {@link dirtyAtStart} gives it */
  neededAtStart(dirty: readonly SlotSet[]): SlotSet[] {
    const needed = [...this.#exposed];
    for (const { node, surely, maybe } of this.#exits) {
      needed[node] = union(needed[node], difference(union(dirty[node], maybe), surely));
    }
    untilStable(() => {
      let changed = false;
      for (let i = this.#edges.length - 1; i >= 0; i--) {
        const { node, to, surely } = this.#edges[i];
        const now = union(needed[node], difference(needed[to], surely));
        changed ||= now !== needed[node];
        needed[node] = now;
      }
      return changed;
    });
    return needed;
  }

  #here(): Exit {
    return { node: this.#node ?? 0, surely: this.#surely, maybe: this.#maybe };
  }

  #expose(slots: SlotSet): void {
    if (this.#node !== undefined) this.#exposed[this.#node] = union(this.#exposed[this.#node], slots);
  }
}

function untilStable(pass: () => boolean): void {
  while (pass());
}
