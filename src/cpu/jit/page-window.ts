import type { Constant } from '../../ir/kinds.ts';
import type { Val } from '../../ir/val.ts';
import type { Origin } from './origins.ts';

/**
 * Most bytes from a window's first to its last. The more, the more often they do not lie in one page; then the
 * interpreter executes the block.
 */
const MOST_BYTES = 256;

/** The part of an access that says where in a window it is made. */
export interface OpenAccess {
  /** Bytes from the window's first one. */
  offset: number;
}

/** The constants of a window's look-up, which follow its bounds. */
export interface WindowBounds {
  /** From the address that the window was opened for to its first byte, in two's complement of the address's type. */
  readonly toFirst: Constant;
  /** From the first byte to the last. */
  readonly toLast: Constant;
  readonly length: Constant;
}

/**
 * A stretch of guest memory that lies within one page, and is looked up once in the TLB for all accesses to it. It grows with
 * the accesses that are recorded: all are to addresses that differ by constants.
 */
export class PageWindow {
  readonly forWrite: boolean;
  /** Host address of the first byte. */
  readonly host: Val;
  readonly #root: number;
  readonly #anchor: number;
  readonly #bounds: WindowBounds;
  readonly #bits: 32 | 64;
  readonly #accesses: { readonly access: OpenAccess; readonly at: number }[] = [];
  #first: number;
  #end: number;

  /** @param anchor the address that it is opened for  @param host host address of its first byte, by its bounds  @param bits of addresses */
  constructor(anchor: Origin, forWrite: boolean, host: Val, bounds: WindowBounds, bits: 32 | 64) {
    this.forWrite = forWrite;
    this.host = host;
    this.#root = anchor.root;
    this.#anchor = anchor.offset;
    this.#bounds = bounds;
    this.#bits = bits;
    this.#first = anchor.offset;
    this.#end = anchor.offset;
  }

  /** Whether an access belongs here: it stays as short as windows are. */
  takes({ root, offset }: Origin, bytes: number, forWrite: boolean): boolean {
    if (root !== this.#root || (forWrite && !this.forWrite)) return false;
    return Math.max(this.#end, offset + bytes) - Math.min(this.#first, offset) <= MOST_BYTES;
  }

  /** Makes an access to `bytes` at an address part of the window, and keeps its offset right. */
  add(access: OpenAccess, { offset: at }: Origin, bytes: number): void {
    this.#accesses.push({ access, at });
    this.#first = Math.min(this.#first, at);
    this.#end = Math.max(this.#end, at + bytes);
    const { toFirst, toLast, length } = this.#bounds;
    toFirst.value = BigInt.asUintN(this.#bits, BigInt(this.#first - this.#anchor));
    toLast.value = BigInt(this.#end - this.#first - 1);
    length.value = toLast.value + 1n;
    for (const one of this.#accesses) one.access.offset = one.at - this.#first;
  }
}
