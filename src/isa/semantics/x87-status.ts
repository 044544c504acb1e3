import type { Builder } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import type { Val } from '../../ir/val.ts';
import { STATE } from '../registers.ts';
import { FSW, getField, keepFerr, setField } from './x87-stack.ts';

/** Bits of FCW that exist; bit 6 is always set. */
const FCW_BITS = 0x1f7f;
const FCW_ALWAYS = 0x40;
const INITIAL_FCW = 0x37f;
const EXCEPTIONS = 0x3f;

/** FSW with TOP in it, as the guest sees it. */
export function statusWord(b: Builder): Val {
  return getField(b, STATE.fsw).or(getField(b, STATE.top).shl(11));
}

/** Sets FCW, and FSW to `status` (without TOP) with ES and B as the two demand (SDM 1, 8.1.3.3). */
export function setControlAndStatus(b: Builder, control: Val, status: Val): void {
  const word = control.and(FCW_BITS).or(FCW_ALWAYS);
  const pending = status.and(word.not()).and(EXCEPTIONS).nez();
  const summary = b.i32(FSW.ES | FSW.B).selectIf(pending, 0);
  keepFerr(b, getField(b, STATE.fsw).and(FSW.ES).nez().and(pending));
  setField(b, STATE.fcw, word);
  setField(b, STATE.fsw, status.and(~(FSW.ES | FSW.B | (7 << 11))).or(summary));
}

/** Sets FSW with TOP, and FCW, from their images. */
export function restoreControlAndStatus(b: Builder, control: Val, status: Val): void {
  setField(b, STATE.top, status.shrU(11).and(7));
  setControlAndStatus(b, control, status.and(0xffff));
}

/** FNINIT: everything but the numbers themselves. */
export const initialize = defineHelper('x87Initialize', {}, (b) => {
  setField(b, STATE.fcw, INITIAL_FCW);
  for (const field of [STATE.fsw, STATE.top, STATE.ftw, STATE.fop, STATE.fip, STATE.fdp, STATE.fcs, STATE.fds]) {
    setField(b, field, 0);
  }
});
