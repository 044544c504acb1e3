import { STATE } from '../isa/registers.ts';
import type { CpuState } from './state.ts';
import { CODE_TLB, CODE_TLB_OFFSET, CONTEXT, TLB_BYTES, TLB_EMPTY_BYTE, TRANSLATION } from './tlb.ts';

const USER_RING = 3;
const PAGE_NUMBERS = 2 ** 36;
const PAGE_NUMBER_MASK = 0xf_ffff_ffffn;
/** Pages after which everything is forgotten. */
const MOST_PAGES = 1 << 16;
/** Pages of the largest large page: 4 MiB. */
const LARGE_PAGES = 1024;

/** All that is known, as it is saved: pairs of key and guest-physical page number. */
export interface CodeTranslationsRecord {
  readonly global: readonly (readonly [number, number])[];
  readonly local: readonly (readonly [number, number])[];
  readonly large: readonly number[];
}

/** By what is forgotten code may have been found: of the supervisor, of level 3. What remembers such code must forget it too. */
export interface Forgotten {
  readonly system: boolean;
  readonly user: boolean;
}

const ALL: Forgotten = { system: true, user: true };

/**
 * Where pages of code lie: an instruction TLB that forgets nothing until it is flushed. So tables are walked at the first
 * fetch from a page, however code was decoded and linked before. The TLBs for code in memory, which guest code asks,
 * hold a part of it.
 */
export class CodeTranslations {
  readonly #state: CpuState;
  readonly #walk: (linear: bigint) => bigint;
  /** Guest-physical page numbers by privilege and linear page. */
  readonly #global = new Map<number, number>();
  readonly #local = new Map<number, number>();
  /** Stretches of LARGE_PAGES that hold large pages. */
  readonly #large = new Set<number>();
  readonly #view: DataView;
  /** Addresses of the entries in memory that are filled, with global pages and with others. */
  readonly #filledGlobal = new Set<number>();
  readonly #filledLocal = new Set<number>();
  /** Whether there are, or have been since a flush that was told, pages that are not global. */
  #hasLocal: { system: boolean; user: boolean } = { ...ALL };
  /** Pages have been forgotten that nobody was told of. */
  #overflowed = true;

  /**
   * @param view the whole memory
   * @param walk translates a linear address to a page with bits of TRANSLATION; throws what the fetch raises
   */
  constructor(state: CpuState, view: DataView, walk: (linear: bigint) => bigint) {
    this.#state = state;
    this.#view = view;
    this.#walk = walk;
  }

  /** The guest-physical address of the code byte at a linear address. @throws {GuestFault} @throws {GuestPageIn} */
  translate(linear: bigint): number {
    const key = this.#keyOf(linear);
    const known = this.#global.get(key) ?? this.#local.get(key);
    const page = known ?? this.#enter(key, this.#walk(linear));
    this.#fill(linear & ~0xfffn, page, this.#global.has(key));
    return page * 4096 + Number(linear & 0xfffn);
  }

  /** Forgets everything, or all but global pages. */
  flush(keepGlobal: boolean): Forgotten {
    const forgotten = keepGlobal && !this.#overflowed ? this.#hasLocal : ALL;
    if (keepGlobal) this.#forgetLocal();
    else this.#forget();
    this.#hasLocal = { system: false, user: false };
    this.#overflowed = false;
    return forgotten;
  }

  #forgetLocal(): void {
    this.#local.clear();
    this.#emptyAll(this.#filledLocal);
  }

  #forget(): void {
    this.#forgetLocal();
    this.#global.clear();
    this.#large.clear();
    this.#emptyAll(this.#filledGlobal);
  }

  /** Forgets the page at `linear`, and all pages of a large one that it may belong to. */
  invalidatePage(linear: bigint): Forgotten {
    const page = Number((linear >> 12n) & PAGE_NUMBER_MASK);
    const keys = [page, page + PAGE_NUMBERS] as const;
    if (this.#overflowed || keys.some((key) => this.#large.has(stretchOf(key)))) return this.flush(false);
    const [system, user] = keys.map((key) => this.#global.delete(key) || this.#local.delete(key));
    const tag = BigInt.asUintN(64, linear) & ~0xfffn;
    for (let context = 0; context < CONTEXT.slow; context++) {
      const entry = this.#entryOf(this.#state.u32(STATE.tlbArea) + context * TLB_BYTES, page);
      if (this.#view.getBigUint64(entry + CODE_TLB.tag, true) === tag) this.#empty(entry);
    }
    return { system, user };
  }

  save(): CodeTranslationsRecord {
    return { global: [...this.#global], local: [...this.#local], large: [...this.#large] };
  }

  restore(saved: CodeTranslationsRecord): void {
    this.#forget();
    this.#overflowed = true;
    for (const [key, page] of saved.global) this.#global.set(key, page);
    for (const [key, page] of saved.local) this.#local.set(key, page);
    for (const key of saved.large) this.#large.add(key);
  }

  #keyOf(linear: bigint): number {
    const ring = this.#state.u32(STATE.cpl) === USER_RING ? PAGE_NUMBERS : 0;
    return Number((linear >> 12n) & PAGE_NUMBER_MASK) + ring;
  }

  #enter(key: number, translation: bigint): number {
    if (this.#global.size + this.#local.size >= MOST_PAGES) {
      this.#forget();
      this.#overflowed = true;
    }
    const bits = Number(translation & 0xfffn);
    const page = Number(translation >> 12n);
    (bits & TRANSLATION.global ? this.#global : this.#local).set(key, page);
    if ((bits & TRANSLATION.global) === 0) this.#hasLocal[key < PAGE_NUMBERS ? 'system' : 'user'] = true;
    if (bits & TRANSLATION.large) this.#large.add(stretchOf(key));
    return page;
  }

  /** Lets guest code find the page in the current context; not in the slow one, which levels of privilege share. */
  #fill(linearPage: bigint, page: number, global: boolean): void {
    const slow = this.#state.u32(STATE.tlbArea) + CONTEXT.slow * TLB_BYTES;
    if (this.#state.u32(STATE.tlb) === slow) return;
    const view = this.#view;
    const entry = this.#entryOf(this.#state.u32(STATE.tlb), Number((linearPage >> 12n) & PAGE_NUMBER_MASK));
    view.setBigUint64(entry + CODE_TLB.tag, linearPage, true);
    view.setUint32(entry + CODE_TLB.page, page, true);
    (global ? this.#filledGlobal : this.#filledLocal).add(entry);
    (global ? this.#filledLocal : this.#filledGlobal).delete(entry);
  }

  /** The entry, in the TLB for code that goes with one for data, where a linear page is looked for. */
  #entryOf(tlb: number, linearPage: number): number {
    return tlb + CODE_TLB_OFFSET + (linearPage % CODE_TLB.entries) * CODE_TLB.bytes;
  }

  #emptyAll(entries: Set<number>): void {
    for (const entry of entries) this.#empty(entry);
    entries.clear();
  }

  #empty(entry: number): void {
    this.#view.setUint8(entry + CODE_TLB.tag, TLB_EMPTY_BYTE);
  }
}

function stretchOf(key: number): number {
  return Math.floor(key / LARGE_PAGES);
}
