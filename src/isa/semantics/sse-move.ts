import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { STATE, VECTOR_OF } from '../registers.ts';
import { shuffle } from '../simd/lanes.ts';
import {
  enterMmx,
  highOf,
  loadAligned,
  lowOf,
  readLow,
  readVector,
  requireMmx,
  requireSse,
  requireVectors,
  storeAligned,
  usesMmx,
  vectorOf,
  writeLow,
  writeMmx,
  writeVector,
} from '../simd/operands.ts';

/** Bytes of a shuffle that takes 64-bit halves: 0 and 1 of the first vector, 2 and 3 of the second. */
function halves(low: number, high: number): number[] {
  return [low, high].flatMap((half) => Array.from({ length: 8 }, (_, i) => half * 8 + i));
}

const moveAligned: Semantics = (l) => {
  requireSse(l);
  if (l.isMemory(0)) storeAligned(l, readVector(l, 1));
  else writeVector(l, 0, l.isMemory(1) ? loadAligned(l) : readVector(l, 1));
};

const moveUnaligned: Semantics = (l) => {
  requireSse(l);
  l.writeVector(0, l.readVector(1));
};

/** MOVSS, MOVSD: between registers only the low lane moves; from memory the rest is cleared. */
function moveScalar(width: 32 | 64): Semantics {
  return (l) => {
    requireSse(l);
    const value = readLow(l, 1, width);
    if (l.isMemory(0)) l.write(0, value);
    else if (l.isMemory(1)) writeVector(l, 0, vectorOf(l, value));
    else writeLow(l, 0, value);
  };
}

/** MOVLPS, MOVHPS and their double forms: 64 bits between memory and one half of a register. */
function moveHalf(half: 0 | 1): Semantics {
  return (l) => {
    requireSse(l);
    if (l.isMemory(0)) {
      const register = readVector(l, 1);
      l.write(0, half === 0 ? lowOf(l, register, 64) : highOf(l, register));
      return;
    }
    const value = l.read(1);
    const old = readVector(l, 0);
    writeVector(l, 0, l.b.opWithImmediate('i64x2.replace_lane', BigInt(half), old, value));
  };
}

/** A register from halves of the destination (0, 1) and of the source (2, 3). */
function combine(low: number, high: number): Semantics {
  return (l) => {
    requireSse(l);
    const source = readVector(l, 1);
    writeVector(l, 0, shuffle(l.b, readVector(l, 0), source, halves(low, high)));
  };
}

/** MOVD, MOVQ: the low bits of a vector register to or from a general register, memory or vector register. */
const moveLow: Semantics = (l) => {
  requireVectors(l);
  const source = l.shape.operands[1];
  const width = l.width(1) === 32 || l.width(0) === 32 ? 32 : 64;
  const fromVector = source.kind === 'reg' && source.cls !== 'gpr';
  const value = fromVector ? lowOf(l, readVector(l, 1), width) : l.read(1);
  writeMoved(l, value);
};

function writeMoved(l: Lift, value: Val): void {
  const target = l.shape.operands[0];
  if (target.kind === 'reg' && target.cls === 'mmx') writeMmx(l, 0, value.extU());
  else if (target.kind === 'reg' && target.cls === 'xmm') writeVector(l, 0, vectorOf(l, value));
  else {
    l.write(0, value);
    if (usesMmx(l)) enterMmx(l);
  }
}

const movq2dq: Semantics = (l) => {
  requireMmx(l);
  requireSse(l);
  writeVector(l, 0, readVector(l, 1));
  enterMmx(l);
};

const movdq2q: Semantics = (l) => {
  requireMmx(l);
  requireSse(l);
  writeMmx(l, 0, lowOf(l, readVector(l, 1), 64));
};

const movntq: Semantics = (l) => {
  requireMmx(l);
  l.write(0, lowOf(l, readVector(l, 1), 64));
  enterMmx(l);
};

function moveMask(shape: 'i8x16' | 'i32x4' | 'i64x2'): Semantics {
  return (l) => {
    requireVectors(l);
    l.write(0, l.b.op(`${shape}.bitmask`, readVector(l, 1)).selectWidth(l.width(0)));
    if (usesMmx(l)) enterMmx(l);
  };
}

function duplicate(...indices: readonly number[]): Semantics {
  const bytes = indices.flatMap((lane) => [0, 1, 2, 3].map((i) => lane * 4 + i));
  return (l) => {
    requireSse(l);
    const source = readVector(l, 1);
    writeVector(l, 0, shuffle(l.b, source, source, bytes));
  };
}

/** Stores the bytes of operand 0 whose mask byte in operand 1 has its top bit set, to DS:rDI. */
const maskMove: Semantics = (l) => {
  requireVectors(l);
  const bytes = usesMmx(l) ? 8 : 16;
  const selected = l.b.op('i8x16.bitmask', readVector(l, 1));
  const data = readVector(l, 0);
  storeSelected(l, data, selected, bytes);
  if (usesMmx(l)) enterMmx(l);
};
