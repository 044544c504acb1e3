import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { STATE, VECTOR_OF } from '../registers.ts';
import { extractLane, shuffle } from '../simd/lanes.ts';
import {
  enterMmx,
  highOf,
  loadAligned,
  lowOf,
  readLowLane,
  readVector,
  requireMmx,
  requireSse,
  requireVectors,
  storeAligned,
  storeLow,
  usesMmx,
  vectorOf,
  writeGeneral,
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
    const source = readLowLane(l, 1, width);
    if (l.isMemory(0)) storeLow(l, source, width);
    else if (l.isMemory(1)) writeVector(l, 0, source);
    else writeLow(l, 0, lowOf(l, source, width));
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
    writeGeneral(l, 0, l.b.op(`${shape}.bitmask`, readVector(l, 1)));
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

/**
 * MASKMOVQ, MASKMOVDQU: stores the bytes of operand 0 whose byte in operand 1 has its top bit set, to rDI. All bytes are
 * probed, chosen or not, as processors do; so nothing is stored before a fault.
 */
const maskMove: Semantics = (l) => {
  requireVectors(l);
  const { b } = l;
  const bytes = usesMmx(l) ? 8 : 16;
  const segment = l.segment();
  const address = l.linear(segment, l.truncate(l.gpr(7, 64), l.shape.addressSize), bytes, true, false);
  b.guestLoad(bytes === 8 ? 'i64' : 'v128', bytes, address, segment, true);
  const data = readVector(l, 0);
  const left = b.variable('i32', b.op('i8x16.bitmask', readVector(l, 1)), 'left');
  b.block((done) =>
    b.loop((again) => {
      const chosen = b.get(left);
      b.if(chosen.eqz(), () => b.break(done));
      const index = chosen.ctz();
      b.guestStore(1, address.add(index.extU()), segment, extractLane(b, 'i8x16', data, index));
      b.set(left, chosen.and(chosen.sub(1)));
      b.continue(again);
    }),
  );
  if (usesMmx(l)) enterMmx(l);
};

/** MOVNTI is not among the instructions that CR0.EM, CR0.TS and CR4.OSFXSR hold back. */
const movnti: Semantics = (l) => l.write(0, l.read(1));

/** Bits 16–31 of MXCSR are reserved. */
const ldmxcsr: Semantics = (l) => {
  requireSse(l);
  const value = l.read(0);
  l.raiseIf(value.shrU(16), VECTOR_OF.GP);
  l.set(STATE.mxcsr, value);
};

const stmxcsr: Semantics = (l) => {
  requireSse(l);
  l.write(0, l.get(STATE.mxcsr));
};

/** Empties all x87 registers. */
const emms: Semantics = (l) => {
  requireMmx(l);
  enterMmx(l);
  l.set(STATE.ftw, 0);
};

/** Moves between vector registers, memory and general registers, and the control registers of SSE and MMX. */
export const SSE_MOVE: SemanticsTable = {
  movaps: moveAligned,
  movapd: moveAligned,
  movdqa: moveAligned,
  movntps: moveAligned,
  movntpd: moveAligned,
  movntdq: moveAligned,
  movntdqa: moveAligned,
  movups: moveUnaligned,
  movupd: moveUnaligned,
  movdqu: moveUnaligned,
  lddqu: moveUnaligned,
  movss: moveScalar(32),
  movsd: moveScalar(64),
  movlps: moveHalf(0),
  movlpd: moveHalf(0),
  movhps: moveHalf(1),
  movhpd: moveHalf(1),
  movhlps: combine(3, 1),
  movlhps: combine(0, 2),
  movd: moveLow,
  movq: moveLow,
  movq2dq,
  movdq2q,
  movntq,
  movnti,
  movmskps: moveMask('i32x4'),
  movmskpd: moveMask('i64x2'),
  pmovmskb: moveMask('i8x16'),
  movddup: duplicate(0, 1, 0, 1),
  movsldup: duplicate(0, 0, 2, 2),
  movshdup: duplicate(1, 1, 3, 3),
  maskmovq: maskMove,
  maskmovdqu: maskMove,
  ldmxcsr,
  stmxcsr,
  emms,
};
