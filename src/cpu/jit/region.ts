import { tryDecode } from '../../isa/decode.ts';
import type { Decoded } from '../../isa/operands.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import type { Block, CodeCache } from '../code-cache.ts';
import type { KeyedMode } from '../mode.ts';
import { BLOCK } from '../records.ts';

/** Most blocks and instructions in a region. */
const MOST_BLOCKS = 96;
const MOST_INSTRUCTIONS = 1200;

/** A block is warm when at most this part of its countdown is left. */
const WARM = 0.5;

/** A block is cold, and stays out, until it has been entered this part as often as a hot one. */
const COLD = 1 / 16;

/** Semantics behind which control never goes on with the next instruction. */
const UNCONDITIONAL = new Set(['jmp', 'call', 'ret', 'jmpf', 'callf', 'retf', 'iret', 'int', 'int1', 'int3', 'ud']);

const NOWHERE = -1;

/** An instruction of a region. */
export interface RegionInstruction {
  /** Undefined: the interpreter raises what its bytes raise. */
  readonly decoded: Decoded | undefined;
  /** Offset of the next instruction in the page. */
  readonly nextOffset: number;
}

/** A block of a region. */
export interface RegionBlock {
  readonly block: Block;
  /** Offset in the page. */
  readonly start: number;
  readonly instructions: readonly RegionInstruction[];
  /** The blocks, by their places in the region, that a relative branch and the way on lead to; -1: out of the region. */
  readonly taken: number;
  readonly next: number;
  /** Behind a call: the block, by its place, that control comes back to; -1 where it is none or out of the region. */
  readonly behind: number;
}

/** Blocks that are translated together. Relative branches lead from one to another inside a page only. */
export interface Region {
  readonly mode: KeyedMode;
  readonly blocks: readonly RegionBlock[];
  /** The blocks that the others were found from. */
  readonly roots: readonly Block[];
  /** Places of the blocks that are entered from outside. */
  readonly entries: readonly number[];
  readonly instructionCount: number;
}

/** Whether a block ends with a call inside the region, from which control will come back, or with a jump that may lead to any block. */
export function callsOrJumpsInside({ instructions, taken }: RegionBlock): boolean {
  const last = instructions[instructions.length - 1].decoded;
  if (last?.row.semantics === 'call') return taken !== NOWHERE;
  return last?.row.semantics === 'jmp' && last.operands[0].kind !== 'rel';
}

/** Whether a block ends with a call inside the region that comes back to it. */
export function callsInside({ behind, taken }: RegionBlock): boolean {
  return behind !== NOWHERE && taken !== NOWHERE;
}
/** Whether a block ends with a call out of the region that comes back to it. */
export function callsOut({ behind, taken }: RegionBlock): boolean {
  return behind !== NOWHERE && taken === NOWHERE;
}

/** Which blocks lead to which, by their places, and where the region is entered. */
export function graphOf({ blocks, entries }: Region) {
  const successors = blocks.map(({ taken, next }) => [taken, next].filter((to) => to !== NOWHERE));
  return { successors, entries };
}

/** Whether the way leads on behind the block's last instruction. */
export function goesOn(block: RegionBlock): boolean {
  return block.instructions[block.instructions.length - 1].decoded !== undefined;
}

/** Offset, in the page, behind a block's last instruction. */
export function offsetBehind(block: RegionBlock): number {
  return block.instructions[block.instructions.length - 1].nextOffset;
}

/** Reads a byte of guest code. */
export type CodeByte = (gpa: number) => number;

/** Finds the region that hot blocks belong to: what is decoded and can be reached from them inside their pages. */
export function findRegion(
  roots: readonly Block[],
  mode: KeyedMode,
  cache: CodeCache,
  view: DataView,
  codeByte: CodeByte,
): Region {
  return new RegionFinder(mode, cache, view, codeByte).find(roots);
}

interface Found {
  readonly block: Block;
  readonly instructions: RegionInstruction[];
  readonly takenGpa: number;
  readonly nextGpa: number;
  readonly behindGpa: number;
}

class RegionFinder {
  readonly #mode: KeyedMode;
  readonly #cache: CodeCache;
  readonly #view: DataView;
  readonly #codeByte: CodeByte;
  readonly #places = new Map<Block, number>();
  readonly #found: Found[] = [];
  readonly #entries = new Set<number>();
  /** Most that is left of a block's countdown when it is no longer cold. */
  readonly #mostLeft: number;
  #count = 0;

  constructor(mode: KeyedMode, cache: CodeCache, view: DataView, codeByte: CodeByte) {
    this.#mode = mode;
    this.#cache = cache;
    this.#view = view;
    this.#codeByte = codeByte;
    this.#mostLeft = cache.hotAfter - Math.floor(cache.hotAfter * COLD);
  }

