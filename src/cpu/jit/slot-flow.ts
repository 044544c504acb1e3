/** A set of slots, by their bits. */
export type SlotSet = bigint;

export const NO_SLOTS: SlotSet = 0n;

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
    if ((this.#surely & slot) === NO_SLOTS) this.#expose(slot);
  }

  write(slot: SlotSet): void {
    this.#surely |= slot;
    this.#maybe |= slot;
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

  /**
   * Records ways of which one is gone, or none where they are not all.
   * @param record is given what records one way
   */
  alternatives(record: (way: (body: () => void) => void) => void, areAll: boolean): void {
    const before = { surely: this.#surely, maybe: this.#maybe };
    const ended = this.#ended;
    const ends: Written[] = areAll ? [] : [before];
    record((body) => {
      this.#surely = before.surely;
      this.#maybe = before.maybe;
      this.#ended = false;
      body();
      if (!this.#ended) ends.push({ surely: this.#surely, maybe: this.#maybe });
    });
    this.#ended = ended;
    this.#surely = ends.length === 0 ? before.surely : ends.reduce((all, { surely }) => all & surely, ends[0].surely);
    this.#maybe = ends.reduce((all, { maybe }) => all | maybe, before.maybe);
    // What is set on some ways keeps its value on the others.
    this.#expose(this.#maybe & ~this.#surely);
  }

  /** Records what may be left at any place of it. */
  throughout(record: () => void): void {
    const surely = this.#surely;
    record();
    this.#surely = surely;
    this.#expose(this.#maybe & ~surely);
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
        const now = dirty[to] | dirty[node] | maybe;
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
    for (const { node, surely, maybe } of this.#exits) needed[node] |= (dirty[node] | maybe) & ~surely;
    untilStable(() => {
      let changed = false;
      for (let i = this.#edges.length - 1; i >= 0; i--) {
        const { node, to, surely } = this.#edges[i];
        const now = needed[node] | (needed[to] & ~surely);
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
    if (this.#node !== undefined) this.#exposed[this.#node] |= slots;
  }
}

function untilStable(pass: () => boolean): void {
  while (pass());
}
