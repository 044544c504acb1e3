import type { Field } from '../isa/layout.ts';
import {
  CR0,
  CR4,
  EFER,
  FLAG,
  QUICK,
  RIGHTS,
  SEG,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  VECTOR_OF,
} from '../isa/registers.ts';
import { hasBreakpoints } from './breakpoints.ts';
import type { CodeMode } from './handlers.ts';
import { JUMP_CACHE } from './records.ts';
import type { CpuState } from './state.ts';
import { CONTEXT, TLB_BYTES } from './tlb.ts';

/** Bits of a mode key, above the code size (bits 0–1) and the stack size (bits 2–3), both as 0, 1, 2 for 16, 32, 64. */
const KEY = { flatData: 16, flatStack: 32, flatCode: 64, single: 128, present: 256 } as const;

/** A mode, its key, and whether blocks hold one instruction each. */
export interface KeyedMode extends CodeMode {
  readonly key: number;
  readonly single: boolean;
}

const SIZES = [16, 32, 64] as const;

/** The mode that a key stands for. */
export function modeOf(key: number): KeyedMode {
  return {
    key,
    bits: SIZES[key & 3],
    stackSize: SIZES[(key >> 2) & 3],
    flatData: (key & KEY.flatData) !== 0,
    flatStack: (key & KEY.flatStack) !== 0,
    flatCode: (key & KEY.flatCode) !== 0,
    single: (key & KEY.single) !== 0,
  };
}

/** Code keys are `generation * KEYS + index of (mode, user, code segment)`; level 3 and the others have generations of their own. */
const KEYS = 4096;

/** Keeps what engines derive from the architectural state: mode key, code key, TLB context, limits of code. */
export class ModeTracker {
  readonly #state: CpuState;
  readonly #stop: () => void;
  readonly #modes = new Map<number, KeyedMode>();
  readonly #codeKeys = new Map<string | number, number>();
  #generation = { system: 0, user: 0 };
  #single = false;
  #mode: KeyedMode = modeOf(0);

  /** @param stop makes guest code that runs come back before its next instruction */
  constructor(state: CpuState, stop: () => void) {
    this.#state = state;
    this.#stop = stop;
  }

  /** The mode that code is decoded for now. */
  get mode(): KeyedMode {
    return this.#mode;
  }

