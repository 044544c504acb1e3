import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { STATE } from '../../src/isa/registers.ts';
import type { TRANSCENDENTAL } from '../../src/isa/semantics/x87-arithmetic.ts';
import { OperandSource } from './operands.ts';
import { HardwareOracle, type OracleCase, type OracleOutcome, whyNoOracle } from './oracle.ts';
import { X87Machine } from './x87-machine.ts';

type Name = keyof typeof TRANSCENDENTAL;

/** Instruction bytes, the number in hardware-oracle.c, and whether two results are left in the stack. */
const FUNCTIONS: Readonly<Record<Name, { code: number[]; operation: number; pair?: true }>> = {
  fsin: { code: [0xd9, 0xfe], operation: 50 },
  fcos: { code: [0xd9, 0xff], operation: 51 },
  fsincos: { code: [0xd9, 0xfb], operation: 52, pair: true },
  fptan: { code: [0xd9, 0xf2], operation: 53, pair: true },
  fpatan: { code: [0xd9, 0xf3], operation: 54 },
  f2xm1: { code: [0xd9, 0xf0], operation: 55 },
  fyl2x: { code: [0xd9, 0xf1], operation: 56 },
  fyl2xp1: { code: [0xd9, 0xf9], operation: 57 },
};
const NAMES = Object.keys(FUNCTIONS) as Name[];

const CASES = Math.ceil(Number(process.env.VITRINE_FLOAT_CASES ?? 4000) / 10);
const SEED = Number(process.env.VITRINE_FLOAT_SEED ?? 1);
/** All of FSW but TOP and C1: which way a result was rounded is the processor's own. */
const STATUS_MASK = 0xc5ff;

/** Executes one function on (ST0, ST1). */
function execute(name: Name, st0: bigint, st1: bigint, fcw: number): X87Machine {
  const m = new X87Machine();
  m.state.setU32(STATE.top, 6);
  m.state.setU32(STATE.fcw, fcw);
  m.setSt(0, st0);
  m.setSt(1, st1);
  assert.deepEqual(m.run(...FUNCTIONS[name].code), { kind: 'next' });
  return m;
}

/** How many representable numbers two numbers of one sign are apart. */
function ulpsApart(a: bigint, c: bigint): bigint {
  const rank = (x: bigint) => (((x >> 64n) & 0x7fffn) << 63n) | (x & ((1n << 63n) - 1n));
  if (a >> 79n !== c >> 79n) return a === c ? 0n : 1n << 80n;
  const distance = rank(a) - rank(c);
  return distance < 0n ? -distance : distance;
}

function difference(name: Name, c: OracleCase, real: OracleOutcome): string | undefined {
  const m = execute(name, c.st0, c.st1, c.control);
  const status = m.state.u32(STATE.fsw) & STATUS_MASK;
  const ours = [m.st(0), m.st(1)];
  const apart = [ulpsApart(ours[0], real.st0), FUNCTIONS[name].pair ? ulpsApart(ours[1], real.st1) : 0n];
  if (status === (real.status & STATUS_MASK) && apart.every((ulps) => ulps <= 1n)) return undefined;
  const show = (...values: (bigint | number)[]) => values.map((v) => v.toString(16)).join(' ');
  const told = `ours ${show(status, ...ours)}, processor ${show(real.status, real.st0, real.st1)}`;
  return `${name} of ${show(c.st0, c.st1)}, control ${show(c.control)}: ${told}`;
}

const skip = whyNoOracle() ?? false;

describe('transcendental functions are within one unit of the host processor', { skip }, () => {
  const oracle = skip === false ? new HardwareOracle() : undefined;
  after(() => oracle?.close());

  for (const name of NAMES) {
    it(name, () => {
      const { operation } = FUNCTIONS[name];
      const source = new OperandSource(SEED * 100 + operation);
      const cases = Array.from({ length: CASES }, () => ({
        operation,
        control: 0x37f | (source.below(4) << 10),
        st0: source.extended(),
        st1: source.extended(),
        memory: 0n,
      }));
      const outcomes = oracle?.run(cases) ?? [];
      const differences = cases.flatMap((c, i) => difference(name, c, outcomes[i]) ?? []);
      assert.deepEqual(differences.slice(0, 5), []);
    });
  }
});

describe('transcendental functions', () => {
  const ONE = 0x3fff8000000000000000n;
  const NEAREST = 0x37f;

  it('π is four times the angle of (1, 1)', () => {
    const quarter = execute('fpatan', ONE, ONE, NEAREST).st(0);
    assert.equal(quarter, 0x3ffec90fdaa22168c235n);
  });

  it('the sine of the nearest number to π shows that π is taken with 66 bits', () => {
    const sine = execute('fsin', 0x4000c90fdaa22168c235n, 0n, NEAREST).st(0);
    assert.equal(sine, 0xbfbf8000000000000000n);
  });

  it('an argument of 2^63 is left alone, and C2 says so', () => {
    const m = execute('fsin', 0x403e8000000000000000n, 0n, NEAREST);
    assert.equal(m.st(0), 0x403e8000000000000000n);
    assert.equal(m.state.u32(STATE.fsw), 0x400);
  });

  it('2^1 - 1 is 1', () => {
    assert.equal(execute('f2xm1', ONE, 0n, NEAREST).st(0), ONE);
  });

  it('the logarithm of zero is minus infinity and a division by zero', () => {
    const m = execute('fyl2x', 0n, ONE, NEAREST);
    assert.equal(m.st(0), 0xffff8000000000000000n);
    assert.equal(m.state.u32(STATE.fsw), 4);
  });

  it('the logarithm of a negative number is an invalid operation', () => {
    const m = execute('fyl2x', ONE | (1n << 79n), ONE, NEAREST);
    assert.equal(m.st(0), 0xffffc000000000000000n);
    assert.equal(m.state.u32(STATE.fsw), 1);
  });
});
