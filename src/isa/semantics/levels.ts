import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { getField } from '../fields.ts';
import {
  enterLevel,
  gdtEntry,
  isCode64,
  isData,
  isFlat,
  isInGdt,
  isStack,
  loadFlat,
  loadNullStack,
  loadSegment,
  storeNull,
  storeSegment,
} from '../flat-levels.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import {
  ACCESS_READ,
  ACCESS_WRITE,
  EFER,
  FLAG,
  FLAT_RIGHTS,
  QUICK,
  RIGHTS,
  SEG,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  SYSRET_FLAGS,
} from '../registers.ts';
import { leaveToNext, notCanonical, systemFlags } from './common.ts';

const RCX = 1;
const RDX = 2;
const RSP = 4;
const R11 = 11;

/** Loads CS and SS with flat segments. Parameters: selectors of code and stack, rights of the code, DPL in its place in rights. */
const loadFlatSegments = defineHelper(
  'loadFlatSegments',
  { params: ['i32', 'i32', 'i32', 'i32'] },
  (b, cs, ss, code, dpl) => {
    loadFlat(b, SEG.CS, cs.and(0xffff), dpl.or(code), ACCESS_READ);
    loadFlat(b, SEG.SS, ss.and(0xffff), dpl.or(FLAT_RIGHTS.data), ACCESS_READ | ACCESS_WRITE);
  },
);

/** Continues at `rip` in code of a level, whose flags have been set. */
function goOnAt(l: Lift, level: 0 | 3, rip: Val): void {
  enterLevel(l.b, level);
  l.set(STATE.rip, rip);
  l.leave();
}

/** Where SYSCALL and SYSRET cannot be done here: the system helper checks everything, and tells debuggers. */
function needsSystem(l: Lift): Val {
  const disabled = l.get(STATE.efer).wrap().and(EFER.SCE).eqz();
  return disabled.or(l.get(STATE.quickCalls).ne(QUICK.long)).or(systemFlags(l, FLAG.TF | FLAG.RF | FLAG.VM));
}

const syscall: Semantics = (l) => {
  l.b.if(needsSystem(l), () => l.systemLeave('syscall'));
  const flags = l.flags.eflags();
  const selector = l.get(STATE.star).shrU(32).wrap().and(0xfffc);
  l.setGpr(RCX, 64, l.nextRip());
  l.setGpr(R11, 32, flags);
  l.b.call(loadFlatSegments, selector, selector.add(8), FLAT_RIGHTS.code64, 0);
  l.flags.writeEflags(l.b.i32(0), l.get(STATE.sfmask).wrap());
  goOnAt(l, 0, l.get(STATE.lstar));
};

/** In 64-bit mode to 64-bit code of level 3, without anything that others would have to hear of. */
const sysret: Semantics = (l) => {
  if (l.size !== 64) {
    l.systemLeave('sysret', l.size);
    return;
  }
  const rip = l.gpr(RCX, 64);
  const flags = l.gpr(R11, 32);
  const refused = l.get(STATE.cpl).or(notCanonical(rip)).nez();
  const heeded = flags.and(FLAG.TF | FLAG.AC).or(l.get(STATE.interruptWaits));
  l.b.if(needsSystem(l).or(refused).or(heeded), () => l.systemLeave('sysret', l.size));
  const selector = l.get(STATE.star).shrU(48).wrap();
  l.b.call(loadFlatSegments, selector.add(16).or(3), selector.add(8).or(3), FLAT_RIGHTS.code64, 3 << RIGHTS.dplShift);
  l.flags.writeEflags(flags, l.b.i32(SYSRET_FLAGS));
  goOnAt(l, 3, rip);
};

/** Where SYSENTER and SYSEXIT cannot be done here. */
function needsSystemFlat(l: Lift, flags: number): Val {
  const isNull = l.get(STATE.sysenterCs).wrap().and(0xfffc).eqz();
  return isNull.or(l.get(STATE.quickCalls).ne(QUICK.flat)).or(systemFlags(l, flags));
}

const sysenter: Semantics = (l) => {
  l.b.if(needsSystemFlat(l, FLAG.TF | FLAG.RF | FLAG.VM), () => l.systemLeave('sysenter'));
  const selector = l.get(STATE.sysenterCs).wrap().and(0xfffc);
  l.b.call(loadFlatSegments, selector, selector.add(8), FLAT_RIGHTS.code32, 0);
  l.set(STATE.eflags, l.get(STATE.eflags).and(~FLAG.IF));
  l.setGpr(RSP, 32, l.get(STATE.sysenterEsp).wrap());
  goOnAt(l, 0, l.get(STATE.sysenterEip).zeroExtend(32));
};

const sysexit: Semantics = (l) => {
  const special = needsSystemFlat(l, FLAG.TF | FLAG.RF | FLAG.VM | FLAG.AC).or(l.get(STATE.cpl));
  l.b.if(special.or(l.size === 32 ? 0 : 1), () => l.systemLeave('sysexit', l.size));
  const selector = l.get(STATE.sysenterCs).wrap().and(0xfffc).add(16).or(3);
  const [rip, rsp] = [l.gpr(RDX, 32), l.gpr(RCX, 32)];
  l.b.call(loadFlatSegments, selector, selector.add(8), FLAT_RIGHTS.code32, 3 << RIGHTS.dplShift);
  l.setGpr(RSP, 32, rsp);
  goOnAt(l, 3, rip.extU());
};

