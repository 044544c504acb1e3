import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { enterLevel, isCode64, isStack, loadNullStack, loadSegment } from '../flat-levels.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import {
  ACCESS_READ,
  ACCESS_WRITE,
  EFER,
  FLAG,
  FLAT_RIGHTS,
  RIGHTS,
  SEG,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  SYSRET_FLAGS,
} from '../registers.ts';
import { notCanonical, systemFlags } from './common.ts';

const RCX = 1;
const RSP = 4;
const R11 = 11;

/** Loads CS and SS with flat segments of 64-bit code and its data. @param dpl that of both, in its place in the rights */
const loadFlatSegments = defineHelper('loadFlatSegments', { params: ['i32', 'i32', 'i32'] }, (b, cs, ss, dpl) => {
  const load = (segment: number, selector: Val, rights: number, access: number) => {
    const at = SEGMENTS + segment * SEGMENT_BYTES;
    b.store(8, b.cpu, at + SEGMENT.base, b.i64(0));
    b.store(4, b.cpu, at + SEGMENT.low, b.i32(0));
    b.store(4, b.cpu, at + SEGMENT.high, b.i32(0xffffffff));
    b.store(4, b.cpu, at + SEGMENT.rights, dpl.or(rights));
    b.store(4, b.cpu, at + SEGMENT.limit, b.i32(0xffffffff));
    b.store(4, b.cpu, at + SEGMENT.selector, selector.and(0xffff));
    b.store(4, b.cpu, at + SEGMENT.access, b.i32(access));
  };
  load(SEG.CS, cs, FLAT_RIGHTS.code64, ACCESS_READ);
  load(SEG.SS, ss, FLAT_RIGHTS.data, ACCESS_READ | ACCESS_WRITE);
});

/** Continues at `rip` in 64-bit code of a level, whose flags have been set. */
function goOnAt(l: Lift, level: 0 | 3, rip: Val): void {
  enterLevel(l.b, level);
  l.set(STATE.rip, rip);
  l.leave();
}

/** Where SYSCALL and SYSRET cannot be done here: the system helper checks everything, and tells debuggers. */
function needsSystem(l: Lift): Val {
  const disabled = l.get(STATE.efer).wrap().and(EFER.SCE).eqz();
  return disabled.or(l.get(STATE.quickCalls).eqz()).or(systemFlags(l, FLAG.TF | FLAG.RF | FLAG.VM));
}

const syscall: Semantics = (l) => {
  l.b.if(needsSystem(l), () => l.systemLeave('syscall'));
  const flags = l.flags.eflags();
  const selector = l.get(STATE.star).shrU(32).wrap().and(0xfffc);
  l.setGpr(RCX, 64, l.nextRip());
  l.setGpr(R11, 32, flags);
  l.b.call(loadFlatSegments, selector, selector.add(8), 0);
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
  l.b.call(loadFlatSegments, selector.add(16).or(3), selector.add(8).or(3), 3 << RIGHTS.dplShift);
  l.flags.writeEflags(flags, l.b.i32(SYSRET_FLAGS));
  goOnAt(l, 3, rip);
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

/** Loads CS and SS for a return to level 0 or 3. @returns 0 where nothing was done: the stack's descriptor or a data segment is not as usual */
const loadReturnSegments = defineHelper(
  'loadReturnSegments',
  { params: ['i32', 'i64', 'i32', 'i64'], result: 'i32' },
  (b, code, codeDescriptor, stack, stackDescriptor) => {
    const level = code.and(3);
    const isNull = stack.eq(NULL_SELECTOR);
    b.if(isNull.or(isStack(stackDescriptor, level)).eqz(), () => b.return(0));
    const stay = [SEG.ES, SEG.DS, SEG.FS, SEG.GS].map((segment) => staysAtLevel3(b, segment));
    b.if(level.nez().and(stay.reduce((all, one) => all.and(one)).eqz()), () => b.return(0));
    loadSegment(b, SEG.CS, code, codeDescriptor);
    b.if(
      isNull,
      () => loadNullStack(b, SEG.SS),
      () => loadSegment(b, SEG.SS, stack, stackDescriptor),
    );
    return 1;
  },
);

/** The descriptor in the GDT that a selector (i32) names. */
function readDescriptor(l: Lift, selector: Val): Val {
  const address = l.get(STATE.gdtrBase).add(selector.and(0xfff8).extU());
  return l.b.guestLoad('i64', 8, address, l.b.i32(SEG.DS));
}

/** Where a selector does not name an entry of the GDT for a level, by their numbers. */
function isOutside(l: Lift, selector: Val, level: Val): Val {
  const wrong = selector.and(7).ne(level).or(selector.ltU(8));
  return wrong.or(selector.or(7).gtU(l.get(STATE.gdtrLimit)));
}

/** From level 0 in 64-bit mode to 64-bit code of level 0 or 3, with the usual descriptors and no flag that others would have to hear of. */
const iret: Semantics = (l) => {
  const bySystem = () => l.systemLeave('iret', l.size);
  if (l.size !== 64 || l.shape.bits !== 64) {
    bySystem();
    return;
  }
  const special = systemFlags(l, HEEDED_FLAGS | FLAG.RF | FLAG.VM).or(l.get(STATE.nmiBlocked));
  l.b.if(l.get(STATE.quickCalls).eqz().or(l.get(STATE.cpl)).or(special), bySystem);
  const [rip, cs, image] = [0, 8, 16].map((offset) => l.peek(64, offset));
  const [code, flags] = [cs.wrap().and(0xffff), image.wrap()];
  const level = code.and(3);
  const heeded = flags.and(HEEDED_FLAGS).or(l.get(STATE.interruptWaits)).or(notCanonical(rip));
  const middle = level.eq(1).or(level.eq(2));
  l.b.if(heeded.or(middle).or(isOutside(l, code, level)), bySystem);
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
  l.flags.writeEflags(flags, l.b.i32(IRET_FLAGS));
  l.b.if(flags.and(FLAG.RF), () => l.set(STATE.resumeBudget, l.get(STATE.budget)));
  l.b.if(level, () => goOnAt(l, 3, rip));
  goOnAt(l, 0, rip);
};

/** Instructions that lead from one privilege level to another. */
export const LEVEL_SEMANTICS: SemanticsTable = { syscall, sysret, iret };
