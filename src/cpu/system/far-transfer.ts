import { SEG, STATE, VECTOR_OF } from '../../isa/registers.ts';
import { callThroughGate, jumpThroughGate } from './call-gates.ts';
import {
  checkDirectTarget,
  checkRealRip,
  checkRip,
  enterCode,
  enterRealCode,
  isCode64,
  requireDescriptor,
  returnTarget,
  ripFor,
} from './code-segments.ts';
import {
  generalProtection,
  isLongMode,
  type SystemContext,
  segmentSelector,
  selectorError,
  usesDescriptors,
} from './context.ts';
import {
  type Descriptor,
  isCodeOrData,
  isPresent,
  markAccessed,
  privilegeOf,
  systemType,
  TYPE,
} from './descriptors.ts';
import { GuestFault } from './port.ts';
import { dropPrivilegedSegments, stackSegment } from './segments.ts';
import { currentStack, type ItemBytes, peekAll, pushAll, release, type Stack, setPointer, stackBits } from './stack.ts';
import { jumpToTask, taskDescriptor } from './task-switch.ts';

/** The target of a far jump or call, as the instruction gives it. */
export interface FarTarget {
  readonly selector: number;
  readonly offset: bigint;
  /** Operand size in bits. */
  readonly size: 16 | 32 | 64;
}

/** JMP far (SDM 2, JMP). STATE.rip is the address of the next instruction. */
export function farJump(cpu: SystemContext, target: FarTarget): void {
  jump(cpu, target);
  cpu.port.contextChanged();
}

function jump(cpu: SystemContext, { selector, offset }: FarTarget): void {
  if (!usesDescriptors(cpu.state)) {
    checkRealRip(cpu, offset);
    enterRealCode(cpu, selector, offset);
    return;
  }
  const target = requireDescriptor(cpu, selector);
  if (!isCodeOrData(target)) {
    jumpThroughSystem(cpu, selector, target);
    return;
  }
  checkDirectTarget(cpu, selector, target);
  const rip = ripFor(cpu, target, offset);
  checkRip(cpu, target, rip);
  markAccessed(cpu, target);
  enterCode(cpu, selector, cpu.state.u32(STATE.cpl), target, rip);
}

/** CALL far (SDM 2, CALL). STATE.rip is the return address. */
export function farCall(cpu: SystemContext, target: FarTarget): void {
  call(cpu, target);
  cpu.port.contextChanged();
}

function call(cpu: SystemContext, target: FarTarget): void {
  const { selector, offset, size } = target;
  if (!usesDescriptors(cpu.state)) {
    checkRealRip(cpu, offset);
    pushReturnAddress(cpu, size);
    enterRealCode(cpu, selector, offset);
    return;
  }
  const descriptor = requireDescriptor(cpu, selector);
  if (!isCodeOrData(descriptor)) {
    callThroughSystem(cpu, selector, descriptor);
    return;
  }
  checkDirectTarget(cpu, selector, descriptor);
  const rip = ripFor(cpu, descriptor, offset);
  checkRip(cpu, descriptor, rip);
  markAccessed(cpu, descriptor);
  pushReturnAddress(cpu, size);
  enterCode(cpu, selector, cpu.state.u32(STATE.cpl), descriptor, rip);
}

/** Pushes CS and RIP on the current stack. */
function pushReturnAddress(cpu: SystemContext, size: 16 | 32 | 64): void {
  const stack = currentStack(cpu);
  const items = [BigInt(segmentSelector(cpu.state, SEG.CS)), cpu.state.u64(STATE.rip)];
  setPointer(cpu, stack.bits, pushAll(cpu, stack, (size / 8) as ItemBytes, items));
}

/** @throws {GuestFault} #GP or #NP that names the gate or TSS (SDM 3A, 5.8.4 and 7.3) */
function checkSystemTarget(cpu: SystemContext, selector: number, descriptor: Descriptor): void {
  const dpl = privilegeOf(descriptor);
  if (dpl < cpu.state.u32(STATE.cpl) || dpl < (selector & 3)) throw generalProtection(selector);
}

