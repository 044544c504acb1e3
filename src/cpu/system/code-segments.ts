import { SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import {
  generalProtection,
  isCanonical,
  isLongMode,
  isV86,
  type SystemContext,
  segmentLimit,
  selectorError,
} from './context.ts';
import {
  type Descriptor,
  is64Bit,
  isBig,
  isCode,
  isConforming,
  isNullSelector,
  isPresent,
  limitOf,
  privilegeOf,
  readDescriptor,
  segmentOf,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { realModeSegment, v86Segment } from './segments.ts';

/** Whether code of this descriptor is 64-bit. */
export function isCode64(cpu: SystemContext, code: Descriptor): boolean {
  return is64Bit(code) && isLongMode(cpu.state);
}

/** The descriptor that a selector names. @throws {GuestFault} #GP(0) for null, #GP(selector) beyond the table */
export function requireDescriptor(cpu: SystemContext, selector: number): Descriptor {
  if (isNullSelector(selector)) throw generalProtection();
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor) throw generalProtection(selector);
  return descriptor;
}

/** A code segment that a direct far jump or call may go to (SDM 3A, 5.8.1). @throws {GuestFault} #GP or #NP */
export function checkDirectTarget(cpu: SystemContext, selector: number, code: Descriptor): void {
  const cpl = cpu.state.u32(STATE.cpl);
  const dpl = privilegeOf(code);
  const allowed = isConforming(code) ? dpl <= cpl : (selector & 3) <= cpl && dpl === cpl;
  if (!isCode(code) || !allowed) throw generalProtection(selector);
  checkRunnable(cpu, selector, code);
}

/** A code segment that a far return or IRET may go back to (SDM 2, RET). @throws {GuestFault} #GP or #NP */
export function returnTarget(cpu: SystemContext, selector: number): Descriptor {
  const code = requireDescriptor(cpu, selector);
  const rpl = selector & 3;
  const dpl = privilegeOf(code);
  if (!isCode(code) || rpl < cpu.state.u32(STATE.cpl)) throw generalProtection(selector);
  if (isConforming(code) ? dpl > rpl : dpl !== rpl) throw generalProtection(selector);
  checkRunnable(cpu, selector, code);
  return code;
}

/** Present, and not both of 64 bits and of 32. */
export function checkRunnable(cpu: SystemContext, selector: number, code: Descriptor): void {
  if (isCode64(cpu, code) && isBig(code)) throw generalProtection(selector);
  if (!isPresent(code)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
}

/** @throws {GuestFault} #GP(0) where code cannot run at `rip` */
export function checkRip(cpu: SystemContext, code: Descriptor, rip: bigint): void {
  if (isCode64(cpu, code)) {
    if (!isCanonical(rip)) throw generalProtection();
  } else if (rip > BigInt(limitOf(code))) throw generalProtection();
}

/** RIP as code of this descriptor has it: 32 bits where it is not 64-bit code. */
export function ripFor(cpu: SystemContext, code: Descriptor, rip: bigint): bigint {
  return isCode64(cpu, code) ? rip : rip & 0xffffffffn;
}

/** Continues in another code segment: CS, CPL and RIP. The accessed bit has been set. */
export function enterCode(
  { state }: SystemContext,
  selector: number,
  cpl: number,
  code: Descriptor,
  rip: bigint,
): void {
  state.setSegment(SEG.CS, segmentOf((selector & 0xfffc) | cpl, code));
  state.setU32(STATE.cpl, cpl);
  state.setU64(STATE.rip, rip);
}

/** Real and V86 mode: continues at selector:rip. */
export function enterRealCode({ state }: SystemContext, selector: number, rip: bigint): void {
  state.setSegment(SEG.CS, isV86(state) ? v86Segment(selector) : realModeSegment(state, SEG.CS, selector));
  state.setU64(STATE.rip, rip);
}

/** Real and V86 mode. @throws {GuestFault} #GP(0) where RIP lies beyond CS */
export function checkRealRip(cpu: SystemContext, rip: bigint): void {
  if (rip > BigInt(segmentLimit(cpu.state, SEG.CS))) throw generalProtection();
}
