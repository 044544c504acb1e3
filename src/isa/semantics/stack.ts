import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { FLAG, GPR, SEG, STATE } from '../registers.ts';
import { aboveIopl, leaveToNext, selectorOf, systemFlags } from './common.ts';
import { loadSegmentRegister } from './levels.ts';

const RSP = 4;
const RBP = 5;

function bytesOf(width: number): Access['bytes'] {
  return (width / 8) as Access['bytes'];
}

const push: Semantics = (l) => l.push(l.read(0), l.size);

/** To memory, the address is computed with the stack pointer already moved (SDM 2B, POP), which moves only after the store. */
const pop: Semantics = (l) => {
  const value = l.peek(l.size);
  const bytes = bytesOf(l.size);
  if (!l.isMemory(0)) {
    l.release(bytes);
    l.write(0, value);
    return;
  }
  const before = l.gpr(RSP, 64);
  l.release(bytes);
  const ea = l.freshAddress();
  l.b.store(8, l.b.cpu, GPR + RSP * 8, before);
  const segment = l.segment();
  l.b.guestStore(bytes, l.linear(segment, ea, bytes, true, l.shape.flat), segment, value);
  l.release(bytes);
};

/** A selector is pushed with 16 bits into a slot of the operand size, except a 64-bit one (SDM 2B, PUSH). */
const pushsreg: Semantics = (l) => {
  const selector = selectorOf(l, l.registerNumber(0));
  if (l.size === 64) {
    l.push(selector.extU(), 64);
    return;
  }
  const sp = l.truncate(l.stackPointer().sub(bytesOf(l.size)), l.shape.stackSize);
  l.b.guestStore(2, l.stackAddress(sp, 2, true), SEG.SS, selector);
  l.setStackPointer(sp);
};

const popsreg: Semantics = (l) => {
  const selector = l.peek(l.size).wrap().and(0xffff);
  loadSegmentRegister(l, l.registerNumber(0), selector, () => l.release(bytesOf(l.size)));
};

/** Address of the slot `index` places from stack offset `sp`. */
function slotAddress(l: Lift, sp: Val, index: number, forWrite: boolean): Val {
  const bytes = bytesOf(l.size);
  return l.stackAddress(l.truncate(sp.add(index * bytes), l.shape.stackSize), bytes, forWrite);
}

/** Slots from the lowest (DI) to the highest (AX); both ends first, so that a page missing at either is found before a store. */
const PUSHA_ORDER = [0, 7, 1, 2, 3, 4, 5, 6];

const pusha: Semantics = (l) => {
  const bytes = bytesOf(l.size);
  const sp = l.truncate(l.stackPointer().sub(8 * bytes), l.shape.stackSize);
  for (const slot of PUSHA_ORDER) {
    l.b.guestStore(bytes, slotAddress(l, sp, slot, true), SEG.SS, l.gpr(7 - slot, l.size));
  }
  l.setStackPointer(sp);
};

const popa: Semantics = (l) => {
  const bytes = bytesOf(l.size);
  const sp = l.stackPointer();
  const values = [7, 6, 5, 3, 2, 1, 0].map((register) => ({
    register,
    value: l.b.guestLoad('i32', bytes, slotAddress(l, sp, 7 - register, false), SEG.SS),
  }));
  for (const { register, value } of values) l.setGpr(register, l.size, value);
  l.release(8 * bytes);
};

/** 1 in V86 mode with IOPL below 3. V86 code is 16-bit code. */
function inRestrictedV86(l: Lift): Val {
  const flags = l.get(STATE.eflags);
  return flags.and(FLAG.VM).nez().and(flags.and(FLAG.IOPL).ne(FLAG.IOPL));
}

const pushf: Semantics = (l) => {
  const plain = () => l.flags.eflags().and(~(FLAG.VM | FLAG.RF));
  const image =
    l.shape.bits === 16
      ? l.b.choose('i32', inRestrictedV86(l), () => l.system('pushFlagsVm', l.size).wrap(), plain)
      : plain();
  l.push(l.size === 64 ? image.extU() : image, l.size);
};

