import { RIGHTS, SEG, VECTOR_OF } from '../../isa/registers.ts';
import type { SegmentValue } from '../state.ts';
import { is64BitCode, isCanonical, isLongMode, type SystemContext } from './context.ts';
import { GuestFault, type Privilege } from './port.ts';

/** Bytes of one stack item. */
export type ItemBytes = 2 | 4 | 8;

/** A stack that helpers push to and read from, before it is the current one perhaps. */
export interface Stack {
  readonly segment: SegmentValue;
  /** Width in bits of the stack pointer. */
  readonly bits: 16 | 32 | 64;
  /** The whole stack pointer register. */
  readonly pointer: bigint;
  readonly privilege: Privilege;
  /** Error code of #SS for this stack: its selector where it is not yet the current one. */
  readonly error: number;
}

/** Width of a stack pointer in a segment with these rights, where code is not 64-bit. */
export function stackBits(segment: SegmentValue): 16 | 32 {
  return segment.rights & RIGHTS.big ? 32 : 16;
}

/** The stack in use. */
export function currentStack(cpu: SystemContext): Stack {
  const { state } = cpu;
  const segment = state.segment(SEG.SS);
  const bits = is64BitCode(state) ? 64 : stackBits(segment);
  return { segment, bits, pointer: state.gpr(4), privilege: 'current', error: 0 };
}

/** A stack that a switch of privilege goes to, which is always the supervisor's. */
export function innerStack(segment: SegmentValue, bits: 16 | 32 | 64, pointer: bigint): Stack {
  return { segment, bits, pointer, privilege: 'system', error: segment.selector & 0xfffc };
}

function stackFault(stack: Stack): GuestFault {
  return new GuestFault(VECTOR_OF.SS, stack.error);
}

/** Linear address of `bytes` at offset `offset` of the stack. @throws {GuestFault} #SS outside the segment */
function stackAddress(cpu: SystemContext, stack: Stack, offset: bigint, bytes: number): bigint {
  if (stack.bits === 64) {
    if (!isCanonical(offset) || !isCanonical(BigInt.asUintN(64, offset + BigInt(bytes - 1)))) throw stackFault(stack);
    return offset;
  }
  const first = Number(offset);
  if (!isInside(stack.segment, first, first + bytes - 1)) throw stackFault(stack);
  const linear = stack.segment.base + offset;
  return BigInt.asUintN(isLongMode(cpu.state) ? 64 : 32, linear);
}

/** Whether offsets `first` to `last` are valid in a data segment that may be expand-down (SDM 3A, 5.3). */
function isInside({ rights, limit }: SegmentValue, first: number, last: number): boolean {
  if ((rights & RIGHTS.present) === 0) return false;
  if ((rights & (RIGHTS.code | RIGHTS.expandDown)) !== RIGHTS.expandDown) return last <= limit;
  return first > limit && last <= (rights & RIGHTS.big ? 0xffffffff : 0xffff);
}

/**
 * Pushes items, the first one deepest (at the highest address).
 * @returns the stack pointer afterwards, as {@link setPointer} takes it
 * @throws {GuestFault} #SS or #PF, with nothing stored
 */
export function pushAll(cpu: SystemContext, stack: Stack, bytes: ItemBytes, items: readonly bigint[]): bigint {
  const offset = (index: number) => BigInt.asUintN(stack.bits, stack.pointer - BigInt((index + 1) * bytes));
  const stores = items.map((item, index) => ({
    address: stackAddress(cpu, stack, offset(index), bytes),
    value: BigInt.asUintN(8 * bytes, item),
  }));
  cpu.port.storeAll(stores, bytes, stack.privilege);
  return offset(items.length - 1);
}

/** Reads an item `depth` bytes above the top of the stack. @throws {GuestFault} #SS or #PF */
export function peek(cpu: SystemContext, stack: Stack, bytes: ItemBytes, depth: number): bigint {
  const offset = BigInt.asUintN(stack.bits, stack.pointer + BigInt(depth));
  return cpu.port.load(stackAddress(cpu, stack, offset, bytes), bytes, stack.privilege);
}

/** Reads `count` items from the top of the stack, the topmost first. @throws {GuestFault} #SS or #PF */
export function peekAll(cpu: SystemContext, stack: Stack, bytes: ItemBytes, count: number): bigint[] {
  const items: bigint[] = [];
  const step = BigInt(bytes);
  if (stack.bits !== 64) {
    for (let index = 0; index < count; index++) items.push(peek(cpu, stack, bytes, index * bytes));
    return items;
  }
  let at = stackAddress(cpu, stack, stack.pointer, count * bytes);
  for (let index = 0; index < count; index++, at += step) items.push(cpu.port.load(at, bytes, stack.privilege));
  return items;
}

/** Writes the stack pointer, of which a stack of 16 or 32 bits changes only that part. */
export function setPointer(cpu: SystemContext, bits: 16 | 32 | 64, pointer: bigint): void {
  const { state } = cpu;
  if (bits === 16) state.setGpr(4, (state.gpr(4) & ~0xffffn) | (pointer & 0xffffn));
  else state.setGpr(4, BigInt.asUintN(bits, pointer));
}

/** Moves the current stack's pointer up by `bytes`. */
export function release(cpu: SystemContext, stack: Stack, bytes: number): void {
  setPointer(cpu, stack.bits, stack.pointer + BigInt(bytes));
}
