import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Label, Stmt } from '../../ir/nodes.ts';
import { type OpenExit, withStores } from './exit-stores.ts';

/** Follows an exit through the stores behind it. @returns what is stored on the way to `last` */
function follow(statements: readonly Stmt[], stores: ReadonlyMap<Label, number>, exit: OpenExit, last: Label): number {
  const behind = new Map<Label, readonly Stmt[]>();
  const visit = (list: readonly Stmt[]): void => {
    for (const [at, statement] of list.entries()) {
      if (statement.kind !== 'block') continue;
      behind.set(statement.label, list.slice(at + 1));
      visit(statement.body);
    }
  };
  visit(statements);
  let stored = 0;
  let label = exit.statement.label;
  while (label !== last) {
    const next: Label[] = [];
    for (const statement of behind.get(label) ?? []) {
      if (statement.kind !== 'break') continue;
      if (stores.has(statement.label)) stored |= stores.get(statement.label) ?? 0;
      else next.push(statement.label);
    }
    label = next[0];
  }
  return stored;
}

test('each exit finds all its stores behind it, and sets share theirs', () => {
  let labels = 0;
  const newLabel = () => ({ id: labels++ });
  const stores = new Map<Label, number>();
  let count = 0;
  const storesOf = (slots: number): readonly Stmt[] => {
    const label = newLabel();
    stores.set(label, slots);
    for (let rest = slots; rest !== 0; rest &= rest - 1) count++;
    return [{ kind: 'break', label }];
  };
  const last = newLabel();
  const wanted = [0b1, 0b111, 0b11, 0, 0b1100, 0b111, 0b1111];
  const exits = wanted.map((maybe): OpenExit => {
    return { node: 0, surely: 0, maybe, statement: { kind: 'break', label: last } };
  });
  const statements = withStores([], exits, ({ maybe }) => maybe, last, { newLabel, storesOf });
  assert.deepEqual(
    exits.map((exit) => follow(statements, stores, exit, last)),
    wanted,
  );
  assert.equal(count, 1 + 1 + 1 + 2 + 1, '1, 11, 111, 1100, 1111');
});
