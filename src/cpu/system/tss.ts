import { SEG, VECTOR_OF } from '../../isa/registers.ts';
import type { SegmentValue } from '../state.ts';
import { isCanonical, type SystemContext, segmentBase, segmentLimit, segmentRights, selectorError } from './context.ts';
import {
  isNullSelector,
  isPresent,
  isWritableData,
  markAccessed,
  privilegeOf,
  readDescriptor,
  segmentOf,
  tableAddress,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { innerStack, type Stack, stackBits } from './stack.ts';
import { isWideTss } from './system-segments.ts';

/** Offset in a TSS of the base of the I/O permission bitmap (SDM 3A, figure 7-2). */
const IO_MAP_BASE = 102;

/** Reads from the current TSS. */
function load(cpu: SystemContext, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
  return cpu.port.load(tableAddress(cpu, segmentBase(cpu.state, SEG.TR), offset), bytes, 'system');
}

/** #TS that names the current TSS. */
function currentTssFault(cpu: SystemContext): GuestFault {
  return new GuestFault(VECTOR_OF.TS, selectorError(cpu.state.segment(SEG.TR).selector));
}

/** The stack for privilege level `cpl` that a 16- or 32-bit TSS names (SDM 3A, 6.12.1). @throws {GuestFault} #TS or #SS */
export function stackOfLevel(cpu: SystemContext, cpl: number): Stack {
  const wide = isWideTss(segmentRights(cpu.state, SEG.TR));
  const offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
  if (offset + (wide ? 5 : 3) > segmentLimit(cpu.state, SEG.TR)) throw currentTssFault(cpu);
  const pointer = load(cpu, offset, wide ? 4 : 2);
  const selector = Number(load(cpu, offset + (wide ? 4 : 2), 2));
  const segment = innerStackSegment(cpu, selector, cpl);
  return innerStack(segment, stackBits(segment), pointer);
}

/** SS as the TSS names it. @throws {GuestFault} #TS or #SS that names the selector */
function innerStackSegment(cpu: SystemContext, selector: number, cpl: number): SegmentValue {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor || (selector & 3) !== cpl || privilegeOf(descriptor) !== cpl || !isWritableData(descriptor)) {
    throw new GuestFault(VECTOR_OF.TS, selectorError(selector));
  }
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.SS, selectorError(selector));
  markAccessed(cpu, descriptor);
  return segmentOf(selector, descriptor);
}

/** RSP for privilege level `cpl` in a 64-bit TSS. @throws {GuestFault} #TS, or #SS(0) where it is not canonical */
export function stackPointerOfLevel(cpu: SystemContext, cpl: number): bigint {
  return stackPointerAt(cpu, 4 + 8 * cpl);
}

/** RSP of an interrupt-stack-table entry, 1–7. @throws {GuestFault} #TS, or #SS(0) where it is not canonical */
export function interruptStackPointer(cpu: SystemContext, entry: number): bigint {
  return stackPointerAt(cpu, 28 + 8 * entry);
}

function stackPointerAt(cpu: SystemContext, offset: number): bigint {
  if (offset + 7 > segmentLimit(cpu.state, SEG.TR)) throw currentTssFault(cpu);
  const pointer = load(cpu, offset, 8);
  if (!isCanonical(pointer)) throw new GuestFault(VECTOR_OF.SS);
  return pointer;
}

/** Whether the I/O bitmap lets a task touch these ports (SDM 1, 19.5.2); only a 32- or 64-bit TSS has one. */
export function ioBitmapAllows(cpu: SystemContext, port: number, bytes: number): boolean {
  const limit = segmentLimit(cpu.state, SEG.TR);
  if (!isWideTss(segmentRights(cpu.state, SEG.TR)) || limit < IO_MAP_BASE + 1) return false;
  const at = Number(load(cpu, IO_MAP_BASE, 2)) + (port >> 3);
  if (at + 1 > limit) return false;
  const bits = Number(load(cpu, at, 2)) >> (port & 7);
  return (bits & ((1 << bytes) - 1)) === 0;
}

/**
 * Whether INT n in V86 mode goes to the 8086 handler: bit `vector` of the redirection bitmap, the 32 bytes below the
 * I/O bitmap, is clear (SDM 3A, 20.3.3). @throws {GuestFault} #GP(0) where the map is not in the TSS
 */
export function redirectsInterrupt(cpu: SystemContext, vector: number): boolean {
  const limit = segmentLimit(cpu.state, SEG.TR);
  if (!isWideTss(segmentRights(cpu.state, SEG.TR)) || limit < IO_MAP_BASE + 1) throw new GuestFault(VECTOR_OF.GP);
  const at = Number(load(cpu, IO_MAP_BASE, 2)) - 32 + (vector >> 3);
  if (at < 0 || at > limit) throw new GuestFault(VECTOR_OF.GP);
  return ((Number(load(cpu, at, 1)) >> (vector & 7)) & 1) === 0;
}
