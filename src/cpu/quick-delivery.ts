import type { Builder } from '../ir/builder.ts';
import { defineHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { enterLevel, isCode64, loadNullStack, loadSegment } from '../isa/flat-levels.ts';
import { FLAG, GPR, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../isa/registers.ts';
import { tlbFor, translate } from './mmu.ts';
import { ACCESS, entryOffset, TLB } from './tlb.ts';

const PAGE_MASK = ~0xfffn;
const GATE_BYTES = 16;
const RSP = GPR + 4 * 8;
/** Bits 40 to 47 of a present 64-bit interrupt gate, whatever its DPL; that of a trap gate has bit 0 set too (SDM 3A, 6.14.1). */
const GATE = { mask: 0x9e, value: 0x8e } as const;
/** Interrupt-stack-table entry, in the gate's second word. */
const GATE_STACK = 7;
/** Where a 64-bit TSS has RSP for level 0 (SDM 3A, figure 7-11). */
const TSS_RSP0 = 4;

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

function notCanonical(address: Val): Val {
  return address.shl(16).shrS(16).ne(address);
}

/** The stack that a handler of level 0 begins with, aligned (SDM 3A, 6.14.2). */
function handlerStack(b: Builder): Val {
  const pointer = b.variable('i64', b.load('i64', 8, b.cpu, RSP), 'pointer');
  b.if(get(b, STATE.cpl), () => {
    b.if(segmentField(b, SEG.TR, SEGMENT.limit).ltU(TSS_RSP0 + 7), () => b.return(0));
    const address = segmentField(b, SEG.TR, SEGMENT.base, 'i64').add(TSS_RSP0);
    b.set(pointer, b.load('i64', 8, place(b, address, b.i32(8), 0)));
    b.if(notCanonical(b.get(pointer)), () => b.return(0));
  });
  return b.get(pointer).and(~15n);
}

/** Stores the frame below `top`. @returns the stack pointer behind it */
function pushFrame(b: Builder, top: Val, flags: Val, error: Val): Val {
  const hasError = error.geS(0);
  const bytes = b.i32(48).selectIf(hasError, b.i32(40));
  const bottom = top.sub(bytes.extU());
  const host = place(b, bottom, bytes, ACCESS.write);
  const rip = host.add(bytes.sub(40).extU());
  b.if(hasError, () => b.store(8, host, 0, error));
  b.store(8, rip, 0, get(b, STATE.rip));
  b.store(8, rip, 8, segmentField(b, SEG.CS, SEGMENT.selector).extU());
  b.store(8, rip, 16, flags.extU());
  b.store(8, rip, 24, b.load('i64', 8, b.cpu, RSP));
  b.store(8, rip, 32, segmentField(b, SEG.SS, SEGMENT.selector).extU());
  return bottom;
}

/**
 * Delivers an exception or an external interrupt from 64-bit code through an ordinary gate to 64-bit code of level 0, as
 * `deliverThroughLongGate` would.
 * Parameters: the vector, the error code or -1, and EFLAGS as it is pushed. @returns 0 where nothing was done; a fault that
 * was found on the way may be pending
 */
export const deliverQuickly = defineHelper(
  'deliverQuickly',
  { params: ['i32', 'i64', 'i32'], result: 'i32' },
  (b, vector, error, flags) => {
    const offset = vector.mul(GATE_BYTES);
    const inTable = offset.add(GATE_BYTES - 1).leU(get(b, STATE.idtrLimit));
    b.if(get(b, STATE.quickCalls).eqz().or(inTable.eqz()), () => b.return(0));
    const gate = place(b, get(b, STATE.idtrBase).add(offset.extU()), b.i32(GATE_BYTES), 0);
    const [low, high] = [b.load('i64', 8, gate), b.load('i64', 4, gate, 8)];
    const word = low.shrU(32).wrap();
    const isUsual = word.shrU(8).and(GATE.mask).eq(GATE.value).and(word.and(GATE_STACK).eqz());
    const selector = low.wrap().shrU(16);
    const inGdt = selector.or(7).leU(get(b, STATE.gdtrLimit)).and(selector.and(4).eqz()).and(selector.geU(8));
    b.if(isUsual.and(inGdt).eqz(), () => b.return(0));
    const entry = get(b, STATE.gdtrBase).add(selector.and(0xfff8).extU());
    const descriptor = b.load('i64', 8, place(b, entry, b.i32(8), 0));
    const target = low.and(0xffffn).or(low.shrU(48).shl(16)).or(high.shl(32));
    b.if(isCode64(descriptor, b.i32(0)).eqz().or(notCanonical(target)), () => b.return(0));
    const pointer = pushFrame(b, handlerStack(b), flags, error);

    b.store(8, b.cpu, RSP, pointer);
    b.if(get(b, STATE.cpl), () => loadNullStack(b, SEG.SS));
    loadSegment(b, SEG.CS, selector.and(0xfff8), descriptor);
    put(b, STATE.rip, target);
    const masked = b.i32(FLAG.IF).selectIf(word.and(1 << 8).eqz(), b.i32(0));
    const cleared = masked.or(FLAG.TF | FLAG.NT | FLAG.RF | FLAG.VM);
    put(b, STATE.eflags, get(b, STATE.eflags).and(cleared.not()));
    enterLevel(b, 0);
    return 1;
  },
);
