/** Makes cases from the encoding rows: every form of every user-mode instruction with chosen operands. */

import { decode, tryDecode } from '../../src/isa/decode.ts';
import { addressSizes, EncodeError, encode } from '../../src/isa/encode.ts';
import { chooseOperands, type Form, forms, type OperandChoice } from '../../src/isa/encode-forms.ts';
import {
  BASE_RIP,
  type Decoded,
  highByteRegister,
  type MemOperand,
  type RegOperand,
  register,
  type Size,
} from '../../src/isa/operands.ts';
import { FLAG } from '../../src/isa/registers.ts';
import type { Row } from '../../src/isa/rows.ts';
import {
  type Bits,
  backgroundMemory,
  CODE_BASE,
  CODE_START,
  cornerInteger,
  DATA_BASE,
  initialState,
  type Profile,
  type Random,
} from './initial-state.ts';
import { hasUndefinedResult, undefinedFlags } from './undefined-flags.ts';
import type { TestCase } from './vectors.ts';

/**
 * What cannot be asked of a process: it leaves the process (system calls, segment loads, far transfers), depends on the
 * machine (CPUID, time, randomness, descriptor tables).
 */
const EXCLUDED = new Set([
  ...['int', 'int1', 'int3', 'into', 'syscall', 'sysenter', 'sysret', 'sysexit', 'iret', 'callf', 'jmpf', 'retf'],
  ...['movsreg', 'popsreg', 'les', 'lds', 'lss', 'lfs', 'lgs', 'cpuid', 'rdtsc', 'rdtscp', 'rdpmc', 'rdrand', 'rdseed'],
  ...['sgdt', 'sidt', 'sldt', 'str', 'smsw', 'lar', 'lsl', 'verr', 'verw', 'xgetbv', 'xsave', 'xsaveopt', 'xrstor'],
  ...['rdfsbase', 'rdgsbase', 'wrfsbase', 'wrgsbase', 'monitor', 'mwait', 'swapgs', 'stac', 'clac', 'invpcid'],
]);

/** Names of our CPUID features as Linux spells them, where they differ. */
const LINUX_FEATURES: Readonly<Record<string, string>> = {
  sse3: 'pni',
  sse41: 'sse4_1',
  sse42: 'sse4_2',
  clfsh: 'clflush',
};

/** Whether the processor with these features has the row. */
export function hasFeature(row: Row, features: ReadonlySet<string>): boolean {
  return row.feature === '' || features.has(LINUX_FEATURES[row.feature] ?? row.feature);
}

/** Forms that can be asked of a user process in a mode. */
export function userForms(bits: Bits, features: ReadonlySet<string>): Form[] {
  return [...forms({ bits })].filter(({ row }) => !EXCLUDED.has(row.semantics) && hasFeature(row, features));
}

const CODE_ROWS = ['jmp', 'call', 'ret'];
const COUNTED_ROWS = ['loop', 'loope', 'loopne', 'jcxz'];
const DIVISIONS = ['div', 'idiv'];

/** What the operands of a row should look like. */
export function profileOf(row: Row, random: Random): Profile {
  const { family, semantics, mnemonic } = row;
  if (family === 'x87') return random.below(2) === 0 ? (/^FB/.test(mnemonic) ? 'bcd' : 'edge80') : 'x87';
  if (/P[SD]|S[SD]|SD2|SS2/.test(mnemonic) && /^(sse|mmx)/.test(family)) return floatProfile(mnemonic, random);
  if (family === 'string') return random.pick(['string', 'page']);
  if (COUNTED_ROWS.includes(semantics)) return 'string';
  if (CODE_ROWS.includes(semantics)) return 'code';
  if (DIVISIONS.includes(semantics)) return random.pick(['division', 'division', 'int']);
  if (semantics.startsWith('cmpxchg') || /^(sse|mmx)/.test(family)) return random.pick(['int', 'string']);
  return 'int';
}

function floatProfile(mnemonic: string, random: Random): Profile {
  if (random.below(8) === 0) return random.pick(['int', 'f32', 'f64']);
  const [narrow, wide] = random.below(2) === 0 ? (['f32', 'f64'] as const) : (['edge32', 'edge64'] as const);
  const single = /P?SS$|PS$|SS2|PS2/.test(mnemonic);
  const double = /P?SD$|PD$|SD2|PD2/.test(mnemonic);
  if (single && double) return random.pick([narrow, wide]);
  return single ? narrow : wide;
}

