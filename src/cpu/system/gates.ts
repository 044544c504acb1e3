import { FLAG, SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { NULL_SEGMENT } from '../state.ts';
import {
  changeFlags,
  generalProtection,
  isV86,
  type SystemContext,
  segmentSelector,
  selectorError,
} from './context.ts';
import {
  type Descriptor,
  isCode,
  isConforming,
  isNullSelector,
  isPresent,
  limitOf,
  markAccessed,
  privilegeOf,
  readDescriptor,
  segmentOf,
  TYPE,
  tableAddress,
} from './descriptors.ts';
import { type GuestEvent, idtFault } from './events.ts';
import { GuestFault } from './port.ts';
import { currentStack, pushAll, type Stack, setPointer } from './stack.ts';
import { interruptTask } from './task-switch.ts';
import { stackOfLevel } from './tss.ts';

const GATE_TYPES: readonly number[] = [
  TYPE.taskGate,
  TYPE.interruptGate16,
  TYPE.trapGate16,
  TYPE.interruptGate32,
  TYPE.trapGate32,
];
/** Bit of a gate's type: 32 rather than 16 bits. */
const TYPE_WIDE = 8;
/** Bit of a gate's type: a trap gate, which leaves IF. */
const TYPE_TRAP = 1;

/** An entry of a protected-mode IDT. */
interface Gate {
  readonly type: number;
  readonly selector: number;
  readonly offset: number;
}

/** Delivers an event in protected or V86 mode, outside IA-32e mode (SDM 3A, 6.12; SDM 2, INT n). */
export function deliverThroughGate(cpu: SystemContext, event: GuestEvent, flags: number): void {
  const gate = readGate(cpu, event);
  if (gate.type === TYPE.taskGate) {
    interruptTask(cpu, gate.selector, event.errorCode, flags);
    return;
  }
  const code = handlerCode(cpu, gate.selector);
  const cpl = cpu.state.u32(STATE.cpl);
  const inner = !isConforming(code) && privilegeOf(code) < cpl;
  if (isV86(cpu.state) && (!inner || privilegeOf(code) !== 0)) throw generalProtection(gate.selector);
  const stack = inner ? stackOfLevel(cpu, privilegeOf(code)) : currentStack(cpu);
  enterHandler(cpu, { gate, code, stack, inner }, event, flags);
}

/** @throws {GuestFault} #GP or #NP that names the entry */
function readGate(cpu: SystemContext, { vector, source }: GuestEvent): Gate {
  const { state, port } = cpu;
  if (vector * 8 + 7 > state.u32(STATE.idtrLimit)) throw idtFault(VECTOR_OF.GP, vector);
  const entry = port.load(tableAddress(cpu, state.u64(STATE.idtrBase), vector * 8), 8, 'system');
  const low = Number(entry & 0xffffffffn);
  const high = Number(entry >> 32n);
  const type = (high >>> 8) & 0x1f;
  if (!GATE_TYPES.includes(type)) throw idtFault(VECTOR_OF.GP, vector);
  if (source === 'software' && ((high >>> 13) & 3) < state.u32(STATE.cpl)) throw idtFault(VECTOR_OF.GP, vector);
  if ((high & 0x8000) === 0) throw idtFault(VECTOR_OF.NP, vector);
  const offset = type & TYPE_WIDE ? ((high & 0xffff0000) | (low & 0xffff)) >>> 0 : low & 0xffff;
  return { type, selector: low >>> 16, offset };
}

/** The code segment that a gate names. @throws {GuestFault} #GP or #NP that names the selector */
export function handlerCode(cpu: SystemContext, selector: number): Descriptor {
  if (isNullSelector(selector)) throw generalProtection();
  const code = readDescriptor(cpu, selector);
  if (!code || !isCode(code) || privilegeOf(code) > cpu.state.u32(STATE.cpl)) throw generalProtection(selector);
  if (!isPresent(code)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
  return code;
}

interface Handler {
  readonly gate: Gate;
  readonly code: Descriptor;
  readonly stack: Stack;
  /** The handler runs at a more privileged level, on the stack of the TSS. */
  readonly inner: boolean;
}

function enterHandler(
  cpu: SystemContext,
  { gate, code, stack, inner }: Handler,
  event: GuestEvent,
  flags: number,
): void {
  const { state } = cpu;
  if (gate.offset > limitOf(code)) throw generalProtection();
  markAccessed(cpu, code);
  const fromV86 = isV86(state);
  const frame = [...(inner ? outerStack(cpu, fromV86) : []), ...returnAddress(cpu, event, flags)];
  const pointer = pushAll(cpu, stack, gate.type & TYPE_WIDE ? 4 : 2, frame);

  const cpl = inner ? privilegeOf(code) : state.u32(STATE.cpl);
  if (fromV86) for (const index of [SEG.ES, SEG.DS, SEG.FS, SEG.GS]) state.setSegment(index, NULL_SEGMENT);
  if (inner) state.setSegment(SEG.SS, stack.segment);
  setPointer(cpu, stack.bits, pointer);
  state.setSegment(SEG.CS, segmentOf((gate.selector & ~3) | cpl, code));
  state.setU32(STATE.cpl, cpl);
  state.setU64(STATE.rip, BigInt(gate.offset));
  const interruptFlag = gate.type & TYPE_TRAP ? 0 : FLAG.IF;
  changeFlags(state, 0, FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM | interruptFlag);
}

/** What is pushed of the interrupted stack, and in V86 mode of the data segments, the deepest first. */
function outerStack(cpu: SystemContext, fromV86: boolean): bigint[] {
  const segments = fromV86 ? [SEG.GS, SEG.FS, SEG.DS, SEG.ES, SEG.SS] : [SEG.SS];
  const selectors = segments.map((index) => BigInt(segmentSelector(cpu.state, index)));
  return [...selectors, cpu.state.gpr(4) & 0xffffffffn];
}

function returnAddress(cpu: SystemContext, { errorCode }: GuestEvent, flags: number): bigint[] {
  const { state } = cpu;
  const items = [BigInt(flags), BigInt(segmentSelector(state, SEG.CS)), state.u64(STATE.rip) & 0xffffffffn];
  if (errorCode !== undefined) items.push(BigInt(errorCode));
  return items;
}
