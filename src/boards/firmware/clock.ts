import { BDA } from './bda.ts';
import type { Caller } from './caller.ts';
import { pciBios } from './pci-bios.ts';

const CMOS_INDEX = 0x70;
const CMOS_DATA = 0x71;
const RTC = {
  seconds: 0,
  secondsAlarm: 1,
  minutes: 2,
  minutesAlarm: 3,
  hours: 4,
  hoursAlarm: 5,
  day: 7,
  month: 8,
} as const;
const RTC_YEAR = 9;
const RTC_A = 0x0a;
const RTC_B = 0x0b;
const RTC_C = 0x0c;
const RTC_CENTURY = 0x32;
const NMI_OFF = 0x80;
const UPDATE_IN_PROGRESS = 0x80;
const ALARM = 0x20;
const PERIODIC = 0x40;
const SLAVE_MASK = 0xa1;
const RTC_IRQ_MASK = 0x01;
/** Microseconds between periodic interrupts at the rate of 1024 Hz. */
const PERIOD_MICROS = 977;
const WAIT_DONE = 0x80;

/** Reads a byte of CMOS memory. */
export function readCmos(c: Caller, index: number): number {
  c.out(CMOS_INDEX, index | NMI_OFF);
  const value = c.in(CMOS_DATA);
  c.out(CMOS_INDEX, 0x0d);
  return value;
}

/** Writes a byte of CMOS memory. */
export function writeCmos(c: Caller, index: number, value: number): void {
  c.out(CMOS_INDEX, index | NMI_OFF);
  c.out(CMOS_DATA, value);
  c.out(CMOS_INDEX, 0x0d);
}

/** INT 1Ah: the time of day in ticks and in the real-time clock, and the PCI BIOS. */
export function clock(c: Caller): void {
  const call = FUNCTIONS[c.ah];
  if (c.ah === 0xb1) pciBios(c);
  else if (call) call(c);
  else c.carry = true;
}

const FUNCTIONS: Readonly<Record<number, (c: Caller) => void>> = {
  0: (c) => {
    const ticks = c.load(BDA.ticks, 4);
    c.cx = ticks >>> 16;
    c.dx = ticks & 0xffff;
    c.al = c.load(BDA.midnight, 1);
    c.store(BDA.midnight, 1, 0);
    c.carry = false;
  },
  1: (c) => {
    c.store(BDA.ticks, 4, c.dx | (c.cx << 16));
    c.store(BDA.midnight, 1, 0);
    c.carry = false;
  },
  2: (c) => {
    if (isUpdating(c)) return;
    c.dh = readCmos(c, RTC.seconds);
    c.cl = readCmos(c, RTC.minutes);
    c.ch = readCmos(c, RTC.hours);
    c.dl = readCmos(c, RTC_B) & 1;
    c.ah = 0;
    c.al = c.ch;
    c.carry = false;
  },
  3: (c) => {
    writeCmos(c, RTC.seconds, c.dh);
    writeCmos(c, RTC.minutes, c.cl);
    writeCmos(c, RTC.hours, c.ch);
    writeCmos(c, RTC_B, (readCmos(c, RTC_B) & 0x62) | 2 | (c.dl & 1));
    c.ah = 0;
    c.carry = false;
  },
  4: (c) => {
    if (isUpdating(c)) return;
    c.cl = readCmos(c, RTC_YEAR);
    c.dh = readCmos(c, RTC.month);
    c.dl = readCmos(c, RTC.day);
    c.ch = readCmos(c, RTC_CENTURY);
    c.ah = 0;
    c.al = c.ch;
    c.carry = false;
  },
  5: (c) => {
    writeCmos(c, RTC_YEAR, c.cl);
    writeCmos(c, RTC.month, c.dh);
    writeCmos(c, RTC.day, c.dl);
    writeCmos(c, RTC_CENTURY, c.ch);
    c.ah = 0;
    c.carry = false;
  },
  6: (c) => {
    const control = readCmos(c, RTC_B);
    if (control & ALARM) {
      c.carry = true;
      return;
    }
    writeCmos(c, RTC.secondsAlarm, c.dh);
    writeCmos(c, RTC.minutesAlarm, c.cl);
    writeCmos(c, RTC.hoursAlarm, c.ch);
    c.out(SLAVE_MASK, c.in(SLAVE_MASK) & ~RTC_IRQ_MASK);
    writeCmos(c, RTC_B, (control & 0x7f) | ALARM);
    c.carry = false;
  },
  7: (c) => {
    writeCmos(c, RTC_B, readCmos(c, RTC_B) & 0x57);
    c.ah = 0;
    c.carry = false;
  },
};

function isUpdating(c: Caller): boolean {
  const updating = (readCmos(c, RTC_A) & UPDATE_IN_PROGRESS) !== 0;
  if (updating) c.carry = true;
  return updating;
}

/** IRQ 8: counts a wait down (INT 15h, AH = 83h). AL becomes 1 where the alarm has gone off. */
export function clockInterrupt(c: Caller): void {
  const causes = readCmos(c, RTC_C) & readCmos(c, RTC_B);
  if (causes & PERIODIC) countDown(c);
  c.al = causes & ALARM ? 1 : 0;
}

function countDown(c: Caller): void {
  if (c.load(BDA.waitActive, 1) === 0) return;
  const left = c.load(BDA.waitMicros, 4) - PERIOD_MICROS;
  if (left > 0) {
    c.store(BDA.waitMicros, 4, left);
    return;
  }
  const flag = c.load(BDA.waitFlagPointer, 4);
  const at = (flag >>> 16) * 16 + (flag & 0xffff);
  c.store(at, 1, c.load(at, 1) | WAIT_DONE);
  stopWait(c);
}

/** Starts counting microseconds down; the byte at `pointer` (segment and offset) gets bit 7 then. @returns false where a wait is under way */
export function startWait(c: Caller, micros: number, pointer: number): boolean {
  if (c.load(BDA.waitActive, 1) !== 0) return false;
  c.store(BDA.waitActive, 1, 1);
  c.store(BDA.waitMicros, 4, micros);
  c.store(BDA.waitFlagPointer, 4, pointer);
  c.out(SLAVE_MASK, c.in(SLAVE_MASK) & ~RTC_IRQ_MASK);
  writeCmos(c, RTC_B, readCmos(c, RTC_B) | PERIODIC);
  return true;
}

/** Ends a wait. */
export function stopWait(c: Caller): void {
  c.store(BDA.waitActive, 1, 0);
  writeCmos(c, RTC_B, readCmos(c, RTC_B) & ~PERIODIC);
}
