import type { Field } from '../isa/layout.ts';
import {
  ARITHMETIC_FLAGS,
  FLAG,
  GPR,
  RIGHTS,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  STATE_BYTES,
  VECTOR,
  X87,
} from '../isa/registers.ts';

/** A segment register with its hidden part. */
export interface SegmentValue {
  readonly selector: number;
  readonly base: bigint;
  /** Last byte, granularity applied. */
  readonly limit: number;
  /** Bits 8–23 of the descriptor's second word: type, S, DPL, P, limit 19–16 (zero here), AVL, L, D/B, G. */
  readonly rights: number;
}

/** A segment register that holds a null selector. */
export const NULL_SEGMENT: SegmentValue = { selector: 0, base: 0n, limit: 0, rights: 0 };

/** Typed access, from TypeScript, to a vCPU's state block. */
export class CpuState {
  /** Address of the state block in the memory. */
  readonly base: number;
  /** The block itself. */
  readonly view: DataView;

  /** @param buffer the memory that holds the block; it is never replaced */
  constructor(buffer: ArrayBufferLike, base: number) {
    this.base = base;
    this.view = new DataView(buffer, base, STATE_BYTES);
  }

  u32(field: Field): number {
    return this.view.getUint32(field.offset, true);
  }
  setU32(field: Field, value: number): void {
    this.view.setUint32(field.offset, value >>> 0, true);
  }
  u64(field: Field): bigint {
    return this.view.getBigUint64(field.offset, true);
  }
  setU64(field: Field, value: bigint): void {
    this.view.setBigUint64(field.offset, value, true);
  }
  /** The low 32 bits of a 64-bit field. */
  low(field: Field): number {
    return this.view.getUint32(field.offset, true);
  }

  gpr(index: number): bigint {
    return this.view.getBigUint64(GPR + 8 * index, true);
  }
  setGpr(index: number, value: bigint): void {
    this.view.setBigUint64(GPR + 8 * index, value, true);
  }
  /** The low 32 bits of a general register. */
  gpr32(index: number): number {
    return this.view.getUint32(GPR + 8 * index, true);
  }
  /** Writes 32 bits and clears the upper half. */
  setGpr32(index: number, value: number): void {
    this.setGpr(index, BigInt(value >>> 0));
  }

  /** EFLAGS with the arithmetic flags in it. */
  get eflags(): number {
    return (this.u32(STATE.eflags) | this.arithmeticFlags()) >>> 0;
  }
  set eflags(value: number) {
    this.setU32(STATE.eflags, (value & ~ARITHMETIC_FLAGS) | 2);
    this.#setArithmeticFlags(value);
  }

  /** The six arithmetic flags, out of their lazy form. */
  arithmeticFlags(): number {
    const { view } = this;
    const result = view.getUint32(STATE.flagResult.offset, true);
    const resultHigh = view.getUint32(STATE.flagResult.offset + 4, true);
    const carry = view.getUint32(STATE.flagCarry.offset, true);
    const carryHigh = view.getUint32(STATE.flagCarry.offset + 4, true);
    const cf = carryHigh >>> 31;
    const of = cf ^ ((carryHigh >>> 30) & 1);
    const sf = (resultHigh >>> 31) ^ (carry & 1);
    const pf = parityEven(result & 0xff) ^ ((carry >>> 1) & 1);
    const zf = (result | resultHigh) === 0 ? FLAG.ZF : 0;
    return cf | (pf << 2) | ((carry & 8) << 1) | zf | (sf << 7) | (of << 11);
  }

  #setArithmeticFlags(value: number): void {
    const zf = value & FLAG.ZF ? 1 : 0;
    const cf = value & 1;
    const of = value & FLAG.OF ? 1 : 0;
    const low = (value & FLAG.SF ? 1 : 0) | (((value >> 2) & 1) ^ zf ? 2 : 0) | (value & FLAG.AF ? 8 : 0);
    const { view } = this;
    view.setUint32(STATE.flagResult.offset, zf ^ 1, true);
    view.setUint32(STATE.flagResult.offset + 4, 0, true);
    view.setUint32(STATE.flagCarry.offset, low, true);
    view.setUint32(STATE.flagCarry.offset + 4, (cf << 31) | ((cf ^ of) << 30), true);
  }

  segment(index: number): SegmentValue {
    const at = SEGMENTS + index * SEGMENT_BYTES;
    return {
      selector: this.view.getUint32(at + SEGMENT.selector, true),
      base: this.view.getBigUint64(at + SEGMENT.base, true),
      limit: this.view.getUint32(at + SEGMENT.limit, true),
      rights: this.view.getUint32(at + SEGMENT.rights, true),
    };
  }

  /** Loads a segment register as it is given, and derives what memory accesses check. */
  setSegment(index: number, value: SegmentValue): void {
    const at = SEGMENTS + index * SEGMENT_BYTES;
    const { view } = this;
    const range = validRange(value);
    view.setBigUint64(at + SEGMENT.base, value.base, true);
    view.setUint32(at + SEGMENT.low, range.low, true);
    view.setUint32(at + SEGMENT.high, range.high, true);
    view.setUint32(at + SEGMENT.rights, value.rights, true);
    view.setUint32(at + SEGMENT.limit, value.limit >>> 0, true);
    view.setUint32(at + SEGMENT.selector, value.selector & 0xffff, true);
    view.setUint32(at + SEGMENT.access, accessOf(value.rights), true);
  }

  /** Offset of physical x87 register `index` in the block. */
  x87Offset(index: number): number {
    return X87 + 16 * (index & 7);
  }
  /** Offset of vector register `index` in the block. */
  vectorOffset(index: number): number {
    return VECTOR + 64 * index;
  }
}

function parityEven(byte: number): number {
  let folded = byte ^ (byte >> 4);
  folded ^= folded >> 2;
  folded ^= folded >> 1;
  return (folded & 1) ^ 1;
}

/** First and last valid offset of a segment; low > high when nothing is valid. */
function validRange({ rights, limit }: SegmentValue): { low: number; high: number } {
  if ((rights & RIGHTS.present) === 0) return { low: 1, high: 0 };
  const expandDown = (rights & (RIGHTS.code | RIGHTS.expandDown)) === RIGHTS.expandDown;
  if (!expandDown) return { low: 0, high: limit };
  const top = rights & RIGHTS.big ? 0xffffffff : 0xffff;
  return limit >= top ? { low: 1, high: 0 } : { low: limit + 1, high: top };
}

/** Bit 0 readable, bit 1 writable. */
function accessOf(rights: number): number {
  if ((rights & RIGHTS.present) === 0) return 0;
  if (rights & RIGHTS.code) return rights & RIGHTS.writable ? 1 : 0;
  return rights & RIGHTS.writable ? 3 : 1;
}
