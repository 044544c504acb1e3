import { Builder } from '../ir/builder.ts';
import type { IrFunction, Stmt } from '../ir/nodes.ts';
import { Val } from '../ir/val.ts';
import { continueAt, enterBlock, recordDispatch } from './dispatch.ts';
import { type HandlerSource, recordAt, recordHandler } from './handlers.ts';
import { type HandlerPlace, handlerTarget } from './interpreter-lift.ts';
import type { TableFunction } from './linker.ts';
import { RECORD } from './records.ts';

/** Handlers in one function: ten times as much code is slower than none (decision 11). */
const MOST_MEMBERS = 512;

/** A handler with the slot by which records name it. */
export interface LoopMember {
  readonly slot: number;
  readonly source: HandlerSource;
}

/**
 * Whether a handler may stand in a loop: it calls nothing but rarely. Around other calls the loop's registers would have to be
 * saved and loaded again.
 */
export function fitsLoop({ body }: IrFunction): boolean {
  return body.every(isLean);
}

function isLean(s: Stmt): boolean {
  if (s instanceof Val) return s.what.kind !== 'call';
  if (s.kind === 'if') return (s.cold || s.consequent.every(isLean)) && s.otherwise.every(isLean);
  return s.kind === 'block' || s.kind === 'loop' ? s.body.every(isLean) : true;
}

/** Puts a handler into the last loop for code of its size, or begins one. */
export function addToLoops(loops: LoopMember[][], member: LoopMember): void {
  const { bits } = member.source.shape;
  const last = loops.findLast(([first]) => first.source.shape.bits === bits);
  if (last === undefined || last.length >= MOST_MEMBERS) loops.push([member]);
  else last.push(member);
}

/** Records a loop, with the slots that it stands in. */
export function loopFunction(members: readonly LoopMember[]): TableFunction {
  return { slots: members.map(({ slot }) => slot), fn: recordLoop(`handlers${members[0].slot}`, members) };
}

/** Records handlers, in the order of their slots: as loops, and as functions of their own where they do not fit. */
export function recordTogether(handlers: readonly LoopMember[]): TableFunction[] {
  const loops: LoopMember[][] = [];
  const functions: TableFunction[] = [];
  for (const handler of handlers) {
    const { fn } = recordHandler(handler.source);
    if (fitsLoop(fn)) addToLoops(loops, handler);
    else functions.push({ slots: [handler.slot], fn });
  }
  return [...functions, ...loops.map(loopFunction)];
}

/**
 * Records many handlers as one function: from record to record it jumps by a table of its own, where handlers that are functions
 * call each other through four loads. It stands in the slots of all its members; what is none is called as from any handler.
 * @param members in the order of their slots
 */
export function recordLoop(name: string, members: readonly LoopMember[]): IrFunction {
  let record: Val;
  const b = new Builder(
    handlerTarget(() => record),
    ['i32', 'i32'],
  );
  const next = b.variable('i32', b.params[1], 'record');
  b.loop((again) => {
    record = b.get(next);
    const goOn = (to: Val) => {
      b.set(next, to);
      b.continue(again);
    };
    const enter = (block: Val) => enterBlock(b, block, goOn);
    b.block((toDispatch) => {
      recordCases(members, { b, record, goOn, enter, dispatch: () => b.break(toDispatch) });
    });
    recordDispatch(b, enter);
  });
  return b.finish(name, true);
}

/** Records a jump to the member that the record names, and the members, one behind the other. */
function recordCases(members: readonly LoopMember[], place: HandlerPlace): void {
  const { b, record } = place;
  const first = members[0].slot;
  const others = b.newLabel();
  const labels = members.map(() => b.newLabel());
  const targets = new Array(members[members.length - 1].slot - first + 2).fill(others);
  members.forEach(({ slot }, i) => {
    targets[slot - first] = labels[i];
  });
  let inner = b.nested(() => b.switch(b.load('i32', 4, record, RECORD.handler).sub(first), targets));
  members.forEach(({ source }, i) => {
    inner = b.nested(() => {
      b.add({ kind: 'block', label: labels[i], body: inner });
      recordAt(source, place);
    });
  });
  b.add({ kind: 'block', label: others, body: inner });
  continueAt(b, record);
}
