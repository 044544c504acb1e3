import { SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { NULL_SEGMENT } from '../state.ts';
import { generalProtection, isV86, type SystemContext, selectorError } from './context.ts';
import {
  type Descriptor,
  isCode,
  isConforming,
  isNullSelector,
  isPresent,
  isWritableData,
  limitOf,
  markAccessed,
  privilegeOf,
  readDescriptor,
  segmentOf,
  systemType,
  TYPE,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { mayHoldData, v86Segment } from './segments.ts';

/** A fault in a task that has just been switched to: STATE.rip and all else are already the new task's. */
export class FaultInNewTask extends GuestFault {}

/** Loads the hidden parts of the new task's segments (SDM 3A, table 7-1). @throws {GuestFault} #TS, #NP, #SS or #GP */
export function loadTaskSegments(cpu: SystemContext, selectors: readonly number[], ldt: number): void {
  loadTaskLdt(cpu, ldt);
  if (isV86(cpu.state)) {
    for (let index = 0; index < 6; index++) cpu.state.setSegment(index, v86Segment(selectors[index] ?? 0));
    return;
  }
  const cpl = cpu.state.u32(STATE.cpl);
  const code = namedDescriptor(cpu, selectors[SEG.CS]);
  loadChecked(cpu, SEG.CS, selectors[SEG.CS], code, mayRun(code, cpl), VECTOR_OF.NP);
  loadTaskStack(cpu, selectors[SEG.SS], cpl);
  for (const index of [SEG.DS, SEG.ES, SEG.FS, SEG.GS]) loadTaskData(cpu, index, selectors[index] ?? 0, cpl);
  if (cpu.state.u64(STATE.rip) > BigInt(limitOf(code))) throw generalProtection();
}

function taskFault(selector: number): GuestFault {
  return new GuestFault(VECTOR_OF.TS, selectorError(selector));
}

/** @throws {GuestFault} #TS where the selector is null or beyond its table */
function namedDescriptor(cpu: SystemContext, selector: number): Descriptor {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor) throw taskFault(selector);
  return descriptor;
}

function loadTaskLdt(cpu: SystemContext, selector: number): void {
  if (isNullSelector(selector)) return;
  if (selector & 4) throw taskFault(selector);
  const descriptor = namedDescriptor(cpu, selector);
  if (systemType(descriptor) !== TYPE.ldt || !isPresent(descriptor)) throw taskFault(selector);
  cpu.state.setSegment(SEG.LDTR, segmentOf(selector, descriptor));
}

/** CPL is the selector's RPL. */
function mayRun(code: Descriptor, cpl: number): boolean {
  if (!isCode(code)) return false;
  return isConforming(code) ? privilegeOf(code) <= cpl : privilegeOf(code) === cpl;
}

function loadTaskStack(cpu: SystemContext, selector: number, cpl: number): void {
  const stack = namedDescriptor(cpu, selector);
  const fits = isWritableData(stack) && (selector & 3) === cpl && privilegeOf(stack) === cpl;
  loadChecked(cpu, SEG.SS, selector, stack, fits, VECTOR_OF.SS);
}

function loadTaskData(cpu: SystemContext, index: number, selector: number, cpl: number): void {
  if (isNullSelector(selector)) {
    cpu.state.setSegment(index, { ...NULL_SEGMENT, selector });
    return;
  }
  const data = namedDescriptor(cpu, selector);
  loadChecked(cpu, index, selector, data, mayHoldData(data, selector & 3, cpl), VECTOR_OF.NP);
}

/** @param absent vector for a segment that is not present */
function loadChecked(
  cpu: SystemContext,
  index: number,
  selector: number,
  descriptor: Descriptor,
  fits: boolean,
  absent: number,
): void {
  if (!fits) throw taskFault(selector);
  if (!isPresent(descriptor)) throw new GuestFault(absent, selectorError(selector));
  markAccessed(cpu, descriptor);
  cpu.state.setSegment(index, segmentOf(selector, descriptor));
}
