import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Operand, Val } from '../../ir/val.ts';
import { EXCEPTION, FLOAT_EXPONENT, FLOAT_FLAGS, INDEFINITE_80, INDEFINITE_WORD } from '../float/results.ts';
import type { Field } from '../layout.ts';
import { type Lift, system } from '../lift.ts';
import { raiseIn } from '../memory.ts';
import { CR0, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE, VECTOR_OF, X87, X87_EXPONENT } from '../registers.ts';
import type { Unless } from '../short-way.ts';
import { SYSTEM_CALLS } from '../system-calls.ts';

/**
 * The register stack, the status word and the rules by which x87 instructions start and end (SDM 1, 8.1 and 8.5).
 * FLOAT_FLAGS gathers what an instruction raises, in FSW's own bits: exceptions, stack fault, condition codes.
 */

/** Bits of FSW. */
export const FSW = {
  SF: 1 << 6,
  ES: 1 << 7,
  C0: 1 << 8,
  C1: 1 << 9,
  C2: 1 << 10,
  C3: 1 << 14,
  B: 1 << 15,
} as const;
export const CONDITION_CODES = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;
/** The exceptions in FSW, and their masks in FCW. */
export const EXCEPTIONS = 0x3f;
/** Exceptions that, unmasked, keep an instruction from changing its destination in the register stack. */
export const STOPS_REGISTER = EXCEPTION.IE | EXCEPTION.DE | EXCEPTION.ZE;
/** As {@link STOPS_REGISTER}, for a destination in memory. */
export const STOPS_MEMORY = STOPS_REGISTER | EXCEPTION.OE | EXCEPTION.UE;

/** In the sign and exponent word of an operand: the register that it was read from is empty. */
const EMPTY_SHIFT = 17;

export function getField(b: Builder, field: Field): Val {
  return b.load(field.type, field.bytes, b.cpu, field.offset);
}
export function setField(b: Builder, field: Field, value: Operand): void {
  b.store(field.bytes, b.cpu, field.offset, b.coerce(field.type, value));
}
export function flagsRaised(b: Builder): Val {
  return b.load('i32', 4, b.cpu, FLOAT_FLAGS.offset);
}
export function setFlags(b: Builder, flags: Operand): void {
  b.store(4, b.cpu, FLOAT_FLAGS.offset, b.coerce('i32', flags));
}
/** The sign and exponent word of the last 80-bit result of a helper. */
export function resultWord(b: Builder): Val {
  return b.load('i32', 4, b.cpu, FLOAT_EXPONENT.offset);
}

/** An 80-bit operand: sign and exponent word, and significand. */
export interface Number80 {
  readonly word: Val;
  readonly significand: Val;
}

/** Number, in the register file, of ST(index) when the top is `top`. */
function physical(top: Val, index: Operand): Val {
  return index === 0 ? top : top.add(index).and(7);
}
/** Address of a physical register; {@link X87} is to be added. */
function slotOf(b: Builder, register: Val): Val {
  return b.cpu.add(register.shl(4));
}

/** ST(index); the word says whether the register is empty. */
export function readStack(b: Builder, index: Operand): Number80 {
  const register = physical(getField(b, STATE.top), index);
  const empty = getField(b, STATE.ftw).shrU(register).and(1).xor(1);
  const slot = slotOf(b, register);
  return {
    word: b.load('i32', 2, slot, X87 + X87_EXPONENT).or(empty.shl(EMPTY_SHIFT)),
    significand: b.load('i64', 8, slot, X87),
  };
}

/** The short way to ST(index): it is not empty. */
export function readShortly(b: Builder, index: Operand, unless: Unless): Number80 {
  const register = physical(getField(b, STATE.top), index);
  unless(getField(b, STATE.ftw).shrU(register).and(1).eqz());
  const slot = slotOf(b, register);
  return { word: b.load('i32', 2, slot, X87 + X87_EXPONENT), significand: b.load('i64', 8, slot, X87) };
}

/** 1 where an operand was read from an empty register. */
export function isEmpty(number: Number80): Val {
  return number.word.shrU(EMPTY_SHIFT);
}

/** Replaces the number of ST(index), which is not empty. */
export function replaceStack(b: Builder, index: Operand, { word, significand }: Number80): void {
  const slot = slotOf(b, physical(getField(b, STATE.top), index));
  b.store(8, slot, X87, significand);
  b.store(2, slot, X87 + X87_EXPONENT, word);
}

/** Writes ST(index) and marks it as not empty. */
export function writeStack(b: Builder, index: Operand, number: Number80): void {
  replaceStack(b, index, number);
  const register = physical(getField(b, STATE.top), index);
  setField(b, STATE.ftw, getField(b, STATE.ftw).or(b.i32(1).shl(register)));
}

