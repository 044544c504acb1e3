import { ALU_ROWS } from './alu.ts';
import { BITS_ROWS } from './bits.ts';
import { CONTROL_ROWS } from './control.ts';
import { CRYPTO_ROWS } from './crypto.ts';
import { DATA_ROWS } from './data.ts';
import { MMX_ROWS } from './mmx.ts';
import { SHIFT_ROWS } from './shift.ts';
import { SSE_ROWS } from './sse.ts';
import { SSE2_ROWS } from './sse2.ts';
import { SSE3_ROWS } from './sse3.ts';
import { SSE4_ROWS } from './sse4.ts';
import { STACK_ROWS } from './stack.ts';
import { STRING_ROWS } from './string.ts';
import { SYSTEM_ROWS } from './system.ts';
import { X87_ROWS } from './x87.ts';

/** All encodings, by family, in the order of their row numbers. */
export const FAMILIES: readonly { readonly name: string; readonly rows: string }[] = [
  { name: 'alu', rows: ALU_ROWS },
  { name: 'data', rows: DATA_ROWS },
  { name: 'shift', rows: SHIFT_ROWS },
  { name: 'bits', rows: BITS_ROWS },
  { name: 'control', rows: CONTROL_ROWS },
  { name: 'stack', rows: STACK_ROWS },
  { name: 'string', rows: STRING_ROWS },
  { name: 'system', rows: SYSTEM_ROWS },
  { name: 'x87', rows: X87_ROWS },
  { name: 'mmx', rows: MMX_ROWS },
  { name: 'sse', rows: SSE_ROWS },
  { name: 'sse2', rows: SSE2_ROWS },
  { name: 'sse3', rows: SSE3_ROWS },
  { name: 'sse4', rows: SSE4_ROWS },
  { name: 'crypto', rows: CRYPTO_ROWS },
];
