/**
 * The state in which a case starts: everything follows from the case's mode, profile and seed. Recorded vectors hold only
 * these, so a change here makes them worthless: they must be recorded anew.
 */

/** Where code and data of a case lie; also known to oracle.c. In 16-bit mode segments start at these addresses. */
export const CODE_BASE = 0x200000;
export const CODE_BYTES = 4096;
export const DATA_BASE = 0x300000;
export const DATA_BYTES = 65536;
/** Offset of the first instruction in the code page, which is otherwise full of INT3. */
export const CODE_START = 0x800;
/** Bytes of the FXSAVE image that user code can change. */
export const FX_BYTES = 416;

export type Bits = 16 | 32 | 64;

/** What the values of a case look like: `int` corner integers, `division` a small upper half, `page` strings at a page's end … */
export const PROFILES = [
  'int',
  'division',
  'string',
  'code',
  'f32',
  'f64',
  'x87',
  'bcd',
  'page',
  'edge32',
  'edge64',
  'edge80',
] as const;
export type Profile = (typeof PROFILES)[number];

export interface InitialState {
  readonly gpr: readonly bigint[];
  /** The six arithmetic flags and DF, at their places. */
  readonly flags: number;
  readonly fx: Uint8Array;
}

/** Gives numbers that follow from a seed (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
  next64(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }
}

const CORNERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 8n, 9n, 15n, 16n, 31n, 32n, 33n, 63n, 64n, 0x7fn, 0x80n, 0x81n, 0x99n, 0xffn, 0x100n],
  ...[0x7fffn, 0x8000n, 0xffffn, 0x10000n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n],
  ...[0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0x5555_5555_5555_5555n, 0xaaaa_aaaa_aaaa_aaaan],
];

/** A 64-bit integer of the kind at which arithmetic goes wrong, or a random one. */
export function cornerInteger(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 2) return random.pick(CORNERS);
  if (kind < 4) return BigInt.asUintN(64, -random.pick(CORNERS));
  if (kind < 6) return random.next64() >> BigInt(random.below(64));
  if (kind === 6) return BigInt.asUintN(64, -(random.next64() >> BigInt(1 + random.below(63))));
  return random.next64();
}

const F64_CORNERS: readonly bigint[] = [
  ...[0n, 1n, 0xf_ffff_ffff_ffffn, 0x10_0000_0000_0000n, 0x7fef_ffff_ffff_ffffn, 0x7ff0_0000_0000_0000n],
  ...[0x7ff8_0000_0000_0000n, 0x7ff0_0000_0000_0001n, 0x7ff4_1234_5678_9abcn, 0x3ff0_0000_0000_0000n],
  ...[0x4000_0000_0000_0000n, 0x3fe0_0000_0000_0000n, 0x41e0_0000_0000_0000n, 0x43e0_0000_0000_0000n],
  ...[0x41df_ffff_ffc0_0000n, 0x3ff8_0000_0000_0000n, 0x4004_0000_0000_0000n, 0x36a0_0000_0000_0000n],
];
const F32_CORNERS: readonly number[] = [
  ...[0, 1, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7fa12345, 0x3f800000],
  ...[0x40000000, 0x3f000000, 0x4f000000, 0x5f000000, 0x4effffff, 0x3fc00000, 0x40200000],
];

/** The bits of a double: corner, of moderate size, or anything. */
export function cornerDouble(random: Random): bigint {
  const kind = random.below(4);
  const sign = BigInt(random.below(2)) << 63n;
  if (kind === 0) return random.pick(F64_CORNERS) | sign;
  if (kind === 3) return random.next64();
  const exponent = BigInt(1023 - 40 + random.below(80));
  const fraction = random.next64() >> 12n;
  return sign | (exponent << 52n) | (kind === 1 ? fraction : fraction & (0xfffffn << 32n));
}

/** The bits of a single. */
export function cornerSingle(random: Random): number {
  const kind = random.below(4);
  const sign = random.below(2) * 0x80000000;
  if (kind === 0) return random.pick(F32_CORNERS) + sign;
  if (kind === 3) return random.next();
  const fraction = random.next() & (kind === 1 ? 0x7fffff : 0x7ff000);
  return sign + (127 - 20 + random.below(40)) * 0x800000 + fraction;
}

/**
 * The bits of a number of either format at or near an end of its range, or whose products and quotients with others of
 * its kind are, or one that is of moderate size and often short, so that results are exact.
 */
