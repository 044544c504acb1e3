import { EBDA, EBDA_GPA } from './bda.ts';
import type { Caller } from './caller.ts';

/** The PS/2 mouse's interface of INT 15h, AH = C2h (IBM PS/2 BIOS Interface Technical Reference). */
const DATA = 0x60;
const COMMAND = 0x64;
const OUTPUT_FULL = 0x01;
const FROM_MOUSE = 0x20;
const TO_MOUSE = 0xd4;
const READ_CONTROL = 0x20;
const WRITE_CONTROL = 0x60;
const MOUSE_INTERRUPT = 0x02;
const MOUSE_CLOCK_OFF = 0x20;
const ACKNOWLEDGE = 0xfa;
const MOUSE = {
  reset: 0xff,
  disable: 0xf5,
  enable: 0xf4,
  rate: 0xf3,
  id: 0xf2,
  resolution: 0xe8,
  status: 0xe9,
} as const;
const SCALING_1_TO_1 = 0xe6;
const SCALING_2_TO_1 = 0xe7;
const RATES = [10, 20, 40, 60, 80, 100, 200];
const ERROR = { function: 1, input: 2, interface: 3, noHandler: 5 } as const;
const HANDLER_INSTALLED = 0x80;
const COUNT_MASK = 0x07;
const PACKET_BYTES = 3;
const POLLS = 1000;

const HANDLER = EBDA_GPA + EBDA.mouseHandler;
const FLAGS1 = EBDA_GPA + EBDA.mouseFlags1;
const FLAGS2 = EBDA_GPA + EBDA.mouseFlags2;
const BYTES = EBDA_GPA + EBDA.mouseData;

/** Waits for a byte of the controller, for as long as a few polls take. */
function readByte(c: Caller): number | undefined {
  for (let n = 0; n < POLLS; n++) if (c.in(COMMAND) & OUTPUT_FULL) return c.in(DATA);
  return undefined;
}

/** Sends bytes to the mouse, each of which it acknowledges, and reads its answer. */
function tell(c: Caller, bytes: readonly number[], answers = 0): number[] | undefined {
  c.out(COMMAND, READ_CONTROL);
  const control = readByte(c) ?? 0;
  c.out(COMMAND, WRITE_CONTROL);
  c.out(DATA, control & ~(MOUSE_INTERRUPT | MOUSE_CLOCK_OFF));
  const received: number[] = [];
  let isHeard = true;
  for (const byte of bytes) {
    c.out(COMMAND, TO_MOUSE);
    c.out(DATA, byte);
    isHeard &&= readByte(c) === ACKNOWLEDGE;
  }
  for (let n = 0; n < answers && isHeard; n++) received.push(readByte(c) ?? 0);
  c.out(COMMAND, WRITE_CONTROL);
  c.out(DATA, (control | MOUSE_INTERRUPT) & ~MOUSE_CLOCK_OFF);
  return isHeard ? received : undefined;
}

function succeed(c: Caller): boolean {
  c.ah = 0;
  return true;
}

function fail(c: Caller, code: number): boolean {
  c.ah = code;
  return false;
}

function tellOnly(c: Caller, ...bytes: number[]): boolean {
  return tell(c, bytes) ? succeed(c) : fail(c, ERROR.interface);
}

const FUNCTIONS: Readonly<Record<number, (c: Caller) => boolean>> = {
  0: (c) => {
    if (c.bh > 1) return fail(c, ERROR.input);
    if (c.bh === 1 && !(c.load(FLAGS2, 1) & HANDLER_INSTALLED)) return fail(c, ERROR.noHandler);
    c.store(FLAGS1, 1, 0);
    return tellOnly(c, c.bh === 1 ? MOUSE.enable : MOUSE.disable);
  },
  1: reset,
  2: (c) => {
    const rate = RATES[c.bh];
    return rate === undefined ? fail(c, ERROR.input) : tellOnly(c, MOUSE.rate, rate);
  },
  3: (c) => (c.bh > 3 ? fail(c, ERROR.input) : tellOnly(c, MOUSE.resolution, c.bh)),
  4: (c) => {
    const answer = tell(c, [MOUSE.id], 1);
    if (!answer) return fail(c, ERROR.interface);
    c.bh = answer[0];
    return succeed(c);
  },
  5: (c) => {
    if (c.bh !== PACKET_BYTES) return fail(c, ERROR.input);
    c.store(FLAGS1, 1, 0);
    return reset(c);
  },
  6: extended,
  7: (c) => {
    c.store(HANDLER, 4, ((c.es << 16) | c.bx) >>> 0);
    c.store(FLAGS2, 1, c.es || c.bx ? HANDLER_INSTALLED | PACKET_BYTES : PACKET_BYTES);
    return succeed(c);
  },
};

function reset(c: Caller): boolean {
  const answer = tell(c, [MOUSE.reset], 2);
  if (!answer) return fail(c, ERROR.interface);
  [c.bl, c.bh] = answer;
  return succeed(c);
}

function extended(c: Caller): boolean {
  if (c.bh === 1 || c.bh === 2) return tellOnly(c, c.bh === 1 ? SCALING_1_TO_1 : SCALING_2_TO_1);
  if (c.bh !== 0) return fail(c, ERROR.function);
  const answer = tell(c, [MOUSE.status], 3);
  if (!answer) return fail(c, ERROR.interface);
  [c.bl, c.cl, c.dl] = answer;
  return succeed(c);
}

/** INT 15h, AH = C2h. @returns whether it succeeded */
export function mouse(c: Caller): boolean {
  return FUNCTIONS[c.al]?.(c) ?? fail(c, ERROR.function);
}

/** IRQ 12. AL becomes 1 once a packet is whole, with the words for the handler in BX, CX, DX and SI, and it in ES:DI. */
export function mouseInterrupt(c: Caller): void {
  c.al = 0;
  const status = c.in(COMMAND);
  if ((status & (OUTPUT_FULL | FROM_MOUSE)) !== (OUTPUT_FULL | FROM_MOUSE)) return;
  const byte = c.in(DATA);
  if (!(c.load(FLAGS2, 1) & HANDLER_INSTALLED)) return;
  const count = c.load(FLAGS1, 1) & COUNT_MASK;
  c.store(BYTES + count, 1, byte);
  const isWhole = count + 1 >= PACKET_BYTES;
  c.store(FLAGS1, 1, isWhole ? 0 : count + 1);
  if (!isWhole) return;
  const [buttons, x, y] = c.loadBytes(BYTES, PACKET_BYTES);
  [c.bx, c.cx, c.dx, c.si] = [buttons, x, y, 0];
  const handler = c.load(HANDLER, 4);
  c.di = handler & 0xffff;
  c.es = handler >>> 16;
  c.al = 1;
}
