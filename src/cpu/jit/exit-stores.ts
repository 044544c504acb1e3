import type { Label, Stmt } from '../../ir/nodes.ts';
import { difference, type Exit, NO_SLOTS, type SlotSet, sizeOf } from './slot-flow.ts';

/** An exit of the region, and the statement that gets its label when it is known what is stored. */
export interface OpenExit extends Exit {
  readonly statement: { readonly kind: 'break'; label: Label };
}

/** Makes what {@link withStores} is composed of. */
export interface StoreMaker {
  newLabel(): Label;
  storesOf(slots: SlotSet): readonly Stmt[];
}

/**
 * Puts stores behind statements, for their exits. Exits with the same slots share the stores, and go on with those of a set
 * that is part of theirs: so each set costs few of its own.
 * @param slotsOf what is to be stored for an exit
 * @param last where all go on then
 */
export function withStores(
  statements: readonly Stmt[],
  exits: readonly OpenExit[],
  slotsOf: (exit: Exit) => SlotSet,
  last: Label,
  make: StoreMaker,
): readonly Stmt[] {
  const sets = [...new Set(exits.map(slotsOf))].filter((set) => set !== NO_SLOTS);
  sets.sort((one, other) => sizeOf(other) - sizeOf(one));
  const groups = sets.map((set) => ({ set, label: make.newLabel() }));
  let all = statements;
  for (const [at, { set, label }] of groups.entries()) {
    const part = groups.slice(at + 1).find((other) => difference(other.set, set) === NO_SLOTS);
    const stores = make.storesOf(difference(set, part?.set ?? NO_SLOTS));
    all = [{ kind: 'block', label, body: all }, ...stores, { kind: 'break', label: part?.label ?? last }];
  }
  const labels = new Map(groups.map(({ set, label }) => [set, label]));
  for (const exit of exits) exit.statement.label = labels.get(slotsOf(exit)) ?? last;
  return all;
}