/** What POPF may change at CPL 0; the 16-bit form leaves the upper half (SDM 2B, table 4-15). */
const POPF_MASK =
  FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.TF | FLAG.IF | FLAG.DF | FLAG.OF | FLAG.IOPL | FLAG.NT;
const POPFD_MASK = POPF_MASK | FLAG.AC | FLAG.ID;

/** A change that the engines must hear of is left to the system helper. */
const popf: Semantics = (l) => {
  const value = l.peek(l.size).wrap();
  const userMask = l.b.i32(~FLAG.IOPL).selectIf(l.get(STATE.cpl), -1);
  const mask = l.b
    .i32(l.size === 16 ? POPF_MASK : POPFD_MASK)
    .and(userMask)
    .and(l.b.i32(~FLAG.IF).selectIf(aboveIopl(l), -1));
  const old = l.get(STATE.eflags);
  const heeded = old
    .xor(value)
    .and(mask)
    .and(FLAG.TF | FLAG.IF | FLAG.AC);
  l.b.if(heeded.or(systemFlags(l, FLAG.VM)), () => {
    l.system('popFlags', value.extU(), l.size);
    l.release(bytesOf(l.size));
    leaveToNext(l);
  });
  l.release(bytesOf(l.size));
  l.flags.writeEflags(value, mask);
};

/** Copies the frame pointers of the enclosing levels. @returns the stack offset below them */
function copyDisplay(l: Lift, frame: Val, level: Val): Val {
  const { b } = l;
  const { stackSize } = l.shape;
  const bytes = bytesOf(l.size);
  const type = l.size === 64 ? 'i64' : 'i32';
  const sp = b.variable('i64', frame, 'sp');
  const bp = b.variable('i64', l.truncate(l.gpr(RBP, 64), stackSize), 'bp');
  const left = b.variable('i32', level, 'left');
  const down = (from: Val) => l.truncate(from.sub(bytes), stackSize);
  b.if(level, () => {
    b.loop((again) => {
      b.set(left, b.get(left).sub(1));
      b.set(sp, down(b.get(sp)));
      const last = b.get(left).eqz();
      b.if(
        last,
        () => b.guestStore(bytes, l.stackAddress(b.get(sp), bytes, true), SEG.SS, l.size === 64 ? frame : frame.wrap()),
        () => {
          b.set(bp, down(b.get(bp)));
          const pointer = b.guestLoad(type, bytes, l.stackAddress(b.get(bp), bytes, false), SEG.SS);
          b.guestStore(bytes, l.stackAddress(b.get(sp), bytes, true), SEG.SS, pointer);
          b.continue(again);
        },
      );
    });
  });
  return b.get(sp);
}

/** ENTER (SDM 2A). Registers change last; the new top of the stack must be writable. */
const enter: Semantics = (l) => {
  const { stackSize } = l.shape;
  const bytes = bytesOf(l.size);
  const frame = l.truncate(l.stackPointer().sub(bytes), stackSize);
  l.b.guestStore(bytes, l.stackAddress(frame, bytes, true), SEG.SS, l.gpr(RBP, l.size));
  const below = copyDisplay(l, frame, l.read(1).and(31));
  const sp = l.truncate(below.sub(l.read(0).extU()), stackSize);
  l.b.guestLoad('i32', 1, l.stackAddress(sp, 1, true), SEG.SS, true);
  l.setGpr(RBP, l.size, l.size === 64 ? frame : frame.wrap());
  l.setStackPointer(sp);
};

const leave: Semantics = (l) => {
  const { stackSize } = l.shape;
  const bytes = bytesOf(l.size);
  const frame = l.truncate(l.gpr(RBP, 64), stackSize);
  const type = l.size === 64 ? 'i64' : 'i32';
  const value = l.b.guestLoad(type, bytes, l.stackAddress(frame, bytes, false), SEG.SS);
  l.setStackPointer(l.truncate(frame.add(bytes), stackSize));
  l.setGpr(RBP, l.size, value);
};

/** Stack instructions. */
export const STACK_SEMANTICS: SemanticsTable = {
  push,
  pop,
  pushsreg,
  popsreg,
  pusha,
  popa,
  pushf,
  popf,
  enter,
  leave,
};
