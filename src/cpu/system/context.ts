import {
  ARITHMETIC_FLAGS,
  CR0,
  EFER,
  FLAG,
  RIGHTS,
  SEG,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  VECTOR_OF,
} from '../../isa/registers.ts';
import type { CpuState } from '../state.ts';
import type { MsrStorage } from './msr-storage.ts';
import { GuestFault, type SystemPort } from './port.ts';

/** What the processor is told about itself. */
export interface ProcessorOptions {
  /** Ticks of the time-stamp counter per second. */
  readonly tscHz: number;
  /** Ticks of the local APIC's timer per second before its divider: the "crystal" of CPUID leaf 15h. */
  readonly apicTimerHz: number;
  /** Processors of the machine; default 1. */
  readonly cpuCount?: number;
}

/** What every system helper works on. */
export interface SystemContext {
  readonly port: SystemPort;
  readonly state: CpuState;
  /** Model-specific registers that the state block does not hold. */
  readonly msrs: MsrStorage;
  readonly options: ProcessorOptions;
  /** MONITOR has been executed and nothing has happened since. */
  monitorArmed: boolean;
  /**
   * Set when an instruction has entered a handler itself (INT n, INT3, INTO, INT1): that cleared TF, and no single-step
   * trap follows it (SDM 3B, 18.3.1.4). Whoever steps clears it before the instruction.
   */
  trapDelivered: boolean;
}

/** CR0.PE is clear. */
export function isRealMode(state: CpuState): boolean {
  return (state.low(STATE.cr0) & CR0.PE) === 0;
}

/** Virtual-8086 mode. */
export function isV86(state: CpuState): boolean {
  return (state.u32(STATE.eflags) & FLAG.VM) !== 0;
}

/** IA-32e mode: EFER.LMA is set. */
export function isLongMode(state: CpuState): boolean {
  return (state.low(STATE.efer) & EFER.LMA) !== 0;
}

/** 64-bit code runs, as opposed to compatibility mode. */
export function is64BitCode(state: CpuState): boolean {
  return isLongMode(state) && (segmentRights(state, SEG.CS) & RIGHTS.long) !== 0;
}

/** Protected mode, not V86: selectors name descriptors. */
export function usesDescriptors(state: CpuState): boolean {
  return !isRealMode(state) && !isV86(state);
}

/** I/O privilege level. */
export function ioPrivilege(state: CpuState): number {
  return (state.u32(STATE.eflags) >> 12) & 3;
}

export function segmentRights(state: CpuState, index: number): number {
  return state.view.getUint32(SEGMENTS + index * SEGMENT_BYTES + SEGMENT.rights, true);
}

export function segmentSelector(state: CpuState, index: number): number {
  return state.view.getUint32(SEGMENTS + index * SEGMENT_BYTES + SEGMENT.selector, true);
}

export function segmentBase(state: CpuState, index: number): bigint {
  return state.view.getBigUint64(SEGMENTS + index * SEGMENT_BYTES + SEGMENT.base, true);
}

export function segmentLimit(state: CpuState, index: number): number {
  return state.view.getUint32(SEGMENTS + index * SEGMENT_BYTES + SEGMENT.limit, true);
}

/** Changes the bits of EFLAGS in `mask` to those of `value`. The arithmetic flags cost time: only what is needed is touched. */
export function changeFlags(state: CpuState, value: number, mask: number): void {
  const arithmetic = mask & ARITHMETIC_FLAGS;
  if (arithmetic === 0) state.setU32(STATE.eflags, (state.u32(STATE.eflags) & ~mask) | (value & mask));
  else if (arithmetic === ARITHMETIC_FLAGS) state.eflags = (state.u32(STATE.eflags) & ~mask) | (value & mask);
  else state.eflags = (state.eflags & ~mask) | (value & mask);
}

/** Bits 63–47 are equal: an address of four-level paging. */
export function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}

/** An error code that names a selector: its RPL does not belong to it. */
export function selectorError(selector: number): number {
  return selector & 0xfffc;
}

/** #GP that names `selector`. */
export function generalProtection(selector = 0): GuestFault {
  return new GuestFault(VECTOR_OF.GP, selectorError(selector));
}

/** #UD */
export function invalidOpcode(): GuestFault {
  return new GuestFault(VECTOR_OF.UD);
}

/** @throws {GuestFault} #GP(0) unless CPL is 0 */
export function requireRing0(state: CpuState): void {
  if (state.u32(STATE.cpl) !== 0) throw generalProtection();
}
