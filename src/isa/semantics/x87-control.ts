import type { Builder } from '../../ir/builder.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { CR0, STATE, VECTOR_OF } from '../registers.ts';
import { X87_ENVIRONMENT } from './x87-environment.ts';
import {
  CONDITION_CODES,
  FSW,
  getField,
  isEmpty,
  popStack,
  raisePending,
  readStack,
  recordInstruction,
  startControl,
  startWaiting,
  writeStack,
} from './x87-stack.ts';
import { initialize, setControlAndStatus, statusWord } from './x87-status.ts';

function moveTop(by: number): Semantics {
  return (l) => {
    startWaiting(l);
    l.set(STATE.top, l.get(STATE.top).add(by).and(7));
    l.set(STATE.fsw, l.get(STATE.fsw).and(~FSW.C1));
    recordInstruction(l);
  };
}

function free(l: Lift): void {
  startWaiting(l);
  const register = l.get(STATE.top).add(l.registerNumber(0)).and(7);
  l.set(STATE.ftw, l.get(STATE.ftw).and(l.b.i32(1).shl(register).not()));
  l.set(STATE.fsw, l.get(STATE.fsw).and(~FSW.C1));
  recordInstruction(l);
}

/** FFREE, then a pop; not in the manual, but on all processors and used by compilers. */
function freeAndPop(l: Lift): void {
  free(l);
  popStack(l.b, l.b.i32(1));
}

/** D9 D8+i, not in the manual: FSTP that takes no notice of an empty register. */
function storeQuietly(l: Lift): void {
  startWaiting(l);
  const number = readStack(l.b, 0);
  l.b.if(isEmpty(number).eqz(), () => writeStack(l.b, l.registerNumber(0), number));
  popStack(l.b, l.b.i32(1));
  l.set(STATE.fsw, l.get(STATE.fsw).and(~FSW.C1));
  recordInstruction(l);
}

function noOperation(l: Lift): void {
  startWaiting(l);
  recordInstruction(l);
}

/** WAIT: #NM by CR0.TS only where CR0.MP is set (SDM 3A, 2.5). */
function wait(l: Lift): void {
  const both = CR0.MP | CR0.TS;
  l.raiseIf(l.get(STATE.cr0).wrap().and(both).eq(both), VECTOR_OF.NM);
  raisePending(l);
}

function storing(value: (b: Builder) => Val): Semantics {
  return (l) => {
    startControl(l);
    l.write(0, value(l.b));
  };
}

function loadControl(l: Lift): void {
  startWaiting(l);
  setControlAndStatus(l.b, l.read(0), l.get(STATE.fsw));
}

function clearExceptions(l: Lift): void {
  startControl(l);
  l.set(STATE.fsw, l.get(STATE.fsw).and(CONDITION_CODES));
}

export const X87_CONTROL: SemanticsTable = {
  fnop: noOperation,
  fnoeffect: startControl,
  fwait: wait,
  fninit(l) {
    startControl(l);
    l.b.call(initialize);
  },
  fnclex: clearExceptions,
  ffree: free,
  ffreep: freeAndPop,
  fstpquiet: storeQuietly,
  fdecstp: moveTop(-1),
  fincstp: moveTop(1),
  fldcw: loadControl,
  fnstcw: storing((b) => getField(b, STATE.fcw)),
  fnstsw: storing(statusWord),
  ...X87_ENVIRONMENT,
};
