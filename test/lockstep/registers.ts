import type { CpuState } from '../../src/cpu/state.ts';
import {
  ENGINE_FIELDS,
  FLAG,
  GPR,
  SEGMENT,
  SEGMENT_BYTES,
  SEGMENTS,
  STATE,
  STATE_FIELDS,
  VECTOR,
  X87,
} from '../../src/isa/registers.ts';

/** A 32-bit word of the state block that is compared, and what it is a part of. */
interface Word {
  readonly offset: number;
  readonly name: string;
}

const GPR_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];
/** Compared in another form: the flags out of their lazy one, RIP as the engine says it. */
const APART = new Set<string>([STATE.rip, STATE.flagResult, STATE.flagCarry, STATE.eflags].map(({ name }) => name));
const ENGINE = new Set<string>(ENGINE_FIELDS.map(({ name }) => name));
/** Bytes of an x87 register and of its slot. */
const X87_BYTES = 10;
const X87_SLOT = 16;
const XMM_BYTES = 16;
const VECTOR_SLOT = 64;

const WORDS: readonly Word[] = [
  ...Array.from({ length: 16 }, (_, n) => wordsOf(GPR_NAMES[n] ?? `r${n}`, GPR + 8 * n, 8)),
  ...SEGMENT_NAMES.map((name, n) => wordsOf(name, SEGMENTS + SEGMENT_BYTES * n, SEGMENT.access + 4)),
  ...STATE_FIELDS.filter(({ name }) => !APART.has(name) && !ENGINE.has(name)).map(({ name, offset, bytes }) =>
    wordsOf(name, offset, bytes),
  ),
  ...Array.from({ length: 8 }, (_, n) => wordsOf(`x87 register ${n}`, X87 + X87_SLOT * n, X87_BYTES)),
  ...Array.from({ length: 16 }, (_, n) => wordsOf(`xmm${n}`, VECTOR + VECTOR_SLOT * n, XMM_BYTES)),
].flat();

function wordsOf(name: string, offset: number, bytes: number): Word[] {
  return Array.from({ length: Math.ceil(bytes / 4) }, (_, n) => ({ name, offset: offset + 4 * n }));
}

/** Compares what two processors' guests can see of their registers, quickly. */
export class StateComparison {
  readonly #left: CpuState;
  readonly #right: CpuState;
  readonly #leftWords: Int32Array;
  readonly #rightWords: Int32Array;
  readonly #places = Int32Array.from(WORDS, ({ offset }) => offset / 4);

  constructor(left: CpuState, right: CpuState) {
    this.#left = left;
    this.#right = right;
    this.#leftWords = wordsIn(left);
    this.#rightWords = wordsIn(right);
  }

  /** @returns the names of registers that differ, RIP excepted */
  differences(): string[] {
    const names = flagsOf(this.#left) === flagsOf(this.#right) ? [] : ['flags'];
    if (names.length === 0 && this.#sameWords()) return names;
    for (const { name, offset } of WORDS) {
      if (this.#leftWords[offset / 4] !== this.#rightWords[offset / 4]) names.push(name);
    }
    return [...new Set(names)];
  }

  #sameWords(): boolean {
    const [left, right, places] = [this.#leftWords, this.#rightWords, this.#places];
    for (let n = 0; n < places.length; n++) if (left[places[n]] !== right[places[n]]) return false;
    return true;
  }
}

/** RF, which holds for one instruction, is cleared when somebody may look. */
function flagsOf(state: CpuState): number {
  return state.eflags & ~FLAG.RF;
}

function wordsIn({ view, base }: CpuState): Int32Array {
  return new Int32Array(view.buffer, base, view.byteLength / 4);
}

/** The value of a register named by {@link StateComparison.differences}. */
export function describeRegister(state: CpuState, name: string): string {
  if (name === 'flags') return `0x${flagsOf(state).toString(16)}`;
  const words = WORDS.filter((word) => word.name === name).map(({ offset }) => state.view.getUint32(offset, true));
  return `0x${words
    .reverse()
    .map((word) => word.toString(16).padStart(8, '0'))
    .join('_')}`;
}

/** Turns the lowest bit of a register over. @throws {RangeError} there is no such register */
export function flipBit(state: CpuState, name: string): void {
  if (name === 'flags') {
    state.eflags ^= FLAG.CF;
    return;
  }
  const word = WORDS.find((candidate) => candidate.name === name);
  if (word === undefined) throw new RangeError(`there is no register ${name}`);
  state.view.setUint32(word.offset, state.view.getUint32(word.offset, true) ^ 1, true);
}