function isCallGate(cpu: SystemContext, descriptor: Descriptor): boolean {
  const type = systemType(descriptor);
  return type === TYPE.callGate32 || (type === TYPE.callGate16 && !isLongMode(cpu.state));
}

function jumpThroughSystem(cpu: SystemContext, selector: number, descriptor: Descriptor): void {
  if (!isCallGate(cpu, descriptor)) {
    switchToTask(cpu, selector, descriptor, false);
    return;
  }
  checkSystemTarget(cpu, selector, descriptor);
  jumpThroughGate(cpu, descriptor);
}

function callThroughSystem(cpu: SystemContext, selector: number, descriptor: Descriptor): void {
  if (!isCallGate(cpu, descriptor)) {
    switchToTask(cpu, selector, descriptor, true);
    return;
  }
  checkSystemTarget(cpu, selector, descriptor);
  callThroughGate(cpu, descriptor);
}

/** JMP and CALL to a TSS or a task gate, which IA-32e mode does not have. */
function switchToTask(cpu: SystemContext, selector: number, descriptor: Descriptor, nest: boolean): void {
  const type = systemType(descriptor);
  const isTss = type === TYPE.tss16 || type === TYPE.tss32;
  if (isLongMode(cpu.state) || (!isTss && type !== TYPE.taskGate)) throw generalProtection(selector);
  checkSystemTarget(cpu, selector, descriptor);
  if (isTss) {
    if (selector & 4) throw generalProtection(selector);
    jumpToTask(cpu, descriptor, nest);
    return;
  }
  if (!isPresent(descriptor)) throw new GuestFault(VECTOR_OF.NP, selectorError(selector));
  jumpToTask(cpu, taskDescriptor(cpu, descriptor.low >>> 16), nest);
}

/** RET far (SDM 2, RET). @param size operand size in bits  @param extra bytes of arguments to release */
export function farReturn(cpu: SystemContext, size: 16 | 32 | 64, extra: number): void {
  returnFar(cpu, size, extra);
  cpu.port.contextChanged();
}

function returnFar(cpu: SystemContext, size: 16 | 32 | 64, extra: number): void {
  const stack = currentStack(cpu);
  const bytes = (size / 8) as ItemBytes;
  const [rip, cs] = peekAll(cpu, stack, bytes, 2);
  const selector = Number(cs & 0xffffn);
  if (!usesDescriptors(cpu.state)) {
    checkRealRip(cpu, rip);
    release(cpu, stack, 2 * bytes + extra);
    enterRealCode(cpu, selector, rip);
    return;
  }
  const code = returnTarget(cpu, selector);
  checkRip(cpu, code, rip);
  if ((selector & 3) === cpu.state.u32(STATE.cpl)) {
    markAccessed(cpu, code);
    release(cpu, stack, 2 * bytes + extra);
    enterCode(cpu, selector, selector & 3, code, rip);
  } else returnOutward(cpu, { selector, code, rip, stack, bytes, extra });
}

interface OutwardReturn {
  readonly selector: number;
  readonly code: Descriptor;
  readonly rip: bigint;
  readonly stack: Stack;
  readonly bytes: ItemBytes;
  readonly extra: number;
}

/** A return to less privilege takes the stack pointer from the stack too, and releases the arguments there as well. */
function returnOutward(cpu: SystemContext, { selector, code, rip, stack, bytes, extra }: OutwardReturn): void {
  const { state } = cpu;
  const cpl = selector & 3;
  const above = { ...stack, pointer: stack.pointer + BigInt(2 * bytes + extra) };
  const [pointer, ss] = peekAll(cpu, above, bytes, 2);
  const code64 = isCode64(cpu, code);
  const segment = stackSegment(cpu, Number(ss & 0xffffn), cpl, code64);
  markAccessed(cpu, code);
  enterCode(cpu, selector, cpl, code, rip);
  state.setSegment(SEG.SS, segment);
  setPointer(cpu, code64 ? 64 : stackBits(segment), pointer + BigInt(extra));
  dropPrivilegedSegments(state, cpl);
}
