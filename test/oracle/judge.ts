/** Says whether an engine's outcome is the processor's, as far as the manual defines it. */

import { disassemble } from '../../src/isa/disassemble.ts';
import type { Decoded } from '../../src/isa/operands.ts';
import { VECTOR_OF } from '../../src/isa/registers.ts';
import type { CaseRunner } from './engines.ts';
import { decodeAll } from './generate.ts';
import { initialState } from './initial-state.ts';
import { undefinedFlags } from './undefined-flags.ts';
import { comparableFx, type Outcome, type TestCase, type Vector } from './vectors.ts';

/** What is compared with a tolerance, and how much of it. */
interface Tolerance {
  /** Bits of the x87 status word that are undefined. */
  readonly statusMask: number;
  /** Units in the last place by which x87 results may differ. */
  readonly x87Ulps: number;
  /** Relative error of packed or scalar singles in XMM registers. */
  readonly relative: number;
}

const EXACT: Tolerance = { statusMask: 0, x87Ulps: 0, relative: 0 };

/** Intel SDM 2: RCP and RSQRT have a relative error of at most 1.5 × 2⁻¹², on either processor. */
const APPROXIMATE: Tolerance = { statusMask: 0, x87Ulps: 0, relative: 3 * 2 ** -12 };
const C0 = 1 << 8;
const C1 = 1 << 9;
const C2 = 1 << 10;
const C3 = 1 << 14;
/** Condition codes after arithmetic, loads and stores: only C1 is defined (SDM 1, 8.1.3.3). */
const ARITHMETIC: Tolerance = { ...EXACT, statusMask: C0 | C2 | C3 };
/** Transcendental functions round in their own way: within 1 ulp; precision and C1 follow from that. */
const PRECISION = 1 << 5;
const TRANSCENDENTAL: Tolerance = { ...EXACT, statusMask: C0 | C1 | C3 | PRECISION, x87Ulps: 1 };

const TRANSCENDENTALS = ['f2xm1', 'fyl2x', 'fptan', 'fpatan', 'fyl2xp1', 'fsincos', 'fsin', 'fcos'];
const COMPARES = /^(fu?com|ficom|ftst|fxam|fprem|fclex|fnclex|fninit|fldenv|frstor)/;

function toleranceOf(decoded: Decoded | undefined): Tolerance {
  if (decoded === undefined) return EXACT;
  const { family, semantics, mnemonic } = decoded.row;
  if (/^(RCP|RSQRT)/.test(mnemonic)) return APPROXIMATE;
  if (family !== 'x87') return EXACT;
  if (TRANSCENDENTALS.includes(semantics)) return TRANSCENDENTAL;
  return COMPARES.test(semantics) ? EXACT : ARITHMETIC;
}

