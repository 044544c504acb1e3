import type { Builder } from '../../ir/builder.ts';
import type { Operand, Val } from '../../ir/val.ts';
import { STATE } from '../registers.ts';

/**
 * Where helpers of this folder leave the exceptions that an operation raised (bits as in FSW and MXCSR, and
 * {@link ROUNDED_UP}). They only add bits: the caller clears the word first. Low 32 bits.
 */
export const FLOAT_FLAGS = STATE.scratch0;
/** Where helpers that give an 80-bit number leave its sign (bit 15) and biased exponent; the significand is their result. */
export const FLOAT_EXPONENT = STATE.scratch1;
/** A second result of the arithmetic inside this folder: the bits below the first one. */
export const FLOAT_LOW = STATE.scratch2;

/** The x87's default NaN ("real indefinite"): sign and exponent word, and significand. */
export const INDEFINITE_WORD = 0xffff;
export const INDEFINITE_80 = 0xc000_0000_0000_0000n;

/** Floating-point exceptions (SDM 1, 4.9.1), as in FSW and MXCSR; their masks have the same order in FCW. */
export const EXCEPTION = { IE: 1, DE: 2, ZE: 4, OE: 8, UE: 16, PE: 32 } as const;
/** In {@link FLOAT_FLAGS}: the result was rounded away from zero (C1 of FSW). */
export const ROUNDED_UP = 1 << 9;

/**
 * The control word that operations take: FCW itself (masks 0–5, precision 8–9, rounding 10–11), or what
 * {@link controlFromMxcsr} makes. Bit 15, always clear in FCW, flushes tiny results to zero.
 */
export const CONTROL_FLUSH = 1 << 15;
/** Added to a control word: rounding is toward zero. */
export const CONTROL_TRUNCATE = 3 << 10;
/** Added to FCW: results have 64 bits whatever the precision control, which only some instructions heed (SDM 1, 8.1.5.2). */
export const FULL_PRECISION = 3 << 8;
/** Rounding control (SDM 1, table 4-8). */
export const ROUND = { nearest: 0, down: 1, up: 2, zero: 3 } as const;

/** MXCSR's masks, rounding control and flush-to-zero at the places of {@link CONTROL_FLUSH}'s word. */
export function controlFromMxcsr(mxcsr: Val): Val {
  const masks = mxcsr.shrU(7).and(0x3f);
  const rounding = mxcsr.shrU(3).and(0xc00);
  return masks.or(rounding).or(mxcsr.and(CONTROL_FLUSH));
}

/** Whether MXCSR says that denormal operands are taken as zero, i32. */
export function denormalsAreZero(mxcsr: Val): Val {
  return mxcsr.shrU(6).and(1);
}

/** Rounding control 0–3 of a control word. */
export function roundingOf(control: Val): Val {
  return control.shrU(10).and(3);
}

/** Adds exception bits (i32) to {@link FLOAT_FLAGS}. */
export function raiseFlags(b: Builder, bits: Operand): void {
  const flags = b.load('i32', 4, b.cpu, FLOAT_FLAGS.offset);
  b.store(4, b.cpu, FLOAT_FLAGS.offset, flags.or(bits));
}

/** Sets {@link FLOAT_FLAGS} to none: before the first operation of an instruction. */
export function clearFlags(b: Builder): void {
  b.store(4, b.cpu, FLOAT_FLAGS.offset, b.i32(0));
}

/** The exceptions raised since {@link clearFlags}, i32. */
export function raisedFlags(b: Builder): Val {
  return b.load('i32', 4, b.cpu, FLOAT_FLAGS.offset);
}
