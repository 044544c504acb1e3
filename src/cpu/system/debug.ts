import { CR4, FLAG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import type { CpuState } from '../state.ts';
import { generalProtection, invalidOpcode, type SystemContext } from './context.ts';
import { GuestFault } from './port.ts';

/** Bits of DR6 (SDM 3B, 18.2.3). */
export const DR6_BITS = { B0: 1, BD: 1 << 13, BS: 1 << 14, BT: 1 << 15 } as const;
/** Bits of DR6 that always read as one, and those that may be written. */
export const DR6_FIXED = 0xffff0ff0n;
const DR6_WRITABLE = 0xe00fn;
/** Bits of DR7: the one that always reads as one, and those that may be written. */
export const DR7_FIXED = 0x400n;
const DR7_WRITABLE = 0xffff23ffn;
const DR7_GENERAL_DETECT = 0x2000n;
/** L0–L3 and LE of DR7, which a task switch clears (SDM 3A, 7.3). */
const DR7_LOCAL = 0x155n;

const DR_FIELDS = [STATE.dr0, STATE.dr1, STATE.dr2, STATE.dr3] as const;

/** What a #DB leaves in the debug registers: its reasons in DR6, and no general detect. */
export function recordDebugException(state: CpuState, reasons: number): void {
  state.setU64(STATE.dr6, (state.u64(STATE.dr6) & ~0xfn) | BigInt(reasons) | DR6_FIXED);
  state.setU64(STATE.dr7, state.u64(STATE.dr7) & ~DR7_GENERAL_DETECT);
}

/** Breakpoints that are local to a task end with it. */
export function clearLocalBreakpoints(state: CpuState): void {
  state.setU64(STATE.dr7, state.u64(STATE.dr7) & ~DR7_LOCAL);
}

/** The register that is meant: 4 and 5 are other names of 6 and 7. @throws {GuestFault} #UD, or #DB by general detect */
function checkAccess({ state }: SystemContext, number: number): number {
  const isAlias = number === 4 || number === 5;
  if (isAlias && (state.low(STATE.cr4) & CR4.DE) !== 0) throw invalidOpcode();
  if (state.u64(STATE.dr7) & DR7_GENERAL_DETECT) {
    recordDebugException(state, DR6_BITS.BD);
    // A fault, unlike the other reasons of #DB (SDM 3B, 18.3.1.3).
    state.setU32(STATE.eflags, state.u32(STATE.eflags) | FLAG.RF);
    throw new GuestFault(VECTOR_OF.DB);
  }
  return isAlias ? number + 2 : number;
}

/** MOV from a debug register (SDM 3B, 18.2). */
export function readDebugRegister(cpu: SystemContext, number: number): bigint {
  const index = checkAccess(cpu, number);
  if (index < 4) return cpu.state.u64(DR_FIELDS[index]);
  return cpu.state.u64(index === 6 ? STATE.dr6 : STATE.dr7);
}

/** MOV to a debug register. @throws {GuestFault} #GP(0) for upper bits in DR6 and DR7 */
export function writeDebugRegister(cpu: SystemContext, number: number, value: bigint): void {
  const { state } = cpu;
  const index = checkAccess(cpu, number);
  if (index < 4) state.setU64(DR_FIELDS[index], value);
  else if (value >> 32n) throw generalProtection();
  else if (index === 6) state.setU64(STATE.dr6, (value & DR6_WRITABLE) | DR6_FIXED);
  else state.setU64(STATE.dr7, (value & DR7_WRITABLE) | DR7_FIXED);
  cpu.port.contextChanged();
}
