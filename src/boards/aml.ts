/**
 * An assembler for ACPI Machine Language, as far as describing a PC needs it (ACPI 6.5 chapter 20, "AML Specification",
 * and section 6.4, "Resource Data Types"). Every function gives the bytes of one term.
 */

export type Aml = readonly number[];

const OP = {
  zero: 0x00,
  one: 0x01,
  name: 0x08,
  byte: 0x0a,
  word: 0x0b,
  dword: 0x0c,
  string: 0x0d,
  scope: 0x10,
  buffer: 0x11,
  package: 0x12,
  method: 0x14,
  rootPrefix: 0x5c,
  dualName: 0x2e,
  multiName: 0x2f,
  extended: 0x5b,
  device: 0x82,
  notify: 0x86,
} as const;

const MOST_PACKAGE_BYTES = 0xfffffff;

/** An integer of 0 to 2^32-1, in its shortest form. */
export function integer(value: number): Aml {
  if (value === 0) return [OP.zero];
  if (value === 1) return [OP.one];
  if (value <= 0xff) return [OP.byte, value];
  return value <= 0xffff ? [OP.word, ...u16(value)] : [OP.dword, ...u32(value)];
}

export function string(text: string): Aml {
  return [OP.string, ...ascii(text), 0];
}

/** A compressed EISA identity such as `PNP0A03`, as an integer (ACPI 6.5 section 19.3.4). */
export function eisaId(id: string): Aml {
  const letters = ascii(id.slice(0, 3)).reduce((packed, letter) => (packed << 5) | (letter - 0x40), 0);
  const product = Number.parseInt(id.slice(3), 16);
  return [OP.dword, letters >> 8, letters & 0xff, product >> 8, product & 0xff];
}

export function buffer(bytes: Aml): Aml {
  return [OP.buffer, ...withLength([...integer(bytes.length), ...bytes])];
}

/** @param elements at most 255 */
export function packageOf(...elements: Aml[]): Aml {
  return [OP.package, ...withLength([elements.length, ...elements.flat()])];
}

/** `Name (path, value)`. */
export function name(path: string, value: Aml): Aml {
  return [OP.name, ...nameString(path), ...value];
}

/** `Scope (path) { terms }`. */
export function scope(path: string, ...terms: Aml[]): Aml {
  return [OP.scope, ...withLength([...nameString(path), ...terms.flat()])];
}

/** `Device (path) { terms }`. */
export function device(path: string, ...terms: Aml[]): Aml {
  return [OP.extended, OP.device, ...withLength([...nameString(path), ...terms.flat()])];
}

/** `Method (path) { terms }`, without arguments. */
export function method(path: string, ...terms: Aml[]): Aml {
  return [OP.method, ...withLength([...nameString(path), 0, ...terms.flat()])];
}

/** `Notify (path, value)`. */
export function notify(path: string, value: number): Aml {
  return [OP.notify, ...nameString(path), ...integer(value)];
}

/** `ResourceTemplate () { descriptors }`. The end tag's checksum is 0, which means that there is none. */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0]);
}

/** An edge-triggered, active-high, exclusive ISA interrupt. */
export function irq(number: number): Aml {
  return [0x22, ...u16(1 << number)];
}

/** A fixed range of ports, decoded in 16 bits. */
export function ports(base: number, length: number): Aml {
  return [0x47, 1, ...u16(base), ...u16(base), 1, length];
}

const RESOURCE = { memory: 0, io: 1, bus: 2 } as const;
/** Both ends fixed, positive decode, produced for the devices below. */
const RANGE_FIXED = 0x0c;
const IO_ENTIRE_RANGE = 0x03;
const MEMORY_READ_WRITE = 0x01;

/** The PCI bus numbers that a host bridge hands down. */
export function busRange(first: number, last: number): Aml {
  return wordRange(RESOURCE.bus, 0, first, last);
}

/** Ports that a bridge hands down. */
export function portRange(first: number, last: number): Aml {
  return wordRange(RESOURCE.io, IO_ENTIRE_RANGE, first, last);
}

/** Memory addresses that a bridge hands down, not cached. */
export function memoryRange(first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap(u32);
  return [0x87, ...u16(3 + fields.length), RESOURCE.memory, RANGE_FIXED, MEMORY_READ_WRITE, ...fields];
}

function wordRange(type: number, flags: number, first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap(u16);
  return [0x88, ...u16(3 + fields.length), type, RANGE_FIXED, flags, ...fields];
}

/** A path such as `\_SB.PCI0`: segments of up to four characters, padded with underscores. */
function nameString(path: string): number[] {
  const root = path.startsWith('\\');
  const segments = (root ? path.slice(1) : path).split('.').filter((segment) => segment !== '');
  const names = segments.flatMap((segment) => ascii(segment.padEnd(4, '_')));
  const prefix = root ? [OP.rootPrefix] : [];
  if (segments.length === 0) return [...prefix, 0];
  if (segments.length === 1) return [...prefix, ...names];
  if (segments.length === 2) return [...prefix, OP.dualName, ...names];
  return [...prefix, OP.multiName, segments.length, ...names];
}

/** Puts the package length, which counts itself, in front of a body (ACPI 6.5 section 20.2.4). */
function withLength(body: readonly number[]): number[] {
  if (body.length + 1 < 0x40) return [body.length + 1, ...body];
  const more = [2, 3, 4].find((bytes) => body.length + bytes < 2 ** (4 + 8 * (bytes - 1)));
  if (!more) throw new RangeError(`an AML package holds at most ${MOST_PACKAGE_BYTES} bytes`);
  const length = body.length + more;
  const upper = Array.from({ length: more - 1 }, (_, i) => (length >> (4 + 8 * i)) & 0xff);
  return [((more - 1) << 6) | (length & 0x0f), ...upper, ...body];
}

function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

function u16(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}