  /** Decodes code one instruction a block from now on, or no longer. */
  setSingle(single: boolean): void {
    if (single === this.#single) return;
    this.#single = single;
    this.update();
  }

  /** Makes the jump cache's entries for code of level 3, or of the others, invalid: translations or code have changed. */
  newGeneration({ system, user }: { readonly system: boolean; readonly user: boolean }): void {
    if (!system && !user) return;
    if (system) this.#generation.system++;
    if (user) this.#generation.user++;
    const latest = Math.max(this.#generation.system, this.#generation.user);
    if ((latest + 1) * KEYS > 0xffffffff) this.#startOver();
    this.#setCodeKey();
  }

  /** Computes everything anew from the architectural state. */
  update(): void {
    const key = this.#modeKey();
    let mode = this.#modes.get(key);
    if (mode === undefined) {
      mode = modeOf(key);
      this.#modes.set(key, mode);
    }
    this.#mode = mode;
    const state = this.#state;
    state.setU32(STATE.modeKey, key);
    const long = mode.bits === 64;
    state.setU64(STATE.linearMask, long ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn);
    const limit = this.#segment(SEG.CS, SEGMENT.limit);
    state.setU64(STATE.codeLimit, long ? 0xffff_ffff_ffff_ffffn : BigInt(limit));
    this.#setTlbs();
    const ac = (state.u32(STATE.eflags) & FLAG.AC) !== 0;
    const isUser = state.u32(STATE.cpl) === 3;
    state.setU32(STATE.alignmentChecked, ac && isUser && this.#checksAlignment() ? 1 : 0);
    state.setU32(STATE.tlb, state.u32(ac ? STATE.tlbAcSet : STATE.tlbAcClear));
    state.setU32(STATE.quickCalls, hasBreakpoints(state) ? 0 : this.#quickLevels());
    state.setU32(STATE.simdFault, this.#simdFault());
    state.setU32(STATE.fpuFault, state.low(STATE.cr0) & (CR0.EM | CR0.TS) ? VECTOR_OF.NM : 0);
    this.#setCodeKey();
  }

  /** One of QUICK, or 0. */
  #quickLevels(): number {
    const { bits, flatCode, flatData, stackSize } = this.#mode;
    if (bits === 64) return QUICK.long;
    const isProtected = (this.#state.low(STATE.cr0) & CR0.PE) !== 0 && (this.#state.low(STATE.efer) & EFER.LMA) === 0;
    return isProtected && flatCode && flatData && stackSize === 32 ? QUICK.flat : 0;
  }

  /** What an SSE instruction raises before it does anything (SDM 3A, table 13-1): a vector, or 0. */
  #simdFault(): number {
    const cr0 = this.#state.low(STATE.cr0);
    if (cr0 & CR0.EM || (this.#state.low(STATE.cr4) & CR4.OSFXSR) === 0) return VECTOR_OF.UD;
    return cr0 & CR0.TS ? VECTOR_OF.NM : 0;
  }

  #segment(index: number, field: number): number {
    return this.#state.view.getUint32(SEGMENTS + index * SEGMENT_BYTES + field, true);
  }

  #base(index: number): bigint {
    return this.#state.view.getBigUint64(SEGMENTS + index * SEGMENT_BYTES + SEGMENT.base, true);
  }

  #modeKey(): number {
    const rights = this.#segment(SEG.CS, SEGMENT.rights);
    const long = (this.#state.low(STATE.efer) & EFER.LMA) !== 0 && (rights & RIGHTS.long) !== 0;
    const single = this.#single ? KEY.single : 0;
    if (long) return KEY.present | 2 | (2 << 2) | KEY.flatData | KEY.flatStack | KEY.flatCode | single;
    const bits = rights & RIGHTS.big ? 1 : 0;
    const stack = this.#segment(SEG.SS, SEGMENT.rights) & RIGHTS.big ? 1 : 0;
    const flatStack = this.#isFlat(SEG.SS);
    const flatData = flatStack && this.#isFlat(SEG.DS) && this.#isFlat(SEG.ES);
    const flatCode = bits === 1 && this.#base(SEG.CS) === 0n && this.#segment(SEG.CS, SEGMENT.limit) === 0xffffffff;
    return (
      KEY.present |
      bits |
      (stack << 2) |
      (flatData ? KEY.flatData : 0) |
      (flatStack ? KEY.flatStack : 0) |
      (flatCode ? KEY.flatCode : 0) |
      single
    );
  }

  /** Readable and writable from 0 to 4 GiB without an offset. */
  #isFlat(index: number): boolean {
    return (
      this.#segment(index, SEGMENT.access) === 3 &&
      this.#segment(index, SEGMENT.low) === 0 &&
      this.#segment(index, SEGMENT.high) === 0xffffffff &&
      this.#base(index) === 0n
    );
  }

  /** Whether EFLAGS.AC asks for alignment at level 3. */
  #checksAlignment(): boolean {
    return (this.#state.low(STATE.cr0) & CR0.AM) !== 0;
  }

  /** Says what TLBs serve which level, and the current one. */
  #setTlbs(): void {
    const state = this.#state;
    const area = state.u32(STATE.tlbArea);
    const slow = hasBreakpoints(state);
    const set = (field: Field, context: number) =>
      state.setU32(field, area + (slow ? CONTEXT.slow : context) * TLB_BYTES);
    set(STATE.tlbAcClear0, state.low(STATE.cr4) & CR4.SMAP ? CONTEXT.supervisorSmap : CONTEXT.supervisor);
    set(STATE.tlbAcSet0, CONTEXT.supervisor);
    set(STATE.tlbAcClear3, CONTEXT.user);
    set(STATE.tlbAcSet3, this.#checksAlignment() ? CONTEXT.slow : CONTEXT.user);
    const isUser = state.u32(STATE.cpl) === 3;
    state.setU32(STATE.tlbAcClear, state.u32(isUser ? STATE.tlbAcClear3 : STATE.tlbAcClear0));
    state.setU32(STATE.tlbAcSet, state.u32(isUser ? STATE.tlbAcSet3 : STATE.tlbAcSet0));
  }

  #setCodeKey(): void {
    const { key, flatCode } = this.#mode;
    if (this.#codeKeys.size >= KEYS - 2) this.#startOver();
    const state = this.#state;
    if (flatCode) {
      const [key0, key3] = [this.#codeKeyOf(key * 2, 'system'), this.#codeKeyOf(key * 2 + 1, 'user')];
      state.setU32(STATE.codeKey0, key0);
      state.setU32(STATE.codeKey3, key3);
      state.setU32(STATE.codeKey, state.u32(STATE.cpl) === 3 ? key3 : key0);
      return;
    }
    const ring = state.u32(STATE.cpl) === 3 ? 'user' : 'system';
    const plain = key * 2 + (ring === 'user' ? 1 : 0);
    const name = `${plain}:${this.#base(SEG.CS)}:${this.#segment(SEG.CS, SEGMENT.limit)}`;
    state.setU32(STATE.codeKey, this.#codeKeyOf(name, ring));
  }

  /** The key of a kind of code in this generation: a new one where it has none. */
  #codeKeyOf(name: string | number, ring: 'system' | 'user'): number {
    let index = this.#codeKeys.get(name);
    if (index === undefined) {
      index = this.#codeKeys.size + 1;
      this.#codeKeys.set(name, index);
    }
    return this.#generation[ring] * KEYS + index;
  }

  /** Numbers have run out: forget all, and empty the jump cache, so that old keys cannot match, nor those of calls that have not returned. */
  #startOver(): void {
    this.#stop();
    this.#codeKeys.clear();
    this.#generation = { system: 0, user: 0 };
    const { view } = this.#state;
    const cache = this.#state.u32(STATE.jumpCache);
    new Uint8Array(view.buffer, cache, JUMP_CACHE.entries * JUMP_CACHE.bytes).fill(0);
  }
}
