import { SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { checkRip, checkRunnable, enterCode, isCode64, requireDescriptor } from './code-segments.ts';
import { generalProtection, isLongMode, type SystemContext, segmentSelector, selectorError } from './context.ts';
import {
  type Descriptor,
  isCode,
  isConforming,
  isPresent,
  markAccessed,
  privilegeOf,
  readUpperHalf,
  systemType,
  TYPE,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { nullStackSegment } from './segments.ts';
import { currentStack, type ItemBytes, innerStack, peekAll, pushAll, type Stack, setPointer } from './stack.ts';
import { stackOfLevel, stackPointerOfLevel } from './tss.ts';

/** What a call gate leads to. */
interface GateTarget {
  readonly selector: number;
  readonly code: Descriptor;
  readonly rip: bigint;
  /** Bytes of the items that a call pushes. */
  readonly bytes: ItemBytes;
  /** Items that are copied to the inner stack. */
  readonly parameters: number;
}

/** JMP through a call gate, which never changes privilege. @throws {GuestFault} */
export function jumpThroughGate(cpu: SystemContext, gate: Descriptor): void {
  const { selector, code, rip } = gateTarget(cpu, gate);
  const cpl = cpu.state.u32(STATE.cpl);
  if (!isConforming(code) && privilegeOf(code) !== cpl) throw generalProtection(selector);
  checkTarget(cpu, selector, code, rip);
  markAccessed(cpu, code);
  enterCode(cpu, selector, cpl, code, rip);
}

/** CALL through a call gate, to the same or to more privilege (SDM 3A, 5.8.3–5.8.5). @throws {GuestFault} */
export function callThroughGate(cpu: SystemContext, gate: Descriptor): void {
  const target = gateTarget(cpu, gate);
  checkTarget(cpu, target.selector, target.code, target.rip);
  const dpl = privilegeOf(target.code);
  const cpl = cpu.state.u32(STATE.cpl);
  if (!isConforming(target.code) && dpl < cpl) callInward(cpu, target, dpl);
  else callSame(cpu, target, cpl);
}

function gateTarget(cpu: SystemContext, gate: Descriptor): GateTarget {
  if (!isPresent(gate)) throw new GuestFault(VECTOR_OF.NP, selectorError(gate.selector));
  const long = isLongMode(cpu.state);
  const selector = gate.low >>> 16;
  const wide = systemType(gate) === TYPE.callGate32;
  const low = wide ? ((gate.high & 0xffff0000) | (gate.low & 0xffff)) >>> 0 : gate.low & 0xffff;
  const rip = BigInt(low) | (long ? upperOffset(cpu, gate) : 0n);
  const code = requireDescriptor(cpu, selector);
  if (!isCode(code) || privilegeOf(code) > cpu.state.u32(STATE.cpl)) throw generalProtection(selector);
  if (long && !isCode64(cpu, code)) throw generalProtection(selector);
  return { selector, code, rip, bytes: long ? 8 : wide ? 4 : 2, parameters: long ? 0 : gate.high & 31 };
}

/** Bits 63–32 of a 64-bit gate's offset. @throws {GuestFault} #GP that names the gate */
function upperOffset(cpu: SystemContext, gate: Descriptor): bigint {
  const upper = readUpperHalf(cpu, gate);
  if (upper === undefined || ((upper >> 40n) & 0x1fn) !== 0n) throw generalProtection(gate.selector);
  return (upper & 0xffffffffn) << 32n;
}

function checkTarget(cpu: SystemContext, selector: number, code: Descriptor, rip: bigint): void {
  checkRunnable(cpu, selector, code);
  checkRip(cpu, code, rip);
}

function returnAddress({ state }: SystemContext): bigint[] {
  return [BigInt(segmentSelector(state, SEG.CS)), state.u64(STATE.rip)];
}

function callSame(cpu: SystemContext, { selector, code, rip, bytes }: GateTarget, cpl: number): void {
  const stack = currentStack(cpu);
  markAccessed(cpu, code);
  setPointer(cpu, stack.bits, pushAll(cpu, stack, bytes, returnAddress(cpu)));
  enterCode(cpu, selector, cpl, code, rip);
}

function callInward(cpu: SystemContext, target: GateTarget, cpl: number): void {
  const { state } = cpu;
  const { selector, code, rip, bytes } = target;
  const stack = stackFor(cpu, cpl);
  markAccessed(cpu, code);
  const parameters = peekAll(cpu, currentStack(cpu), bytes, target.parameters).reverse();
  const outer = [BigInt(segmentSelector(state, SEG.SS)), state.gpr(4)];
  const pointer = pushAll(cpu, stack, bytes, [...outer, ...parameters, ...returnAddress(cpu)]);
  state.setSegment(SEG.SS, stack.segment);
  setPointer(cpu, stack.bits, pointer);
  enterCode(cpu, selector, cpl, code, rip);
}

/** The stack that the TSS names for a level; in IA-32e mode with a null SS. */
function stackFor(cpu: SystemContext, cpl: number): Stack {
  if (!isLongMode(cpu.state)) return stackOfLevel(cpu, cpl);
  return { ...innerStack(nullStackSegment(cpl), 64, stackPointerOfLevel(cpu, cpl)), error: 0 };
}
