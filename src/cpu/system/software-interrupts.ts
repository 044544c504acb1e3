import { CR4, FLAG, SEG, STATE } from '../../isa/registers.ts';
import { changeFlags, generalProtection, ioPrivilege, isV86, type SystemContext, segmentSelector } from './context.ts';
import { deliverTrap } from './exceptions.ts';
import { virtualFlags } from './flags.ts';
import { v86Segment } from './segments.ts';
import { currentStack, pushAll, setPointer } from './stack.ts';
import { redirectsInterrupt } from './tss.ts';

/** INT n (SDM 2, INT n). STATE.rip is the return address. @throws {GuestFault} */
export function softwareInterrupt(cpu: SystemContext, vector: number): void {
  const { state } = cpu;
  if (isV86(state)) {
    if ((state.low(STATE.cr4) & CR4.VME) !== 0 && redirectsInterrupt(cpu, vector)) {
      redirect(cpu, vector);
      return;
    }
    if (ioPrivilege(state) < 3) throw generalProtection();
  }
  deliverTrap(cpu, vector, 'software');
}

/** INT n in V86 mode goes to the task's own handler (SDM 3A, 20.3.3, methods 5 and 6). */
function redirect(cpu: SystemContext, vector: number): void {
  const { state, port } = cpu;
  const virtual = ioPrivilege(state) < 3;
  const flags = virtual ? virtualFlags(state.eflags) : state.eflags & 0xffff;
  const handler = Number(port.load(BigInt(vector * 4), 4, 'system'));
  const stack = currentStack(cpu);
  const frame = [BigInt(flags), BigInt(segmentSelector(state, SEG.CS)), state.u64(STATE.rip) & 0xffffn];
  setPointer(cpu, stack.bits, pushAll(cpu, stack, 2, frame));
  state.setSegment(SEG.CS, v86Segment(handler >>> 16));
  state.setU64(STATE.rip, BigInt(handler & 0xffff));
  changeFlags(state, 0, FLAG.TF | FLAG.NT | FLAG.RF | (virtual ? FLAG.VIF : FLAG.IF));
  cpu.trapDelivered = true;
  port.contextChanged();
}
