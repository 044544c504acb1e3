import type { SemanticsTable } from '../lift.ts';
import { ALU_SEMANTICS } from './alu.ts';
import { BCD_SEMANTICS } from './bcd.ts';
import { BITS_SEMANTICS } from './bits.ts';
import { CONTROL_SEMANTICS } from './control.ts';
import { CRYPTO } from './crypto.ts';
import { DATA_SEMANTICS } from './data.ts';
import { FLAGS_SEMANTICS } from './flags-ops.ts';
import { IO_SEMANTICS } from './io.ts';
import { LEVEL_SEMANTICS } from './levels.ts';
import { MULDIV_SEMANTICS } from './muldiv.ts';
import { SHIFT_SEMANTICS } from './shift.ts';
import { SSE_APPROXIMATE } from './sse-approximate.ts';
import { SSE_COMPARE } from './sse-compare.ts';
import { SSE_CONVERT } from './sse-convert.ts';
import { SSE_DOT } from './sse-dot.ts';
import { SSE_FLOAT } from './sse-float.ts';
import { SSE_INT } from './sse-int.ts';
import { SSE_MOVE } from './sse-move.ts';
import { SSE_SHUFFLE } from './sse-shuffle.ts';
import { SSE_STRING } from './sse-string.ts';
import { STACK_SEMANTICS } from './stack.ts';
import { STRING_SEMANTICS } from './string.ts';
import { SYSTEM_SEMANTICS } from './system.ts';
import { X87_SEMANTICS } from './x87.ts';

const FAMILIES: readonly SemanticsTable[] = [
  ALU_SEMANTICS,
  MULDIV_SEMANTICS,
  DATA_SEMANTICS,
  SHIFT_SEMANTICS,
  BITS_SEMANTICS,
  CONTROL_SEMANTICS,
  STACK_SEMANTICS,
  STRING_SEMANTICS,
  IO_SEMANTICS,
  BCD_SEMANTICS,
  FLAGS_SEMANTICS,
  SYSTEM_SEMANTICS,
  LEVEL_SEMANTICS,
  SSE_MOVE,
  SSE_INT,
  SSE_SHUFFLE,
  SSE_FLOAT,
  SSE_COMPARE,
  SSE_CONVERT,
  SSE_APPROXIMATE,
  SSE_DOT,
  SSE_STRING,
  CRYPTO,
  X87_SEMANTICS,
];

/** The semantics of all families by the key that rows name. A key has one meaning. */
export const SEMANTICS: SemanticsTable = mergeTables(FAMILIES);

/** @throws Error when two tables have the same key */
function mergeTables(tables: readonly SemanticsTable[]): SemanticsTable {
  const all: Record<string, SemanticsTable[string]> = {};
  for (const [key, semantics] of tables.flatMap((table) => Object.entries(table))) {
    if (key in all) throw new Error(`semantics ${key} are defined twice`);
    all[key] = semantics;
  }
  return all;
}
