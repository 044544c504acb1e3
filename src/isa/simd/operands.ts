import type { Builder } from '../../ir/builder.ts';
import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift } from '../lift.ts';
import { raiseIn } from '../memory.ts';
import { CR0, STATE, VECTOR_OF, X87_EXPONENT } from '../registers.ts';
import { raisePending } from '../semantics/x87-stack.ts';
import { laneBits, type SimdFormat, toFloat } from './float-format.ts';

/** #UD or #NM where SSE instructions may not run (SDM 3A, table 13-1). */
export function requireSse(l: Lift): void {
  const vector = l.get(STATE.simdFault);
  l.b.if(vector, () => raise(l, vector));
}

/** #UD, #NM, or a pending #MF or FERR#, where MMX instructions may not run (SDM 3A, 12.5). */
export function requireMmx(l: Lift): void {
  l.b.if(l.get(STATE.fpuFault), () => {
    const emulated = l.get(STATE.cr0).wrap().and(CR0.EM);
    raise(l, l.b.i32(VECTOR_OF.UD).selectIf(emulated, VECTOR_OF.NM));
  });
  raisePending(l);
}

function raise(l: Lift, vector: Val): void {
  l.markRecord();
  raiseIn(l.b, vector, 0);
}

/** Whether a register operand is an MMX register. */
export function usesMmx(l: Lift): boolean {
  return l.shape.operands.some((o) => o.kind === 'reg' && o.cls === 'mmx');
}

/** The checks that come before an instruction on MMX or XMM registers, whichever its operands are. */
export function requireVectors(l: Lift): void {
  if (usesMmx(l)) requireMmx(l);
  else requireSse(l);
}

/** What every MMX instruction does to the x87: TOP 0, all registers in use; EMMS empties them then (SDM 3A, table 12-1). */
export function enterMmx(l: Lift): void {
  l.set(STATE.top, 0);
  l.set(STATE.ftw, 0xff);
}

/** An i32 or i64, zero-extended to a vector. */
export function vectorOf(l: Lift, value: Val): Val {
  const zero = l.b.const('v128', 0);
  const shape = value.type === 'i64' ? 'i64x2' : 'i32x4';
  return l.b.opWithImmediate(`${shape}.replace_lane`, 0n, zero, value);
}

/** The low 32 (i32) or 64 bits (i64) of a vector. */
export function lowOf(l: Lift, vector: Val, width: 32 | 64): Val {
  return l.b.opWithImmediate(width === 64 ? 'i64x2.extract_lane' : 'i32x4.extract_lane', 0n, vector);
}

/** The high 64 bits of a vector. */
export function highOf(l: Lift, vector: Val): Val {
  return l.b.opWithImmediate('i64x2.extract_lane', 1n, vector);
}

/** Loads 16 bytes from the memory operand; #GP(0) when it is not aligned. */
export function loadAligned(l: Lift): Val {
  const address = l.address(16, false);
  l.requireAligned(address, 16);
  return l.b.guestLoad('v128', 16, address, l.segment());
}

/** Stores 16 bytes to the memory operand; #GP(0) when it is not aligned. */
export function storeAligned(l: Lift, value: Val): void {
  const address = l.address(16, true);
  l.requireAligned(address, 16);
  l.b.guestStore(16, address, l.segment(), value);
}

/** Stores the low 32 or 64 bits of a vector to the memory operand, as a number: no general register is needed. */
export function storeLow(l: Lift, vector: Val, width: 32 | 64): void {
  const bytes = (width / 8) as Access['bytes'];
  const low = l.b.opWithImmediate(width === 64 ? 'f64x2.extract_lane' : 'f32x4.extract_lane', 0n, vector);
  l.b.guestStore(bytes, l.address(bytes, true), l.segment(), low);
}

/**
 * A register or memory operand as a vector: XMM whole, MMX and narrow memory zero-extended. Memory of 128 bits must be
 * aligned.
 */
