import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, STATE } from '../../src/isa/registers.ts';
import { MXCSR_RESET, SimdMachine } from './machine.ts';

const ARITHMETIC = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;
const IE = 1;
const PE = 32;

function textBits(text: string): bigint {
  return [...text].reduce((all, character, i) => all | (BigInt(character.charCodeAt(0)) << BigInt(8 * i)), 0n);
}

/** Bytes in the order in which FIPS 197 writes them. */
function bytesBits(hex: string): bigint {
  const bytes = hex.match(/../g) ?? [];
  return BigInt(`0x${bytes.reverse().join('')}`);
}

test('a scalar result replaces the low lane only', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, 0xaaaaaaaaaaaaaaaan << 64n);
  machine.setXmmDouble(0, 1.5);
  machine.setXmmDouble(1, 2.25);
  machine.step('f2 0f 58 c1'); // ADDSD
  assert.equal(machine.xmmDouble(0), 3.75);
  assert.equal(machine.xmm(0) >> 64n, 0xaaaaaaaaaaaaaaaan);
});

test('PE tells of an inexact result, and only of that', () => {
  const machine = new SimdMachine();
  machine.setXmmDouble(0, 6);
  machine.setXmmDouble(1, 3);
  machine.step('f2 0f 5e c1'); // DIVSD
  assert.equal(machine.xmmDouble(0), 2);
  assert.equal(machine.state.u32(STATE.mxcsr), MXCSR_RESET);
  machine.step('f2 0f 5e c1');
  assert.equal(machine.xmmDouble(0), 2 / 3);
  assert.equal(machine.state.u32(STATE.mxcsr), MXCSR_RESET | PE);
});

test('rounding control is heeded', () => {
  const machine = new SimdMachine();
  machine.setXmmDouble(0, 1);
  machine.setXmmDouble(1, 3);
  machine.state.setU32(STATE.mxcsr, MXCSR_RESET | (2 << 13)); // up
  machine.step('f2 0f 5e c1');
  assert.equal(machine.xmmDouble(0), 1 / 3 + 2 ** -54);
});

test('flush-to-zero makes a tiny result zero', () => {
  const machine = new SimdMachine();
  machine.setXmmDouble(0, 2 ** -1022);
  machine.setXmmDouble(1, 0.5);
  machine.state.setU32(STATE.mxcsr, MXCSR_RESET | 0x8000);
  machine.step('f2 0f 59 c1'); // MULSD
  assert.equal(machine.xmm(0), 0n);
});

test('MINSD gives the source for equal zeros and for a NaN', () => {
  const machine = new SimdMachine();
  machine.setXmmDouble(0, -0);
  machine.setXmmDouble(1, 0);
  machine.step('f2 0f 5d c1');
  assert.equal(machine.xmm(0), 0n);
  machine.setXmmDouble(0, Number.NaN);
  machine.setXmmDouble(1, 7);
  machine.step('f2 0f 5d c1');
  assert.equal(machine.xmmDouble(0), 7);
  assert.equal(machine.state.u32(STATE.mxcsr) & 0x3f, IE);
});

test('the first of two NaNs is the result, quieted', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, 0x7ff0000000000123n);
  machine.setXmm(1, 0x7ff8000000000456n);
  machine.step('f2 0f 58 c1');
  assert.equal(machine.xmm(0), 0x7ff8000000000123n);
});

test('UCOMISD tells less, greater, equal and unordered by CF, ZF and PF', () => {
  const machine = new SimdMachine();
  const compare = (a: number, c: number) => {
    machine.state.eflags = ARITHMETIC;
    machine.setXmmDouble(0, a);
    machine.setXmmDouble(1, c);
    machine.step('66 0f 2e c1');
    return machine.state.eflags & ARITHMETIC;
  };
  assert.equal(compare(1, 2), FLAG.CF);
  assert.equal(compare(2, 1), 0);
  assert.equal(compare(-0, 0), FLAG.ZF);
  assert.equal(compare(Number.NaN, 0), FLAG.CF | FLAG.PF | FLAG.ZF);
});

test('what does not fit converts to the integer indefinite', () => {
  const machine = new SimdMachine();
  machine.state.setGpr(0, -1n & 0xffffffffffffffffn);
  machine.setXmmDouble(0, 2 ** 31);
  machine.step('f2 0f 2c c0'); // CVTTSD2SI EAX,XMM0
  assert.equal(machine.state.gpr(0), 0x80000000n);
  assert.equal(machine.state.u32(STATE.mxcsr) & 0x3f, IE);
  machine.setXmmDouble(0, -(2 ** 31));
  machine.state.setU32(STATE.mxcsr, MXCSR_RESET);
  machine.step('f2 0f 2c c0');
  assert.equal(machine.state.gpr(0), 0x80000000n);
  assert.equal(machine.state.u32(STATE.mxcsr), MXCSR_RESET);
});

test('PCMPISTRI finds the first character of a set', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, textBits(',;'));
  machine.setXmm(1, textBits('one two;three'));
  machine.step('66 0f 3a 63 c1 00');
  assert.equal(machine.state.gpr(1), 7n);
  assert.equal(machine.state.eflags & ARITHMETIC, FLAG.CF | FLAG.ZF | FLAG.SF);
});

test('PCMPISTRI finds where a string begins in another', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, textBits('thr'));
  machine.setXmm(1, textBits('one two the thre'));
  machine.step('66 0f 3a 63 c1 0c');
  assert.equal(machine.state.gpr(1), 12n);
});

test('AESENC is a round of the example in FIPS 197, appendix B', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, bytesBits('193de3bea0f4e22b9ac68d2ae9f84808'));
  machine.setXmm(1, bytesBits('a0fafe1788542cb123a339392a6c7605'));
  machine.step('66 0f 38 dc c1');
  assert.equal(machine.xmm(0), bytesBits('a49c7ff2689f352b6b5bea43026a5049'));
});

test('PCLMULQDQ multiplies without carries', () => {
  const machine = new SimdMachine();
  machine.setXmm(0, 0xffff_ffff_ffff_ffffn);
  machine.setXmm(1, 0xffff_ffff_ffff_ffffn << 64n);
  machine.step('66 0f 3a 44 c1 10'); // low half times high half
  assert.equal(machine.xmm(0), 0x5555_5555_5555_5555_5555_5555_5555_5555n);
});

test('RCPSS is within its relative error', () => {
  const machine = new SimdMachine();
  const view = machine.state.view;
  for (let i = 1; i < 300; i++) {
    const x = i * 0.37;
    view.setFloat32(machine.state.vectorOffset(1), x, true);
    machine.step('f3 0f 53 c1');
    const got = view.getFloat32(machine.state.vectorOffset(0), true);
    assert.ok(Math.abs(got * Math.fround(x) - 1) <= 1.5 * 2 ** -12, `1 / ${x}: ${got}`);
  }
});
