import { CR4, FLAG, SHADOW, STATE } from '../../isa/registers.ts';
import type { CpuState } from '../state.ts';
import { changeFlags, generalProtection, ioPrivilege, isV86, type SystemContext } from './context.ts';

/** What POPF may change at any privilege; RF it always clears (SDM 2, table 4-16). */
const POPF_16 = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
const POPF_32 = POPF_16 | FLAG.AC | FLAG.ID;

/** Interrupts may have become possible: asks for a look at them. */
export function noteInterruptFlag(cpu: SystemContext): void {
  if (cpu.state.u32(STATE.eflags) & FLAG.IF) cpu.port.requestEvent();
}

/** POPF, POPFD and POPFQ with the popped value (SDM 2, POPF). @param size operand size in bits  @throws {GuestFault} #GP(0) */
export function popFlags(cpu: SystemContext, value: number, size: number): void {
  const { state } = cpu;
  const cpl = state.u32(STATE.cpl);
  const iopl = ioPrivilege(state);
  if (isV86(state) && iopl < 3) {
    if (size !== 16 || (state.low(STATE.cr4) & CR4.VME) === 0) throw generalProtection();
    changeV86Flags(cpu, value);
  } else {
    const mask = (size === 16 ? POPF_16 : POPF_32) | (cpl <= iopl ? FLAG.IF : 0) | (cpl === 0 ? FLAG.IOPL : 0);
    changeFlags(state, value & ~FLAG.RF, mask | FLAG.RF);
  }
  cpu.port.contextChanged();
  noteInterruptFlag(cpu);
}

/**
 * What POPF and IRET of 16 bits do in V86 mode under VME, with IOPL below 3: IF goes to VIF (SDM 3A, 20.3.2).
 * @throws {GuestFault} #GP(0) for TF, or for IF while an interrupt is pending
 */
export function changeV86Flags({ state }: SystemContext, value: number): void {
  if (value & FLAG.TF || (value & FLAG.IF && state.u32(STATE.eflags) & FLAG.VIP)) throw generalProtection();
  changeFlags(state, value | (value & FLAG.IF ? FLAG.VIF : 0), (POPF_16 & ~FLAG.TF) | FLAG.VIF);
}

/** The image that PUSHF stores in V86 mode with IOPL below 3. @throws {GuestFault} #GP(0) without VME */
export function flagsImageInV86({ state }: SystemContext, size: number): number {
  if (size !== 16 || (state.low(STATE.cr4) & CR4.VME) === 0) throw generalProtection();
  return virtualFlags(state.eflags);
}

/** The low 16 flags as V86 code sees them under VME: IOPL 3, VIF in the place of IF. */
export function virtualFlags(eflags: number): number {
  return (eflags & 0xffff & ~FLAG.IF) | FLAG.IOPL | (eflags & FLAG.VIF ? FLAG.IF : 0);
}

/** Whether CLI and STI act on VIF while CPL is above IOPL (SDM 3A, 20.3 and 20.4). */
function hasVirtualInterruptFlag(state: CpuState): boolean {
  const cr4 = state.low(STATE.cr4);
  if (isV86(state)) return (cr4 & CR4.VME) !== 0;
  return state.u32(STATE.cpl) === 3 && (cr4 & CR4.PVI) !== 0;
}

/** CLI with CPL above IOPL. @throws {GuestFault} #GP(0) */
export function clearVirtualInterruptFlag({ state }: SystemContext): void {
  if (!hasVirtualInterruptFlag(state)) throw generalProtection();
  changeFlags(state, 0, FLAG.VIF);
}

/** STI (SDM 2, STI): interrupts are held off for one more instruction where IF was clear. @throws {GuestFault} #GP(0) */
export function setInterruptFlag(cpu: SystemContext): void {
  const { state } = cpu;
  if (state.u32(STATE.cpl) <= ioPrivilege(state)) {
    if ((state.u32(STATE.eflags) & FLAG.IF) === 0) state.setU32(STATE.shadow, SHADOW.sti);
    changeFlags(state, FLAG.IF, FLAG.IF);
    cpu.port.requestEvent();
    return;
  }
  if (!hasVirtualInterruptFlag(state) || state.u32(STATE.eflags) & FLAG.VIP) throw generalProtection();
  changeFlags(state, FLAG.VIF, FLAG.VIF);
}