const FORMS_16: readonly (readonly [number, number])[] = [
  ...([
    [3, 6],
    [3, 7],
    [5, 6],
    [5, 7],
    [6, -1],
    [7, -1],
    [5, -1],
    [3, -1],
  ] as const),
];
/** Added to a branch's displacement, it leads out of the code page. */
const OUT_OF_PAGE = 0x900n;
const POINTERS_32 = [3, 5, 6, 7, 4];
const POINTERS_64 = [3, 5, 6, 7, 4, 12, 13];

/** Chooses operands for one case. */
class Chooser implements OperandChoice {
  readonly #random: Random;
  readonly #form: Form;
  readonly #addressSize: Size;
  readonly #profile: Profile;

  constructor(form: Form, addressSize: Size, profile: Profile, random: Random) {
    this.#form = form;
    this.#addressSize = addressSize;
    this.#profile = profile;
    this.#random = random;
  }

  readonly register = (cls: RegOperand['cls'], width: number): RegOperand => {
    const random = this.#random;
    const long = this.#form.mode.bits === 64;
    if (cls === 'gpr' && width === 8 && random.below(4) === 0) return highByteRegister(random.below(4));
    if (cls === 'gpr' && width === 8 && !long) return register(cls, random.below(4), width);
    if (cls === 'seg') return register(cls, random.pick([0, 2, 3]), width);
    const count = cls === 'gpr' || cls === 'xmm' ? (long ? 16 : 8) : 8;
    return register(cls, random.below(count), width);
  };

  readonly memory = (): MemOperand => {
    const random = this.#random;
    const kind = random.below(16);
    const disp = random.below(4) !== 0 ? (random.below(16) - 8) * 16 : random.below(256) - 128;
    if (this.#addressSize === 16) return this.#memory16(disp, kind === 0);
    if (kind === 0) return this.#memory(-1, -1, DATA_BASE + 0x1000 + random.below(0xc000));
    if (kind === 1 && this.#form.mode.bits === 64) {
      return this.#memory(BASE_RIP, -1, DATA_BASE - CODE_BASE - CODE_START + random.below(0xe000));
    }
    const base = random.pick(this.#form.mode.bits === 64 ? POINTERS_64 : POINTERS_32);
    if (kind === 2 || (kind < 6 && this.#profile === 'string')) return this.#memory(base, 1, disp);
    return this.#memory(base, -1, disp);
  };

  readonly immediate = (bits: number): bigint => {
    const random = this.#random;
    const { row } = this.#form;
    if (row.operands.some(({ place }) => place === 'rel')) return this.#displacement(bits);
    if (row.operands.some(({ place }) => place === 'moffs')) return this.#address();
    if (row.semantics === 'enter') return BigInt(random.below(bits === 8 ? 6 : 0x200));
    if (row.semantics === 'ret') return BigInt(random.below(0x100));
    return BigInt.asUintN(bits, random.below(2) === 0 ? cornerInteger(random) : random.next64());
  };

  #displacement(bits: number): bigint {
    const random = this.#random;
    const distance = BigInt(20 + random.below(80)) + (bits > 8 && random.below(4) === 0 ? OUT_OF_PAGE : 0n);
    return BigInt.asUintN(bits, random.below(2) === 0 ? distance : -distance - 20n);
  }

  #address(): bigint {
    const offset = BigInt(0x1000 + this.#random.below(0xc000));
    return this.#form.mode.bits === 16 || this.#addressSize === 16 ? offset : offset + BigInt(DATA_BASE);
  }

  #memory16(disp: number, absolute: boolean): MemOperand {
    if (absolute) return this.#memory(-1, -1, 0x1000 + this.#random.below(0xc000));
    const [base, index] = this.#random.pick(FORMS_16);
    return this.#memory(base, index, disp);
  }

  #memory(base: number, index: number, disp: number): MemOperand {
    const scale = index < 0 || this.#addressSize === 16 ? 0 : this.#random.below(4);
    const usual = base === 4 || base === 5 ? 2 : 3;
    const override = this.#form.mode.bits !== 64 && this.#random.below(8) === 0;
    const seg = override ? this.#random.pick([0, 2, 3]) : usual;
    return { kind: 'mem', seg, base, index, scale: scale as 0 | 1 | 2 | 3, disp, width: 0 };
  }
}

/** A case with its instructions decoded. */
export interface Generated {
  readonly test: TestCase;
  readonly instructions: readonly Decoded[];
}

function prefixesFor(form: Form, random: Random): { lock: boolean; rep: 0 | 0xf2 | 0xf3 } {
  const lock = form.row.lock && form.isMemory && random.below(5) === 0;
  if (form.row.rep === 'none' || random.below(5) < 2) return { lock, rep: 0 };
  return { lock, rep: form.row.rep === 'repz' ? random.pick([0xf2, 0xf3] as const) : 0xf3 };
}

/** The bytes of one instruction of the form; undefined where the choice cannot be encoded or means another row. */
function instruction(form: Form, profile: Profile, random: Random): number[] | undefined {
  const { mode, operandSize, row } = form;
  const addressSize = random.below(7) === 0 ? random.pick(addressSizes(mode)) : mode.bits;
  const operands = chooseOperands(form, addressSize, new Chooser(form, addressSize, profile, random));
  try {
    const bytes = encode(row, operands, { mode, operandSize, addressSize, ...prefixesFor(form, random) });
    const decoded = decode((at) => bytes[at] ?? 0xcc, mode);
    return decoded?.row === row && decoded.length === bytes.length ? bytes : undefined;
  } catch (error) {
    if (error instanceof EncodeError) return undefined;
    throw error;
  }
}

const TRIES = 20;

/** One case for the form; undefined where none could be made. */
export function generateCase(form: Form, random: Random): Generated | undefined {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const profile = profileOf(form.row, random);
    const bytes = instruction(form, profile, random);
    if (bytes === undefined) continue;
    const made = finishCase(form.mode.bits, profile, bytes, random.next());
    if (made !== undefined) return made;
  }
  return undefined;
}