/** Marks the top `count` (i32, 0–2) registers as empty and moves the top past them. */
export function popStack(b: Builder, count: Val): void {
  const top = getField(b, STATE.top);
  const popped = b.i32(1).shl(count).sub(1).shl(top);
  setField(b, STATE.ftw, getField(b, STATE.ftw).and(popped.or(popped.shrU(8)).not()));
  setField(b, STATE.top, top.add(count).and(7));
}

/** The real indefinite, which masked invalid operations give. */
export function indefinite(b: Builder): Number80 {
  return { word: b.i32(INDEFINITE_WORD), significand: b.i64(INDEFINITE_80) };
}

/** Exceptions raised and not masked, i32. */
export function unmaskedExceptions(b: Builder): Val {
  return flagsRaised(b).and(getField(b, STATE.fcw).not()).and(EXCEPTIONS);
}

/** Offset of the base of CS. */
const CS_BASE = SEGMENTS + SEG.CS * SEGMENT_BYTES + SEGMENT.base;
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

/** FOP of the instruction at FIP: read from its code, which has just been executed (SDM 1, 8.1.9). */
const recordOpcode = defineHelper('x87RecordOpcode', { mayFault: true }, (b) => {
  const base = b.load('i64', 8, b.cpu, CS_BASE);
  const at = b.variable('i64', getField(b, STATE.fip).add(base).and(getField(b, STATE.linearMask)));
  b.loop((again) => {
    const linear = b.get(at);
    const byte = b.guestLoad('i32', 1, linear, SEG.CS);
    const next = linear.add(1).and(getField(b, STATE.linearMask));
    const prefix = PREFIXES.map((value) => byte.eq(value)).reduce((any, is) => any.or(is));
    b.set(at, next);
    b.if(prefix.or(byte.and(0xf0).eq(0x40)), () => b.continue(again));
    const modrm = b.guestLoad('i32', 1, next, SEG.CS);
    setField(b, STATE.fop, byte.and(7).shl(8).or(modrm));
  });
});

/** FERR# goes on only where ES has been set before and still is: otherwise the error is another one. */
export function keepFerr(b: Builder, goesOn: Val): void {
  setField(b, STATE.ferr, getField(b, STATE.ferr).and(goesOn));
}

/** Ends an instruction that has raised an unmasked exception: one of `stops` keeps it from popping. */
const finishUnmasked = defineHelper(
  'x87FinishUnmasked',
  { params: ['i32', 'i32', 'i32'], mayFault: true },
  (b, cleared, stops, pops) => {
    const status = getField(b, STATE.fsw);
    keepFerr(b, status.and(FSW.ES).nez());
    setField(
      b,
      STATE.fsw,
      status
        .and(cleared.not())
        .or(flagsRaised(b).and(0xffff))
        .or(FSW.ES | FSW.B),
    );
    b.call(recordOpcode);
    b.if(unmaskedExceptions(b).and(stops).eqz(), () => popStack(b, pops));
  },
);

/** Ends an instruction of which it is known that it has raised an unmasked exception. */
export function finishStopped(b: Builder, stops: number, pops: number): void {
  b.call(finishUnmasked, FSW.C1, stops, pops);
}

/** What {@link finishInstruction} takes; `codes` are the condition codes that are cleared where they are not set, C1 if absent. */
export interface Ending {
  readonly pops?: Operand;
  readonly stops?: number;
  readonly codes?: Operand;
}

/** Ends an instruction: FLOAT_FLAGS go into the status word, and the stack is popped unless an exception prevents it. */
export function finishInstruction(b: Builder, ending: Ending = {}): void {
  const { stops = STOPS_REGISTER, codes = FSW.C1 } = ending;
  const pops = b.coerce('i32', ending.pops ?? 0);
  b.if(
    unmaskedExceptions(b),
    () => b.call(finishUnmasked, codes, stops, pops),
    () => finishUsual(b, flagsRaised(b).and(0xffff), codes, pops),
  );
}

/** Ends an instruction that has raised nothing but masked exceptions: those and condition codes in `raised`. */
export function finishUsual(b: Builder, raised: Operand, codes: Operand, pops: Val): void {
  const status = getField(b, STATE.fsw).and(b.coerce('i32', codes).not()).or(raised);
  setField(b, STATE.fsw, status);
  if (pops.what.kind !== 'const' || pops.what.value !== 0n) popStack(b, pops);
}

/** Whether no unmasked exception among `stops` keeps the result from being stored, i32. */
export function mayStore(b: Builder, stops: number): Val {
  return unmaskedExceptions(b).and(stops).eqz();
}

/** What instructions clear that otherwise leave the condition codes alone: C1, on stack underflow. */
export function codesOfUnderflow(b: Builder): Val {
  return b.i32(FSW.C1).selectIf(flagsRaised(b).and(FSW.SF), 0);
}

/** Raises stack underflow: an operand is empty. C1 is clear. */
export function underflow(b: Builder): void {
  setFlags(b, EXCEPTION.IE | FSW.SF);
}