/** Flags that IRET takes at level 0 (SDM 2, IRET). */
const IRET_FLAGS = SYSRET_FLAGS | FLAG.RF;
/** Those of them by which more changes than what follows here. */
const HEEDED_FLAGS = FLAG.TF | FLAG.NT | FLAG.AC;
const NULL_SELECTOR = 0;

/** Whether a data segment, by its record, is one that code of level 3 may keep. */
function staysAtLevel3(b: Builder, segment: number): Val {
  const rights = b.load('i32', 4, b.cpu, SEGMENTS + segment * SEGMENT_BYTES + SEGMENT.rights);
  const dpl3 = rights.shrU(RIGHTS.dplShift).and(3).eq(3);
  return rights.and(RIGHTS.present).eqz().or(dpl3);
}

/** Whether code of level 3 may keep DS, ES, FS and GS. */
function dataStaysAtLevel3(b: Builder): Val {
  const stay = [SEG.ES, SEG.DS, SEG.FS, SEG.GS].map((segment) => staysAtLevel3(b, segment));
  return stay.reduce((all, one) => all.and(one));
}

/** Loads CS and SS for a return to level 0 or 3. @returns 0 where nothing was done: the stack's descriptor or a data segment is not as usual */
const loadReturnSegments = defineHelper(
  'loadReturnSegments',
  { params: ['i32', 'i64', 'i32', 'i64'], result: 'i32' },
  (b, code, codeDescriptor, stack, stackDescriptor) => {
    const level = code.and(3);
    const isNull = stack.eq(NULL_SELECTOR);
    b.if(isNull.or(isStack(stackDescriptor, level)).eqz(), () => b.return(0));
    b.if(level.nez().and(dataStaysAtLevel3(b).eqz()), () => b.return(0));
    loadSegment(b, SEG.CS, code, codeDescriptor);
    b.if(
      isNull,
      () => loadNullStack(b),
      () => loadSegment(b, SEG.SS, stack, stackDescriptor),
    );
    return 1;
  },
);

/** The descriptor in the GDT that a selector (i32) names. */
function readDescriptor(l: Lift, selector: Val): Val {
  return l.b.guestLoad('i64', 8, gdtEntry(l.b, selector), l.b.i32(SEG.DS));
}

/** Where a selector does not name an entry of the GDT for a level, by their numbers. */
function isOutside(l: Lift, selector: Val, level: Val): Val {
  return isInGdt(l.b, selector).eqz().or(selector.and(3).ne(level));
}

/** Where IRET at level 0 cannot be done here, whatever it returns to. */
function needsSystemIret(l: Lift, quick: number): Val {
  const special = systemFlags(l, HEEDED_FLAGS | FLAG.RF | FLAG.VM).or(l.get(STATE.nmiBlocked));
  return l.get(STATE.quickCalls).ne(quick).or(l.get(STATE.cpl)).or(special);
}

/** The last steps of IRET: flags, and on to where it returns to. */
function finishIret(l: Lift, level: Val, flags: Val, rip: Val): void {
  l.flags.writeEflags(flags, l.b.i32(IRET_FLAGS));
  l.b.if(flags.and(FLAG.RF), () => l.set(STATE.resumeBudget, l.get(STATE.budget)));
  l.b.if(level, () => goOnAt(l, 3, rip));
  goOnAt(l, 0, rip);
}

/** Where flags from the stack, or a level, ask for more than what follows here. */
function isHeeded(l: Lift, flags: Val, level: Val, others: number): Val {
  const heeded = flags.and(HEEDED_FLAGS | others).or(l.get(STATE.interruptWaits));
  return heeded.or(level.eq(1)).or(level.eq(2));
}

/** From level 0 in 64-bit mode to 64-bit code of level 0 or 3, with the usual descriptors and no flag that others would have to hear of. */
function iretLong(l: Lift, bySystem: () => void): void {
  l.b.if(needsSystemIret(l, QUICK.long), bySystem);
  const [rip, cs, image] = [0, 8, 16].map((offset) => l.peek(64, offset));
  const [code, flags] = [cs.wrap().and(0xffff), image.wrap()];
  const level = code.and(3);
  const refused = isHeeded(l, flags, level, 0)
    .or(notCanonical(rip))
    .or(isOutside(l, code, level));
  l.b.if(refused, bySystem);
  const codeDescriptor = readDescriptor(l, code);
  l.b.if(isCode64(codeDescriptor, level).eqz(), bySystem);
  const [pointer, ss] = [24, 32].map((offset) => l.peek(64, offset));
  const stack = ss.wrap().and(0xffff);
  // The null selector of level 0 names no entry: that of the code is read once more.
  const entry = code.selectIf(stack.or(level).eqz(), stack);
  l.b.if(isOutside(l, entry, level), bySystem);
  const loaded = l.b.call(loadReturnSegments, code, codeDescriptor, stack, readDescriptor(l, entry));
  l.b.if(loaded.eqz(), bySystem);
  l.setGpr(RSP, 64, pointer);
  finishIret(l, level, flags, rip);
}

