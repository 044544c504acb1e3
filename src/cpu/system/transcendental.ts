import { EXCEPTION, FLOAT_FLAGS } from '../../isa/float/results.ts';
import { STATE, X87_EXPONENT } from '../../isa/registers.ts';
import type { CpuState } from '../state.ts';
import {
  INDEFINITE,
  infinity,
  isNan,
  nanOf,
  ONE,
  type Operand80,
  openRegister,
  type Real,
  type Register80,
  type Rounded80,
  round80,
  zero,
} from './transcendental-number.ts';
import {
  angle,
  fixedResult,
  inverseQuotient,
  log2,
  log2OfOnePlus,
  powerLessOne,
  product,
  quarterTurns,
  quotient,
  type Reduced,
  reduce,
  scaled,
  sineAndCosine,
} from './transcendental-series.ts';

/** Bits of FSW. */
const STACK_FAULT = 1 << 6;
const C1 = 1 << 9;
const C2 = 1 << 10;
/** Arguments from 2^63 are not reduced: C2 is set (SDM 1, 8.3.10). */
const LARGEST_EXPONENT = 63;
/** Below 2^-68 a processor takes sin x and tan x for x, and cos x for 1, however it is told to round. */
const TINY_EXPONENT = -68;
const ROUND_TO_ZERO = 3 << 10;
const STOPPING = EXCEPTION.IE | EXCEPTION.DE | EXCEPTION.ZE;

/** A result with its exceptions; of one operand, or of two. */
type Unary = (x: Operand80, fcw: number) => Rounded80;
type Binary = (y: Operand80, x: Operand80, fcw: number) => Rounded80;

const invalid: Rounded80 = { ...INDEFINITE, flags: EXCEPTION.IE };
const exact = (register: Register80): Rounded80 => ({ ...register, flags: 0 });

/** Processors say that these results are inexact even where they are not. */
function saidInexact(result: Rounded80): Rounded80 {
  const tiny = (result.word & 0x7fff) === 0 && result.significand !== 0n;
  return { ...result, flags: result.flags | EXCEPTION.PE | (tiny ? EXCEPTION.UE : 0) };
}

function trigonometric(x: Operand80, fcw: number, ofZero: Register80, compute: (r: Reduced) => Real): Rounded80 {
  if (isNan(x)) return nanOf([x]);
  if (x.kind === 'infinity') return invalid;
  if (x.kind === 'zero') return exact(ofZero);
  if (x.exponent + 63 < TINY_EXPONENT) {
    if (ofZero === ONE) return { ...ONE, flags: EXCEPTION.PE };
    return round80({ ...x, inexact: true }, fcw | ROUND_TO_ZERO);
  }
  return round80(compute(reduce(x)), fcw);
}

/** The sign of a result in a quadrant where that sign is negative for the quadrants in `negative`. */
function signIn(quadrant: number, negative: readonly number[], flip: boolean): 0 | 1 {
  return negative.includes(quadrant) !== flip ? 1 : 0;
}

const sine: Unary = (x, fcw) =>
  trigonometric(x, fcw, x.register, ({ quadrant, negative, rest }) => {
    const { sine: s, cosine } = sineAndCosine(rest);
    if (quadrant & 1) return fixedResult(signIn(quadrant, [3], x.sign === 1), cosine);
    return scaled(signIn(quadrant, [2], negative !== (x.sign === 1)), rest, s);
  });

const cosine: Unary = (x, fcw) =>
  trigonometric(x, fcw, ONE, ({ quadrant, negative, rest }) => {
    const { sine: s, cosine: c } = sineAndCosine(rest);
    if (quadrant & 1) return scaled(signIn(quadrant, [1], negative), rest, s);
    return fixedResult(signIn(quadrant, [2], false), c);
  });

const tangent: Unary = (x, fcw) =>
  trigonometric(x, fcw, x.register, ({ quadrant, negative, rest }) => {
    const { sine: s, cosine: c } = sineAndCosine(rest);
    const flip = negative !== (x.sign === 1);
    if (quadrant & 1) return inverseQuotient(flip ? 0 : 1, rest, c, s);
    return quotient(flip ? 1 : 0, rest, s, c);
  });

/** F2XM1. Beyond ±1 the result is undefined: it is the operand, as processors have it. */
const power: Unary = (x, fcw) => {
  if (isNan(x)) return nanOf([x]);
  if (x.kind === 'infinity') return exact(x.sign ? { word: 0xbfff, significand: ONE.significand } : x.register);
  if (x.kind === 'zero') return exact(x.register);
  const top = x.exponent + 63;
  const isOne = top === 0 && x.significand === ONE.significand;
  if (isOne) return saidInexact(exact(x.sign ? { word: 0xbffe, significand: ONE.significand } : ONE));
  if (top >= 0) return saidInexact(exact(x.register));
  return round80(powerLessOne(x.sign, x), fcw);
};

