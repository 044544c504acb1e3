/** Makes hostile code: every form of every row with wild operands, prefixes at random, and bytes that mean nothing. */

import { addressSizes, EncodeError, encode } from '../../src/isa/encode.ts';
import { chooseOperands, type Form, forms, type OperandChoice } from '../../src/isa/encode-forms.ts';
import { BASE_RIP, highByteRegister, type MemOperand, type RegOperand, register } from '../../src/isa/operands.ts';
import { type Bits, cornerInteger, type Random } from '../oracle/initial-state.ts';

/** One instruction, or bytes in the place of one. */
export interface Instruction {
  readonly bytes: readonly number[];
  /** Family of its row, or `bytes`. */
  readonly family: string;
}

/** What is worth naming in operands, besides anything at all. */
export interface Targets {
  readonly ports: readonly number[];
  readonly addresses: readonly number[];
  readonly selectors: readonly number[];
}

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x48, 0x41, 0x4f];
const CONTROL_REGISTERS = [0, 0, 2, 3, 3, 4, 4, 8];
const PORT_ROWS = new Set(['in', 'out']);
const SCALES = [0, 1, 2, 3] as const;
const TRIES = 20;

/** Forms of each mode by family. */
const FORMS = new Map<Bits, ReadonlyMap<string, readonly Form[]>>(
  ([16, 32, 64] as const).map((bits) => [bits, Map.groupBy(forms({ bits }), (form) => form.row.family)]),
);

/** The families of rows, and `bytes`. */
export const FAMILIES: readonly string[] = [...(FORMS.get(32)?.keys() ?? []), 'bytes'];

/** Chooses operands without mercy. */
class WildChoice implements OperandChoice {
  readonly #form: Form;
  readonly #targets: Targets;
  readonly #random: Random;
  readonly #addressSize: 16 | 32 | 64;

  constructor(form: Form, addressSize: 16 | 32 | 64, targets: Targets, random: Random) {
    this.#form = form;
    this.#addressSize = addressSize;
    this.#targets = targets;
    this.#random = random;
  }

  readonly register = (cls: RegOperand['cls'], width: number): RegOperand => {
    const random = this.#random;
    const long = this.#form.mode.bits === 64;
    if (cls === 'gpr' && width === 8 && random.below(4) === 0) return highByteRegister(random.below(4));
    if (cls === 'gpr' && width === 8 && !long) return register(cls, random.below(4), width);
    if (cls === 'cr') return register(cls, random.pick(CONTROL_REGISTERS), width);
    if (cls === 'seg') return register(cls, random.below(6), width);
    return register(cls, random.below(long && (cls === 'gpr' || cls === 'xmm') ? 16 : 8), width);
  };

  readonly memory = (): MemOperand => {
    const random = this.#random;
    const seg = random.below(6) === 0 ? random.below(6) : 3;
    const scale = random.pick(SCALES);
    const memory = { kind: 'mem', seg, base: -1, index: -1, scale, disp: this.#displacement(), width: 0 } as const;
    if (this.#addressSize === 16) return { ...memory, scale: 0, base: random.pick([-1, 3, 5, 6, 7]) };
    const kind = random.below(6);
    if (kind === 0) return { ...memory, scale: 0 };
    if (kind === 1 && this.#form.mode.bits === 64) return { ...memory, scale: 0, base: BASE_RIP };
    const count = this.#form.mode.bits === 64 ? 16 : 8;
    const base = random.below(count);
    if (kind > 3) return { ...memory, scale: 0, base };
    const index = random.below(count);
    return index === 4 ? { ...memory, scale: 0, base } : { ...memory, base, index };
  };

  #displacement(): number {
    const random = this.#random;
    const kind = random.below(4);
    const disp = kind === 0 ? random.pick(this.#targets.addresses) : random.below(256) - 128;
    const wide = kind === 3 ? Number(BigInt.asIntN(32, cornerInteger(random))) : disp | 0;
    return this.#addressSize === 16 ? (wide << 16) >> 16 : wide;
  }

  readonly immediate = (bits: number): bigint => {
    const random = this.#random;
    const { row } = this.#form;
    const places = row.operands.map(({ place }) => place);
    const near = places.includes('rel') && random.below(8) !== 0;
    if (near) return BigInt.asUintN(bits, BigInt(random.below(200) - 100));
    if (places.includes('far') && random.below(4) !== 0) return BigInt(this.#farPart(bits));
    if (PORT_ROWS.has(row.semantics)) return BigInt.asUintN(bits, BigInt(random.pick(this.#targets.ports)));
    if (places.includes('moffs')) return BigInt.asUintN(bits, BigInt(random.pick(this.#targets.addresses)));
    return BigInt.asUintN(bits, cornerInteger(random));
  };

  #farPart(bits: number): number {
    const part = this.#random.pick(this.#random.below(2) === 0 ? this.#targets.selectors : this.#targets.addresses);
    return bits === 16 ? part & 0xffff : part;
  }
}

function encodeForm(form: Form, targets: Targets, random: Random): readonly number[] | undefined {
  const { mode, operandSize, row } = form;
  const addressSize = random.below(6) === 0 ? random.pick(addressSizes(mode)) : mode.bits;
  const lock = random.below(16) === 0;
  const rep = random.below(3) === 0 ? random.pick([0xf2, 0xf3] as const) : 0;
  try {
    const operands = chooseOperands(form, addressSize, new WildChoice(form, addressSize, targets, random));
    return encode(row, operands, { mode, operandSize, addressSize, lock, rep });
  } catch (error) {
    if (error instanceof EncodeError) return undefined;
    throw error;
  }
}

function rawBytes(random: Random): number[] {
  const bytes = Array.from({ length: random.below(4) }, () => random.pick(PREFIXES));
  const map = random.pick([[], [], [0x0f], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]);
  return [...bytes, ...map, ...Array.from({ length: 1 + random.below(12) }, () => random.below(256))];
}

/** `mov dx, port; mov eax, value; in or out`, as drivers do it. */
function portAccess(bits: Bits, targets: Targets, random: Random): number[] {
  const port = random.pick(targets.ports);
  const value = random.next();
  const wide = bits === 16 ? [0x66] : [];
  const narrow = bits === 16 ? [] : [0x66];
  const loads = [...narrow, 0xba, port & 0xff, port >> 8, ...wide, 0xb8, value & 0xff, (value >> 8) & 0xff];
  const access = random.pick([0xec, 0xed, 0xee, 0xef, 0xee, 0xef]);
  return [...loads, (value >> 16) & 0xff, value >>> 24, ...(random.below(3) === 0 ? [0x66] : []), access];
}

/** One piece of hostile code for a mode. */
export function hostileInstruction(bits: Bits, targets: Targets, random: Random): Instruction {
  const kind = random.below(16);
  if (kind === 0) return { bytes: rawBytes(random), family: 'bytes' };
  if (kind === 1) return { bytes: portAccess(bits, targets, random), family: 'system' };
  const families = FORMS.get(bits) ?? new Map();
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const family = random.pick([...families.keys()]);
    const bytes = encodeForm(random.pick(families.get(family) ?? []), targets, random);
    if (bytes === undefined) continue;
    const prefix = random.below(24) === 0 ? [random.pick(PREFIXES)] : [];
    return { bytes: [...prefix, ...bytes], family };
  }
  return { bytes: rawBytes(random), family: 'bytes' };
}
