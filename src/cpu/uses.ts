import type { IrFunction, Stmt } from '../ir/nodes.ts';
import type { Val } from '../ir/val.ts';

/**
 * How often each value is used, not counting uses by values that nothing needs. Values are recorded before their uses,
 * so one walk from the end suffices.
 */
export function countUses(fn: IrFunction): Map<number, number> {
  const uses = new Map<number, number>();
  const use = (value: Val) => uses.set(value.id, (uses.get(value.id) ?? 0) + 1);
  walkBackwards(fn.body, (statement) => {
    if (statement.kind !== 'let') {
      for (const value of operandsOf(statement)) use(value);
      return;
    }
    const { value } = statement;
    const needed = (uses.get(value.id) ?? 0) > 0 || value.what.kind === 'call' || value.what.kind === 'guestLoad';
    if (needed) for (const arg of value.args) use(arg);
  });
  return uses;
}

function walkBackwards(statements: readonly Stmt[], visit: (s: Stmt) => void): void {
  for (let i = statements.length - 1; i >= 0; i--) {
    const s = statements[i];
    if (s.kind === 'if') {
      walkBackwards(s.otherwise, visit);
      walkBackwards(s.consequent, visit);
    } else if (s.kind === 'block' || s.kind === 'loop') {
      walkBackwards(s.body, visit);
    }
    visit(s);
  }
}

/** The values that a statement uses itself, nested statements apart. */
function operandsOf(s: Stmt): readonly Val[] {
  switch (s.kind) {
    case 'set':
      return [s.value];
    case 'store':
      return [s.address, s.value];
    case 'guestStore':
      return [s.address, s.segment, s.value];
    case 'tailCall':
      return s.args;
    case 'tailCallIndirect':
      return [...s.args, s.index];
    case 'memoryCopy':
      return [s.target, s.source, s.length];
    case 'memoryFill':
      return [s.target, s.value, s.length];
    case 'if':
      return [s.condition];
    case 'return':
      return s.value === undefined ? [] : [s.value];
    default:
      return [];
  }
}