/** Runs the vector's case on an engine. @returns what differs, in words; empty where nothing does */
export function judge(runner: CaseRunner, vector: Vector): string[] {
  try {
    return differences(vector, runner.run(vector.test));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** A case in words: its instructions, its bytes, and what it starts from. */
export function describe({ bits, code, profile, seed }: TestCase): string {
  const texts: string[] = [];
  for (let at = 0; at < code.length; ) {
    const start = at;
    const { text, length } = disassemble((offset) => code[start + offset] ?? 0, { bits }, BigInt(start));
    texts.push(text);
    at += length;
  }
  const bytes = code.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `${texts.join('; ')} (${bytes}, ${bits}-bit, ${profile} ${seed})`;
}

/** @returns what differs, in words; empty where nothing does */
export function differences({ test, outcome: wanted }: Vector, got: Outcome): string[] {
  if (wanted.vector !== got.vector && !isUnorderedFault(test, wanted, got)) {
    const where = (o: Outcome) => `${o.vector}/${o.errorCode} at ${o.rip.toString(16)}`;
    return [`ended with ${where(got)} instead of ${where(wanted)}`];
  }
  const instructions = decodeAll(test.bits, test.code);
  const last = instructions.at(-1);
  return [
    ...(wanted.rip === got.rip ? [] : [`rip ${got.rip.toString(16)} instead of ${wanted.rip.toString(16)}`]),
    ...registerDifferences(test, wanted, got),
    ...flagDifferences(test, last, wanted, got),
    ...(isFaultingCall(last, wanted) ? [] : memoryDifferences(wanted, got)),
    ...(isFaultingMmx(last, wanted) ? [] : fxDifferences(toleranceOf(last), wanted, got)),
  ];
}

/** The processor stores the return address before it finds the target beyond the limit; the manual tells it the other way. */
function isFaultingCall(last: Decoded | undefined, { vector }: Outcome): boolean {
  return last?.row.semantics === 'call' && vector === VECTOR_OF.GP;
}

/** A fault of an MMX instruction may find the x87 stack's top cleared already. */
function isFaultingMmx(last: Decoded | undefined, { vector }: Outcome): boolean {
  return vector !== VECTOR_OF.BP && (last?.operands ?? []).some((o) => o.kind === 'reg' && o.cls === 'mmx');
}

/** Misaligned and beyond the limit of the stack segment at once: #GP or #SS, the manual does not say which. */
function isUnorderedFault({ bits }: TestCase, wanted: Outcome, got: Outcome): boolean {
  const vectors = [wanted.vector, got.vector];
  return bits !== 64 && vectors.includes(VECTOR_OF.GP) && vectors.includes(VECTOR_OF.SS);
}

const NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

function registerDifferences(test: TestCase, wanted: Outcome, got: Outcome): string[] {
  const count = test.bits === 64 ? 16 : 8;
  const found: string[] = [];
  for (let i = 0; i < count; i++) {
    const width = test.bits === 16 && i === 4 ? 16 : test.bits === 64 ? 64 : 32;
    const [w, g] = [BigInt.asUintN(width, wanted.gpr[i]), BigInt.asUintN(width, got.gpr[i])];
    if (w !== g) found.push(`${NAMES[i]} ${g.toString(16)} instead of ${w.toString(16)}`);
  }
  return found;
}

const FLAG_NAMES: readonly [string, number][] = [
  ...(
    [
      ['CF', 1],
      ['PF', 4],
      ['AF', 16],
      ['ZF', 64],
      ['SF', 128],
      ['DF', 1024],
      ['OF', 2048],
    ] as const
  ).map(([name, bit]): [string, number] => [name, bit]),
];

function flagDifferences(test: TestCase, last: Decoded | undefined, wanted: Outcome, got: Outcome): string[] {
  const cl = Number(initialState(test.bits, test.profile, test.seed).gpr[1] & 0xffn);
  const ignored = last !== undefined && wanted.vector === 3 ? undefinedFlags(last, cl) : 0;
  const different = (wanted.flags ^ got.flags) & ~ignored;
  return FLAG_NAMES.filter(([, bit]) => different & bit).map(([name, bit]) => `${name} is ${got.flags & bit ? 1 : 0}`);
}

function memoryDifferences(wanted: Outcome, got: Outcome): string[] {
  const text = (o: Outcome) => o.memory.map(([at, value]) => `${at.toString(16)}=${value.toString(16)}`).join(' ');
  return text(wanted) === text(got) ? [] : [`memory ${text(got)} instead of ${text(wanted)}`];
}

const FX_WORDS = { control: 0, mxcsr: 3, st: 4, xmm: 20 } as const;

function fxDifferences(tolerance: Tolerance, wanted: Outcome, got: Outcome): string[] {
  const [w, g] = [comparableFx(wanted.fx), comparableFx(got.fx)];
  const found: string[] = [];
  for (let i = 0; i < w.length; i++) {
    const mask = i === FX_WORDS.control ? ~(BigInt(tolerance.statusMask) << 16n) : -1n;
    if (((w[i] ^ g[i]) & mask) === 0n || isWithin(tolerance, i, w, g)) continue;
    found.push(`fx word ${i} ${g[i].toString(16)} instead of ${w[i].toString(16)}`);
  }
  return found;
}

function isWithin(tolerance: Tolerance, i: number, wanted: BigUint64Array, got: BigUint64Array): boolean {
  if (tolerance.x87Ulps > 0 && i >= FX_WORDS.st && i < FX_WORDS.xmm) {
    return ulpsApart(wanted, got, i & ~1) <= tolerance.x87Ulps;
  }
  return tolerance.relative > 0 && i >= FX_WORDS.xmm && singlesClose(wanted[i], got[i], tolerance.relative);
}

/** Distance of two extended doubles (significand in word `i`, exponent in the next) in units of the last place. */
function ulpsApart(wanted: BigUint64Array, got: BigUint64Array, i: number): number {
  const ordinal = (words: BigUint64Array) => {
    const magnitude = ((words[i + 1] & 0x7fffn) << 63n) + (words[i] & ((1n << 63n) - 1n));
    return words[i + 1] & 0x8000n ? -magnitude : magnitude;
  };
  const distance = ordinal(wanted) - ordinal(got);
  return Number(distance < 0n ? -distance : distance);
}

function singlesClose(wanted: bigint, got: bigint, relative: number): boolean {
  const [w, g] = [wanted, got].map((v) => new Float32Array(new BigUint64Array([v]).buffer));
  return w.every((value, lane) => Object.is(value, g[lane]) || Math.abs(value - g[lane]) <= Math.abs(value) * relative);
}