function edgeNumber(fractionBits: number, exponentMask: number, random: Random): bigint {
  const bias = exponentMask >> 1;
  const near = (exponent: number) => exponent - 1 + random.below(3);
  const exponents = [0, 0, 0, near(1), near(2), near(bias >> 1), near(bias + (bias >> 1)), near(exponentMask - 1)];
  const exponent = random.pick([...exponents, near(bias), near(bias), bias + random.below(fractionBits)]);
  const ones = (1n << BigInt(fractionBits)) - 1n;
  const some = random.next64() & ones;
  const fraction = random.pick([0n, 0n, 1n, ones, some, some, (some << BigInt(random.below(fractionBits))) & ones]);
  const sign = BigInt(random.below(2) * (exponentMask + 1));
  return ((sign | BigInt(Math.min(exponent, exponentMask))) << BigInt(fractionBits)) | fraction;
}

const SIGNIFICANDS: readonly bigint[] = [
  ...[0x8000_0000_0000_0000n, 0xc000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0001n],
  ...[0xffff_ffff_0000_0000n, 0xffff_ffff_ffff_f800n, 0x8000_0000_0000_0400n, 0x8000_0080_0000_0000n],
];

/** Significand and sign with exponent of an extended double. */
export function cornerExtended(random: Random): { significand: bigint; exponent: number } {
  const sign = random.below(2) << 15;
  const kind = random.below(8);
  const fraction = (random.next64() >> 1n) | (1n << 63n);
  const significand = random.below(2) === 0 ? random.pick(SIGNIFICANDS) : fraction;
  if (kind === 0) return { significand: random.pick([0n, 1n, random.next64() >> 1n]), exponent: sign };
  if (kind === 1) return { significand, exponent: sign | 0x7fff };
  if (kind === 2) return { significand, exponent: sign | random.pick([1, 2, 0x7ffe, 0x3c01, 0x3bcd, 0x43fe, 0x407f]) };
  if (kind === 3) return { significand: (BigInt(random.below(1000)) << 54n) | (1n << 63n), exponent: sign | 0x3fff };
  return { significand, exponent: sign | (0x3fff - 66 + random.below(132)) };
}

/** Where rounding in 64, 53 or 24 bits of 64 may be a tie, or has just been one. */
const ROUNDED_BITS = [0n, 1n, 2n, 3n, 0x400n, 0x7ffn, 0xc00n, 1n << 39n, 1n << 40n, (1n << 40n) - 1n];
const EDGE_EXPONENTS = [1, 0x7ffe, 0x3c01, 0x43fe, 0x3f81, 0x407e];

/** As {@link edgeNumber}, in the extended format: short significands, so that sums and products are often halfway. */
function edgeExtended(random: Random): { significand: bigint; exponent: number } {
  const sign = random.below(2) << 15;
  if (random.below(8) === 0) return { significand: 0n, exponent: sign };
  const top = (1n << 63n) | (random.below(2) === 0 ? 0n : BigInt(random.below(256)) << 55n);
  const ones = 0xffff_ffff_ffff_f800n | random.pick([0n, 0x7ffn]);
  const significand = random.pick([top, top | random.pick(ROUNDED_BITS), top | random.pick(ROUNDED_BITS), ones]);
  const edge = Math.min(Math.max(random.pick(EDGE_EXPONENTS) - 1 + random.below(3), 1), 0x7ffe);
  const usual = 0x3fff + random.below(3) * random.below(66) - random.below(3);
  return { significand, exponent: sign | (random.below(4) === 0 ? edge : usual) };
}

/** Regions of the data area by what they hold, as offsets; pointers of a profile lead into its region. */
const REGIONS: Readonly<Record<Profile, readonly [number, number]>> = {
  int: [0x1000, 0x3000],
  division: [0x1000, 0x3000],
  string: [0x3100, 0x3700],
  code: [0xe000, 0xf000],
  f32: [0x4000, 0x6000],
  f64: [0x7000, 0x9000],
  x87: [0xa000, 0xc000],
  bcd: [0xd000, 0xe000],
  page: [0x1f80, 0x2080],
  edge32: [0x4000, 0x6000],
  edge64: [0x7000, 0x9000],
  edge80: [0x7000, 0x7e00],
};

