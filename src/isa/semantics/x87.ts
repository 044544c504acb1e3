import type { SemanticsTable } from '../lift.ts';
import { X87_ARITHMETIC } from './x87-arithmetic.ts';
import { X87_COMPARE } from './x87-compare.ts';
import { X87_CONTROL } from './x87-control.ts';
import { SAVE_AREA_SEMANTICS } from './x87-save-area.ts';
import { X87_TRANSFER } from './x87-transfer.ts';

/** The instructions of the x87 unit, and those that save and restore it with SSE's registers. */
export const X87_SEMANTICS: SemanticsTable = {
  ...X87_ARITHMETIC,
  ...X87_COMPARE,
  ...X87_TRANSFER,
  ...X87_CONTROL,
  ...SAVE_AREA_SEMANTICS,
};
