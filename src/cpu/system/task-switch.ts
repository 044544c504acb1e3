import { CR0, EFLAGS_WRITABLE, FLAG, SEG, STATE, STATE_BYTES, VECTOR_OF } from '../../isa/registers.ts';
import { type CpuState, NULL_SEGMENT, type SegmentValue } from '../state.ts';
import {
  generalProtection,
  isLongMode,
  isV86,
  type SystemContext,
  segmentBase,
  segmentLimit,
  segmentRights,
  segmentSelector,
  selectorError,
} from './context.ts';
import { loadPageDirectory } from './control-registers.ts';
import { clearLocalBreakpoints, DR6_BITS, recordDebugException } from './debug.ts';
import {
  type Descriptor,
  isNullSelector,
  isPresent,
  limitOf,
  readDescriptor,
  segmentOf,
  setBusy,
  systemType,
  TSS_BUSY,
  TYPE,
  tableAddress,
} from './descriptors.ts';
import { noteInterruptFlag } from './flags.ts';
import { GuestFault, GuestPageIn } from './port.ts';
import { currentStack, pushAll, setPointer } from './stack.ts';
import { isWideTss } from './system-segments.ts';
import { FaultInNewTask, loadTaskSegments } from './task-segments.ts';
import { TSS16, TSS32, type TssLayout } from './tss-layout.ts';

/** Why tasks are switched. A call and an interrupt nest: the new task has NT set and a link to the old one. */
type SwitchKind = 'jump' | 'nest' | 'return';

interface Switch {
  readonly kind: SwitchKind;
  /** The old task's EFLAGS as they are saved. */
  readonly flags: number;
  /** Pushed on the new task's stack. */
  readonly errorCode?: number;
}