/** What the data area holds before each case: integers, then singles, doubles, extended doubles, BCD and code addresses. */
export function backgroundMemory(): Uint8Array {
  const view = new DataView(new ArrayBuffer(DATA_BYTES));
  const random = new Random(0x5eed);
  for (let at = 0; at < DATA_BYTES; at += 8) view.setBigUint64(at, cornerInteger(random), true);
  fillRuns(view, 0x3000, 0x3800, random);
  for (let at = 0x3800; at < 0x6800; at += 4) view.setUint32(at, cornerSingle(random), true);
  for (let at = 0x6800; at < 0x9800; at += 8) view.setBigUint64(at, cornerDouble(random), true);
  for (let at = 0x9800; at < 0xc800; at += 16) {
    const { significand, exponent } = cornerExtended(random);
    view.setBigUint64(at, significand, true);
    view.setUint16(at + 8, exponent, true);
  }
  for (let at = 0xc800; at < 0xe000; at += 16) fillDecimal(view, at, random);
  for (let at = 0xe000; at < 0xf000; at += 8) view.setBigUint64(at, codeAddress(random), true);
  return new Uint8Array(view.buffer);
}

/** The few bytes of which strings are made, so that compares find equal ones. */
const ALPHABET = [0, 0x41, 0xff];

/** Runs of equal bytes. */
function fillRuns(view: DataView, from: number, end: number, random: Random): void {
  let byte = 0;
  for (let at = from; at < end; at++) {
    if (random.below(10) === 0) byte = random.pick(ALPHABET);
    view.setUint8(at, byte);
  }
}

/** Ten bytes of packed decimal, mostly with digits up to 9. */
function fillDecimal(view: DataView, at: number, random: Random): void {
  for (let i = 0; i < 9; i++) view.setUint8(at + i, random.below(10) * 16 + random.below(10));
  view.setUint8(at + 9, random.below(2) * 0x80);
  if (random.below(8) === 0) view.setUint8(at + random.below(9), random.next() & 0xff);
}

/** An address in the code page, away from the code. As 16-bit value, it is an offset there too. */
function codeAddress(random: Random): bigint {
  return BigInt(CODE_BASE + 0x900 + random.below(0x600));
}

const RSI = 6;
const RDI = 7;
/** Registers that hold addresses in the data area. */
const POINTERS = [3, 4, 5, 6, 7, 12, 13];

function pointer(bits: Bits, profile: Profile, random: Random): bigint {
  const [first, end] = REGIONS[profile];
  const page = profile === 'page' ? random.below(4) * 0x1000 : 0;
  const align = random.pick([1, 8, 16, 16, 16, 16, 16, 16]);
  const offset = page + first + random.below((end - first) / align) * align;
  return BigInt(offset + (bits === 16 ? 0 : DATA_BASE));
}

function generalValue(bits: Bits, profile: Profile, register: number, random: Random): bigint {
  if (POINTERS.includes(register)) return pointer(bits, profile, random);
  const value = cornerInteger(random);
  if (profile === 'division' && register === 2) return random.pick([0n, 1n, value >> 60n, ~(value >> 58n), value]);
  if (profile === 'page' && register === 1) return BigInt(random.below(64));
  if (profile === 'string' || profile === 'page') return stringValue(register, value, random);
  if (profile === 'code') return codeAddress(random);
  return value;
}

/** A small count in rCX; what is compared with in rAX; a length or the same in rDX. */
function stringValue(register: number, value: bigint, random: Random): bigint {
  if (register === 1) return BigInt(random.below(12));
  if (register > 2 || random.below(4) === 0) return value;
  if (register === 2 && random.below(2) === 0) return BigInt(random.below(40) - 20);
  return BigInt(random.pick(ALPHABET)) * 0x0101_0101_0101_0101n;
}

const FLAG_BITS = [0, 2, 4, 6, 7, 11];
const DF = 1 << 10;

function initialFlags(random: Random): number {
  let flags = random.below(4) === 0 ? DF : 0;
  for (const bit of FLAG_BITS) flags |= random.below(2) << bit;
  return flags;
}

/** @param seed 32 bits */
export function initialState(bits: Bits, profile: Profile, seed: number): InitialState {
  const random = new Random(seed);
  const gpr: bigint[] = [];
  for (let register = 0; register < 16; register++) {
    const value = BigInt.asUintN(64, generalValue(bits, profile, register, random));
    gpr.push(bits === 64 ? value : register < 8 ? BigInt.asUintN(32, value) : 0n);
  }
  if (profile === 'string' && random.below(3) === 0) gpr[RDI] = gpr[RSI];
  if (profile === 'page' && random.below(3) === 0) gpr[RDI] = gpr[RSI] + BigInt(random.below(64) - 32);
  return { gpr, flags: initialFlags(random), fx: initialFx(profile, random) };
}

