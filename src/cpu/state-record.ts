import { ENGINE_FIELDS, GPR, MASK, STATE, STATE_FIELDS, VECTOR, X87 } from '../isa/registers.ts';
import type { CpuState, SegmentValue } from './state.ts';

/** The architectural registers as a named record. */
export interface RegisterRecord {
  readonly general: readonly bigint[];
  /** ES CS SS DS FS GS LDTR TR. */
  readonly segments: readonly SegmentValue[];
  /** The named fields of the state block that are architectural. */
  readonly fields: Readonly<Record<string, bigint>>;
  /** Physical x87 registers, vector registers and mask registers, as they lie in the state block. */
  readonly x87: Uint8Array;
  readonly vectors: Uint8Array;
  readonly masks: Uint8Array;
}

const AREAS = { x87: [X87, 8 * 16], vectors: [VECTOR, 32 * 64], masks: [MASK, 8 * 8] } as const;
const SEGMENT_COUNT = 8;
const REGISTER_COUNT = 16;
const ENGINE = new Set<string>(ENGINE_FIELDS.map((field) => field.name));
/** Arithmetic flags are saved in `eflags`: how engines hold them is their own affair. */
const FLAG_FIELDS = new Set<string>([STATE.eflags.name, STATE.flagResult.name, STATE.flagCarry.name]);
const SAVED_FIELDS = STATE_FIELDS.filter(({ name }) => !ENGINE.has(name) && !FLAG_FIELDS.has(name));

/** Reads the architectural registers. */
export function saveRegisters(state: CpuState): RegisterRecord {
  const fields: Record<string, bigint> = { eflags: BigInt(state.eflags) };
  for (const field of SAVED_FIELDS) {
    fields[field.name] = field.bytes === 8 ? state.u64(field) : BigInt(state.u32(field));
  }
  return {
    general: Array.from({ length: REGISTER_COUNT }, (_, i) => state.gpr(i)),
    segments: Array.from({ length: SEGMENT_COUNT }, (_, i) => state.segment(i)),
    fields,
    x87: bytes(state, AREAS.x87).slice(),
    vectors: bytes(state, AREAS.vectors).slice(),
    masks: bytes(state, AREAS.masks).slice(),
  };
}

/** Sets the architectural registers. What engines derive from them must be computed anew afterwards. */
export function restoreRegisters(state: CpuState, saved: RegisterRecord): void {
  saved.general.forEach((value, i) => {
    state.view.setBigUint64(GPR + 8 * i, value, true);
  });
  saved.segments.forEach((value, i) => {
    state.setSegment(i, value);
  });
  for (const field of SAVED_FIELDS) {
    const value = saved.fields[field.name];
    if (value === undefined) throw new Error(`vCPU: the saved state has no ${field.name}`);
    if (field.bytes === 8) state.setU64(field, value);
    else state.setU32(field, Number(value));
  }
  state.eflags = Number(saved.fields.eflags);
  bytes(state, AREAS.x87).set(saved.x87);
  bytes(state, AREAS.vectors).set(saved.vectors);
  bytes(state, AREAS.masks).set(saved.masks);
}

function bytes(state: CpuState, [offset, length]: readonly [number, number]): Uint8Array {
  return new Uint8Array(state.view.buffer, state.base + offset, length);
}
