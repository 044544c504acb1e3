import type { Decoded } from '../../src/isa/operands.ts';
import { FLAG } from '../../src/isa/registers.ts';

const { CF, PF, AF, ZF, SF, OF } = FLAG;

/** Flags that an instruction leaves undefined, by the key of its semantics (SDM 1, table A-2, and SDM 2). */
const UNDEFINED: Readonly<Record<string, number>> = {
  and: AF,
  or: AF,
  xor: AF,
  test: AF,
  mul: SF | ZF | AF | PF,
  imul: SF | ZF | AF | PF,
  div: CF | PF | AF | ZF | SF | OF,
  idiv: CF | PF | AF | ZF | SF | OF,
  aaa: OF | SF | ZF | PF,
  aas: OF | SF | ZF | PF,
  aam: OF | AF | CF,
  aad: OF | AF | CF,
  daa: OF,
  das: OF,
  bsf: CF | OF | SF | AF | PF,
  bsr: CF | OF | SF | AF | PF,
  bt: OF | SF | AF | PF,
  bts: OF | SF | AF | PF,
  btr: OF | SF | AF | PF,
  btc: OF | SF | AF | PF,
};

const SHIFTS = ['shl', 'shr', 'sar'];
const ROTATES = ['rol', 'ror', 'rcl', 'rcr'];
const DOUBLE_SHIFTS = ['shld', 'shrd'];

/** The count of a shift by an immediate or by CL, masked as the processor does. */
export function shiftCount(decoded: Decoded, cl: number): number {
  const last = decoded.operands[decoded.operands.length - 1];
  const count = last.kind === 'imm' ? Number(last.value) : cl;
  return count & (decoded.operandSize === 64 && widthOf(decoded) === 64 ? 63 : 31);
}

function widthOf(decoded: Decoded): number {
  const first = decoded.operands[0];
  return first.kind === 'reg' || first.kind === 'mem' ? first.width : decoded.operandSize;
}

/** Flags that are undefined after the instruction. @param cl CL before it */
export function undefinedFlags(decoded: Decoded, cl: number): number {
  const key = decoded.row.semantics;
  if (SHIFTS.includes(key)) return undefinedAfterShift(key, shiftCount(decoded, cl), widthOf(decoded));
  if (ROTATES.includes(key)) return shiftCount(decoded, cl) > 1 ? OF : 0;
  if (DOUBLE_SHIFTS.includes(key)) return undefinedAfterDoubleShift(shiftCount(decoded, cl), widthOf(decoded));
  return UNDEFINED[key] ?? 0;
}

function undefinedAfterShift(key: string, count: number, width: number): number {
  if (count === 0) return 0;
  if (count === 1) return AF;
  return AF | OF | (key !== 'sar' && count >= width ? CF : 0);
}

function undefinedAfterDoubleShift(count: number, width: number): number {
  if (count === 0) return 0;
  if (count > width) return CF | PF | AF | ZF | SF | OF;
  return count === 1 ? AF : AF | OF;
}

/** Whether the result itself is undefined (SDM 2: SHLD, SHRD with a count above the width; BSWAP of 16 bits). */
export function hasUndefinedResult(decoded: Decoded, cl: number): boolean {
  const key = decoded.row.semantics;
  if (key === 'bswap') return decoded.operandSize === 16;
  return DOUBLE_SHIFTS.includes(key) && shiftCount(decoded, cl) > widthOf(decoded);
}