  find(roots: readonly Block[]): Region {
    // However often they have been entered since they became hot: a region that they were in may have gone.
    for (const root of roots) this.#entries.add(this.#places.get(root) ?? this.#add(root));
    for (let at = 0; at < this.#found.length && !this.#isFull; at++) this.#follow(this.#found[at]);
    return {
      mode: this.#mode,
      roots,
      blocks: this.#found.map((found) => this.#finish(found)),
      entries: [...this.#entries],
      instructionCount: this.#count,
    };
  }

  get #isFull(): boolean {
    return this.#found.length >= MOST_BLOCKS || this.#count >= MOST_INSTRUCTIONS;
  }

  #follow(found: Found): void {
    this.#reach(found.nextGpa);
    this.#reach(found.takenGpa);
    const { decoded } = found.instructions[found.instructions.length - 1];
    if (found.behindGpa !== NOWHERE) this.#enterAt(found.behindGpa);
    if (decoded?.row.semantics === 'jmp' && decoded.operands[0].kind !== 'rel') this.#reachWarm(found.block.start);
  }

  #enterAt(gpa: number): void {
    const place = this.#reach(gpa);
    if (place !== NOWHERE) this.#entries.add(place);
  }

  /** An indirect jump leads to several places, which become hot one after the other: they belong together from the start. */
  #reachWarm(gpa: number): void {
    const most = this.#cache.hotAfter * WARM;
    for (const block of this.#cache.blocksNear(gpa)) if (this.#isUsed(block, most)) this.#enterAt(block.start);
  }

  /** Whether at most so much is left of a block's countdown, or it belongs to a region, where it is not counted. */
  #isUsed({ address, derived }: Block, mostLeft: number): boolean {
    return derived.length > 0 || this.#view.getInt32(address + BLOCK.countdown, true) <= mostLeft;
  }

  /** The place of the block at an address, which is added where it is decoded and not cold, and there is room. */
  #reach(gpa: number): number {
    const block = gpa === NOWHERE ? undefined : this.#cache.blockAt(gpa, this.#mode.key);
    if (block === undefined) return NOWHERE;
    const place = this.#places.get(block);
    if (place !== undefined) return place;
    return this.#isFull || !this.#isUsed(block, this.#mostLeft) ? NOWHERE : this.#add(block);
  }

  #add(block: Block): number {
    const place = this.#found.length;
    this.#places.set(block, place);
    const page = pageOf(block.start);
    const instructions = this.#decode(block);
    this.#count += instructions.length;
    const { decoded, nextOffset } = instructions[instructions.length - 1];
    const inPage = (offset: number) => (offset >= 0 && offset < PAGE_BYTES ? page + offset : NOWHERE);
    const target = decoded?.operands[0];
    const narrow = this.#mode.bits !== 64 && decoded?.operandSize === 16;
    const takenGpa = target?.kind === 'rel' && !narrow ? inPage(nextOffset + target.disp) : NOWHERE;
    const goesOn = decoded !== undefined && !UNCONDITIONAL.has(decoded.row.semantics);
    const behindGpa = decoded?.row.semantics === 'call' ? inPage(nextOffset) : NOWHERE;
    this.#found.push({ block, instructions, takenGpa, nextGpa: goesOn ? inPage(nextOffset) : NOWHERE, behindGpa });
    return place;
  }

  #decode(block: Block): RegionInstruction[] {
    const count = this.#view.getUint32(block.address + BLOCK.count, true);
    const instructions: RegionInstruction[] = [];
    let gpa = block.start;
    for (let i = 0; i < count; i++) {
      const at = gpa;
      const result = tryDecode((offset) => this.#codeByte(at + offset), this.#mode);
      const decoded = result.kind === 'instruction' ? result.decoded : undefined;
      gpa += decoded?.length ?? 1;
      instructions.push({ decoded, nextOffset: gpa - pageOf(block.start) });
    }
    return instructions;
  }

  #finish({ block, instructions, takenGpa, nextGpa, behindGpa }: Found): RegionBlock {
    const placeOf = (gpa: number) => {
      const to = gpa === NOWHERE ? undefined : this.#cache.blockAt(gpa, this.#mode.key);
      return (to && this.#places.get(to)) ?? NOWHERE;
    };
    const taken = placeOf(takenGpa);
    const start = block.start % PAGE_BYTES;
    return { block, start, instructions, taken, next: placeOf(nextGpa), behind: placeOf(behindGpa) };
  }
}

function pageOf(gpa: number): number {
  return gpa - (gpa % PAGE_BYTES);
}
