import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EvaluatorEngine, type HelperEngine, WasmEngine } from './engines.ts';
import { controlFor, difference, type Model, SSE_MODELS, X87_MODELS } from './models.ts';
import { OperandSource } from './operands.ts';
import { HardwareOracle, whyNoOracle } from './oracle.ts';

/** Cases an operation; VITRINE_FLOAT_CASES and VITRINE_FLOAT_SEED ask for more and for others. */
const WASM_CASES = Number(process.env.VITRINE_FLOAT_CASES ?? 4000);
const EVALUATOR_CASES = Math.ceil(WASM_CASES / 100);
const SEED = Number(process.env.VITRINE_FLOAT_SEED ?? 1);

const skip = whyNoOracle() ?? false;

describe('floating point equals the host processor', { skip }, () => {
  const oracle = skip === false ? new HardwareOracle() : undefined;
  after(() => oracle?.close());

  function check(engine: HelperEngine, model: Model, count: number): void {
    const source = new OperandSource(SEED * 1000 + model.operation);
    const cases = Array.from({ length: count }, () => ({
      operation: model.operation,
      control: controlFor(model, source),
      ...model.operands(source),
    }));
    const outcomes = oracle?.run(cases) ?? [];
    const differences = cases.flatMap((c, i) => difference(model, engine, c, outcomes[i]) ?? []);
    assert.deepEqual(differences.slice(0, 5), []);
  }

  const engines: [HelperEngine, number][] = [
    [new WasmEngine(), WASM_CASES],
    [new EvaluatorEngine(), EVALUATOR_CASES],
  ];
  for (const [engine, count] of engines) {
    for (const model of [...X87_MODELS, ...SSE_MODELS]) {
      test(`${model.name} (${engine.name})`, () => check(engine, model, count));
    }
  }
});