/** Loads CS, and SS where the stack is another, for a return in flat 32-bit code. @returns 0 where nothing was done */
const loadFlatReturn = defineHelper(
  'loadFlatReturn',
  { params: ['i32', 'i64', 'i32', 'i64'], result: 'i32' },
  (b, code, codeDescriptor, stack, stackDescriptor) => {
    const level = code.and(3);
    b.if(level, () => {
      b.if(isFlat(stackDescriptor, FLAT_RIGHTS.data, level).eqz(), () => b.return(0));
      b.if(dataStaysAtLevel3(b).eqz(), () => b.return(0));
      loadSegment(b, SEG.SS, stack, stackDescriptor);
    });
    loadSegment(b, SEG.CS, code, codeDescriptor);
    return 1;
  },
);

/** From level 0 to level 0 or 3, all in flat 32-bit segments. */
function iretFlat(l: Lift, bySystem: () => void): void {
  l.b.if(needsSystemIret(l, QUICK.flat), bySystem);
  const [rip, cs, flags] = [0, 4, 8].map((offset) => l.peek(32, offset));
  const code = cs.and(0xffff);
  const level = code.and(3);
  l.b.if(isHeeded(l, flags, level, FLAG.VM).or(isOutside(l, code, level)), bySystem);
  const codeDescriptor = readDescriptor(l, code);
  l.b.if(isFlat(codeDescriptor, FLAT_RIGHTS.code32, level).eqz(), bySystem);
  const outer = (offset: number) =>
    l.b.choose(
      'i32',
      level,
      () => l.peek(32, offset),
      () => 0,
    );
  const [pointer, ss] = [outer(12), outer(16)];
  const stack = ss.and(0xffff);
  const entry = stack.selectIf(level, code);
  l.b.if(isOutside(l, entry, level), bySystem);
  const loaded = l.b.call(loadFlatReturn, code, codeDescriptor, stack, readDescriptor(l, entry));
  l.b.if(loaded.eqz(), bySystem);
  l.setGpr(RSP, 32, pointer.selectIf(level, l.gpr(RSP, 32).add(12)));
  finishIret(l, level, flags, rip.extU());
}

const iret: Semantics = (l) => {
  const bySystem = () => l.systemLeave('iret', l.size);
  if (l.size === 64 && l.shape.bits === 64) iretLong(l, bySystem);
  else if (l.size === 32 && l.shape.bits === 32 && l.shape.flatStack) iretFlat(l, bySystem);
  else bySystem();
};

/** Loads DS, ES, FS or GS by a selector, where the mode of code stays what it is. @returns 0 where nothing was done */
const loadDataSegment = defineHelper(
  'loadDataSegment',
  { params: ['i32', 'i32', 'i64'], result: 'i32' },
  (b, segment, selector, descriptor) => {
    const record = b.cpu.add(segment.mul(SEGMENT_BYTES));
    const isLong = getField(b, STATE.quickCalls).eq(QUICK.long);
    const mayDiffer = isLong.or(segment.geU(SEG.FS));
    b.if(selector.ltU(4), () => {
      b.if(mayDiffer.eqz(), () => b.return(0));
      storeNull(b, record, selector);
      b.return(1);
    });
    const usual = isData(descriptor, selector.and(3));
    const level = descriptor.shrU(45).wrap().and(3);
    b.if(usual.and(mayDiffer.or(isFlat(descriptor, FLAT_RIGHTS.data, level))).eqz(), () => b.return(0));
    storeSegment(b, record, selector, descriptor);
    return 1;
  },
);

/**
 * Loads a segment register (its number and the selector, i32) and goes on, as MOV, POP and their kin do.
 * @param then what the instruction does besides
 */
export function loadSegmentRegister(l: Lift, segment: Val, selector: Val, then: () => void = () => {}): void {
  const own = l
    .get(STATE.cpl)
    .eqz()
    .and(systemFlags(l, FLAG.AC | FLAG.VM).eqz())
    .and(segment.ne(SEG.SS));
  const isNull = selector.ltU(4);
  const named = isNull.or(isInGdt(l.b, selector));
  const done = l.b.choose(
    'i32',
    l.get(STATE.quickCalls).nez().and(own).and(named),
    () => {
      const descriptor = l.b.choose(
        'i64',
        isNull,
        () => 0n,
        () => readDescriptor(l, selector),
      );
      return l.b.call(loadDataSegment, segment, selector, descriptor);
    },
    () => 0,
  );
  l.b.if(done.eqz(), () => {
    l.system('loadSegment', segment.extU(), selector.extU());
    then();
    leaveToNext(l);
  });
  then();
}

/** Instructions that lead from one privilege level to another. */
export const LEVEL_SEMANTICS: SemanticsTable = { syscall, sysret, sysenter, sysexit, iret };
