import { FLAG, SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { NULL_SEGMENT } from '../state.ts';
import { changeFlags, generalProtection, isCanonical, type SystemContext, segmentSelector } from './context.ts';
import { is64Bit, isBig, isConforming, markAccessed, privilegeOf, segmentOf, TYPE } from './descriptors.ts';
import { type GuestEvent, idtFault } from './events.ts';
import { handlerCode } from './gates.ts';
import { nullStackSegment } from './segments.ts';
import { innerStack, pushAll } from './stack.ts';
import { interruptStackPointer, stackPointerOfLevel } from './tss.ts';

/** An entry of an IDT in IA-32e mode. */
interface LongGate {
  readonly isTrap: boolean;
  readonly selector: number;
  readonly offset: bigint;
  /** Entry of the interrupt stack table, or 0. */
  readonly stackEntry: number;
}

/** Delivers an event in IA-32e mode (SDM 3A, 6.14). */
export function deliverThroughLongGate(cpu: SystemContext, event: GuestEvent, flags: number): void {
  const { state } = cpu;
  const gate = readLongGate(cpu, event);
  const code = handlerCode(cpu, gate.selector);
  if (!is64Bit(code) || isBig(code)) throw generalProtection(gate.selector);
  const oldCpl = state.u32(STATE.cpl);
  const cpl = isConforming(code) ? oldCpl : privilegeOf(code);
  const stack = handlerStack(cpu, gate, cpl, oldCpl);
  if (!isCanonical(gate.offset)) throw generalProtection();
  markAccessed(cpu, code);
  const pointer = pushAll(cpu, stack, 8, frameOf(cpu, event, flags));

  state.setGpr(4, pointer);
  if (cpl !== oldCpl) state.setSegment(SEG.SS, nullStackSegment(cpl));
  state.setSegment(SEG.CS, segmentOf((gate.selector & ~3) | cpl, code));
  state.setU32(STATE.cpl, cpl);
  state.setU64(STATE.rip, gate.offset);
  changeFlags(state, 0, FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | (gate.isTrap ? 0 : FLAG.IF));
}

/** @throws {GuestFault} #GP or #NP that names the entry */
function readLongGate(cpu: SystemContext, { vector, source }: GuestEvent): LongGate {
  const { state, port } = cpu;
  if (vector * 16 + 15 > state.u32(STATE.idtrLimit)) throw idtFault(VECTOR_OF.GP, vector);
  const address = BigInt.asUintN(64, state.u64(STATE.idtrBase) + BigInt(vector * 16));
  const entry = port.load(address, 8, 'system');
  const low = Number(entry & 0xffffffffn);
  const high = Number(entry >> 32n);
  const type = (high >>> 8) & 0x1f;
  if (type !== TYPE.interruptGate32 && type !== TYPE.trapGate32) throw idtFault(VECTOR_OF.GP, vector);
  if (source === 'software' && ((high >>> 13) & 3) < state.u32(STATE.cpl)) throw idtFault(VECTOR_OF.GP, vector);
  if ((high & 0x8000) === 0) throw idtFault(VECTOR_OF.NP, vector);
  const offsetLow = BigInt(((high & 0xffff0000) | (low & 0xffff)) >>> 0);
  const offset = ((port.load(address + 8n, 8, 'system') & 0xffffffffn) << 32n) | offsetLow;
  return { isTrap: type === TYPE.trapGate32, selector: low >>> 16, offset, stackEntry: high & 7 };
}

/** The stack that the frame is pushed on, aligned to 16 bytes (SDM 3A, 6.14.2). */
function handlerStack(cpu: SystemContext, { stackEntry }: LongGate, cpl: number, oldCpl: number) {
  if (stackEntry !== 0) return innerStack(NULL_SEGMENT, 64, aligned(interruptStackPointer(cpu, stackEntry)));
  if (cpl !== oldCpl) return innerStack(NULL_SEGMENT, 64, aligned(stackPointerOfLevel(cpu, cpl)));
  const stack = innerStack(NULL_SEGMENT, 64, aligned(cpu.state.gpr(4)));
  return { ...stack, privilege: 'current' as const };
}

function aligned(pointer: bigint): bigint {
  return pointer & ~15n;
}

function frameOf({ state }: SystemContext, { errorCode }: GuestEvent, flags: number): bigint[] {
  const frame = [
    BigInt(segmentSelector(state, SEG.SS)),
    state.gpr(4),
    BigInt(flags),
    BigInt(segmentSelector(state, SEG.CS)),
    state.u64(STATE.rip),
  ];
  if (errorCode !== undefined) frame.push(BigInt(errorCode));
  return frame;
}
