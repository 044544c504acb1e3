import type { Stmt } from './nodes.ts';
import type { Val } from './val.ts';

const NO_VALUES: readonly Val[] = [];

/** The values that a statement uses itself, nested statements apart. */
export function operandsOf(s: Stmt): readonly Val[] {
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
    case 'switch':
      return [s.index];
    case 'return':
      return s.value === undefined ? [] : [s.value];
    default:
      return NO_VALUES;
  }
}
