import { EXCEPTION, INDEFINITE_80, INDEFINITE_WORD, ROUND, ROUNDED_UP } from '../../isa/float/results.ts';

const BIAS = 16383;
const MAX_BIASED = 0x7ffe;
const SPECIAL_BIASED = 0x7fff;
/** What unmasked overflow subtracts from, and unmasked underflow adds to, the exponent (SDM 1, 8.5.4 and 8.5.5). */
const SCALE = 24576;
const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;
const PRECISION = 64;

/** A number as an x87 register holds it. */
export interface Register80 {
  /** Sign (bit 15) and biased exponent. */
  readonly word: number;
  readonly significand: bigint;
}

/** A register taken apart. */
export interface Operand80 {
  readonly kind: 'zero' | 'finite' | 'infinity' | 'quiet' | 'signalling' | 'invalid';
  readonly denormal: boolean;
  readonly sign: 0 | 1;
  /** For a finite number: ± significand × 2^exponent, 64 bits, the highest set. */
  readonly significand: bigint;
  readonly exponent: number;
  readonly register: Register80;
}

/** An exact or nearly exact result: ± significand × 2^exponent. A significand of zero is zero. */
export interface Real {
  readonly sign: 0 | 1;
  readonly significand: bigint;
  readonly exponent: number;
  /** The true result lies between this and the next significand. */
  readonly inexact: boolean;
}

/** A result as a register, and the exceptions that rounding it raises with C1. */
export interface Rounded80 extends Register80 {
  readonly flags: number;
}

export const INDEFINITE: Register80 = { word: INDEFINITE_WORD, significand: INDEFINITE_80 };
export const ONE: Register80 = { word: BIAS, significand: INTEGER_BIT };

export function zero(sign: number): Register80 {
  return { word: sign << 15, significand: 0n };
}
export function infinity(sign: number): Register80 {
  return { word: (sign << 15) | SPECIAL_BIASED, significand: INTEGER_BIT };
}

/** How many bits `value` has. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(16).length * 4 - Math.clz32(Number.parseInt(value.toString(16)[0], 16)) + 28;
}

export function openRegister(register: Register80): Operand80 {
  const { word, significand } = register;
  const sign = ((word >> 15) & 1) as 0 | 1;
  const biased = word & 0x7fff;
  const base = { sign, significand, exponent: biased - BIAS - 63, denormal: false, register };
  const integer = significand >= INTEGER_BIT;
  if (biased === 0) return openSmall(base);
  if (!integer) return { ...base, kind: 'invalid' };
  if (biased < SPECIAL_BIASED) return { ...base, kind: 'finite' };
  if (significand === INTEGER_BIT) return { ...base, kind: 'infinity' };
  return { ...base, kind: significand & QUIET_BIT ? 'quiet' : 'signalling' };
}

function openSmall(base: Omit<Operand80, 'kind'>): Operand80 {
  if (base.significand === 0n) return { ...base, kind: 'zero' };
  const shift = PRECISION - bitLength(base.significand);
  return {
    ...base,
    kind: 'finite',
    denormal: true,
    significand: base.significand << BigInt(shift),
    exponent: 1 - BIAS - 63 - shift,
  };
}

export function isNan(x: Operand80): boolean {
  return x.kind === 'quiet' || x.kind === 'signalling' || x.kind === 'invalid';
}

/** The NaN that an operation on these operands gives; one of them is a NaN or invalid (SDM 1, table 4-7). */
export function nanOf(operands: readonly Operand80[]): Rounded80 {
  const raises = operands.some((x) => x.kind === 'signalling' || x.kind === 'invalid');
  const flags = raises ? EXCEPTION.IE : 0;
  if (operands.some((x) => x.kind === 'invalid')) return { ...INDEFINITE, flags };
  const rank = (x: Operand80) => (x.kind === 'quiet' ? 1 : 0);
  const [first, second] = operands.filter(isNan);
  const chosen = second === undefined || isPreferred(first, second, rank) ? first : second;
  return { word: chosen.register.word, significand: chosen.significand | QUIET_BIT, flags };
}

function isPreferred(a: Operand80, c: Operand80, rank: (x: Operand80) => number): boolean {
  if (rank(a) !== rank(c)) return rank(a) > rank(c);
  if (a.significand !== c.significand) return a.significand > c.significand;
  return a.sign <= c.sign;
}

/** A significand cut to a whole number of units and rounded by `rounding` (bits 10–11 of FCW). */
function roundUnits(x: Real, drop: number, rounding: number): { units: bigint; inexact: boolean; up: boolean } {
  const units = drop > 0 ? x.significand >> BigInt(drop) : x.significand << BigInt(-drop);
  const rest = drop > 0 ? x.significand & ((1n << BigInt(drop)) - 1n) : 0n;
  const half = drop > 0 ? 1n << BigInt(drop - 1) : 1n;
  const inexact = rest !== 0n || x.inexact;
  const aboveHalf = drop > 0 && (rest > half || (rest === half && (x.inexact || (units & 1n) === 1n)));
  const away = rounding === (x.sign ? ROUND.down : ROUND.up);
  const up = rounding === ROUND.nearest ? aboveHalf : inexact && away;
  return { units: up ? units + 1n : units, inexact, up };
}

function flagsFor({ inexact, up }: { inexact: boolean; up: boolean }): number {
  return inexact ? EXCEPTION.PE | (up ? ROUNDED_UP : 0) : 0;
}

/**
 * Rounds to 64 bits of precision and the range of the 80-bit format, by FCW's rounding control and masks (precision
 * control does not apply to transcendental results; SDM 1, 8.1.5.2).
 */
export function round80(x: Real, fcw: number): Rounded80 {
  if (x.significand === 0n) return { ...zero(x.sign), flags: 0 };
  const rounding = (fcw >> 10) & 3;
  const length = bitLength(x.significand);
  const rounded = roundUnits(x, length - PRECISION, rounding);
  const carried = rounded.units >> BigInt(PRECISION) !== 0n;
  const biased = x.exponent + length - 1 + BIAS + (carried ? 1 : 0);
  const significand = carried ? INTEGER_BIT : rounded.units;
  const pack = (field: number, flags: number) => ({ word: (x.sign << 15) | field, significand, flags });
  if (biased > MAX_BIASED) {
    if (fcw & EXCEPTION.OE) return overflow(x.sign, rounding);
    return pack(biased - SCALE, flagsFor(rounded) | EXCEPTION.OE);
  }
  if (biased >= 1) return pack(biased, flagsFor(rounded));
  if ((fcw & EXCEPTION.UE) === 0) return pack(biased + SCALE, flagsFor(rounded) | EXCEPTION.UE);
  return underflow(x, rounding);
}

function overflow(sign: 0 | 1, rounding: number): Rounded80 {
  const infinite = rounding === ROUND.nearest || rounding === (sign ? ROUND.down : ROUND.up);
  const flags = EXCEPTION.OE | EXCEPTION.PE;
  if (infinite) return { ...infinity(sign), flags: flags | ROUNDED_UP };
  return { word: (sign << 15) | MAX_BIASED, significand: 2n * INTEGER_BIT - 1n, flags };
}

/** A denormal result, or the smallest normal one. */
function underflow(x: Real, rounding: number): Rounded80 {
  const rounded = roundUnits(x, 1 - BIAS - 63 - x.exponent, rounding);
  const flags = flagsFor(rounded);
  const field = rounded.units >= INTEGER_BIT ? 1 : 0;
  return { word: (x.sign << 15) | field, significand: rounded.units, flags: flags ? flags | EXCEPTION.UE : 0 };
}