function finishCase(bits: Bits, profile: Profile, code: readonly number[], seed: number): Generated | undefined {
  const instructions = decodeAll(bits, code);
  const cl = Number(initialState(bits, profile, seed).gpr[1] & 0xffn);
  if (instructions.some((decoded) => hasUndefinedResult(decoded, cl))) return undefined;
  if (instructions.some(({ row }) => row.semantics === 'popf') && popsTrap(bits, profile, seed)) return undefined;
  return { test: { bits, profile, seed, code }, instructions };
}

/** Flags that would end the case by themselves (TF, AC) or outlive it (NT, ID). */
const TRAP_FLAGS = FLAG.TF | FLAG.AC | FLAG.NT | FLAG.ID;
const background = new DataView(backgroundMemory().buffer);

/** Whether one of {@link TRAP_FLAGS} lies on top of the stack, as far as it can be known before the code runs. */
function popsTrap(bits: Bits, profile: Profile, seed: number): boolean {
  const sp = Number(initialState(bits, profile, seed).gpr[4]) - (bits === 16 ? 0 : DATA_BASE);
  return (background.getUint32(sp, true) & TRAP_FLAGS) !== 0;
}

/** The instructions of a case's code, as far as there are any. */
export function decodeAll(bits: Bits, code: readonly number[]): Decoded[] {
  const instructions: Decoded[] = [];
  for (let at = 0; at < code.length; ) {
    const start = at;
    const decoded = decode((offset) => code[start + offset] ?? 0xcc, { bits });
    if (decoded === undefined) break;
    instructions.push(decoded);
    at += decoded.length;
  }
  return instructions;
}

/** Families whose instructions go into sequences: their flags are defined, and control goes straight on. */
const SEQUENCE_FAMILIES = ['alu', 'data', 'stack', 'bits', 'shift'];

/** Forms for {@link generateSequence}. */
export function sequenceForms(all: readonly Form[]): Form[] {
  return all.filter(({ row }) => SEQUENCE_FAMILIES.includes(row.family) && row.semantics !== 'popf');
}

