import { BDA } from './bda.ts';
import type { Caller } from './caller.ts';

const DIVISORS = [1047, 768, 384, 192, 96, 48, 24, 12];
const PORTS = 4;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const DIVISOR_ACCESS = 0x80;
const DATA_READY = 0x01;
const TRANSMIT_EMPTY = 0x20;
const DTR_RTS = 0x03;
const TIMEOUT = 0x80;

function portOf(c: Caller): number {
  return c.dx < PORTS ? c.load(BDA.com + c.dx * 2, 2) : 0;
}

/** Whether a function of INT 14h that waits can go on: carry means not yet. */
export function serialReady(c: Caller): void {
  const port = portOf(c);
  const wanted = c.ah === 1 ? TRANSMIT_EMPTY : DATA_READY;
  c.carryNow = port !== 0 && (c.in(port + LSR) & wanted) === 0;
}

/** INT 14h. */
export function serial(c: Caller): void {
  const port = portOf(c);
  if (port === 0) {
    c.ah = TIMEOUT;
    return;
  }
  const { ah, al } = c;
  if (ah === 0) initialize(c, port, al);
  if (ah === 1) {
    c.out(port + MCR, DTR_RTS | 8);
    c.out(port, al);
    c.ah = c.in(port + LSR);
  } else if (ah === 2) {
    c.al = c.in(port);
    c.ah = c.in(port + LSR) & 0x1e;
  } else if (ah === 0 || ah === 3) {
    c.ah = c.in(port + LSR);
    c.al = c.in(port + MSR);
  }
}

/** Bits of AL: speed, parity, stop bits and length as the line control register has them. */
function initialize(c: Caller, port: number, parameters: number): void {
  const divisor = DIVISORS[parameters >> 5];
  c.out(port + LCR, DIVISOR_ACCESS);
  c.out(port, divisor & 0xff);
  c.out(port + 1, divisor >> 8);
  c.out(port + LCR, parameters & 0x1f);
  c.out(port + 1, 0);
}
