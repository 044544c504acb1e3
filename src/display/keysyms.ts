import type { Key } from './interfaces.ts';
import { requireKey } from './keys.ts';
import { charactersOf, type LayoutName } from './layouts.ts';

/** X11's keysyms (X11/keysymdef.h) of keys that type no character. */
const KEYSYMS: readonly (readonly [keysym: number, name: string])[] = [
  [0xff08, 'backspace'],
  [0xff09, 'tab'],
  [0xfe20, 'tab'],
  [0xff0d, 'ret'],
  [0xff13, 'pause'],
  [0xff14, 'scroll_lock'],
  [0xff15, 'print'],
  [0xff1b, 'esc'],
  [0xff50, 'home'],
  [0xff51, 'left'],
  [0xff52, 'up'],
  [0xff53, 'right'],
  [0xff54, 'down'],
  [0xff55, 'pgup'],
  [0xff56, 'pgdn'],
  [0xff57, 'end'],
  [0xff61, 'print'],
  [0xff63, 'insert'],
  [0xff67, 'menu'],
  [0xff6b, 'pause'],
  [0xff7e, 'alt_r'],
  [0xff7f, 'num_lock'],
  [0xff8d, 'kp_enter'],
  [0xff95, 'kp_7'],
  [0xff96, 'kp_4'],
  [0xff97, 'kp_8'],
  [0xff98, 'kp_6'],
  [0xff99, 'kp_2'],
  [0xff9a, 'kp_9'],
  [0xff9b, 'kp_3'],
  [0xff9c, 'kp_1'],
  [0xff9d, 'kp_5'],
  [0xff9e, 'kp_0'],
  [0xff9f, 'kp_decimal'],
  [0xffaa, 'kp_multiply'],
  [0xffab, 'kp_add'],
  [0xffad, 'kp_subtract'],
  [0xffae, 'kp_decimal'],
  [0xffaf, 'kp_divide'],
  [0xffe1, 'shift'],
  [0xffe2, 'shift_r'],
  [0xffe3, 'ctrl'],
  [0xffe4, 'ctrl_r'],
  [0xffe5, 'caps_lock'],
  [0xffe7, 'meta_l'],
  [0xffe8, 'meta_r'],
  [0xffe9, 'alt'],
  [0xffea, 'alt_r'],
  [0xffeb, 'meta_l'],
  [0xffec, 'meta_r'],
  [0xfe03, 'alt_r'],
  [0xffff, 'delete'],
];
const FIRST_FUNCTION_KEY = 0xffbe;
const FIRST_KEYPAD_DIGIT = 0xffb0;
/** Keysyms of characters are their code points with this bit; those of Latin-1 and of the euro are the code points themselves, too. */
const UNICODE = 0x0100_0000;

/** The keys of keysyms on a keyboard with this layout: of characters, the key without its modifiers. */
export function keysymsOf(layout: LayoutName): ReadonlyMap<number, Key> {
  const keys = new Map<number, Key>();
  for (const [character, [stroke]] of charactersOf(layout)) {
    const key = stroke.at(-1);
    const code = character.codePointAt(0) ?? 0;
    if (key) keys.set(code, key).set(UNICODE + code, key);
  }
  for (const [keysym, name] of KEYSYMS) keys.set(keysym, requireKey(name));
  for (let n = 0; n < 12; n++) keys.set(FIRST_FUNCTION_KEY + n, requireKey(`f${n + 1}`));
  for (let digit = 0; digit < 10; digit++) keys.set(FIRST_KEYPAD_DIGIT + digit, requireKey(`kp_${digit}`));
  return keys;
}
