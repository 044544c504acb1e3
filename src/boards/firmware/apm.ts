import type { Caller } from './caller.ts';
import type { SystemFacts } from './system.ts';

/** Advanced Power Management 1.2: what switches a machine off, and no more. */
const VERSION = 0x0102;
const SIGNATURE = 0x504d; // "PM"
const ERROR = { unsupported: 0x86, badDevice: 0x09, noEvent: 0x80 } as const;
const ALL_DEVICES = 0x0001;
const STATE_OFF = 0x0003;
const PM1_CONTROL = 0x604;
const SLEEP_ENABLE_SOFT_OFF = 0x2000;
const AC_LINE = 0x01;
const NO_BATTERY = 0xff;
/** Protected mode has entries of 16 and 32 bits. */
const PROTECTED_MODE_ENTRIES = 0x0003;
const BIOS_SEGMENT = 0xf000;
const SEGMENT_BYTES = 0xffff;

function fail(c: Caller, code: number): boolean {
  c.ah = code;
  return false;
}

/** Where protected mode calls: offsets in the BIOS segment. */
type Entries = Pick<SystemFacts, 'apm16' | 'apm32'>;

/** Functions of INT 15h, AH = 53h, by AL: whether they succeeded. */
const FUNCTIONS: Readonly<Record<number, (c: Caller, entries: Entries) => boolean>> = {
  0x00: (c) => {
    c.ax = VERSION;
    c.bx = SIGNATURE;
    c.cx = PROTECTED_MODE_ENTRIES;
    return true;
  },
  0x01: () => true,
  0x02: (c, { apm16 }) => {
    c.ax = BIOS_SEGMENT;
    c.bx = apm16;
    c.cx = BIOS_SEGMENT;
    c.si = SEGMENT_BYTES;
    c.di = SEGMENT_BYTES;
    return true;
  },
  0x03: (c, { apm32 }) => {
    c.ax = BIOS_SEGMENT;
    c.ebx = apm32;
    c.cx = BIOS_SEGMENT;
    c.dx = BIOS_SEGMENT;
    c.esi = ((SEGMENT_BYTES << 16) | SEGMENT_BYTES) >>> 0;
    c.di = SEGMENT_BYTES;
    return true;
  },
  0x04: () => true,
  0x05: () => true,
  0x06: () => true,
  0x07: (c) => {
    if (c.bx !== ALL_DEVICES) return fail(c, ERROR.badDevice);
    if (c.cx === STATE_OFF) c.out(PM1_CONTROL, SLEEP_ENABLE_SOFT_OFF, 2);
    return true;
  },
  0x08: () => true,
  0x0a: (c) => {
    c.bx = (AC_LINE << 8) | NO_BATTERY;
    c.cx = 0x80ff;
    c.dx = 0xffff;
    return true;
  },
  0x0b: (c) => fail(c, ERROR.noEvent),
  0x0e: (c) => {
    c.ax = VERSION;
    return true;
  },
  0x0f: () => true,
  0x10: (c) => {
    c.bx = 0;
    c.cx = 0;
    return true;
  },
};

/** INT 15h, AH = 53h. @returns whether it succeeded */
export function apm(c: Caller, entries: Entries): boolean {
  return FUNCTIONS[c.al]?.(c, entries) ?? fail(c, ERROR.unsupported);
}

/** The same by a far call from protected mode. */
export function apmCall(c: Caller, entries: Entries): void {
  c.carryNow = !apm(c, entries);
}
