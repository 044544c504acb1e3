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

/** Whether a selector (i32) names an entry of the GDT, by its number. */
export function isInGdt(b: Builder, selector: Val): Val {
  const inside = selector.or(7).leU(get(b, STATE.gdtrLimit));
  return inside.and(selector.and(4).eqz()).and(selector.geU(8));
}

/** Linear address (i64) of the entry of the GDT that a selector names. */
export function gdtEntry(b: Builder, selector: Val): Val {
  return get(b, STATE.gdtrBase).add(selector.and(0xfff8).extU());
}

/** What a segment register holds; `limit` is its last valid offset too. */
interface SegmentFields {
  readonly selector: Val;
  readonly base: Val;
  readonly low: number;
  readonly limit: Val;
  readonly rights: Val;
  readonly access: Val;
}

/** Writes all of a segment register. @param record address of its record, less SEGMENTS */
function writeSegment(b: Builder, record: Val, { selector, base, low, limit, rights, access }: SegmentFields): void {
  b.store(8, record, SEGMENTS + SEGMENT.base, base);
  b.store(4, record, SEGMENTS + SEGMENT.low, b.i32(low));
  b.store(4, record, SEGMENTS + SEGMENT.high, limit);
  b.store(4, record, SEGMENTS + SEGMENT.rights, rights);
  b.store(4, record, SEGMENTS + SEGMENT.limit, limit);
  b.store(4, record, SEGMENTS + SEGMENT.selector, selector);
  b.store(4, record, SEGMENTS + SEGMENT.access, access);
}

function recordOf(b: Builder, segment: number): Val {
  return b.cpu.add(segment * SEGMENT_BYTES);
}

/** Loads a segment register from the descriptor of such a segment. */
export function loadSegment(b: Builder, segment: number, selector: Val, descriptor: Val): void {
  storeSegment(b, recordOf(b, segment), selector, descriptor);
}

/** As {@link loadSegment}. @param record address of the segment's record, less SEGMENTS */
export function storeSegment(b: Builder, record: Val, selector: Val, descriptor: Val): void {
  const high = upperWord(descriptor);
  const small = descriptor.wrap().and(0xffff).or(high.and(0xf0000));
  const limit = small
    .shl(12)
    .or(0xfff)
    .selectIf(high.and(descriptorBits(RIGHTS.granular)), small);
  const rights = high.shrU(RIGHTS_SHIFT).and(0xf0ff);
  const written = b.i32(ACCESS_READ | ACCESS_WRITE).selectIf(rights.and(RIGHTS.writable), b.i32(ACCESS_READ));
  const readable = rights.and(RIGHTS.writable).shrU(Math.log2(RIGHTS.writable));
  const access = readable.selectIf(rights.and(RIGHTS.code), written);
  const base = descriptor.shrU(16).and(0xffffff).or(descriptor.shrU(56).shl(24));
  writeSegment(b, record, { selector, base, low: 0, limit, rights, access });
}

/** Loads a segment register with a flat segment, without a descriptor. @param access bits of ACCESS_READ and ACCESS_WRITE */
export function loadFlat(b: Builder, segment: number, selector: Val, rights: Val, access: number): void {
  const [base, limit] = [b.i64(0), b.i32(0xffffffff)];
  writeSegment(b, recordOf(b, segment), { selector, base, low: 0, limit, rights, access: b.i32(access) });
}

/** Loads a segment register with a null selector, SS with that of level 0. @param record as with {@link storeSegment} */
export function storeNull(b: Builder, record: Val, selector: Val): void {
  const nothing = b.i32(0);
  writeSegment(b, record, { selector, base: b.i64(0), low: 1, limit: nothing, rights: nothing, access: nothing });
}

/** Loads SS with the null selector of level 0. */
export function loadNullStack(b: Builder): void {
  storeNull(b, recordOf(b, SEG.SS), b.i32(0));
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
