import { RIGHTS, SEG, SHADOW, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { type CpuState, NULL_SEGMENT, type SegmentValue } from '../state.ts';
import {
  generalProtection,
  is64BitCode,
  isRealMode,
  isV86,
  type SystemContext,
  segmentLimit,
  segmentRights,
  selectorError,
} from './context.ts';
import {
  type Descriptor,
  isCodeOrData,
  isConforming,
  isNullSelector,
  isPresent,
  isReadable,
  isWritableData,
  markAccessed,
  privilegeOf,
  readDescriptor,
  segmentOf,
} from './descriptors.ts';
import { GuestFault } from './port.ts';

/** Present, writable, accessed data: what segments are in real mode. */
const REAL_MODE_RIGHTS = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed;
/** The same at privilege level 3: what segments are in V86 mode. */
const V86_RIGHTS = REAL_MODE_RIGHTS | (3 << RIGHTS.dplShift);

/**
 * A segment register as a load in real mode leaves it: base = selector × 16, while limit and size stay what they were
 * ("big real mode").
 */
export function realModeSegment(state: CpuState, index: number, selector: number): SegmentValue {
  const rights = segmentRights(state, index);
  const usable = (rights & RIGHTS.present) !== 0;
  return {
    selector,
    base: BigInt(selector << 4),
    limit: usable ? segmentLimit(state, index) : 0xffff,
    rights: REAL_MODE_RIGHTS | (usable ? rights & (RIGHTS.big | RIGHTS.granular) : 0),
  };
}

/** A segment register as it is in V86 mode (SDM 3A, 20.1.1). */
export function v86Segment(selector: number): SegmentValue {
  return { selector, base: BigInt(selector << 4), limit: 0xffff, rights: V86_RIGHTS };
}

/** MOV, POP and LxS to a segment register other than CS, in any mode (SDM 2, MOV). */
export function loadSegment(cpu: SystemContext, index: number, selector: number): void {
  const { state } = cpu;
  if (isV86(state)) state.setSegment(index, v86Segment(selector));
  else if (isRealMode(state)) state.setSegment(index, realModeSegment(state, index, selector));
  else if (index === SEG.SS) state.setSegment(index, ownStackSegment(cpu, selector));
  else state.setSegment(index, dataSegment(cpu, selector));
  if (index === SEG.SS) state.setU32(STATE.shadow, SHADOW.stackSegment);
  cpu.port.contextChanged();
}

/** SS with a null selector, as 64-bit code below privilege level 3 may have it. */
export function nullStackSegment(selector: number): SegmentValue {
  return { ...NULL_SEGMENT, selector, rights: (selector & 3) << RIGHTS.dplShift };
}

/** The value DS, ES, FS or GS gets in protected mode. @throws {GuestFault} #GP or #NP that names the selector */
function dataSegment(cpu: SystemContext, selector: number): SegmentValue {
  if (isNullSelector(selector)) return { ...NULL_SEGMENT, selector };
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || !mayHoldData(descriptor, selector & 3, cpu.state.u32(STATE.cpl))) {
    throw generalProtection(selector);
  }
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
  markAccessed(cpu, descriptor);
  return segmentOf(selector, descriptor);
}

/** Whether DS, ES, FS or GS may be loaded with a descriptor; conforming code has no privilege check. */
export function mayHoldData(descriptor: Descriptor, rpl: number, cpl: number): boolean {
  if (!isReadable(descriptor)) return false;
  return isConforming(descriptor) || Math.max(rpl, cpl) <= privilegeOf(descriptor);
}

/**
 * After a return to less privilege: data segments that the new level may not use become null (SDM 2, RET and IRET).
 * They keep their base, which 64-bit code has from a MSR.
 * @param cpl the new level
 */
export function dropPrivilegedSegments(state: CpuState, cpl: number): void {
  for (const index of [SEG.ES, SEG.DS, SEG.FS, SEG.GS]) {
    const rights = segmentRights(state, index);
    if ((rights & RIGHTS.present) === 0) continue;
    const conforming = (rights & (RIGHTS.code | RIGHTS.expandDown)) === (RIGHTS.code | RIGHTS.expandDown);
    const dpl = (rights >> RIGHTS.dplShift) & 3;
    if (dpl < cpl && !conforming) state.setSegment(index, { ...NULL_SEGMENT, base: state.segment(index).base });
  }
}

/** The value SS gets by MOV, POP and LSS. */
function ownStackSegment(cpu: SystemContext, selector: number): SegmentValue {
  return stackSegment(cpu, selector, cpu.state.u32(STATE.cpl), is64BitCode(cpu.state));
}

/**
 * The value SS gets at privilege level `cpl` (SDM 2, MOV, RET and IRET). Only 64-bit code below level 3 may have null.
 * @throws {GuestFault} #GP or #SS that names the selector
 */
export function stackSegment(cpu: SystemContext, selector: number, cpl: number, code64: boolean): SegmentValue {
  if (isNullSelector(selector)) {
    if (!code64 || cpl === 3 || (selector & 3) !== cpl) throw generalProtection();
    return nullStackSegment(selector);
  }
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || (selector & 3) !== cpl) throw generalProtection(selector);
  if (!isWritableData(descriptor) || privilegeOf(descriptor) !== cpl) throw generalProtection(selector);
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.SS, selectorError(selector));
  markAccessed(cpu, descriptor);
  return segmentOf(selector, descriptor);
}

/** VERR (SDM 2): whether the segment is readable at this privilege. */
export function verifyRead(cpu: SystemContext, selector: number): boolean {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  return descriptor !== undefined && mayHoldData(descriptor, selector & 3, cpu.state.u32(STATE.cpl));
}

/** VERW (SDM 2): whether the segment is writable at this privilege. */
export function verifyWrite(cpu: SystemContext, selector: number): boolean {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor || !isWritableData(descriptor)) return false;
  return Math.max(selector & 3, cpu.state.u32(STATE.cpl)) <= privilegeOf(descriptor);
}

/** Whether LAR and LSL may look at a code or data descriptor, or a system one of their own list. */
export function isVisible(cpu: SystemContext, selector: number, descriptor: Descriptor): boolean {
  if (isCodeOrData(descriptor) && isConforming(descriptor)) return true;
  return Math.max(selector & 3, cpu.state.u32(STATE.cpl)) <= privilegeOf(descriptor);
}
