import { EFER, FLAG, FLAT_RIGHTS, RIGHTS, SEG, STATE, SYSRET_FLAGS } from '../../isa/registers.ts';
import type { SegmentValue } from '../state.ts';
import {
  generalProtection,
  invalidOpcode,
  isCanonical,
  isLongMode,
  isRealMode,
  type SystemContext,
} from './context.ts';

const RCX = 1;
const RDX = 2;
const RSP = 4;
const R11 = 11;

/** The flat segments that these instructions load without a descriptor table; the selector's RPL is the level. */
function flat(selector: number, rights: number): SegmentValue {
  const dpl = (selector & 3) << RIGHTS.dplShift;
  return { selector: selector & 0xffff, base: 0n, limit: 0xffffffff, rights: rights | dpl };
}

/** Continues at `rip` in flat segments. */
function enterFlat(cpu: SystemContext, cs: SegmentValue, ss: number, rip: bigint): void {
  const { state } = cpu;
  state.setSegment(SEG.CS, cs);
  state.setSegment(SEG.SS, flat(ss, FLAT_RIGHTS.data));
  state.setU32(STATE.cpl, cs.selector & 3);
  state.setU64(STATE.rip, rip);
}

/** SYSENTER (SDM 2). @throws {GuestFault} #GP(0) in real mode, or where SYSENTER_CS is null */
export function sysenter(cpu: SystemContext): void {
  const { state } = cpu;
  const selector = state.low(STATE.sysenterCs) & 0xfffc;
  if (isRealMode(state) || selector === 0) throw generalProtection();
  const long = isLongMode(state);
  const mask = long ? 0xffffffffffffffffn : 0xffffffffn;
  state.setU32(STATE.eflags, state.u32(STATE.eflags) & ~(FLAG.VM | FLAG.IF | FLAG.RF));
  enterFlat(
    cpu,
    flat(selector, long ? FLAT_RIGHTS.code64 : FLAT_RIGHTS.code32),
    selector + 8,
    state.u64(STATE.sysenterEip) & mask,
  );
  state.setGpr(RSP, state.u64(STATE.sysenterEsp) & mask);
  cpu.port.contextChanged();
}

/** SYSEXIT (SDM 2). @param size operand size in bits; 64 returns to 64-bit code  @throws {GuestFault} #GP(0) */
export function sysexit(cpu: SystemContext, size: number): void {
  const { state } = cpu;
  const base = state.low(STATE.sysenterCs) & 0xfffc;
  if (isRealMode(state) || state.u32(STATE.cpl) !== 0 || base === 0) throw generalProtection();
  const long = size === 64;
  const [rip, rsp] = [state.gpr(RDX), state.gpr(RCX)];
  if (long && !(isCanonical(rip) && isCanonical(rsp))) throw generalProtection();
  const selector = (base + (long ? 32 : 16)) | 3;
  const mask = long ? 0xffffffffffffffffn : 0xffffffffn;
  enterFlat(cpu, flat(selector, long ? FLAT_RIGHTS.code64 : FLAT_RIGHTS.code32), selector + 8, rip & mask);
  state.setGpr(RSP, rsp & mask);
  cpu.port.contextChanged();
}

/** SYSCALL in 64-bit code (SDM 2). @throws {GuestFault} #UD where EFER.SCE is clear */
export function syscall(cpu: SystemContext): void {
  const { state } = cpu;
  if ((state.low(STATE.efer) & EFER.SCE) === 0) throw invalidOpcode();
  const flags = state.eflags & ~FLAG.RF;
  state.setGpr(RCX, state.u64(STATE.rip));
  state.setGpr32(R11, flags);
  const selector = Number((state.u64(STATE.star) >> 32n) & 0xfffcn);
  enterFlat(cpu, flat(selector, FLAT_RIGHTS.code64), selector + 8, state.u64(STATE.lstar));
  state.eflags = flags & ~state.low(STATE.sfmask);
  cpu.port.contextChanged();
}

/**
 * SYSRET in 64-bit code (SDM 2).
 * @param size operand size in bits; 64 returns to 64-bit code, else to compatibility mode
 * @throws {GuestFault} #UD where EFER.SCE is clear; #GP(0) above level 0 or where RCX is not canonical
 */
export function sysret(cpu: SystemContext, size: number): void {
  const { state } = cpu;
  if ((state.low(STATE.efer) & EFER.SCE) === 0) throw invalidOpcode();
  if (state.u32(STATE.cpl) !== 0) throw generalProtection();
  const long = size === 64;
  const rip = state.gpr(RCX);
  if (long && !isCanonical(rip)) throw generalProtection();
  const base = Number(state.u64(STATE.star) >> 48n);
  const code = flat((base + (long ? 16 : 0)) | 3, long ? FLAT_RIGHTS.code64 : FLAT_RIGHTS.code32);
  enterFlat(cpu, code, (base + 8) | 3, long ? rip : rip & 0xffffffffn);
  state.eflags = state.gpr32(R11) & SYSRET_FLAGS;
  cpu.port.contextChanged();
  if (state.u32(STATE.eflags) & FLAG.IF) cpu.port.requestEvent();
}
