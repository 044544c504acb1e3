import type { E820Entry } from '../memory-map.ts';
import { apm } from './apm.ts';
import { EBDA_SEGMENT } from './bda.ts';
import type { Caller } from './caller.ts';
import { startWait, stopWait } from './clock.ts';
import { mouse } from './mouse.ts';
import { ROM_LAYOUT } from './rom-layout.ts';

const SMAP = 0x534d4150;
const E820_BYTES = 20;
const UNSUPPORTED = 0x86;
const CONTROL_PORT_A = 0x92;
const A20 = 2;
const SIXTEEN_MIB = 0x1000000;
const ONE_MIB = 0x100000;
const KIB = 1024;
const SIXTY_FOUR_KIB = 0x10000;
const PM_TIMER_PORT = 0x608;
const PM_TIMER_HZ = 3_579_545;
/** The timer has 24 bits. */
const LONGEST_DELAY_TICKS = 0xf00000;
const BLOCK_MOVE_FAILED = 3;

/** What INT 15h knows of the machine. */
export interface SystemFacts {
  readonly memoryMap: readonly E820Entry[];
  /** End of RAM below 4 GiB. */
  readonly lowRamEnd: number;
  /** Offsets of APM's entries for protected mode. */
  readonly apm16: number;
  readonly apm32: number;
}

type Function = (c: Caller, facts: SystemFacts) => boolean;

/** Functions of INT 15h by AH: whether they succeeded. */
const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x24: a20,
  0x53: (c, facts) => apm(c, facts),
  0x80: (c) => succeed(c),
  0x81: (c) => succeed(c),
  0x82: (c) => succeed(c),
  0x83: eventWait,
  0x85: (c) => succeed(c),
  0x87: blockMove,
  0x88: (c, { lowRamEnd }) => {
    c.ax = Math.min((lowRamEnd - ONE_MIB) / KIB, 0xfc00);
    return true;
  },
  0x90: (c) => succeed(c),
  0x91: (c) => succeed(c),
  0xc0: (c) => {
    c.es = 0xf000;
    c.bx = ROM_LAYOUT.systemConfiguration;
    return succeed(c);
  },
  0xc1: (c) => {
    c.es = EBDA_SEGMENT;
    return true;
  },
  0xc2: (c) => mouse(c),
  0xe8: bigMemory,
};

function succeed(c: Caller): boolean {
  c.ah = 0;
  return true;
}

/** INT 15h, but for those functions that wait. */
export function system(c: Caller, facts: SystemFacts): void {
  const call = FUNCTIONS[c.ah];
  const done = call ? call(c, facts) : false;
  if (!call) c.ah = UNSUPPORTED;
  c.carry = !done;
}

function a20(c: Caller): boolean {
  const value = c.in(CONTROL_PORT_A);
  switch (c.al) {
    case 0:
      c.out(CONTROL_PORT_A, value & ~A20 & ~1);
      break;
    case 1:
      c.out(CONTROL_PORT_A, (value | A20) & ~1);
      break;
    case 2:
      c.ax = (value & A20) >> 1;
      return true;
    case 3:
      c.bx = 3;
      break;
    default:
      c.ah = UNSUPPORTED;
      return false;
  }
  return succeed(c);
}

function eventWait(c: Caller): boolean {
  if (c.al === 1) stopWait(c);
  else if (!startWait(c, ((c.cx << 16) | c.dx) >>> 0, ((c.es << 16) | c.bx) >>> 0)) return false;
  c.ah = 0;
  return true;
}

/** Copies CX words between places beyond 1 MiB, which two descriptors of the table at ES:SI give. */
function blockMove(c: Caller): boolean {
  const table = c.address('es', c.si, 0x30);
  if (!c.isPrivileged || c.cx > 0x8000) {
    c.ah = BLOCK_MOVE_FAILED;
    return false;
  }
  const base = (at: number) => (c.load(at + 2, 2) | (c.load(at + 4, 1) << 16) | (c.load(at + 7, 1) << 24)) >>> 0;
  const [from, to] = [base(table + 0x10), base(table + 0x18)];
  const gate = c.in(CONTROL_PORT_A) & ~1;
  c.out(CONTROL_PORT_A, gate | A20);
  for (let n = 0; n < c.cx * 2; n += 2) c.store(to + n, 2, c.load(from + n, 2));
  c.out(CONTROL_PORT_A, gate);
  return succeed(c);
}

function bigMemory(c: Caller, { memoryMap, lowRamEnd }: SystemFacts): boolean {
  const between = Math.min(lowRamEnd, SIXTEEN_MIB) - ONE_MIB;
  const above = Math.max(0, lowRamEnd - SIXTEEN_MIB);
  switch (c.al) {
    case 0x01:
      c.ax = between / KIB;
      c.bx = above / SIXTY_FOUR_KIB;
      c.cx = c.ax;
      c.dx = c.bx;
      return true;
    case 0x81:
      c.eax = between / KIB;
      c.ebx = above / SIXTY_FOUR_KIB;
      c.ecx = c.eax;
      c.edx = c.ebx;
      return true;
    case 0x20:
      return mapEntry(c, memoryMap);
    default:
      c.ah = UNSUPPORTED;
      return false;
  }
}

/** Function E820h (ACPI 6.5 section 15.1): EBX counts the entries. */
function mapEntry(c: Caller, map: readonly E820Entry[]): boolean {
  const entry = map[c.ebx];
  if (c.edx !== SMAP || c.ecx < E820_BYTES || !entry) {
    c.ah = UNSUPPORTED;
    return false;
  }
  const bytes = new Uint8Array(E820_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(entry.base), true);
  view.setBigUint64(8, BigInt(entry.length), true);
  view.setUint32(16, entry.type, true);
  c.storeBytes(c.address('es', c.edi & 0xffff, E820_BYTES), bytes);
  c.eax = SMAP;
  c.ecx = E820_BYTES;
  c.ebx = c.ebx + 1 < map.length ? c.ebx + 1 : 0;
  return true;
}

/** INT 15h, AH = 86h: EBX becomes the ticks of the ACPI timer in CX:DX microseconds, EAX what it shows now. */
export function delayBegin(c: Caller): void {
  const micros = c.cx * 0x10000 + c.dx;
  const ticks = Math.ceil((micros * PM_TIMER_HZ) / 1e6);
  c.eax = c.in(PM_TIMER_PORT, 4);
  c.ebx = Math.min(ticks, LONGEST_DELAY_TICKS);
}

/** Configuration table of INT 15h, AH = C0h: an AT with two PICs, clock, keyboard intercept and extended data area. */
export const SYSTEM_CONFIGURATION = [8, 0, 0xfc, 0, 1, 0x74, 0x40, 0, 0, 0];