/** FPATAN: the angle of (ST0, ST1) (SDM 2, table 3-30). */
const arcTangent: Binary = (y, x, fcw) => {
  if (isNan(y) || isNan(x)) return nanOf([x, y]);
  if (y.kind === 'infinity') {
    const quarters = x.kind !== 'infinity' ? 2n : x.sign ? 3n : 1n;
    return round80(quarterTurns(y.sign, quarters), fcw);
  }
  if (y.kind === 'zero' || x.kind === 'infinity') {
    if (x.sign) return round80(quarterTurns(y.sign, 4n), fcw);
    return exact(zero(y.sign));
  }
  if (x.kind === 'zero') return round80(quarterTurns(y.sign, 2n), fcw);
  return round80(angle(y.sign, y, x.sign === 1, x), fcw);
};

/** ST1 × a logarithm whose sign is known, where one of the two is zero or infinite. */
function specialProduct(y: Operand80, logarithm: 'zero' | 'finite' | 'infinity', sign: 0 | 1): Rounded80 {
  const total = y.sign ^ sign;
  if (y.kind === 'zero' && logarithm === 'infinity') return invalid;
  if (y.kind === 'infinity' && logarithm === 'zero') return invalid;
  return exact(y.kind === 'zero' || logarithm === 'zero' ? zero(total) : infinity(total));
}

/** FYL2X: ST1 × log2(ST0) (SDM 2, table 3-58). */
const logarithm: Binary = (y, x, fcw) => {
  if (isNan(y) || isNan(x)) return nanOf([x, y]);
  if (x.kind === 'zero') {
    if (y.kind === 'zero') return invalid;
    return { ...infinity(y.sign ^ 1), flags: y.kind === 'infinity' ? 0 : EXCEPTION.ZE };
  }
  if (x.sign) return invalid;
  if (x.kind === 'infinity') return specialProduct(y, 'infinity', 0);
  const result = log2(x);
  const kind = result.significand === 0n ? 'zero' : 'finite';
  if (y.kind !== 'finite' || kind === 'zero') return specialProduct(y, kind, result.sign);
  return saidInexact(round80(product(result, y.sign, y), fcw));
};

/** FYL2XP1: ST1 × log2(ST0 + 1). From -1 down the result is undefined: it is ST0, as processors have it. */
const logarithmOfOnePlus: Binary = (y, x, fcw) => {
  if (isNan(y) || isNan(x)) return nanOf([x, y]);
  if (x.kind === 'infinity') return x.sign ? invalid : specialProduct(y, 'infinity', 0);
  if (x.kind === 'zero') return specialProduct(y, 'zero', x.sign);
  if (y.kind !== 'finite') return specialProduct(y, 'finite', x.sign);
  if (x.sign && x.exponent + 63 >= 0) return saidInexact(exact(x.register));
  return saidInexact(round80(product(log2OfOnePlus(x.sign, x), y.sign, y), fcw));
};

/** The register stack for one instruction. */
class Stack {
  readonly #state: CpuState;

  constructor(state: CpuState) {
    this.#state = state;
  }

  get fcw(): number {
    return this.#state.u32(STATE.fcw);
  }

  raise(flags: number): void {
    this.#state.setU32(FLOAT_FLAGS, this.#state.u32(FLOAT_FLAGS) | flags);
  }