export function readVector(l: Lift, operand: number): Val {
  const o = l.shape.operands[operand];
  if (o.kind === 'reg' && o.cls === 'xmm') return l.b.load('v128', 16, l.slot(operand));
  if (o.kind === 'reg') return vectorOf(l, l.b.load('i64', 8, l.slot(operand)));
  const width = l.width(operand);
  if (width === 128) return loadAligned(l);
  return width === 64 || width === 32 ? loadLow(l, width) : vectorOf(l, l.read(operand));
}

/** Loads 32 or 64 bits from the memory operand, zero-extended to a vector. */
function loadLow(l: Lift, width: 32 | 64): Val {
  const bytes = (width / 8) as Access['bytes'];
  return l.b.guestLoad('v128', bytes, l.address(bytes, false), l.segment());
}

/** An XMM register whole, of which the low lane counts, or a memory operand of that lane's width, zero-extended. */
export function readLowLane(l: Lift, operand: number, width: 32 | 64): Val {
  return l.isMemory(operand) ? loadLow(l, width) : readVector(l, operand);
}

/** Writes an XMM register whole, or the low half to an MMX register. */
export function writeVector(l: Lift, operand: number, value: Val): void {
  const o = l.shape.operands[operand];
  if (o.kind === 'reg' && o.cls === 'mmx') writeMmx(l, operand, lowOf(l, value, 64));
  else l.b.store(16, l.slot(operand), 0, value);
}

/** Writes an MMX register (i64): the significand of an x87 register whose sign and exponent become ones. */
export function writeMmx(l: Lift, operand: number, value: Val): void {
  enterMmx(l);
  l.b.store(8, l.slot(operand), 0, value);
  l.b.store(2, l.slot(operand), X87_EXPONENT, l.b.i32(0xffff));
}

/** Replaces the low lane (i32 or i64) of an XMM register; the other bits stay. */
export function writeLow(l: Lift, operand: number, value: Val): void {
  const shape = value.type === 'i64' ? 'i64x2' : 'i32x4';
  const old = readVector(l, operand);
  writeVector(l, operand, l.b.opWithImmediate(`${shape}.replace_lane`, 0n, old, value));
}

/** Reads the low `width` bits of an XMM register, or a memory operand of that width. */
export function readLow(l: Lift, operand: number, width: 32 | 64): Val {
  if (!l.isMemory(operand)) return lowOf(l, readVector(l, operand), width);
  const bytes = (width / 8) as Access['bytes'];
  return l.b.guestLoad(width === 64 ? 'i64' : 'i32', bytes, l.address(bytes, false), l.segment());
}

/** A floating-point number, as such and as its bits. */
export interface Scalar {
  readonly float: Val;
  readonly bits: Val;
}

/** The low lane of a vector as a number. */
export function scalarOf(b: Builder, f: SimdFormat, vector: Val): Scalar {
  return {
    float: b.opWithImmediate(`${f.floats}.extract_lane`, 0n, vector),
    bits: laneBits(b, f, vector, 0),
  };
}

/** Reads a number from the low lane of an XMM register or from memory. */
export function readScalar(l: Lift, operand: number, f: SimdFormat): Scalar {
  if (!l.isMemory(operand)) return scalarOf(l.b, f, readVector(l, operand));
  const bits = readLow(l, operand, f.width);
  return { float: toFloat(f, bits, l.b), bits };
}

/** Replaces the low lane of an XMM register by a number; the other bits stay. */
export function writeScalar(l: Lift, operand: number, f: SimdFormat, float: Val): void {
  const old = readVector(l, operand);
  writeVector(l, operand, l.b.opWithImmediate(`${f.floats}.replace_lane`, 0n, old, float));
}

/** Writes an i32, zero-extended, to a general register or memory operand of up to 64 bits. */
export function writeGeneral(l: Lift, operand: number, value: Val): void {
  l.write(operand, l.width(operand) === 64 ? value.extU() : value);
}
