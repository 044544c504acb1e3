import { CR4, EFLAGS_WRITABLE, FLAG, SEG, STATE } from '../../isa/registers.ts';
import { checkRealRip, checkRip, enterCode, enterRealCode, isCode64, returnTarget } from './code-segments.ts';
import {
  changeFlags,
  generalProtection,
  ioPrivilege,
  is64BitCode,
  isLongMode,
  isRealMode,
  isV86,
  type SystemContext,
} from './context.ts';
import { type Descriptor, markAccessed } from './descriptors.ts';
import { changeV86Flags, noteInterruptFlag } from './flags.ts';
import { dropPrivilegedSegments, stackSegment, v86Segment } from './segments.ts';
import { currentStack, type ItemBytes, peekAll, release, type Stack, setPointer, stackBits } from './stack.ts';
import { returnToLinkedTask } from './task-switch.ts';

/** Flags that IRET takes at any privilege, of 16 bits and of more; the upper ones of real mode. */
const FLAGS_16 = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.DF | FLAG.OF | FLAG.NT;
const FLAGS_32 = FLAGS_16 | FLAG.RF | FLAG.AC | FLAG.ID;
const REAL_FLAGS_16 = FLAGS_16 | FLAG.IF | FLAG.IOPL;
const REAL_FLAGS_32 = REAL_FLAGS_16 | FLAG.RF | FLAG.AC | FLAG.ID;

/** IRET, IRETD and IRETQ in every mode (SDM 2, IRET). @param size operand size in bits */
export function interruptReturn(cpu: SystemContext, size: 16 | 32 | 64): void {
  const { state } = cpu;
  if (state.u32(STATE.nmiBlocked)) {
    state.setU32(STATE.nmiBlocked, 0);
    cpu.port.requestEvent();
  }
  if (isRealMode(state)) returnInRealMode(cpu, size);
  else if (isV86(state)) returnInV86(cpu, size);
  else if (state.u32(STATE.eflags) & FLAG.NT) returnToLinkedTask(cpu);
  else returnInProtectedMode(cpu, (size / 8) as ItemBytes);
  cpu.port.contextChanged();
  noteInterruptFlag(cpu);
}

/** The frame of a return that stays at its level. */
interface Frame {
  readonly stack: Stack;
  readonly bytes: ItemBytes;
  readonly rip: bigint;
  readonly selector: number;
  readonly flags: number;
}

function readFrame(cpu: SystemContext, bytes: ItemBytes): Frame {
  const stack = currentStack(cpu);
  const [rip, cs, flags] = peekAll(cpu, stack, bytes, 3);
  return { stack, bytes, rip, selector: Number(cs & 0xffffn), flags: Number(flags & 0xffffffffn) };
}

function returnInRealMode(cpu: SystemContext, size: number): void {
  const { stack, bytes, rip, selector, flags } = readFrame(cpu, size === 16 ? 2 : 4);
  checkRealRip(cpu, rip);
  release(cpu, stack, 3 * bytes);
  changeFlags(cpu.state, flags, size === 16 ? REAL_FLAGS_16 : REAL_FLAGS_32);
  enterRealCode(cpu, selector, rip);
}

/** In V86 mode: with IOPL 3, or with VME where VIF stands for IF (SDM 3A, 20.3). @throws {GuestFault} #GP(0) */
function returnInV86(cpu: SystemContext, size: number): void {
  const { state } = cpu;
  const virtual = ioPrivilege(state) < 3;
  if (virtual && (size !== 16 || (state.low(STATE.cr4) & CR4.VME) === 0)) throw generalProtection();
  const { stack, bytes, rip, selector, flags } = readFrame(cpu, size === 16 ? 2 : 4);
  checkRealRip(cpu, rip);
  if (virtual) changeV86Flags(cpu, flags);
  else changeFlags(state, flags, (size === 16 ? REAL_FLAGS_16 : REAL_FLAGS_32) & ~FLAG.IOPL);
  release(cpu, stack, 3 * bytes);
  enterRealCode(cpu, selector, rip);
}

function returnInProtectedMode(cpu: SystemContext, bytes: ItemBytes): void {
  const { state } = cpu;
  const frame = readFrame(cpu, bytes);
  const long = isLongMode(state);
  if (frame.flags & FLAG.VM && !long && bytes === 4 && state.u32(STATE.cpl) === 0) {
    returnToV86(cpu, frame);
    return;
  }
  const code = returnTarget(cpu, frame.selector);
  checkRip(cpu, code, frame.rip);
  const mask = flagMask(cpu, bytes);
  if ((frame.selector & 3) === state.u32(STATE.cpl) && !is64BitCode(state)) {
    markAccessed(cpu, code);
    release(cpu, frame.stack, 3 * bytes);
    enterCode(cpu, frame.selector, frame.selector & 3, code, frame.rip);
  } else returnWithStack(cpu, frame, code);
  changeFlags(state, frame.flags, mask);
}

/** The return takes SS and the stack pointer from the stack: to less privilege, or from 64-bit code. */
function returnWithStack(cpu: SystemContext, frame: Frame, code: Descriptor): void {
  const { state } = cpu;
  const cpl = frame.selector & 3;
  const above = { ...frame.stack, pointer: frame.stack.pointer + BigInt(3 * frame.bytes) };
  const [pointer, ss] = peekAll(cpu, above, frame.bytes, 2);
  const code64 = isCode64(cpu, code);
  const segment = stackSegment(cpu, Number(ss & 0xffffn), cpl, code64);
  markAccessed(cpu, code);
  const outward = cpl !== state.u32(STATE.cpl);
  enterCode(cpu, frame.selector, cpl, code, frame.rip);
  state.setSegment(SEG.SS, segment);
  setPointer(cpu, code64 ? 64 : stackBits(segment), pointer);
  if (outward) dropPrivilegedSegments(state, cpl);
}

/** The flags that IRET may change at the level it is executed at (SDM 2, IRET). */
function flagMask({ state }: SystemContext, bytes: ItemBytes): number {
  const cpl = state.u32(STATE.cpl);
  const wide = bytes !== 2;
  let mask = wide ? FLAGS_32 : FLAGS_16;
  if (cpl <= ioPrivilege(state)) mask |= FLAG.IF;
  if (cpl === 0) mask |= FLAG.IOPL | (wide ? FLAG.VIF | FLAG.VIP : 0);
  return mask;
}

/** From level 0 to V86 mode (SDM 3A, 20.2.2). @throws {GuestFault} */
function returnToV86(cpu: SystemContext, { stack, rip, selector, flags }: Frame): void {
  const { state } = cpu;
  const items = peekAll(cpu, { ...stack, pointer: stack.pointer + 12n }, 4, 6);
  if (rip > 0xffffn) throw generalProtection();
  const [ss, es, ds, fs, gs] = items.slice(1).map((item) => v86Segment(Number(item & 0xffffn)));
  state.eflags = flags & EFLAGS_WRITABLE;
  state.setSegment(SEG.CS, v86Segment(selector));
  state.setSegment(SEG.SS, ss);
  state.setSegment(SEG.ES, es);
  state.setSegment(SEG.DS, ds);
  state.setSegment(SEG.FS, fs);
  state.setSegment(SEG.GS, gs);
  state.setU32(STATE.cpl, 3);
  state.setGpr(4, items[0]);
  state.setU64(STATE.rip, rip);
}
