import { RIGHTS, SEG, VECTOR_OF } from '../../isa/registers.ts';
import { NULL_SEGMENT, type SegmentValue } from '../state.ts';
import { generalProtection, isCanonical, isLongMode, type SystemContext, selectorError } from './context.ts';
import {
  type Descriptor,
  isNullSelector,
  isPresent,
  limitOf,
  readDescriptor,
  readUpperHalf,
  segmentOf,
  setBusy,
  systemType,
  TSS_BUSY,
  TYPE,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { isVisible } from './segments.ts';

/** What LAR and LSL found is bits 0–31; this bit says that they found something. */
const FOUND = 1n << 32n;

/** System types that LAR knows, in legacy and in IA-32e mode (SDM 2, LAR). */
const LAR_TYPES: readonly number[] = [1, 2, 3, 4, 5, 9, 11, 12];
const LAR_TYPES_LONG: readonly number[] = [2, 9, 11, 12];
/** System types that LSL knows (SDM 2, LSL). */
const LSL_TYPES: readonly number[] = [1, 2, 3, 9, 11];
const LSL_TYPES_LONG: readonly number[] = [2, 9, 11];

/** LLDT (SDM 2). @throws {GuestFault} #GP or #NP that names the selector */
export function loadLdt(cpu: SystemContext, selector: number): void {
  if (isNullSelector(selector)) {
    cpu.state.setSegment(SEG.LDTR, { ...NULL_SEGMENT, selector });
    return;
  }
  const descriptor = (selector & 4) === 0 ? readDescriptor(cpu, selector) : undefined;
  if (!descriptor || systemType(descriptor) !== TYPE.ldt) throw generalProtection(selector);
  const segment = systemSegment(cpu, selector, descriptor);
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
  cpu.state.setSegment(SEG.LDTR, segment);
}

/** LTR (SDM 2): also marks the TSS busy. @throws {GuestFault} #GP or #NP that names the selector */
export function loadTask(cpu: SystemContext, selector: number): void {
  if (isNullSelector(selector)) throw generalProtection();
  const descriptor = (selector & 4) === 0 ? readDescriptor(cpu, selector) : undefined;
  if (!descriptor || !isAvailableTss(cpu, descriptor)) throw generalProtection(selector);
  const segment = systemSegment(cpu, selector, descriptor);
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
  setBusy(cpu, descriptor, true);
  cpu.state.setSegment(SEG.TR, { ...segment, rights: segment.rights | TSS_BUSY });
}

/** An available TSS: of 64 bits in IA-32e mode, else of 16 or 32. */
export function isAvailableTss(cpu: SystemContext, descriptor: Descriptor): boolean {
  const type = systemType(descriptor);
  return type === TYPE.tss32 || (type === TYPE.tss16 && !isLongMode(cpu.state));
}

/** The value that LDTR or TR gets: in IA-32e mode from a 16-byte descriptor. */
export function systemSegment(cpu: SystemContext, selector: number, descriptor: Descriptor): SegmentValue {
  const segment = segmentOf(selector, descriptor);
  if (!isLongMode(cpu.state)) return segment;
  const upper = readUpperHalf(cpu, descriptor);
  if (upper === undefined || ((upper >> 40n) & 0x1fn) !== 0n) throw generalProtection(selector);
  const base = segment.base | ((upper & 0xffffffffn) << 32n);
  if (!isCanonical(base)) throw generalProtection(selector);
  return { ...segment, base };
}

/** LAR (SDM 2): the access rights, marked found; 0 where there are none to be seen. */
export function loadAccessRights(cpu: SystemContext, selector: number): bigint {
  const descriptor = visibleDescriptor(cpu, selector, isLongMode(cpu.state) ? LAR_TYPES_LONG : LAR_TYPES);
  return descriptor ? FOUND | BigInt(descriptor.high & 0x00ffff00) : 0n;
}

/** LSL (SDM 2): the limit in bytes, marked found; 0 where there is none to be seen. */
export function loadSegmentLimit(cpu: SystemContext, selector: number): bigint {
  const descriptor = visibleDescriptor(cpu, selector, isLongMode(cpu.state) ? LSL_TYPES_LONG : LSL_TYPES);
  return descriptor ? FOUND | BigInt(limitOf(descriptor)) : 0n;
}

function visibleDescriptor(cpu: SystemContext, selector: number, types: readonly number[]): Descriptor | undefined {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor || !isVisible(cpu, selector, descriptor)) return undefined;
  const type = systemType(descriptor);
  if (type < 0) return descriptor;
  if (!types.includes(type)) return undefined;
  const wide = isLongMode(cpu.state);
  return wide && !hasValidUpperHalf(cpu, descriptor) ? undefined : descriptor;
}

/** A 16-byte descriptor's second half lies in the table and has type 0 (SDM 3A, 8.2.3). */
function hasValidUpperHalf(cpu: SystemContext, descriptor: Descriptor): boolean {
  const upper = readUpperHalf(cpu, descriptor);
  return upper !== undefined && ((upper >> 40n) & 0x1fn) === 0n;
}

/** The rights of a TSS segment register say whether it is one of 32 (or 64) bits. */
export function isWideTss(rights: number): boolean {
  return (rights & RIGHTS.present) !== 0 && (rights & 8) !== 0;
}
