import type { Key } from './interfaces.ts';

/**
 * The keys of a PC keyboard: QEMU's QKeyCode, QEMU's key number (scan code set 1, +80h behind E0h), the code in scan
 * code set 2, and Linux's input event code (qapi/ui.json; Microsoft's "Keyboard Scan Code Specification";
 * linux/input-event-codes.h).
 */
const ROWS = `
esc 01 76 1 | 1 02 16 2 | 2 03 1e 3 | 3 04 26 4 | 4 05 25 5 | 5 06 2e 6 | 6 07 36 7 | 7 08 3d 8 | 8 09 3e 9 | 9 0a 46 10
0 0b 45 11 | minus 0c 4e 12 | equal 0d 55 13 | backspace 0e 66 14 | tab 0f 0d 15
q 10 15 16 | w 11 1d 17 | e 12 24 18 | r 13 2d 19 | t 14 2c 20 | y 15 35 21 | u 16 3c 22 | i 17 43 23 | o 18 44 24
p 19 4d 25 | bracket_left 1a 54 26 | bracket_right 1b 5b 27 | ret 1c 5a 28 | ctrl 1d 14 29
a 1e 1c 30 | s 1f 1b 31 | d 20 23 32 | f 21 2b 33 | g 22 34 34 | h 23 33 35 | j 24 3b 36 | k 25 42 37 | l 26 4b 38
semicolon 27 4c 39 | apostrophe 28 52 40 | grave_accent 29 0e 41 | shift 2a 12 42 | backslash 2b 5d 43
z 2c 1a 44 | x 2d 22 45 | c 2e 21 46 | v 2f 2a 47 | b 30 32 48 | n 31 31 49 | m 32 3a 50 | comma 33 41 51
dot 34 49 52 | slash 35 4a 53 | shift_r 36 59 54 | kp_multiply 37 7c 55 | alt 38 11 56 | spc 39 29 57 | caps_lock 3a 58 58
f1 3b 05 59 | f2 3c 06 60 | f3 3d 04 61 | f4 3e 0c 62 | f5 3f 03 63 | f6 40 0b 64 | f7 41 83 65 | f8 42 0a 66
f9 43 01 67 | f10 44 09 68 | num_lock 45 77 69 | scroll_lock 46 7e 70
kp_7 47 6c 71 | kp_8 48 75 72 | kp_9 49 7d 73 | kp_subtract 4a 7b 74 | kp_4 4b 6b 75 | kp_5 4c 73 76 | kp_6 4d 74 77
kp_add 4e 79 78 | kp_1 4f 69 79 | kp_2 50 72 80 | kp_3 51 7a 81 | kp_0 52 70 82 | kp_decimal 53 71 83
less 56 61 86 | f11 57 78 87 | f12 58 07 88 | hiragana 70 13 93 | ro 73 51 89 | henkan 79 64 92 | muhenkan 7b 67 94 | yen 7d 6a 124
kp_enter 9c e05a 96 | ctrl_r 9d e014 97 | audiomute a0 e023 113 | volumedown ae e021 114 | volumeup b0 e032 115
kp_divide b5 e04a 98 | print b7 e07c 99 | alt_r b8 e011 100 | pause c6 e114 119
home c7 e06c 102 | up c8 e075 103 | pgup c9 e07d 104 | left cb e06b 105 | right cd e074 106 | end cf e069 107
down d0 e072 108 | pgdn d1 e07a 109 | insert d2 e070 110 | delete d3 e071 111
meta_l db e01f 125 | meta_r dc e027 126 | menu dd e02f 127 | power de e037 116 | sleep df e03f 142 | wake e3 e05e 143
`;

/** Other names of QEMU for keys that this keyboard has once. */
const ALIASES: Readonly<Record<string, string>> = { sysrq: 'print', asterisk: 'kp_multiply', compose: 'menu' };

const KEYS: readonly Key[] = ROWS.trim()
  .split(/[|\n]/)
  .map((row) => {
    const [name, number, set2, evdev] = row.trim().split(' ');
    return { name, number: Number.parseInt(number, 16), set2: Number.parseInt(set2, 16), evdev: Number(evdev) };
  });

const BY_NAME = new Map(KEYS.map((key) => [key.name, key]));
const BY_NUMBER = new Map(KEYS.map((key) => [key.number, key]));

/** The key of a QKeyCode. */
export function keyByName(name: string): Key | undefined {
  return BY_NAME.get(ALIASES[name] ?? name);
}

/** The key of a QEMU key number. */
export function keyByNumber(number: number): Key | undefined {
  return BY_NUMBER.get(number);
}

/** The key of a name that the tables of this folder use. @throws {RangeError} there is none: the table is wrong */
export function requireKey(name: string): Key {
  const key = keyByName(name);
  if (key === undefined) throw new RangeError(`there is no key ${name}`);
  return key;
}
