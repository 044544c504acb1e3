import { PC_PIRQ, pirqOf } from '../pc-map.ts';
import type { Caller } from './caller.ts';

/** PCI BIOS Specification 2.1. */
const ADDRESS = 0xcf8;
const DATA = 0xcfc;
const ENABLE = 0x80000000;
const PLACES = 256;
const VERSION = 0x0210;
const MECHANISM_1 = 0x01;
const RETURN = { ok: 0x00, unsupported: 0x81, badVendor: 0x83, notFound: 0x86, badRegister: 0x87 } as const;
const SIGNATURE_PCI = 0x20494350; // "PCI "
const SERVICE_PCI = 0x49435024; // "$PCI"
const CLASS = 0x08;
const HEADER_TYPE = 0x0c;
const MULTIFUNCTION = 0x800000;
const INTERRUPT_PIN = 0x3d;
const ROUTE_BYTES = 16;
const NOT_THERE = 0xffff_ffff;
const BIOS_SEGMENT_GPA = 0xf0000;
const BIOS_SEGMENT_BYTES = 0x10000;

type Size = 1 | 2 | 4;

function select(c: Caller, place: number, register: number): number {
  c.out(ADDRESS, (ENABLE | (place << 8) | (register & 0xfc)) >>> 0, 4);
  return DATA + (register & 3);
}

/** Reads a configuration register. @param place slot × 8 + function */
export function readConfig(c: Caller, place: number, register: number, size: Size): number {
  return c.in(select(c, place, register), size);
}

/** Writes a configuration register. @param place slot × 8 + function */
export function writeConfig(c: Caller, place: number, register: number, size: Size, value: number): void {
  c.out(select(c, place, register), value, size);
}

/** The functions that are there, in order of their places. */
export function* pciFunctions(c: Caller): Generator<number> {
  for (let place = 0; place < PLACES; place++) {
    if (readConfig(c, place, 0, 4) !== NOT_THERE) yield place;
    const isSingle = (readConfig(c, place & ~7, HEADER_TYPE, 4) & MULTIFUNCTION) === 0;
    if ((place & 7) === 0 && isSingle) place += 7;
  }
}

/** Finds the function number SI for which `fits`. */
function find(c: Caller, fits: (place: number) => boolean): number {
  let left = c.si;
  for (const place of pciFunctions(c)) {
    if (!fits(place) || left-- > 0) continue;
    c.bx = place;
    return RETURN.ok;
  }
  return RETURN.notFound;
}

function access(c: Caller, size: Size, isWrite: boolean): number {
  const register = c.di;
  if (register > 0xff || register % size !== 0) return RETURN.badRegister;
  const port = c.bh === 0 ? select(c, c.bl, register) : undefined;
  if (isWrite) {
    if (port !== undefined) c.out(port, size === 4 ? c.ecx : size === 2 ? c.cx : c.cl, size);
  } else {
    const value = port === undefined ? NOT_THERE : c.in(port, size);
    if (size === 4) c.ecx = value;
    else if (size === 2) c.cx = value;
    else c.cl = value;
  }
  return RETURN.ok;
}

const FUNCTIONS: Readonly<Record<number, (c: Caller) => number>> = {
  0x01: (c) => {
    c.edx = SIGNATURE_PCI;
    c.bx = VERSION;
    c.cl = 0;
    c.al = MECHANISM_1;
    return RETURN.ok;
  },
  0x02: (c) => {
    const wanted = (c.dx | (c.cx << 16)) >>> 0;
    return c.dx === 0xffff ? RETURN.badVendor : find(c, (place) => readConfig(c, place, 0, 4) === wanted);
  },
  0x03: (c) => {
    const wanted = c.ecx & 0xffffff;
    return find(c, (place) => readConfig(c, place, CLASS, 4) >>> 8 === wanted);
  },
  0x08: (c) => access(c, 1, false),
  0x09: (c) => access(c, 2, false),
  0x0a: (c) => access(c, 4, false),
  0x0b: (c) => access(c, 1, true),
  0x0c: (c) => access(c, 2, true),
  0x0d: (c) => access(c, 4, true),
  0x0e: routingOptions,
};

/** AH = B1h with AL the function. Results are set; the carry flag is the caller's concern. @returns whether it has failed */
function call(c: Caller): boolean {
  const result = FUNCTIONS[c.al & 0x7f]?.(c) ?? RETURN.unsupported;
  c.ah = result;
  return result !== RETURN.ok;
}

/** INT 1Ah, AH = B1h. */
export function pciBios(c: Caller): void {
  c.carry = call(c);
}

/** The same by a far call from 32-bit code. */
export function pci32(c: Caller): void {
  c.carryNow = call(c);
}

/** The BIOS32 service directory: EAX names a service, BL is 0. @param entry offset of the PCI service in the segment */
export function bios32(c: Caller, entry: number): void {
  const isKnown = c.eax === SERVICE_PCI;
  c.al = c.bl !== 0 ? 0x81 : isKnown ? 0x00 : 0x80;
  if (c.al !== 0) return;
  c.ebx = BIOS_SEGMENT_GPA;
  c.ecx = BIOS_SEGMENT_BYTES;
  c.edx = entry;
}

/** The interrupt routing table's entries: a slot, its pins' links and the interrupts each can have. */
export function routingTable(c: Caller): Uint8Array {
  const slots = new Set<number>();
  for (const place of pciFunctions(c)) if (readConfig(c, place, INTERRUPT_PIN, 1) !== 0) slots.add(place >> 3);
  const mask = PC_PIRQ.reduce((bits, irq) => bits | (1 << irq), 0);
  const bytes: number[] = [];
  for (const slot of slots) {
    bytes.push(0, slot << 3);
    for (let pin = 0; pin < 4; pin++) bytes.push(0x60 + pirqOf(slot, pin), mask & 0xff, mask >> 8);
    bytes.push(slot, 0);
  }
  return Uint8Array.from(bytes);
}

/** ES:DI names a buffer's length and far address. */
function routingOptions(c: Caller): number {
  const parameters = c.address('es', c.di, 6);
  const table = routingTable(c);
  const room = c.load(parameters, 2);
  c.store(parameters, 2, table.length);
  if (room < table.length) return 0x89;
  const at = c.load(parameters + 4, 2) * 16 + c.load(parameters + 2, 2);
  c.storeBytes(at, table);
  c.bx = PC_PIRQ.reduce((bits, irq) => bits | (1 << irq), 0);
  return RETURN.ok;
}

/** Bytes of an entry of {@link routingTable}. */
export const ROUTE_ENTRY_BYTES = ROUTE_BYTES;
