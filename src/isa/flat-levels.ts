/** How code of one level continues in that of another, in IR: what SYSCALL, IRET, loads of segments and the delivery of events share. */
import type { Builder } from '../ir/builder.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from './fields.ts';
import { ACCESS_READ, ACCESS_WRITE, FLAG, RIGHTS, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from './registers.ts';

/** Bits of a descriptor's second word; its first byte of rights is at bit 8 (SDM 3A, 3.4.5). */
const RIGHTS_SHIFT = 8;
const DPL_SHIFT = RIGHTS_SHIFT + RIGHTS.dplShift;
const descriptorBits = (rights: number) => rights << RIGHTS_SHIFT;
const DPL = 3 << DPL_SHIFT;
const ORDINARY = RIGHTS.present | RIGHTS.notSystem | RIGHTS.accessed;
/** What descriptors are compared by, and what an ordinary one has there besides its DPL: conforming and expand-down are none. */
const CODE = {
  mask: descriptorBits(ORDINARY | RIGHTS.code | RIGHTS.expandDown | RIGHTS.long | RIGHTS.big) | DPL,
  value: descriptorBits(ORDINARY | RIGHTS.code | RIGHTS.long),
} as const;
const STACK = {
  mask: descriptorBits(ORDINARY | RIGHTS.code | RIGHTS.expandDown | RIGHTS.writable) | DPL,
  value: descriptorBits(ORDINARY | RIGHTS.writable),
} as const;

/** The second word of a descriptor (i64), i32. */
function upperWord(descriptor: Val): Val {
  return descriptor.shrU(32).wrap();
}

/** Whether a descriptor (i64) is of accessed, non-conforming 64-bit code of `level` (i32). */
export function isCode64(descriptor: Val, level: Val): Val {
  return upperWord(descriptor).and(CODE.mask).eq(level.shl(DPL_SHIFT).or(CODE.value));
}

/** Whether a descriptor (i64) is of an accessed stack of `level` (i32) that grows in the usual way. */
export function isStack(descriptor: Val, level: Val): Val {
  return upperWord(descriptor).and(STACK.mask).eq(level.shl(DPL_SHIFT).or(STACK.value));
}

/** Base, limit and all of the rights but whether software uses the last one, as flat 32-bit segments have them. */
const FLAT = { mask: 0xffef_ffff_ffff_ffffn, limit: 0x000f_0000_0000_ffffn } as const;

function flatDescriptor(rights: number): bigint {
  const high = ((rights & 0xf000) << RIGHTS_SHIFT) | ((rights & 0xff) << RIGHTS_SHIFT);
  return (BigInt(high) << 32n) | FLAT.limit;
}

/** Whether a descriptor (i64) is of an accessed flat segment of `level` (i32) with rights of FLAT_RIGHTS. */
export function isFlat(descriptor: Val, rights: number, level: Val): Val {
  const expected = level
    .extU()
    .shl(32 + DPL_SHIFT)
    .or(flatDescriptor(rights));
  return descriptor.and(FLAT.mask).eq(expected);
}

/** Whether a descriptor (i64) is of accessed data that grows in the usual way, which code of level 0 may use under RPL `rpl` (i32). */
export function isData(descriptor: Val, rpl: Val): Val {
  const high = upperWord(descriptor);
  const mask = descriptorBits(ORDINARY | RIGHTS.code | RIGHTS.expandDown);
  return high.and(mask).eq(descriptorBits(ORDINARY)).and(high.shrU(DPL_SHIFT).and(3).geU(rpl));
}

/** Loads a segment register from the descriptor of such a segment. */
export function loadSegment(b: Builder, segment: number, selector: Val, descriptor: Val): void {
  storeSegment(b, b.cpu.add(segment * SEGMENT_BYTES), selector, descriptor);
}

/** As {@link loadSegment}. @param record address of the segment's record, less SEGMENTS */
export function storeSegment(b: Builder, record: Val, selector: Val, descriptor: Val): void {
  const at = SEGMENTS;
  const high = upperWord(descriptor);
  const small = descriptor.wrap().and(0xffff).or(high.and(0xf0000));
  const limit = small
    .shl(12)
    .or(0xfff)
    .selectIf(high.and(descriptorBits(RIGHTS.granular)), small);
  const rights = high.shrU(RIGHTS_SHIFT).and(0xf0ff);
  const written = b.i32(ACCESS_READ | ACCESS_WRITE).selectIf(rights.and(RIGHTS.writable), b.i32(ACCESS_READ));
  const readable = rights.and(RIGHTS.writable).shrU(Math.log2(RIGHTS.writable));
  b.store(8, record, at + SEGMENT.base, descriptor.shrU(16).and(0xffffff).or(descriptor.shrU(56).shl(24)));
  b.store(4, record, at + SEGMENT.low, b.i32(0));
  b.store(4, record, at + SEGMENT.high, limit);
  b.store(4, record, at + SEGMENT.rights, rights);
  b.store(4, record, at + SEGMENT.limit, limit);
  b.store(4, record, at + SEGMENT.selector, selector);
  b.store(4, record, at + SEGMENT.access, readable.selectIf(rights.and(RIGHTS.code), written));
}

/** Loads a segment register with a null selector, SS with that of level 0. @param record as with {@link storeSegment} */
export function storeNull(b: Builder, record: Val, selector: Val): void {
  b.store(8, record, SEGMENTS + SEGMENT.base, b.i64(0));
  b.store(4, record, SEGMENTS + SEGMENT.low, b.i32(1));
  b.store(4, record, SEGMENTS + SEGMENT.selector, selector);
  for (const field of [SEGMENT.high, SEGMENT.rights, SEGMENT.limit, SEGMENT.access]) {
    b.store(4, record, SEGMENTS + field, b.i32(0));
  }
}

/** Loads SS with the null selector of level 0. */
export function loadNullStack(b: Builder): void {
  storeNull(b, b.cpu.add(SEG.SS * SEGMENT_BYTES), b.i32(0));
}

/** Makes `level` that of the running 64-bit code, whose flags have been set; {@link STATE.quickCalls} says where this is all. */
export function enterLevel(b: Builder, level: 0 | 3): void {
  const [codeKey, acClear, acSet] =
    level === 0
      ? [STATE.codeKey0, STATE.tlbAcClear0, STATE.tlbAcSet0]
      : [STATE.codeKey3, STATE.tlbAcClear3, STATE.tlbAcSet3];
  put(b, STATE.cpl, b.i32(level));
  put(b, STATE.codeKey, get(b, codeKey));
  put(b, STATE.tlbAcClear, get(b, acClear));
  put(b, STATE.tlbAcSet, get(b, acSet));
  const ac = get(b, STATE.eflags).and(FLAG.AC);
  put(b, STATE.tlb, get(b, STATE.tlbAcSet).selectIf(ac, get(b, STATE.tlbAcClear)));
  put(b, STATE.alignmentChecked, b.i32(0));
}
