import { STATE } from '../../isa/registers.ts';
import { generalProtection, ioPrivilege, isRealMode, isV86, type SystemContext } from './context.ts';
import { ioBitmapAllows } from './tss.ts';

/** @throws {GuestFault} #GP(0) where neither IOPL nor the I/O bitmap allow the ports (SDM 1, 19.5) */
export function requirePorts(cpu: SystemContext, port: number, bytes: number): void {
  const { state } = cpu;
  if (isRealMode(state)) return;
  if (state.u32(STATE.cpl) <= ioPrivilege(state) && !isV86(state)) return;
  if (!ioBitmapAllows(cpu, port, bytes)) throw generalProtection();
}

/** IN, and the reading of INS. @throws {GuestFault} #GP(0) */
export function portIn(cpu: SystemContext, port: number, bytes: 1 | 2 | 4): bigint {
  requirePorts(cpu, port, bytes);
  return BigInt(cpu.port.portRead(port, bytes) >>> 0);
}

/** OUT, and the writing of OUTS. @throws {GuestFault} #GP(0) */
export function portOut(cpu: SystemContext, port: number, bytes: 1 | 2 | 4, value: number): void {
  requirePorts(cpu, port, bytes);
  cpu.port.portWrite(port, bytes, value);
}
