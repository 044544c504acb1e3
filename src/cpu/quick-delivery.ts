import type { Builder } from '../ir/builder.ts';
import { defineHelper, type HelperShape } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { enterLevel, gdtEntry, isCode64, isFlat, isInGdt, loadNullStack, loadSegment } from '../isa/flat-levels.ts';
import { FLAG, FLAT_RIGHTS, GPR, QUICK, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../isa/registers.ts';
import { notCanonical } from '../isa/semantics/common.ts';
import { tlbFor, translate } from './mmu.ts';
import { ACCESS, entryOffset, PAGE_MASK, TLB } from './tlb.ts';

const RSP = GPR + 4 * 8;
/** A present interrupt or trap gate of 32 or 64 bits, whatever its DPL: bits of its second word (SDM 3A, 6.11 and 6.14.1). */
const GATE = { mask: 0x9e00, value: 0x8e00 } as const;
const GATE_TRAP = 0x100;
/** Interrupt-stack-table entry, in the gate's second word. */
const GATE_STACK = 7;
/** Where a TSS has the stack pointer for level 0; in one of 32 bits SS follows (SDM 3A, figures 7-2 and 7-11). */
const TSS_STACK = 4;
/** The rights of a TSS of 32 bits, busy or not. */
const TSS_WIDE = { mask: 0x0d, value: 0x09 } as const;

const DELIVERY: HelperShape = { params: ['i32', 'i64', 'i32'], result: 'i32' };

function segmentField(b: Builder, segment: number, field: number, type: 'i32' | 'i64' = 'i32'): Val {
  return b.load(type, type === 'i64' ? 8 : 4, b.cpu, SEGMENTS + segment * SEGMENT_BYTES + field);
}

/** Host address of `bytes` in one page that the processor itself may reach by its TLB; where it may not, the helper gives 0. */
function place(b: Builder, address: Val, bytes: Val, access: number): Val {
  const own = b.i32(access | ACCESS.system);
  const entry = tlbFor(b, own).add(entryOffset(address));
  const tag = () => b.load('i64', 8, entry, access & ACCESS.write ? TLB.writeTag : TLB.readTag);
  const page = address.add(bytes.extU()).sub(1).and(PAGE_MASK);
  b.if(tag().ne(page), () => {
    b.call(translate, address, own);
    b.if(tag().ne(page), () => b.return(0));
  });
  return address.add(b.load('i64', 8, entry, TLB.addend));
}

/** RSP or ESP. */
function stackPointer(b: Builder): Val {
  return b.load('i64', 8, b.cpu, RSP);
}

/** The descriptor in the GDT that a selector names; where it names none there, the helper gives 0. */
function readDescriptor(b: Builder, selector: Val): Val {
  b.if(isInGdt(b, selector).eqz(), () => b.return(0));
  return b.load('i64', 8, place(b, gdtEntry(b, selector), b.i32(8), 0));
}

/** An entry of the IDT. Where it does not exist, the helper gives 0. */
function readGate(b: Builder, vector: Val, bytes: number): Val {
  const offset = vector.mul(bytes);
  b.if(offset.add(bytes - 1).gtU(get(b, STATE.idtrLimit)), () => b.return(0));
  return place(b, get(b, STATE.idtrBase).add(offset.extU()), b.i32(bytes), 0);
}

/** Goes on at a handler of level 0: flags, level and place. @param word the gate's word with its type */
function enterHandler(b: Builder, word: Val, target: Val): void {
  put(b, STATE.rip, target);
  const masked = b.i32(FLAG.IF).selectIf(word.and(GATE_TRAP).eqz(), b.i32(0));
  const cleared = masked.or(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM);
  put(b, STATE.eflags, get(b, STATE.eflags).and(cleared.not()));
  enterLevel(b, 0);
}

/** The stack that a handler of level 0 begins with, aligned (SDM 3A, 6.14.2). */
function longHandlerStack(b: Builder): Val {
  const pointer = b.variable('i64', stackPointer(b), 'pointer');
  b.if(get(b, STATE.cpl), () => {
    b.if(segmentField(b, SEG.TR, SEGMENT.limit).ltU(TSS_STACK + 7), () => b.return(0));
    const address = segmentField(b, SEG.TR, SEGMENT.base, 'i64').add(TSS_STACK);
    b.set(pointer, b.load('i64', 8, place(b, address, b.i32(8), 0)));
    b.if(notCanonical(b.get(pointer)), () => b.return(0));
  });
  return b.get(pointer).and(~15n);
}

/** Stores the frame of 64-bit code below `top`. @returns the stack pointer behind it */
function pushLongFrame(b: Builder, top: Val, flags: Val, error: Val): Val {
  const hasError = error.geS(0);
  const bytes = b.i32(48).selectIf(hasError, b.i32(40));
  const bottom = top.sub(bytes.extU());
  const host = place(b, bottom, bytes, ACCESS.write);
  const rip = host.add(bytes.sub(40).extU());
  b.if(hasError, () => b.store(8, host, 0, error));
  b.store(8, rip, 0, get(b, STATE.rip));
  b.store(8, rip, 8, segmentField(b, SEG.CS, SEGMENT.selector).extU());
  b.store(8, rip, 16, flags.extU());
  b.store(8, rip, 24, stackPointer(b));
  b.store(8, rip, 32, segmentField(b, SEG.SS, SEGMENT.selector).extU());
  return bottom;
}

/** From 64-bit code to 64-bit code of level 0, as `deliverThroughLongGate` would. */
const deliverLong = defineHelper('deliverLong', DELIVERY, (b, vector, error, flags) => {
  const gate = readGate(b, vector, 16);
  const [low, high] = [b.load('i64', 8, gate), b.load('i64', 4, gate, 8)];
  const word = low.shrU(32).wrap();
  b.if(word.and(GATE.mask).ne(GATE.value).or(word.and(GATE_STACK)), () => b.return(0));
  const selector = low.wrap().shrU(16);
  const descriptor = readDescriptor(b, selector);
  const target = low.and(0xffffn).or(low.shrU(48).shl(16)).or(high.shl(32));
  b.if(isCode64(descriptor, b.i32(0)).eqz().or(notCanonical(target)), () => b.return(0));
  const pointer = pushLongFrame(b, longHandlerStack(b), flags, error);

  b.store(8, b.cpu, RSP, pointer);
  b.if(get(b, STATE.cpl), () => loadNullStack(b));
  loadSegment(b, SEG.CS, selector.and(0xfff8), descriptor);
  enterHandler(b, word, target);
  return 1;
});

/** Stores the frame of flat 32-bit code below `top`. @returns the stack pointer behind it */
function pushFlatFrame(b: Builder, top: Val, inner: Val, flags: Val, error: Val): Val {
  const hasError = error.geS(0);
  const outer = b.i32(8).selectIf(inner, b.i32(0));
  const bytes = b.i32(16).selectIf(hasError, b.i32(12)).add(outer);
  b.if(top.ltU(bytes.extU()), () => b.return(0));
  const bottom = top.sub(bytes.extU());
  const host = place(b, bottom, bytes, ACCESS.write);
  const rip = host.add(b.i64(4).selectIf(hasError, b.i64(0)));
  b.if(hasError, () => b.store(4, host, 0, error.wrap()));
  b.store(4, rip, 0, get(b, STATE.rip).wrap());
  b.store(4, rip, 4, segmentField(b, SEG.CS, SEGMENT.selector));
  b.store(4, rip, 8, flags);
  b.if(inner, () => {
    b.store(4, rip, 12, stackPointer(b).wrap());
    b.store(4, rip, 16, segmentField(b, SEG.SS, SEGMENT.selector));
  });
  return bottom;
}

/** From flat 32-bit code to flat 32-bit code of level 0, as `deliverThroughGate` would. */
const deliverFlat = defineHelper('deliverFlat', DELIVERY, (b, vector, error, flags) => {
  const gate = b.load('i64', 8, readGate(b, vector, 8));
  const word = gate.shrU(32).wrap();
  const selector = gate.wrap().shrU(16);
  b.if(word.and(GATE.mask).ne(GATE.value), () => b.return(0));
  const level0 = b.i32(0);
  const descriptor = readDescriptor(b, selector);
  b.if(isFlat(descriptor, FLAT_RIGHTS.code32, level0).eqz(), () => b.return(0));
  const inner = get(b, STATE.cpl);
  const top = b.variable('i64', stackPointer(b), 'top');
  const stack = b.variable('i32', 0, 'stack');
  const stackDescriptor = b.variable('i64', 0, 'stackDescriptor');
  b.if(inner, () => {
    const wide = segmentField(b, SEG.TR, SEGMENT.rights).and(TSS_WIDE.mask).eq(TSS_WIDE.value);
    const inside = segmentField(b, SEG.TR, SEGMENT.limit).geU(TSS_STACK + 5);
    b.if(wide.and(inside).eqz(), () => b.return(0));
    const address = segmentField(b, SEG.TR, SEGMENT.base, 'i64').add(TSS_STACK);
    const tss = place(b, address, b.i32(6), 0);
    b.set(top, b.load('i64', 4, tss));
    b.set(stack, b.load('i32', 2, tss, 4));
    b.if(b.get(stack).and(3), () => b.return(0));
    b.set(stackDescriptor, readDescriptor(b, b.get(stack)));
    b.if(isFlat(b.get(stackDescriptor), FLAT_RIGHTS.data, level0).eqz(), () => b.return(0));
  });
  const pointer = pushFlatFrame(b, b.get(top), inner, flags, error);

  b.store(8, b.cpu, RSP, pointer);
  b.if(inner, () => loadSegment(b, SEG.SS, b.get(stack), b.get(stackDescriptor)));
  loadSegment(b, SEG.CS, selector.and(0xfff8), descriptor);
  enterHandler(b, word, gate.and(0xffffn).or(gate.shrU(48).shl(16)));
  return 1;
});

/**
 * Delivers an exception or an external interrupt through an ordinary gate to code of level 0, where that leads from 64-bit
 * code to 64-bit code, or stays in flat 32-bit code.
 * Parameters: the vector, the error code or -1, and EFLAGS as it is pushed. @returns 0 where nothing was done; a fault that
 * was found on the way may be pending
 */
export const deliverQuickly = defineHelper('deliverQuickly', DELIVERY, (b, vector, error, flags) => {
  const quick = get(b, STATE.quickCalls);
  b.if(quick.eq(QUICK.long), () => b.return(b.call(deliverLong, vector, error, flags)));
  b.if(quick.eq(QUICK.flat), () => b.return(b.call(deliverFlat, vector, error, flags)));
  return 0;
});
