/** Which encodings the tests execute. */

import { readdirSync, readFileSync } from 'node:fs';
import { mock } from 'node:test';
import { HandlerFactory } from '../../src/cpu/handlers.ts';
import { instructionTable } from '../../src/isa/instruction-table.ts';
import type { Row } from '../../src/isa/rows.ts';
import { decodeAll } from '../oracle/generate.ts';
import { readVectorFile } from '../oracle/vectors.ts';
import { HALVES } from '../privileged/halves.ts';
import { runOnEngine } from '../privileged/run-engine.ts';

const VECTORS = new URL('../vectors/', import.meta.url);

/** The rows of the recorded vectors and those that the privileged suite leads through. */
export function testedRows(): ReadonlySet<Row> {
  const suite = rowsDecodedDuring(() => {
    for (const { image, cases } of HALVES) runOnEngine(image(cases));
  });
  return new Set([...rowsOfVectors(), ...suite]);
}

/** The content of docs/instructions.md. */
export function testedInstructionTable(tested: ReadonlySet<Row>): string {
  return instructionTable((row) => tested.has(row));
}

function* rowsOfVectors(): Generator<Row> {
  for (const name of readdirSync(VECTORS)) {
    const { vectors } = readVectorFile(readFileSync(new URL(name, VECTORS)));
    for (const { test } of vectors) yield* decodeAll(test.bits, test.code).map(({ row }) => row);
  }
}

/** The rows of all instructions that the interpreter meets; it decodes a block when it is about to run it. */
function rowsDecodedDuring(run: () => void): Set<Row> {
  const { mock: recorded } = mock.method(HandlerFactory.prototype, 'handlerFor');
  try {
    run();
    return new Set(recorded.calls.map(({ arguments: [decoded] }) => decoded.row));
  } finally {
    recorded.restore();
  }
}
