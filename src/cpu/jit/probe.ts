import { declareHostFunction } from '../../ir/define.ts';
import { call } from '../../ir/kinds.ts';
import type { Val } from '../../ir/val.ts';
import { getField as get } from '../../isa/fields.ts';
import { EXIT_COUNTS, STATE } from '../../isa/registers.ts';
import type { JitOptions } from '../machine-code.ts';
import type { JitBuilder } from './jit-builder.ts';

/** Why regions are left; all but the first three let the interpreter execute the current instruction. */
export const EXIT_REASONS = [
  /** The slice's budget does not cover the next block. */
  'budget',
  /** A branch, a jump or the way on leads to what is not part of the region. */
  'jump',
  /** A string instruction gives way between two iterations. */
  'restart',
  /** The TLB does not allow a memory access: a device, a page with code, a page crossing, a fault. */
  'memory',
  /** A helper is needed that reaches guest memory. */
  'helper',
  /** An exception, or a check that did not hold. */
  'fault',
  /** An instruction that is answered by the system helpers. */
  'system',
  /** No instruction, or one that is never translated. */
  'untranslated',
] as const;

/** One of {@link EXIT_REASONS}. */
export type ExitReason = (typeof EXIT_REASONS)[number];

/** What regions do for tests and statistics beside the guest's work. */
export interface RegionProbe {
  /** Recorded where a region has been entered. */
  entered(b: JitBuilder): void;
  /** Recorded at each place from which a region is left. @param unexecuted instructions of the block, paid for, that the region leaves to the interpreter */
  leaving(b: JitBuilder, reason: ExitReason, unexecuted: number): void;
  /** Recorded where all is in the state block, behind {@link leaving}. @param record with which the interpreter goes on, or 0 */
  told?(b: JitBuilder, record: Val): void;
}

/** Counts exits by reason, and the instructions that regions execute. */
export const COUNTING_PROBE: RegionProbe = {
  entered: (b) => addTo(b, STATE.regionInstructions.offset, budget(b)),
  leaving: (b, reason, unexecuted) => {
    addTo(b, EXIT_COUNTS + 8 * EXIT_REASONS.indexOf(reason), b.i64(1));
    addTo(b, STATE.regionInstructions.offset, b.i64(0).sub(budget(b)).sub(BigInt(unexecuted)));
  },
};

/** Told of each exit: the address of the record that the interpreter goes on with, or 0. */
const regionLeft = declareHostFunction('regionLeft', { params: ['i32'] });

/** Tells the host of each exit, when the state block is exact. What regions do is the same as without it. */
export const TELLING_PROBE: RegionProbe = {
  entered: () => {},
  leaving: () => {},
  told: (b, record) => void b.pin('i32', call(regionLeft), [b.cpu, record]),
};

function budget(b: JitBuilder): Val {
  return get(b, STATE.budget).extU();
}

function addTo(b: JitBuilder, offset: number, amount: Val): void {
  b.store(8, b.cpu, offset, b.load('i64', 8, b.cpu, offset).add(amount));
}

/** Where a translated region was left. */
export interface RegionExit {
  /** Instructions retired since power-on. */
  readonly retired: number;
  /** The next instruction. */
  readonly rip: bigint;
}

/** The probe that options ask for. */
export function probeOf({ countExits, onRegionLeft }: JitOptions): RegionProbe | undefined {
  if (onRegionLeft !== undefined) return TELLING_PROBE;
  return countExits ? COUNTING_PROBE : undefined;
}
