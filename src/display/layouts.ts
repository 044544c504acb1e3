import type { Key } from './interfaces.ts';
import { requireKey } from './keys.ts';

/** How a character is typed: keys pressed one after the other, each with its modifiers held. */
export type KeyStroke = readonly Key[];

/** The keys that {@link LAYOUTS} names characters of, in order. */
const KEY_ROWS = [
  'grave_accent 1 2 3 4 5 6 7 8 9 0 minus equal',
  'q w e r t y u i o p bracket_left bracket_right backslash',
  'a s d f g h j k l semicolon apostrophe',
  'less z x c v b n m comma dot slash',
].flatMap((row) => row.split(' '));

/** Rows of characters without modifier, with Shift and with AltGr; a blank where there is none. */
const LAYOUTS = {
  us: {
    plain: "`1234567890-=qwertyuiop[]\\asdfghjkl;'\\zxcvbnm,./",
    shift: '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"|ZXCVBNM<>?',
    altGr: '',
    dead: '',
  },
  de: {
    plain: '^1234567890ß´qwertzuiopü+#asdfghjklöä<yxcvbnm,.-',
    shift: '°!"§$%&/()=?`QWERTZUIOPÜ*\'ASDFGHJKLÖÄ>YXCVBNM;:_',
    altGr: '  ²³   {[]}\\ @ €        ~            |      µ   ',
    dead: '^´`',
  },
} as const;

/** Keyboard layouts that text can be typed with. */
export type LayoutName = keyof typeof LAYOUTS;
export const LAYOUT_NAMES = Object.keys(LAYOUTS) as readonly LayoutName[];

/** Characters that every layout has on the same keys. */
const COMMON: readonly (readonly [string, string])[] = [
  [' ', 'spc'],
  ['\n', 'ret'],
  ['\r', 'ret'],
  ['\t', 'tab'],
  ['\b', 'backspace'],
  ['\u001b', 'esc'],
];

/** The strokes for each character of a layout. */
export function charactersOf(layout: LayoutName): ReadonlyMap<string, readonly KeyStroke[]> {
  const { plain, shift, altGr, dead } = LAYOUTS[layout];
  const characters = new Map<string, readonly KeyStroke[]>();
  for (const [character, name] of COMMON) characters.set(character, [[requireKey(name)]]);
  const add = (row: string, modifier: string | undefined) => {
    [...row].forEach((character, i) => {
      if (character === ' ' || characters.has(character)) return;
      const stroke = [...(modifier ? [modifier] : []), KEY_ROWS[i]].map(requireKey);
      characters.set(character, dead.includes(character) ? [stroke, [requireKey('spc')]] : [stroke]);
    });
  };
  add(plain, undefined);
  add(shift, 'shift');
  add(altGr, 'alt_r');
  return characters;
}
