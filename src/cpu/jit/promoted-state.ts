import type { Access, Variable } from '../../ir/nodes.ts';
import type { Type } from '../../ir/types.ts';
import { GPR, STATE, VECTOR } from '../../isa/registers.ts';
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

/** Named fields that regions keep in variables. */
const FIELDS = new Map(
  [
    STATE.flagResult,
    STATE.flagCarry,
    STATE.budget,
    STATE.tlb,
    STATE.ripBase,
    STATE.mxcsr,
    STATE.fcw,
    STATE.top,
    STATE.ftw,
    STATE.fsw,
    STATE.fip,
  ].map((field) => [field.offset, field]),
);

/** Which parts of the state block a region keeps in variables: general and vector registers, and some fields. */
export class PromotedState {
  readonly #make: (type: Type, name: string) => Variable;
  /** The type of general registers: 32 bits suffice outside 64-bit mode, where the upper halves are zero. */
  readonly #gprType: 'i32' | 'i64';
  readonly #slots = new Map<number, Promoted>();
  readonly #byVariable = new Map<Variable, Promoted>();

  constructor(make: (type: Type, name: string) => Variable, gprType: 'i32' | 'i64') {
    this.#make = make;
    this.#gprType = gprType;
  }

  /** The slots of a set. */
  in(slots: SlotSet): Promoted[] {
    return [...this.#slots.values()].filter(({ bit }) => intersection(slots, bit) !== NO_SLOTS);
  }

  /** The slot that a variable holds. */
  of(variable: Variable): Promoted | undefined {
    return this.#byVariable.get(variable);
  }

  /** The slot that holds the byte at `offset` of the state block; undefined: it stays in memory. */
  at(offset: number): Promoted | undefined {
    if (offset >= GPR && offset < GPR + GPRS * GPR_BYTES) {
      const start = offset - ((offset - GPR) % GPR_BYTES);
      return this.#slot(start, 8, 'i64', this.#gprType);
    }
    if (offset >= VECTOR && offset < VECTOR + VECTORS * VECTOR_SLOT) {
      const within = (offset - VECTOR) % VECTOR_SLOT;
      return within < XMM_BYTES ? this.#slot(offset - within, 16, 'v128', 'v128') : undefined;
    }
    const field = FIELDS.get(offset);
    return field && this.#slot(offset, field.bytes as 4 | 8, field.type, field.type);
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

  #slot(offset: number, bytes: 4 | 8 | 16, memoryType: Type, type: Type): Promoted {
    let slot = this.#slots.get(offset);
    if (slot === undefined) {
      const bit = slotNumber(this.#slots.size);
      slot = { offset, bytes, memoryType, variable: this.#make(type, `s${offset}`), bit };
      this.#slots.set(offset, slot);
      this.#byVariable.set(slot.variable, slot);
    }
    return slot;
  }
}
