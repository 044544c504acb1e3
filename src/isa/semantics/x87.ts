import type { SemanticsTable } from '../lift.ts';
import { X87_ARITHMETIC } from './x87-arithmetic.ts';
import { X87_COMPARE } from './x87-compare.ts';
import { X87_CONTROL } from './x87-control.ts';
import { X87_TRANSFER } from './x87-transfer.ts';

/** The instructions of the x87 unit. */
export const X87_SEMANTICS: SemanticsTable = { ...X87_ARITHMETIC, ...X87_COMPARE, ...X87_TRANSFER, ...X87_CONTROL };