/** Two to four instructions. Those with undefined flags are left out, since later ones might read them. */
export function generateSequence(all: readonly Form[], random: Random): Generated | undefined {
  const { bits } = all[0].mode;
  const length = 2 + random.below(3);
  const code: number[] = [];
  for (let n = 0; n < length; n++) {
    const bytes = instruction(random.pick(all), 'int', random);
    if (bytes !== undefined) code.push(...bytes);
  }
  const instructions = decodeAll(bits, code);
  const everyCount = [0, 1, 2, 31];
  const clean = instructions.every((decoded) => everyCount.every((cl) => undefinedFlags(decoded, cl) === 0));
  if (!clean || instructions.length < 2) return undefined;
  return finishCase(bits, 'int', code, random.next());
}

const PREFIX_BYTES = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e];
const REX_BYTES = [0x40, 0x41, 0x44, 0x48, 0x4f];
/** Bytes of a raw case: no instruction is longer. */
const RAW_BYTES = 15;

/**
 * What a processor may have and this one has not: bytes that the manual of this one's day calls undefined or hints, or
 * that mean more with a prefix. `map` 0 is the one-byte map, 1 is 0F, 2 is 0F 38, 3 is 0F 3A.
 */
const NEWER: readonly { readonly map: number; readonly opcodes: readonly number[] }[] = [
  { map: 0, opcodes: [0x62, 0xc4, 0xc5, 0xc6, 0xc7] }, // VEX, EVEX, transactions
  { map: 1, opcodes: [0x01, 0x0d, 0x1a, 0x1b, 0x37, 0xae, 0xb8, 0xbc, 0xbd, 0xc7] },
  {
    map: 2,
    opcodes: [
      0x8a, 0x8b, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xcf, 0xf0, 0xf1, 0xf2, 0xf3, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9,
    ],
  },
  { map: 3, opcodes: [0xcc, 0xce, 0xcf, 0xf0] },
];

/** FS and GS belong to the process. */
const LAST_FLAT_SEGMENT = 3;

/** Map and opcode of raw bytes, behind their prefixes. */
function opcodeOf(bits: Bits, bytes: readonly number[]): { map: number; opcode: number } {
  let at = 0;
  while (PREFIX_BYTES.includes(bytes[at]) || (bits === 64 && (bytes[at] & 0xf0) === 0x40)) at++;
  if (bytes[at] !== 0x0f) return { map: 0, opcode: bytes[at] };
  if (bytes[at + 1] === 0x38) return { map: 2, opcode: bytes[at + 2] };
  if (bytes[at + 1] === 0x3a) return { map: 3, opcode: bytes[at + 2] };
  return { map: 1, opcode: bytes[at + 1] };
}

function rawBytes(bits: Bits, random: Random): number[] {
  const bytes: number[] = [];
  for (let n = random.below(4); n > 0; n--) bytes.push(random.pick(PREFIX_BYTES));
  if (bits === 64 && random.below(2) === 0) bytes.push(random.pick(REX_BYTES));
  bytes.push(...random.pick([[], [0x0f], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]));
  while (bytes.length < RAW_BYTES) bytes.push(random.next() & 0xff);
  return bytes;
}

/** Any bytes with any prefixes: an instruction, or none. Undefined where they may not be asked about. */
export function generateRaw(bits: Bits, random: Random): Generated | undefined {
  const bytes = rawBytes(bits, random);
  const { map, opcode } = opcodeOf(bits, bytes);
  if (NEWER.some((newer) => newer.map === map && newer.opcodes.includes(opcode))) return undefined;
  const result = tryDecode((at) => bytes[at] ?? 0xcc, { bits });
  if (result.kind !== 'instruction')
    return { test: { bits, profile: 'int', seed: random.next(), code: bytes }, instructions: [] };
  const { decoded } = result;
  const { row } = decoded;
  if (
    decoded.segOverride > LAST_FLAT_SEGMENT ||
    EXCLUDED.has(row.semantics) ||
    decoded.operands.some((o) => o.kind === 'rel')
  )
    return undefined;
  return finishCase(bits, profileOf(row, random), bytes.slice(0, decoded.length), random.next());
}
