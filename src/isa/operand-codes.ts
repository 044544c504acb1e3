/**
 * What an operand code of the rows means. Source: Intel SDM 2, appendix A.2 "Key to abbreviations"; the codes that
 * the appendix lacks (STi, M32fp, Ibs, Zv for a register in the opcode) are described in rows.ts.
 */

import type { RegClass } from './operands.ts';

/** Where the operand is found. `rm` is a register or memory by ModRM; `rmReg` and `rmMem` are only the one. */
export type Place =
  | 'rm'
  | 'rmReg'
  | 'rmMem'
  | 'reg'
  | 'opcode'
  | 'fixed'
  | 'one'
  | 'imm'
  | 'immSigned'
  | 'rel'
  | 'far'
  | 'moffs'
  | 'source'
  | 'destination'
  | 'stI';

/** Widths in bits for an operand size of 16, 32 and 64. */
export type Widths = readonly [number, number, number];

export interface OperandPlan {
  readonly code: string;
  readonly place: Place;
  readonly cls: RegClass;
  /** The register's index where `place` is `fixed`. */
  readonly index: number;
  readonly registerWidths: Widths;
  readonly memoryWidths: Widths;
}

const all = (width: number): Widths => [width, width, width];

const SIZES: Record<string, Widths> = {
  '': all(0),
  b: all(8),
  bs: [16, 32, 64],
  w: all(16),
  d: all(32),
  q: all(64),
  dq: all(128),
  ps: all(128),
  pd: all(128),
  ss: all(32),
  sd: all(64),
  v: [16, 32, 64],
  z: [16, 32, 32],
  y: [32, 32, 64],
  p: [32, 48, 80],
  s: [48, 48, 80],
  a: [32, 64, 64],
  '16int': all(16),
  '32int': all(32),
  '64int': all(64),
  '32fp': all(32),
  '64fp': all(64),
  '80fp': all(80),
  '80bcd': all(80),
  '14/28': [112, 224, 224],
  '94/108': [752, 864, 864],
  '512': all(4096),
};

const LETTERS: Record<string, readonly [Place, RegClass]> = {
  A: ['far', 'gpr'],
  C: ['reg', 'cr'],
  D: ['reg', 'dr'],
  E: ['rm', 'gpr'],
  G: ['reg', 'gpr'],
  I: ['imm', 'gpr'],
  J: ['rel', 'gpr'],
  M: ['rmMem', 'gpr'],
  N: ['rmReg', 'mmx'],
  O: ['moffs', 'gpr'],
  P: ['reg', 'mmx'],
  Q: ['rm', 'mmx'],
  R: ['rmReg', 'gpr'],
  S: ['reg', 'seg'],
  U: ['rmReg', 'xmm'],
  V: ['reg', 'xmm'],
  W: ['rm', 'xmm'],
  X: ['source', 'gpr'],
  Y: ['destination', 'gpr'],
  Z: ['opcode', 'gpr'],
};

const FIXED: Record<string, readonly [RegClass, number, Widths]> = {
  AL: ['gpr', 0, all(8)],
  CL: ['gpr', 1, all(8)],
  AX: ['gpr', 0, all(16)],
  DX: ['gpr', 2, all(16)],
  eAX: ['gpr', 0, SIZES.z],
  rAX: ['gpr', 0, SIZES.v],
  ES: ['seg', 0, all(16)],
  CS: ['seg', 1, all(16)],
  SS: ['seg', 2, all(16)],
  DS: ['seg', 3, all(16)],
  FS: ['seg', 4, all(16)],
  GS: ['seg', 5, all(16)],
  ST0: ['st', 0, all(80)],
  XMM0: ['xmm', 0, all(128)],
};

function widthsOf(code: string): Widths {
  const widths = SIZES[code.slice(1)];
  if (!widths) throw new Error(`operand ${code}: unknown size`);
  return widths;
}

function letterPlan(code: string): OperandPlan {
  const letter = LETTERS[code[0]];
  if (!letter) throw new Error(`operand ${code}: unknown code`);
  const widths = widthsOf(code);
  const place = code === 'Ibs' ? 'immSigned' : letter[0];
  return { code, place, cls: letter[1], index: 0, registerWidths: widths, memoryWidths: widths };
}

/** A pair such as `Rv/Mw`: another width, or class, for the register than for memory. */
function pairPlan(code: string): OperandPlan {
  const [registerCode, memoryCode] = code.split('/');
  const { cls, registerWidths } = letterPlan(registerCode);
  return { code, place: 'rm', cls, index: 0, registerWidths, memoryWidths: widthsOf(memoryCode) };
}

/** Reads one operand code. @throws Error for a code that is not in the tables. */
export function readOperandPlan(code: string): OperandPlan {
  const fixed = FIXED[code];
  if (fixed) {
    const [cls, index, widths] = fixed;
    return { code, place: 'fixed', cls, index, registerWidths: widths, memoryWidths: widths };
  }
  if (code === '1') {
    return { code, place: 'one', cls: 'gpr', index: 0, registerWidths: SIZES.b, memoryWidths: SIZES.b };
  }
  if (code === 'STi') {
    return { code, place: 'stI', cls: 'st', index: 0, registerWidths: all(80), memoryWidths: all(80) };
  }
  return /\/[A-Z]/.test(code) ? pairPlan(code) : letterPlan(code);
}
