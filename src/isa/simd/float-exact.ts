import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Type } from '../../ir/types.ts';
import type { Val } from '../../ir/val.ts';
import { clearFlags, EXCEPTION, raisedFlags } from '../float/results.ts';
import { raiseIn } from '../memory.ts';
import { CR4, STATE, VECTOR_OF } from '../registers.ts';
import { fromLaneBits, laneBits, MXCSR, mxcsrOf, type SimdFormat } from './float-format.ts';

/** Exceptions that are found before a result is computed (SDM 1, 11.5.4). */
const EARLY = EXCEPTION.IE | EXCEPTION.DE | EXCEPTION.ZE;
const ALL = 0x3f;

/**
 * Enters the exceptions raised since `clearFlags` into MXCSR; raises #XM (#UD where CR4.OSXMMEXCPT is clear) and leaves
 * the function when one is not masked. With an unmasked early exception nothing is computed, so no late one is told.
 */
export function settle(b: Builder): void {
  const mxcsr = mxcsrOf(b);
  const raised = raisedFlags(b).and(ALL);
  const unmasked = raised.and(mxcsr.shrU(MXCSR.masksShift).not());
  const told = raised.and(b.i32(EARLY).selectIf(unmasked.and(EARLY), ALL));
  b.store(4, b.cpu, STATE.mxcsr.offset, mxcsr.or(told));
  b.if(unmasked, () => {
    const cr4 = b.load('i32', 4, b.cpu, STATE.cr4.offset);
    raiseIn(b, b.i32(VECTOR_OF.XM).selectIf(cr4.and(CR4.OSXMMEXCPT), VECTOR_OF.UD), 0);
  });
}

/**
 * One lane, exact in every case: operands as bits, exceptions into the float flags. `parameter` is the instruction's
 * immediate, where it has one.
 */
export type ExactLane = (b: Builder, mxcsr: Val, operands: readonly Val[], parameter: Val) => Val;

/** What makes the exact helpers of an instruction. */
export interface ExactDefinition {
  /** Unique among helpers. */
  readonly name: string;
  readonly format: SimdFormat;
  /** The type of a scalar result where it is another than the format's bits. */
  readonly result?: Type;
  /** The format of a vector result's lanes where it is another. */
  readonly resultFormat?: SimdFormat;
  /** Lanes of the vector that take part, the lowest ones, where they are not all; the result's others are zero. */
  readonly lanes?: number;
  readonly operands: 1 | 2;
  /** Lane numbers go from 0, and are known: some instructions treat lanes differently. */
  readonly lane: (i: number) => ExactLane;
  /** Recorded in front of the scalar helper: returns where a shorter way is exact too. */
  readonly shortcut?: (b: Builder, operands: readonly Val[]) => void;
}

/** Exact forms of an instruction: (operands as bits or vectors, immediate or 0) → bits or vector; MXCSR is kept. */
export interface ExactHelpers {
  readonly scalar: IrHelper;
  readonly packed: IrHelper;
}

const PACKED: readonly Type[] = ['v128', 'v128'];

function defineScalar(d: ExactDefinition): IrHelper {
  const types: Type[] = d.operands === 2 ? [d.format.bits, d.format.bits] : [d.format.bits];
  return defineHelper(
    `${d.name}_scalar`,
    { params: [...types, 'i32'], result: d.result ?? d.format.bits, mayFault: true },
    (b, ...params) => {
      const operands = params.slice(0, -1);
      d.shortcut?.(b, operands);
      clearFlags(b);
      const result = d.lane(0)(b, mxcsrOf(b), operands, params[params.length - 1]);
      settle(b);
      return result;
    },
  );
}

function lanesOf(b: Builder, f: SimdFormat, vectors: readonly Val[], i: number): Val[] {
  return vectors.map((vector) => laneBits(b, f, vector, i));
}

/** All lanes are computed, then the exceptions of all of them are entered at once. */
function definePacked(d: ExactDefinition): IrHelper {
  return defineHelper(
    `${d.name}_packed`,
    { params: [...PACKED.slice(0, d.operands), 'i32'], result: 'v128', mayFault: true },
    (b, ...params) => {
      const vectors = params.slice(0, -1);
      const parameter = params[params.length - 1];
      clearFlags(b);
      const mxcsr = mxcsrOf(b);
      const lanes = Array.from({ length: d.lanes ?? d.format.lanes }, (_, i) =>
        d.lane(i)(b, mxcsr, lanesOf(b, d.format, vectors, i), parameter),
      );
      settle(b);
      return fromLaneBits(b, d.resultFormat ?? d.format, lanes);
    },
  );
}

/** As {@link definePacked}, where the lanes may take the scalar helper's shortcut while nothing is unmasked. */
function definePackedWithShortcut(d: ExactDefinition, scalar: IrHelper): IrHelper {
  const whole = definePacked(d);
  return defineHelper(
    `${d.name}_lanes`,
    { params: [...PACKED.slice(0, d.operands), 'i32'], result: 'v128', mayFault: true },
    (b, ...params) => {
      const vectors = params.slice(0, -1);
      const parameter = params[params.length - 1];
      b.if(mxcsrOf(b).and(MXCSR.masks).ne(MXCSR.masks), () => b.tailCall(whole, ...params));
      const lanes = Array.from({ length: d.format.lanes }, (_, i) =>
        b.call(scalar, ...lanesOf(b, d.format, vectors, i), parameter),
      );
      return fromLaneBits(b, d.format, lanes);
    },
  );
}

/** Defines the exact helpers of an instruction that does the same, or nearly so, in every lane. */
export function defineExact(d: ExactDefinition): ExactHelpers {
  const scalar = defineScalar(d);
  return { scalar, packed: d.shortcut === undefined ? definePacked(d) : definePackedWithShortcut(d, scalar) };
}