/** What a TSS holds of a task, the static fields apart. */
interface TaskImage {
  readonly layout: TssLayout;
  readonly cr3: bigint;
  readonly eip: bigint;
  readonly eflags: number;
  readonly gprs: readonly bigint[];
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

/** JMP or CALL to a TSS whose descriptor has been read and whose privilege has been checked. */
export function jumpToTask(cpu: SystemContext, tss: Descriptor, nest: boolean): void {
  checkTss(tss, false);
  switchTask(cpu, tss, { kind: nest ? 'nest' : 'jump', flags: cpu.state.eflags });
}

/** An interrupt or exception through a task gate that names TSS `selector`. @param errorCode pushed on the new task's stack */
export function interruptTask(
  cpu: SystemContext,
  selector: number,
  errorCode: number | undefined,
  flags: number,
): void {
  switchTask(cpu, taskDescriptor(cpu, selector), { kind: 'nest', flags, errorCode });
}

/** IRET with NT set: back to the task that the link of the current TSS names (SDM 2, IRET). */
export function returnToLinkedTask(cpu: SystemContext): void {
  if (isLongMode(cpu.state)) throw generalProtection();
  const link = Number(cpu.port.load(segmentBase(cpu.state, SEG.TR), 2, 'system'));
  const tss = isNullSelector(link) || link & 4 ? undefined : readDescriptor(cpu, link);
  if (!tss || (systemType(tss) !== TYPE.tss16Busy && systemType(tss) !== TYPE.tss32Busy)) {
    throw new GuestFault(VECTOR_OF.TS, selectorError(link));
  }
  checkTss(tss, true);
  switchTask(cpu, tss, { kind: 'return', flags: cpu.state.eflags & ~FLAG.NT });
}

/** The available TSS that a task gate names. @throws {GuestFault} #GP, #NP or #TS that names the selector */
export function taskDescriptor(cpu: SystemContext, selector: number): Descriptor {
  const tss = isNullSelector(selector) || selector & 4 ? undefined : readDescriptor(cpu, selector);
  if (!tss) throw generalProtection(selector);
  checkTss(tss, false);
  return tss;
}

function checkTss(tss: Descriptor, busy: boolean): void {
  const type = systemType(tss) & ~(busy ? TSS_BUSY : 0);
  if (type !== TYPE.tss16 && type !== TYPE.tss32) throw generalProtection(tss.selector);
  if (!isPresent(tss)) throw new GuestFault(VECTOR_OF.NP, selectorError(tss.selector));
  if (limitOf(tss) < layoutOf(tss).minimumLimit) throw new GuestFault(VECTOR_OF.TS, selectorError(tss.selector));
}

function layoutOf(tss: Descriptor): TssLayout {
  return systemType(tss) & 8 ? TSS32 : TSS16;
}

/**
 * Switches tasks (SDM 3A, 7.3). Until everything has been read and probed nothing changes; then faults belong to the
 * new task ({@link FaultInNewTask}). A page that must be brought in takes the switch back.
 */
function switchTask(cpu: SystemContext, tss: Descriptor, how: Switch): void {
  const { state } = cpu;
  const task = segmentOf(tss.selector, tss);
  const image = readImage(cpu, task.base, layoutOf(tss));
  const oldTss = readDescriptor(cpu, segmentSelector(state, SEG.TR));
  const places = storedPlaces(cpu, task, tss, oldTss);
  for (const { address, bytes } of places) cpu.port.probeWrite(address, bytes, 'system');
  const registers = new Uint8Array(state.view.buffer, state.base, STATE_BYTES).slice();
  const memory = places.map((place) => bytesOf(cpu, place));

  saveTask(cpu, how.flags);
  if (how.kind !== 'nest' && oldTss) setBusy(cpu, oldTss, false);
  if (how.kind === 'nest') cpu.port.store(task.base, 2, BigInt(segmentSelector(state, SEG.TR)), 'system');
  setBusy(cpu, tss, true);
  try {
    enterTask(cpu, { ...task, rights: task.rights | TSS_BUSY }, image, how);
  } catch (error) {
    if (error instanceof GuestPageIn) takeBack(cpu, registers, memory.flat());
    throw error;
  }
}

/** Memory that a switch stores to. */
interface Place {
  readonly address: bigint;
  readonly bytes: number;
}

/** Where a switch may store. @throws {GuestFault} #TS the old TSS is too short */
function storedPlaces(
  cpu: SystemContext,
  task: SegmentValue,
  tss: Descriptor,
  oldTss: Descriptor | undefined,
): Place[] {
  const { state } = cpu;
  const layout = isWideTss(segmentRights(state, SEG.TR)) ? TSS32 : TSS16;
  if (segmentLimit(state, SEG.TR) < layout.savedEnd - 1) {
    throw new GuestFault(VECTOR_OF.TS, selectorError(segmentSelector(state, SEG.TR)));
  }
  const saved = tableAddress(cpu, segmentBase(state, SEG.TR), layout.eip);
  return [
    { address: saved, bytes: layout.savedEnd - layout.eip },
    { address: task.base, bytes: 2 },
    ...[tss, ...(oldTss ? [oldTss] : [])].map(({ address }) => ({ address: address + 5n, bytes: 1 })),
  ];
}

/** A byte of memory as it was. */
interface KeptByte {
  readonly address: bigint;
  readonly value: bigint;
}

function bytesOf(cpu: SystemContext, { address, bytes }: Place): KeptByte[] {
  return Array.from({ length: bytes }, (_, offset) => {
    const at = tableAddress(cpu, address, offset);
    return { address: at, value: cpu.port.load(at, 1, 'system') };
  });
}

function readImage(cpu: SystemContext, base: bigint, layout: TssLayout): TaskImage {
  const load = (offset: number, bytes: 2 | 4) => cpu.port.load(tableAddress(cpu, base, offset), bytes, 'system');
  const fields = (offset: number, count: number, bytes: 2 | 4) =>
    Array.from({ length: count }, (_, index) => load(offset + index * layout.bytes, bytes));
  return {
    layout,
    cr3: layout.cr3 === undefined ? 0n : load(layout.cr3, 4),
    eip: load(layout.eip, layout.bytes),
    eflags: Number(load(layout.eflags, layout.bytes)),
    gprs: fields(layout.gprs, 8, layout.bytes),
    selectors: fields(layout.selectors, layout.selectorCount, 2).map(Number),
    ldt: Number(load(layout.ldt, 2)),
    trap: layout.trap !== undefined && (load(layout.trap, 2) & 1n) !== 0n,
  };
}

/** Saves what is running in the current TSS. */
function saveTask(cpu: SystemContext, flags: number): void {
  const { state } = cpu;
  const layout = isWideTss(segmentRights(state, SEG.TR)) ? TSS32 : TSS16;
  const base = segmentBase(state, SEG.TR);
  const store = (offset: number, value: bigint) =>
    cpu.port.store(tableAddress(cpu, base, offset), layout.bytes, BigInt.asUintN(8 * layout.bytes, value), 'system');
  store(layout.eip, state.u64(STATE.rip));
  store(layout.eflags, BigInt(flags >>> 0));
  for (let index = 0; index < 8; index++) store(layout.gprs + index * layout.bytes, state.gpr(index));
  for (let index = 0; index < layout.selectorCount; index++) {
    store(layout.selectors + index * layout.bytes, BigInt(segmentSelector(state, index)));
  }
}

/** Puts the new task's state in place. @throws {FaultInNewTask} */
function enterTask(cpu: SystemContext, task: SegmentValue, image: TaskImage, { kind, errorCode }: Switch): void {
  const { state } = cpu;
  state.setSegment(SEG.TR, task);
  state.setU64(STATE.cr0, state.u64(STATE.cr0) | BigInt(CR0.TS));
  clearLocalBreakpoints(state);
  loadRegisters(state, image, kind);
  noteInterruptFlag(cpu);
  inNewTask(() => {
    if (image.layout.cr3 !== undefined && (state.low(STATE.cr0) & CR0.PG) !== 0) loadPageDirectory(cpu, image.cr3);
    cpu.port.contextChanged();
    loadTaskSegments(cpu, image.selectors, image.ldt);
    cpu.port.contextChanged();
    if (errorCode !== undefined) pushErrorCode(cpu, image.layout.bytes, errorCode);
  });
  if (image.trap) {
    recordDebugException(state, DR6_BITS.BT);
    throw new FaultInNewTask(VECTOR_OF.DB);
  }
}

function pushErrorCode(cpu: SystemContext, bytes: 2 | 4, errorCode: number): void {
  const stack = currentStack(cpu);
  setPointer(cpu, stack.bits, pushAll(cpu, stack, bytes, [BigInt(errorCode)]));
}

/** Registers that cannot fault; segments get their selectors, and their hidden parts later. */
function loadRegisters(state: CpuState, image: TaskImage, kind: SwitchKind): void {
  const flags = image.eflags & EFLAGS_WRITABLE;
  state.setU64(STATE.rip, image.eip);
  state.eflags = kind === 'nest' ? flags | FLAG.NT : flags;
  for (let index = 0; index < 8; index++) state.setGpr(index, image.gprs[index]);
  for (let index = 0; index < 6; index++) {
    state.setSegment(index, { ...NULL_SEGMENT, selector: image.selectors[index] ?? 0 });
  }
  state.setSegment(SEG.LDTR, { ...NULL_SEGMENT, selector: image.ldt });
  state.setU32(STATE.cpl, isV86(state) ? 3 : image.selectors[SEG.CS] & 3);
}

/** Marks the faults of `action` as ones of the new task. */
function inNewTask(action: () => void): void {
  try {
    action();
  } catch (error) {
    throw error instanceof GuestFault && !(error instanceof FaultInNewTask)
      ? new FaultInNewTask(error.vector, error.errorCode)
      : error;
  }
}

/** Undoes a switch, so that it can be done again: also where the new TSS is the old one, or lies over it. */
function takeBack(cpu: SystemContext, registers: Uint8Array, memory: readonly KeptByte[]): void {
  const { state, port } = cpu;
  new Uint8Array(state.view.buffer, state.base, STATE_BYTES).set(registers);
  port.flushTlb('all');
  port.contextChanged();
  for (const { address, value } of memory) port.store(address, 1, value, 'system');
}