const FX = { fcw: 0, fsw: 2, ftw: 4, mxcsr: 24, mxcsrMask: 28, st: 32, xmm: 160 } as const;

function initialFx(profile: Profile, random: Random): Uint8Array {
  const view = new DataView(new ArrayBuffer(FX_BYTES));
  const isEdge = profile === 'edge80';
  const isX87 = isEdge || profile === 'x87' || profile === 'bcd';
  const usual = !isX87 || (isEdge && random.below(4) > 0);
  view.setUint16(FX.fcw, usual ? 0x37f : controlWord(random), true);
  view.setUint16(FX.fsw, (random.below(8) << 11) | (isX87 ? (random.below(16) << 8) & 0x4700 : 0), true);
  view.setUint8(FX.ftw, isX87 ? random.next() | (random.below(2) === 0 ? 0xff : 0x0f) : random.next());
  view.setUint32(FX.mxcsr, mxcsrFor(profile, random), true);
  view.setUint32(FX.mxcsrMask, 0xffff, true);
  for (let i = 0; i < 8; i++) fillX87(view, FX.st + 16 * i, profile, random);
  for (let i = 0; i < 16; i++) fillXmm(view, FX.xmm + 16 * i, profile, random);
  return new Uint8Array(view.buffer);
}

/** Rounding and precision at random; all exceptions masked, mostly. */
function controlWord(random: Random): number {
  const masks = random.below(8) === 0 ? random.below(64) : 0x3f;
  return 0x40 | masks | (random.pick([0, 2, 3, 3]) << 8) | (random.pick([0, 0, 1, 2, 3]) << 10);
}

function mxcsrFor(profile: Profile, random: Random): number {
  if (profile === 'f32' || profile === 'f64') return sseControl(random);
  return profile === 'edge32' || profile === 'edge64' ? usedControl(random) : 0x1f80;
}

/** Mostly the usual controls, with flags that earlier instructions have left. */
function usedControl(random: Random): number {
  const controls = random.below(4) === 0 ? sseControl(random) : 0x1f80;
  return controls | random.pick([0, 0x20, 0x20, 0x20, random.below(64)]);
}

function sseControl(random: Random): number {
  const masks = random.below(8) === 0 ? random.below(64) : 0x3f;
  const flush = random.below(8) === 0 ? 0x8000 : 0;
  const denormalsAreZero = random.below(8) === 0 ? 0x40 : 0;
  return (masks << 7) | (random.pick([0, 0, 1, 2, 3]) << 13) | flush | denormalsAreZero;
}

function fillX87(view: DataView, at: number, profile: Profile, random: Random): void {
  if (profile !== 'x87' && profile !== 'bcd' && profile !== 'edge80') {
    view.setBigUint64(at, cornerInteger(random), true);
    view.setUint16(at + 8, random.next() & 0xffff, true);
    return;
  }
  const { significand, exponent } = profile === 'edge80' ? edgeExtended(random) : cornerExtended(random);
  view.setBigUint64(at, significand, true);
  view.setUint16(at + 8, exponent, true);
}

function fillXmm(view: DataView, at: number, profile: Profile, random: Random): void {
  for (let lane = 0; lane < 16; lane += 8) {
    if (profile === 'string') {
      for (let i = 0; i < 8; i++) view.setUint8(at + lane + i, random.pick(ALPHABET));
    } else if (profile === 'f32') {
      view.setUint32(at + lane, cornerSingle(random), true);
      view.setUint32(at + lane + 4, cornerSingle(random), true);
    } else if (profile === 'edge32') {
      view.setUint32(at + lane, Number(edgeNumber(23, 0xff, random)), true);
      view.setUint32(at + lane + 4, Number(edgeNumber(23, 0xff, random)), true);
    } else if (profile === 'edge64') {
      view.setBigUint64(at + lane, edgeNumber(52, 0x7ff, random), true);
    } else {
      view.setBigUint64(at + lane, profile === 'f64' ? cornerDouble(random) : laneInteger(random), true);
    }
  }
}

/** Eight bytes for packed integer operations: equal lanes and saturation corners are likely. */
function laneInteger(random: Random): bigint {
  const kind = random.below(4);
  if (kind === 0) return cornerInteger(random);
  if (kind === 1) return random.next64();
  const width = random.pick([8, 16, 32]);
  let value = 0n;
  for (let at = 0; at < 64; at += width) value |= BigInt.asUintN(width, cornerInteger(random)) << BigInt(at);
  return value;
}
