import { CR4, HALT, STATE } from '../../isa/registers.ts';
import { generalProtection, isCanonical, type SystemContext } from './context.ts';

/** RDTSC. @throws {GuestFault} #GP(0) above level 0 with CR4.TSD */
export function readTimeStamp({ state, port }: SystemContext): bigint {
  if (state.u32(STATE.cpl) !== 0 && (state.low(STATE.cr4) & CR4.TSD) !== 0) throw generalProtection();
  return port.tsc();
}

/** RDPMC: CPUID says that there are no counters. @throws {GuestFault} #GP(0) */
export function readCounter(): bigint {
  throw generalProtection();
}

/** MONITOR: arms the wait of {@link mwait}. No extensions exist (CPUID leaf 5). */
export function monitor(cpu: SystemContext, address: bigint): void {
  cpu.port.monitor(address);
  cpu.monitorArmed = true;
}

/**
 * MWAIT: halts until an interrupt or a write to what is monitored, where nothing has happened since MONITOR (SDM 2, MWAIT).
 * @throws {GuestFault} #GP(0) for an extension
 */
export function mwait(cpu: SystemContext, extensions: number): void {
  if (extensions !== 0) throw generalProtection();
  if (cpu.monitorArmed) cpu.state.setU32(STATE.halted, HALT.mwait);
  cpu.monitorArmed = false;
}

/** Types of INVPCID: one address, one context, all with and without global translations (SDM 2, INVPCID). */
const INVPCID = { address: 0, context: 1, all: 2, allNotGlobal: 3 } as const;

/** INVPCID; the PCID is in STATE.scratch0. @throws {GuestFault} #GP(0) for a bad type or descriptor */
export function invalidateByPcid({ state, port }: SystemContext, type: number, address: bigint): void {
  const pcid = state.u64(STATE.scratch0);
  if (type > INVPCID.allNotGlobal) throw generalProtection();
  if (type <= INVPCID.context) {
    const enabled = (state.low(STATE.cr4) & CR4.PCIDE) !== 0;
    if (pcid >> 12n || (!enabled && pcid !== 0n)) throw generalProtection();
    if (type === INVPCID.address && !isCanonical(address)) throw generalProtection();
  }
  port.flushTlb(type === INVPCID.all ? 'all' : 'notGlobal');
}
