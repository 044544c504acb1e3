import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, VECTOR_OF } from '../registers.ts';
import { notCanonical } from './common.ts';

const RCX = 1;

/** #GP(0) where a target (i64) is not canonical or, outside 64-bit mode, lies beyond the code segment's limit. */
function checkTarget(l: Lift, target: Val): void {
  if (l.shape.bits === 64) {
    if (l.size === 64) l.raiseIf(notCanonical(target), VECTOR_OF.GP);
    return;
  }
  if (l.shape.flatCode) return;
  const limit = l.b.load('i64', 4, l.b.cpu, SEGMENTS + SEG.CS * SEGMENT_BYTES + SEGMENT.high);
  l.raiseIf(target.gtU(limit), VECTOR_OF.GP);
}

/** As {@link checkTarget}, for a relative branch; in 64-bit mode the fetch checks it. */
function checkRelative(l: Lift): void {
  if (!l.shape.flatCode) checkTarget(l, l.relativeTarget(0));
}

function branch(l: Lift): void {
  checkRelative(l);
  l.jumpRelative(0);
}

function pushReturnAddress(l: Lift): void {
  const next = l.nextRip();
  l.push(l.size === 64 ? next : next.wrap(), l.size);
}

const jcc: Semantics = (l) => l.b.if(l.flags.condition(l.shape.cc), () => branch(l));

const jmp: Semantics = (l) => {
  if (l.shape.operands[0].kind === 'rel') {
    branch(l);
    return;
  }
  const target = l.read(0).extU();
  checkTarget(l, target);
  l.jump(target);
};

const call: Semantics = (l) => {
  if (l.shape.operands[0].kind === 'rel') {
    checkRelative(l);
    pushReturnAddress(l);
    l.jumpRelative(0);
    return;
  }
  const target = l.read(0).extU();
  checkTarget(l, target);
  pushReturnAddress(l);
  l.jump(target);
};

const ret: Semantics = (l) => {
  const target = l.peek(l.size).extU();
  checkTarget(l, target);
  const bytes = l.b.i64(l.size / 8);
  l.release(l.shape.operands.length === 0 ? bytes : l.read(0).extU().add(bytes));
  l.jump(target);
};

/** LOOP, LOOPE, LOOPNE: counts rCX of the address size. `zero`: the ZF that it needs to go on. */
function loop(zero?: 0 | 1): Semantics {
  return (l) => {
    const w = l.shape.addressSize;
    const count = l.gpr(RCX, w).sub(1).zeroExtend(w);
    const more = count.nez();
    const taken = zero === undefined ? more : more.and(l.flags.read('ZF').eq(zero));
    if (!l.shape.flatCode) l.b.if(taken, () => checkRelative(l));
    l.setGpr(RCX, w, count);
    l.b.if(taken, () => l.jumpRelative(0));
  };
}

const jcxz: Semantics = (l) => l.b.if(l.gpr(RCX, l.shape.addressSize).eqz(), () => branch(l));

/** Selector with the operand size above it, and offset, of a far pointer operand: direct or in memory. */
function farTarget(l: Lift): [Val, Val] {
  const size = l.b.i64(l.size << 16);
  if (!l.isMemory(0)) {
    const pointer = l.read(0);
    return [pointer.shrU(32).or(size), pointer.and(0xffffffffn)];
  }
  const bytes = (l.size / 8) as Access['bytes'];
  const segment = l.segment();
  const offset = l.b.guestLoad(l.size === 64 ? 'i64' : 'i32', bytes, l.address(bytes, false), segment);
  const selector = l.b.guestLoad('i32', 2, l.address(2, false, bytes), segment);
  return [selector.extU().or(size), offset.extU()];
}

const jmpf: Semantics = (l) => l.systemLeave('farJump', ...farTarget(l));
const callf: Semantics = (l) => l.systemLeave('farCall', ...farTarget(l));

const retf: Semantics = (l) => {
  const release = l.shape.operands.length === 0 ? l.b.i64(0) : l.read(0).extU();
  l.systemLeave('farReturn', l.size, release);
};

const into: Semantics = (l) => l.b.if(l.flags.read('OF'), () => l.systemLeave('overflowInterrupt'));

/** BOUND: #BR unless lower ≤ index ≤ upper, signed. */
const bound: Semantics = (l) => {
  const bytes = (l.size / 8) as Access['bytes'];
  const segment = l.segment();
  const bounds = (displacement: number) =>
    l.b.guestLoad('i32', bytes, l.address(bytes, false, displacement), segment).signExtend(l.size);
  const index = l.read(0).signExtend(l.size);
  const lower = bounds(0);
  const upper = bounds(bytes);
  l.raiseIf(index.ltS(lower).or(index.gtS(upper)), VECTOR_OF.BR);
};

/** Jumps, calls, returns and software interrupts. */
export const CONTROL_SEMANTICS: SemanticsTable = {
  jcc,
  jmp,
  call,
  ret,
  loop: loop(),
  loope: loop(1),
  loopne: loop(0),
  jcxz,
  jmpf,
  callf,
  retf,
  int: (l) => l.systemLeave('softwareInterrupt', l.read(0).extU()),
  int1: (l) => l.systemLeave('debugInterrupt'),
  int3: (l) => l.systemLeave('breakpointInterrupt'),
  into,
  bound,
  ud: (l) => l.raise(VECTOR_OF.UD),
};