  /** Whether what has been raised lets the result be stored. */
  get mayStore(): boolean {
    return (this.#state.u32(FLOAT_FLAGS) & ~this.fcw & STOPPING) === 0;
  }

  #physical(index: number): number {
    return (this.#state.u32(STATE.top) + index) & 7;
  }

  isEmpty(index: number): boolean {
    return ((this.#state.u32(STATE.ftw) >> this.#physical(index)) & 1) === 0;
  }

  read(index: number): Operand80 {
    const { view } = this.#state;
    const offset = this.#state.x87Offset(this.#physical(index));
    return openRegister({
      word: view.getUint16(offset + X87_EXPONENT, true),
      significand: view.getBigUint64(offset, true),
    });
  }

  write(index: number, { word, significand }: Register80): void {
    const state = this.#state;
    const offset = state.x87Offset(this.#physical(index));
    state.view.setBigUint64(offset, significand, true);
    state.view.setUint16(offset + X87_EXPONENT, word, true);
    state.setU32(STATE.ftw, state.u32(STATE.ftw) | (1 << this.#physical(index)));
  }

  push(value: Register80): void {
    this.#state.setU32(STATE.top, this.#physical(7));
    this.write(0, value);
  }
}

/** Raises DE for a denormal operand where nothing more important happened. @returns whether the operation goes on */
function raiseDenormal(stack: Stack, operands: readonly Operand80[], flags: number): boolean {
  const denormal = (flags & (EXCEPTION.IE | EXCEPTION.ZE)) === 0 && !operands.some(isNan);
  if (denormal && operands.some((x) => x.denormal)) stack.raise(EXCEPTION.DE);
  return stack.mayStore;
}

/** ST0 := f(ST0). */
function replaceTop(stack: Stack, compute: Unary): void {
  const x = stack.read(0);
  const result = stack.isEmpty(0) ? { ...INDEFINITE, flags: EXCEPTION.IE | STACK_FAULT } : compute(x, stack.fcw);
  if (!stack.isEmpty(0) && !raiseDenormal(stack, [x], result.flags)) return;
  stack.raise(result.flags);
  if (stack.mayStore) stack.write(0, result);
}

/** ST1 := f(ST1, ST0); the caller pops. */
function replaceSecond(stack: Stack, compute: Binary): void {
  const empty = stack.isEmpty(0) || stack.isEmpty(1);
  const [x, y] = [stack.read(0), stack.read(1)];
  const result = empty ? { ...INDEFINITE, flags: EXCEPTION.IE | STACK_FAULT } : compute(y, x, stack.fcw);
  if (!empty && !raiseDenormal(stack, [x, y], result.flags)) return;
  stack.raise(result.flags);
  if (stack.mayStore) stack.write(1, result);
}

/** ST0 := first(ST0), then second(the old ST0) is pushed: FSINCOS and FPTAN. */
function replaceAndPush(stack: Stack, first: Unary, second: Unary): void {
  const x = stack.read(0);
  const empty = stack.isEmpty(0);
  if (empty || !stack.isEmpty(7)) {
    stack.raise(EXCEPTION.IE | STACK_FAULT | (empty ? 0 : C1));
    if (!stack.mayStore) return;
    stack.write(0, INDEFINITE);
    stack.push(INDEFINITE);
    return;
  }
  const results = [first(x, stack.fcw), second(x, stack.fcw)];
  if (!raiseDenormal(stack, [x], results[0].flags)) return;
  stack.raise(results[0].flags | results[1].flags);
  if (!stack.mayStore) return;
  stack.write(0, results[0]);
  stack.push(results[1]);
}

/** What FPTAN pushes: 1.0, or the NaN that the tangent is. */
const oneOrNan: Unary = (x, fcw) => (isNan(x) || x.kind === 'infinity' ? tangent(x, fcw) : exact(ONE));

/** Whether the argument is too large to be reduced; then only C2 is set. */
function isOutOfRange(stack: Stack): boolean {
  const x = stack.read(0);
  return !stack.isEmpty(0) && x.kind === 'finite' && x.exponent + 63 >= LARGEST_EXPONENT;
}

/** A function that sets C2, and does nothing else, where its argument is too large. */
function reducing(operate: (stack: Stack) => void, pushes = false): (stack: Stack) => number {
  return (stack) => {
    if (isOutOfRange(stack) && !(pushes && !stack.isEmpty(7))) stack.raise(C2);
    else operate(stack);
    return 0;
  };
}

function popping(compute: Binary): (stack: Stack) => number {
  return (stack) => {
    replaceSecond(stack, compute);
    return 1;
  };
}

/** By number, as the semantics of the x87 count them; each gives how many registers are to be popped. */
const FUNCTIONS: readonly ((stack: Stack) => number)[] = [
  (stack) => {
    replaceTop(stack, power);
    return 0;
  },
  popping(logarithm),
  popping(logarithmOfOnePlus),
  reducing((stack) => replaceAndPush(stack, tangent, oneOrNan), true),
  popping(arcTangent),
  reducing((stack) => replaceTop(stack, sine)),
  reducing((stack) => replaceTop(stack, cosine)),
  reducing((stack) => replaceAndPush(stack, sine, cosine), true),
];

/**
 * The transcendental instructions of the x87 (SDM 1, 8.3.7 to 8.3.10), results within one unit in the last place of a
 * processor's. Works on the register stack; what they raise is left in FLOAT_FLAGS for the caller, who ends the instruction.
 * @param which as TRANSCENDENTAL of the x87's semantics
 * @returns how many registers are to be popped
 */
export function fpuTranscendental(state: CpuState, which: number): bigint {
  return BigInt(FUNCTIONS[which](new Stack(state)));
}
