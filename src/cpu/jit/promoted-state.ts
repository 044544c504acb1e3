import { type Access, NO_TAG, type Variable } from '../../ir/nodes.ts';
import type { Type } from '../../ir/types.ts';
import { GPR, STATE, STATE_BYTES, VECTOR } from '../../isa/registers.ts';
import { intersection, NO_SLOTS, type SlotSet, slotNumber } from './slot-flow.ts';

const GPR_BYTES = 8;
const GPRS = 16;
const VECTOR_SLOT = 64;
const VECTORS = 16;
const XMM_BYTES = 16;

/** A piece of the state block that a region keeps in a variable. */
export interface Promoted {
  readonly offset: number;
  readonly bytes: 4 | 8 | 16;
  /** How it lies in memory. */
  readonly memoryType: Type;
  readonly variable: Variable;
  /** Its bit in sets of slots. */
  readonly bit: SlotSet;
}

/** What a slot is in each region. */
type Shape = Pick<Promoted, 'offset' | 'bytes' | 'memoryType'>;

const GENERAL_REGISTERS: readonly Shape[] = Array.from({ length: GPRS }, (_, n) => {
  return { offset: GPR + n * GPR_BYTES, bytes: GPR_BYTES, memoryType: 'i64' };
});

const VECTOR_REGISTERS: readonly Shape[] = Array.from({ length: VECTORS }, (_, n) => {
  return { offset: VECTOR + n * VECTOR_SLOT, bytes: XMM_BYTES, memoryType: 'v128' };
});

const FIELDS: readonly Shape[] = [
  STATE.flagResult,
  STATE.flagCarry,
  STATE.budget,
  STATE.tlb,
  STATE.rip,
  STATE.ripBase,
  STATE.mxcsr,
  STATE.fcw,
  STATE.top,
  STATE.ftw,
  STATE.fsw,
  STATE.fip,
].map(({ offset, bytes, type }) => ({ offset, bytes: bytes as 4 | 8, memoryType: type }));

/** What regions keep in variables, by the slots' numbers: sets are faster without those above 31, which few regions use. */
const SHAPES: readonly Shape[] = [...GENERAL_REGISTERS, ...FIELDS, ...VECTOR_REGISTERS];

const NO_SLOT = -1;

/** The number of the slot that holds each byte of the state block; fields are told by their first byte alone. */
const SLOT_AT = new Int8Array(STATE_BYTES).fill(NO_SLOT);
for (const [n, shape] of SHAPES.entries()) {
  SLOT_AT.fill(n, shape.offset, shape.offset + (FIELDS.includes(shape) ? 1 : shape.bytes));
}

/** How many slots there are. */
export const SLOTS = SHAPES.length;

/** Which parts of the state block a region keeps in variables. Their variables have the slots' numbers as tags. */
export class PromotedState {
  readonly #make: (type: Type, name: string, tag: number) => Variable;
  /** The type of general registers: 32 bits suffice outside 64-bit mode, where the upper halves are zero. */
  readonly #gprType: 'i32' | 'i64';
  /** Those that the region uses, by number. */
  readonly #slots: (Promoted | undefined)[] = SHAPES.map(() => undefined);

  constructor(make: (type: Type, name: string, tag: number) => Variable, gprType: 'i32' | 'i64') {
    this.#make = make;
    this.#gprType = gprType;
  }

  /** The slots of a set. */
  in(slots: SlotSet): Promoted[] {
    return this.#slots.filter((slot) => slot !== undefined).filter(({ bit }) => intersection(slots, bit) !== NO_SLOTS);
  }

  /** The slot that a variable holds. */
  of({ tag }: Variable): Promoted | undefined {
    return tag === NO_TAG ? undefined : this.#slots[tag];
  }

  /** The slot that holds the byte at `offset` of the state block; undefined: it stays in memory. */
  at(offset: number): Promoted | undefined {
    const n = SLOT_AT[offset] ?? NO_SLOT;
    return n === NO_SLOT ? undefined : (this.#slots[n] ?? this.#begin(n));
  }

  /** The slots, used or not, that `bytes` from `offset` on touch. */
  touching(offset: number, bytes: Access['bytes']): Promoted[] {
    const found = new Set<Promoted>();
    for (let at = offset; at < offset + bytes; at += 4) {
      const slot = this.at(at);
      if (slot !== undefined) found.add(slot);
    }
    return [...found];
  }

  #begin(n: number): Promoted {
    const { offset, bytes, memoryType } = SHAPES[n];
    const type = n < GPRS ? this.#gprType : memoryType;
    const slot = { offset, bytes, memoryType, variable: this.#make(type, `s${offset}`, n), bit: slotNumber(n) };
    this.#slots[n] = slot;
    return slot;
  }
}
