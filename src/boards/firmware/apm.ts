import type { Caller } from './caller.ts';

/** Advanced Power Management 1.2: what switches a machine off, and no more. Protected mode has no entry of its own. */
const VERSION = 0x0102;
const SIGNATURE = 0x504d; // "PM"
const ERROR = { unsupported: 0x86, badDevice: 0x09, noEvent: 0x80 } as const;
const ALL_DEVICES = 0x0001;
const STATE_OFF = 0x0003;
const PM1_CONTROL = 0x604;
const SLEEP_ENABLE_SOFT_OFF = 0x2000;
const AC_LINE = 0x01;
const NO_BATTERY = 0xff;

function fail(c: Caller, code: number): boolean {
  c.ah = code;
  return false;
}

/** Functions of INT 15h, AH = 53h, by AL: whether they succeeded. */
const FUNCTIONS: Readonly<Record<number, (c: Caller) => boolean>> = {
  0: (c) => {
    c.ax = VERSION;
    c.bx = SIGNATURE;
    c.cx = 0;
    return true;
  },
  1: () => true,
  4: () => true,
  5: () => true,
  6: () => true,
  7: (c) => {
    if (c.bx !== ALL_DEVICES) return fail(c, ERROR.badDevice);
    if (c.cx === STATE_OFF) c.out(PM1_CONTROL, SLEEP_ENABLE_SOFT_OFF, 2);
    return true;
  },
  8: () => true,
  10: (c) => {
    c.bx = (AC_LINE << 8) | NO_BATTERY;
    c.cx = 0x80ff;
    c.dx = 0xffff;
    return true;
  },
  11: (c) => fail(c, ERROR.noEvent),
  14: (c) => {
    c.ax = VERSION;
    return true;
  },
  15: () => true,
  16: (c) => {
    c.bx = 0;
    c.cx = 0;
    return true;
  },
};

/** INT 15h, AH = 53h. @returns whether it succeeded */
export function apm(c: Caller): boolean {
  return FUNCTIONS[c.al]?.(c) ?? fail(c, ERROR.unsupported);
}
