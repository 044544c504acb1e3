import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import exemptions from './sizes.json' with { type: 'json' };
import { BUDGET, findOversized, medianFunctionLines } from './sizes.ts';
import { readSources } from './source-files.ts';

const lines = (count: number) => 'call();\n'.repeat(count);
const functionOf = (count: number) => `function work() {\n${lines(count - 2)}}\n`;
const file = (text: string) => [{ path: 'src/a.ts', text }];

describe('size budgets', () => {
  it('no source file, function or device is over its budget, but for the listed exemptions', () => {
    assert.deepEqual(findOversized(readSources('src'), exemptions), []);
  });

  it('every exemption says why', () => {
    for (const [subject, reason] of Object.entries(exemptions)) assert.ok(String(reason).length > 20, subject);
  });

  it('the median function is under ten lines', () => {
    assert.ok(medianFunctionLines(readSources('src')) <= BUDGET.medianFunctionLines);
  });
});

describe('the size check', () => {
  it('accepts 500 lines and refuses 501', () => {
    assert.deepEqual(findOversized(file(lines(500)), {}), []);
    assert.deepEqual(findOversized(file(lines(501)), {}), ['src/a.ts: 501 lines, at most 500 are allowed']);
  });

  it('does not count data tables, but tables of functions', () => {
    assert.deepEqual(findOversized(file(`export const rows = [\n${'1,\n'.repeat(600)}];\n`), {}), []);
    assert.equal(findOversized(file(`const rows = [\n${'() => 1,\n'.repeat(600)}];\n`), {}).length, 1);
  });

  it('accepts a function of 60 lines and refuses 61', () => {
    assert.deepEqual(findOversized(file(functionOf(60)), {}), []);
    assert.deepEqual(findOversized(file(functionOf(61)), {}), ['src/a.ts#work: 61 lines, at most 60 are allowed']);
  });

  it('counts methods and named arrow functions', () => {
    assert.equal(findOversized(file(`class A {\n#b() {\n${lines(60)}}\n}\n`), {}).length, 1);
    assert.equal(findOversized(file(`const b = () => {\n${lines(60)}};\n`), {}).length, 1);
  });

  it('refuses a device with a fifth method beside those of Device, not one with private ones', () => {
    const device = (method: string) =>
      file(`class A implements Device {
        constructor() {} read() {} write() {} save() {} restore() {}
        raise() {} lower() {} acknowledge() {} get level() {} latch() {} ${method}() {}
      }`);
    assert.deepEqual(findOversized(device('#tick'), {}), []);
    assert.deepEqual(findOversized(device('tick'), {}), [
      'src/a.ts#A: 5 public methods beside those of Device, at most 4 are allowed',
    ]);
  });

  it('takes an exemption, and refuses one that is not needed', () => {
    assert.deepEqual(findOversized(file(functionOf(61)), { 'src/a.ts#work': 'a parser' }), []);
    assert.deepEqual(findOversized(file(functionOf(9)), { 'src/a.ts#work': 'a parser' }), [
      'src/a.ts#work: the exemption is not needed',
    ]);
  });

  it('finds the median of the functions', () => {
    assert.equal(medianFunctionLines(file(functionOf(3) + functionOf(7) + functionOf(30))), 7);
  });
});
