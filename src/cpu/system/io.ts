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

/** REP INS or OUTS of many elements with host memory at `host`. @returns how many were moved  @throws {GuestFault} #GP(0) */
export function movePortMany(cpu: SystemContext, direction: 'in' | 'out', packed: bigint, host: bigint): bigint {
  const port = Number(packed & 0xffffn);
  const bytes = Number((packed >> 16n) & 0xffn) as 1 | 2 | 4;
  const length = Number(packed >> 24n) * bytes;
  requirePorts(cpu, port, bytes);
  const at = Number(host);
  const moved =
    direction === 'in'
      ? cpu.port.portReadMany(port, bytes, at, length)
      : cpu.port.portWriteMany(port, bytes, at, length);
  return BigInt(moved / bytes);
}

/** OUT, and the writing of OUTS. @throws {GuestFault} #GP(0) */
export function portOut(cpu: SystemContext, port: number, bytes: 1 | 2 | 4, value: number): void {
  requirePorts(cpu, port, bytes);
  cpu.port.portWrite(port, bytes, value);
}
