import { BDA } from './bda.ts';
import type { Caller } from './caller.ts';
import { EXTENDED_KEYS, KEYS, type KeyRow } from './key-table.ts';

const BUFFER_SEGMENT = 0x400;

/** Bits of the data area's keyboard flags. */
const FLAG = {
  rightShift: 1,
  leftShift: 2,
  ctrl: 4,
  alt: 8,
  scroll: 0x10,
  num: 0x20,
  caps: 0x40,
  insert: 0x80,
} as const;
const FLAG2 = { leftCtrl: 1, leftAlt: 2, sysReq: 4, pause: 8 } as const;
const FLAG3 = { e1: 1, e0: 2, rightCtrl: 4, rightAlt: 8 } as const;

const BREAK = 0x80;
const SCAN = { ctrl: 0x1d, leftShift: 0x2a, rightShift: 0x36, alt: 0x38, caps: 0x3a, num: 0x45, scroll: 0x46 } as const;
const SCAN_PRINT = 0x37;
const SCAN_DELETE = 0x53;
const SCAN_INSERT = 0x52;
const SCAN_SYSREQ = 0x54;
const PREFIX_E0 = 0xe0;
const PREFIX_E1 = 0xe1;

/** What INT 09h is to do after a key, in AH. */
const TODO = { nothing: 0, breakInterrupt: 1, printScreen: 2, pause: 3, reset: 4 } as const;

/** A key has come: AL is its scan code (set 1). @returns in AH what is left to do */
export function keyPressed(c: Caller): void {
  c.ah = handleScanCode(c, c.al);
}

function handleScanCode(c: Caller, code: number): number {
  const flags3 = c.load(BDA.keyFlags3, 1);
  if (code === PREFIX_E0 || code === PREFIX_E1) {
    c.store(BDA.keyFlags3, 1, flags3 | (code === PREFIX_E0 ? FLAG3.e0 : FLAG3.e1));
    return TODO.nothing;
  }
  const isExtended = (flags3 & FLAG3.e0) !== 0;
  const isPause = (flags3 & FLAG3.e1) !== 0;
  const scan = code & ~BREAK;
  // E1 comes before two codes: of Ctrl, then of Num Lock.
  const prefixes = isPause && scan === SCAN.ctrl ? FLAG3.e1 : 0;
  c.store(BDA.keyFlags3, 1, (flags3 & ~(FLAG3.e0 | FLAG3.e1)) | prefixes);
  if (isPause) return scan === SCAN.num && !(code & BREAK) ? pause(c) : TODO.nothing;
  if (changeShift(c, scan, isExtended, (code & BREAK) !== 0)) return TODO.nothing;
  return code & BREAK ? TODO.nothing : makeCode(c, scan, isExtended);
}

function pause(c: Caller): number {
  c.store(BDA.keyFlags2, 1, c.load(BDA.keyFlags2, 1) | FLAG2.pause);
  return TODO.pause;
}

/** Shift, Ctrl and Alt: bits of the flags, the second ones for the left key and the third for the right. */
function changeShift(c: Caller, scan: number, isExtended: boolean, isBreak: boolean): boolean {
  const set = (address: number, bits: number) => {
    const old = c.load(address, 1);
    c.store(address, 1, isBreak ? old & ~bits : old | bits);
  };
  if (scan === SCAN.leftShift || scan === SCAN.rightShift) {
    if (!isExtended) set(BDA.keyFlags, scan === SCAN.leftShift ? FLAG.leftShift : FLAG.rightShift);
    return true;
  }
  if (scan !== SCAN.ctrl && scan !== SCAN.alt) return toggle(c, scan, isExtended, isBreak);
  const isCtrl = scan === SCAN.ctrl;
  if (isExtended) set(BDA.keyFlags3, isCtrl ? FLAG3.rightCtrl : FLAG3.rightAlt);
  else set(BDA.keyFlags2, isCtrl ? FLAG2.leftCtrl : FLAG2.leftAlt);
  const left = c.load(BDA.keyFlags2, 1) & (isCtrl ? FLAG2.leftCtrl : FLAG2.leftAlt);
  const right = c.load(BDA.keyFlags3, 1) & (isCtrl ? FLAG3.rightCtrl : FLAG3.rightAlt);
  const both = isCtrl ? FLAG.ctrl : FLAG.alt;
  const flags = c.load(BDA.keyFlags, 1);
  c.store(BDA.keyFlags, 1, left || right ? flags | both : flags & ~both);
  if (!isCtrl && isBreak) enterAltCode(c);
  return true;
}

/** Caps, Num and Scroll Lock change on each press; Ctrl with the last two means something else. */
function toggle(c: Caller, scan: number, isExtended: boolean, isBreak: boolean): boolean {
  const bit = { [SCAN.caps]: FLAG.caps, [SCAN.num]: FLAG.num, [SCAN.scroll]: FLAG.scroll }[scan];
  if (bit === undefined || isExtended) return false;
  const flags = c.load(BDA.keyFlags, 1);
  if (flags & FLAG.ctrl && scan !== SCAN.caps) return false;
  if (!isBreak) c.store(BDA.keyFlags, 1, flags ^ bit);
  return true;
}

/** A number typed with Alt on the keypad is a character once Alt is up. */
function enterAltCode(c: Caller): void {
  const character = c.load(BDA.altInput, 1);
  c.store(BDA.altInput, 1, 0);
  if (character !== 0) putKey(c, character);
}