/** Pushes a number, or the indefinite where the stack is full; FLOAT_FLAGS hold what loading it has raised. */
const push = defineHelper('x87Push', { params: ['i32', 'i64'], mayFault: true }, (b, word, significand) => {
  const top = getField(b, STATE.top).sub(1).and(7);
  const full = getField(b, STATE.ftw).shrU(top).and(1);
  const underflowed = flagsRaised(b).and(FSW.SF);
  b.if(full.and(underflowed.eqz()), () => setFlags(b, EXCEPTION.IE | FSW.SF | FSW.C1));
  b.if(mayStore(b, EXCEPTION.IE), () => {
    setField(b, STATE.top, top);
    const lost = indefinite(b);
    const pushed = { word: lost.word.selectIf(full, word), significand: lost.significand.selectIf(full, significand) };
    writeStack(b, 0, pushed);
  });
  finishInstruction(b);
});

/** The short way of a push: of a number that has raised nothing, onto a stack that is not full. */
export function pushShortly(b: Builder, unless: Unless, number: Number80): void {
  const top = getField(b, STATE.top).sub(1).and(7);
  const tags = getField(b, STATE.ftw);
  const own = b.i32(1).shl(top);
  unless(tags.and(own));
  const slot = slotOf(b, top);
  b.store(8, slot, X87, number.significand);
  b.store(2, slot, X87 + X87_EXPONENT, number.word);
  setField(b, STATE.top, top);
  setField(b, STATE.ftw, tags.or(own));
  finishShortly(b);
}

/** The end of a short way that pops `pops` registers and raises nothing but `raised`, which is masked. */
export function finishShortly(b: Builder, pops: 0 | 1 = 0, raised: Operand = 0): void {
  const status = getField(b, STATE.fsw).and(~FSW.C1);
  setField(b, STATE.fsw, raised === 0 ? status : status.or(raised));
  if (pops === 0) return;
  const top = getField(b, STATE.top);
  setField(b, STATE.ftw, getField(b, STATE.ftw).and(b.i32(1).shl(top).not()));
  setField(b, STATE.top, top.add(1).and(7));
}

export function pushNumber(b: Builder, number: Number80): void {
  b.call(push, number.word, number.significand);
}

/** Starts an instruction that may run while an unmasked exception waits: #NM alone is checked. */
export function startControl(l: Lift): void {
  l.raiseIf(l.get(STATE.fpuFault), VECTOR_OF.NM);
}

/** Raises #MF, or FERR# where CR0.NE is clear. @returns 1 where the instruction is to wait, 0 where it goes on */
const reportPending = defineHelper('x87ReportPending', { result: 'i32', mayFault: true }, (b) => {
  b.if(getField(b, STATE.cr0).wrap().and(CR0.NE), () => raiseIn(b, VECTOR_OF.MF, 0));
  return b.call(system, SYSTEM_CALLS.indexOf('fpuError'), 0, 0).eqz();
});

/** #MF, or FERR# where CR0.NE is clear, for an unmasked exception of an earlier instruction (SDM 3A, 6.15, #MF). */
export function raisePending(l: Lift): void {
  l.b.if(l.get(STATE.fsw).and(FSW.ES), () => {
    l.markRecord();
    l.b.if(l.b.call(reportPending), () => l.restart());
  });
}

/** As {@link reportPending}, after #NM where the x87 may not be used. */
const reportUnready = defineHelper('x87ReportUnready', { result: 'i32', mayFault: true }, (b) => {
  b.if(getField(b, STATE.fpuFault), () => raiseIn(b, VECTOR_OF.NM, 0));
  return b.call(reportPending);
});

/** Starts an instruction that waits. */
export function startWaiting(l: Lift): void {
  const pending = l.get(STATE.fsw).and(FSW.ES);
  l.b.if(l.get(STATE.fpuFault).or(pending), () => {
    l.markRecord();
    l.b.if(l.b.call(reportUnready), () => l.restart());
  });
}

/** Starts an instruction that computes: FLOAT_FLAGS are cleared. Guest memory is read after this. */
export function startComputing(l: Lift): void {
  startWaiting(l);
  setFlags(l.b, 0);
}

/** Tells FIP; to be recorded once guest memory has been read. */
export function recordPointer(l: Lift): void {
  l.set(STATE.fip, l.currentRip());
}

/** As {@link recordPointer}, before what may raise an exception. */
export function recordInstruction(l: Lift): void {
  recordPointer(l);
  l.markRecord();
}

/** Tells FDP where an unmasked exception is pending: what CPUID's FDP_EXCPTN_ONLY says. */
export function recordData(l: Lift): void {
  l.b.if(l.get(STATE.fsw).and(FSW.ES), () => l.set(STATE.fdp, l.effectiveAddress()));
}