function makeCode(c: Caller, scan: number, isExtended: boolean): number {
  const flags = c.load(BDA.keyFlags, 1);
  const ctrlAlt = FLAG.ctrl | FLAG.alt;
  if (scan === SCAN_DELETE && (flags & ctrlAlt) === ctrlAlt) return TODO.reset;
  if (flags & FLAG.ctrl && (scan === SCAN.scroll || (scan === SCAN.num && !isExtended))) return breakOrPause(c, scan);
  if (scan === SCAN_PRINT && (isExtended || flags & (FLAG.leftShift | FLAG.rightShift))) {
    if (!(flags & FLAG.ctrl)) return TODO.printScreen;
  }
  if (scan === SCAN_SYSREQ) return TODO.nothing;
  if (c.load(BDA.keyFlags2, 1) & FLAG2.pause) {
    c.store(BDA.keyFlags2, 1, c.load(BDA.keyFlags2, 1) & ~FLAG2.pause);
    return TODO.nothing;
  }
  if (scan === SCAN_INSERT && !(flags & FLAG.alt)) c.store(BDA.keyFlags, 1, c.load(BDA.keyFlags, 1) ^ FLAG.insert);
  const key = (isExtended ? EXTENDED_KEYS.get(scan) : undefined) ?? KEYS.get(scan);
  if (key && !(flags & FLAG.alt && !isExtended && typeAltDigit(c, key))) {
    const word = codeOf(key, flags);
    if (word !== 0) putKey(c, word);
  }
  return TODO.nothing;
}

function breakOrPause(c: Caller, scan: number): number {
  if (scan === SCAN.num) return pause(c);
  c.store(BDA.breakPressed, 1, 0x80);
  c.store(BDA.keyTail, 2, c.load(BDA.keyHead, 2));
  putKey(c, 0);
  return TODO.breakInterrupt;
}

/** Alt with a digit of the keypad adds to the number typed so far. */
function typeAltDigit(c: Caller, key: KeyRow): boolean {
  if (!key.keypad || key.shift === 0) return false;
  const digit = (key.shift & 0xff) - 0x30;
  if (digit < 0 || digit > 9) return false;
  c.store(BDA.altInput, 1, c.load(BDA.altInput, 1) * 10 + digit);
  return true;
}

function codeOf(key: KeyRow, flags: number): number {
  if (flags & FLAG.alt) return key.alt;
  if (flags & FLAG.ctrl) return key.ctrl;
  const isShifted = (flags & (FLAG.leftShift | FLAG.rightShift)) !== 0;
  const lock = key.keypad ? flags & FLAG.num : key.letter ? flags & FLAG.caps : 0;
  return isShifted !== (lock !== 0) ? key.shift : key.normal;
}

/** Appends to the buffer. @returns whether there was room */
function putKey(c: Caller, word: number): boolean {
  const tail = c.load(BDA.keyTail, 2);
  const next = following(c, tail);
  if (next === c.load(BDA.keyHead, 2)) return false;
  c.store(BUFFER_SEGMENT + tail, 2, word);
  c.store(BDA.keyTail, 2, next);
  return true;
}

function following(c: Caller, pointer: number): number {
  const next = pointer + 2;
  return next >= c.load(BDA.keyBufferEnd, 2) ? c.load(BDA.keyBufferStart, 2) : next;
}

/** The first key of the buffer. @param isEnhanced whether the caller knows keys beyond the 84 of the AT */
function firstKey(c: Caller, isEnhanced: boolean): number | undefined {
  for (;;) {
    const head = c.load(BDA.keyHead, 2);
    if (head === c.load(BDA.keyTail, 2)) return undefined;
    const word = c.load(BUFFER_SEGMENT + head, 2);
    if (isEnhanced) return (word & 0xff) === 0xf0 && word >> 8 ? word & 0xff00 : word;
    const plain = plainKey(word);
    if (plain !== undefined) return plain;
    removeFirst(c);
  }
}

/** A key as the keyboard of the AT would have given it; undefined for one it does not have. */
function plainKey(word: number): number | undefined {
  const [code, scan] = [word & 0xff, word >> 8];
  if (scan === 0xe0) return code === 0x2f ? 0x352f : 0x1c00 | code;
  if (code === 0xf0 && scan !== 0) return undefined;
  return code === 0xe0 && scan !== 0 ? scan << 8 : word;
}

function removeFirst(c: Caller): void {
  c.store(BDA.keyHead, 2, following(c, c.load(BDA.keyHead, 2)));
}

/** INT 16h, AH = 00h, 10h and 20h. Carry: there is no key yet. */
export function keyRead(c: Caller): void {
  const key = firstKey(c, c.ah !== 0);
  c.carryNow = key === undefined;
  if (key === undefined) return;
  removeFirst(c);
  c.ax = key;
}

/** The other functions of INT 16h. */
export function keyboard(c: Caller): void {
  switch (c.ah) {
    case 0x01:
    case 0x11:
    case 0x21: {
      const key = firstKey(c, c.ah !== 0x01);
      c.zero = key === undefined;
      if (key !== undefined) c.ax = key;
      break;
    }
    case 0x02:
    case 0x22:
      c.al = c.load(BDA.keyFlags, 1);
      break;
    case 0x05:
      c.al = putKey(c, c.cx) ? 0 : 1;
      break;
    case 0x09:
      c.al = 0x30; // AH = 20h to 22h and 10h to 12h are there
      break;
    case 0x12: {
      const flags2 = c.load(BDA.keyFlags2, 1);
      const flags3 = c.load(BDA.keyFlags3, 1);
      c.al = c.load(BDA.keyFlags, 1);
      c.ah = (flags2 & 0x73) | ((flags2 & FLAG2.sysReq) << 5) | (flags3 & (FLAG3.rightCtrl | FLAG3.rightAlt));
      break;
    }
  }
}
