/** Runs cases on the host's own processor through oracle.c. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backgroundMemory, CODE_BASE, CODE_START, FX_BYTES, initialState } from './initial-state.ts';
import type { Outcome, TestCase, Vector } from './vectors.ts';

const MAX_CODE = 64;
/** Sizes of the records of oracle.c, and offsets in them. */
const CASE = { bytes: 632, rflags: 128, mode: 136, start: 140, length: 144, code: 152, fx: 216 } as const;
const RESULT = { bytes: 584, rflags: 128, rip: 136, vector: 144, error: 148, changes: 160, fx: 168 } as const;
const CHANGE_BYTES = 8;
const MAX_CHANGES = 4096;
/** CF, PF, AF, ZF, SF, DF, OF. */
const FLAGS = 0xcd5;
const CASES_PER_RUN = 20000;

/** The flags line of /proc/cpuinfo and a line that names the processor; undefined where the host is not x86-64 Linux. */
export function hostProcessor(): { readonly name: string; readonly features: ReadonlySet<string> } | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1] ?? '?';
  const numbers = `family ${field('cpu family')} model ${field('model')} stepping ${field('stepping')}`;
  const name = `${field('vendor_id')} ${numbers} ${field('model name')}`;
  return { name, features: new Set(field('flags').split(' ')) };
}

/** The compiled oracle. */
export class NativeOracle {
  readonly #directory: string;
  readonly #program: string;

  /** Compiles the oracle. @throws Error with the compiler's words */
  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'vitrine-oracle-'));
    this.#program = join(this.#directory, 'oracle');
    const source = fileURLToPath(new URL('oracle.c', import.meta.url));
    const result = spawnSync('gcc', ['-O1', '-Wall', '-o', this.#program, source], { encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`gcc: ${result.error?.message ?? result.stderr}`);
  }

  /** Whether the kernel lets 16-bit code run. */
  get runs16Bit(): boolean {
    return this.#execute([])[0] === 1;
  }

  run(tests: readonly TestCase[]): Vector[] {
    const vectors: Vector[] = [];
    for (let first = 0; first < tests.length; first += CASES_PER_RUN) {
      const chunk = tests.slice(first, first + CASES_PER_RUN);
      const output = this.#execute(chunk);
      vectors.push(...readResults(chunk, output.subarray(4)));
    }
    return vectors;
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #execute(tests: readonly TestCase[]): Uint8Array {
    const input = Buffer.concat([backgroundMemory(), ...tests.map(caseRecord)]);
    const result = spawnSync(this.#program, { input, maxBuffer: 1 << 30, timeout: 120_000 });
    if (result.status !== 0) throw new Error(`the oracle stopped: ${result.stderr} ${result.signal ?? ''}`);
    return result.stdout;
  }
}

function caseRecord(test: TestCase): Uint8Array {
  const state = initialState(test.bits, test.profile, test.seed);
  const bytes = new Uint8Array(CASE.bytes);
  const view = new DataView(bytes.buffer);
  if (test.code.length > MAX_CODE) throw new Error('too much code for a case');
  for (const [i, value] of state.gpr.entries()) view.setBigUint64(i * 8, value, true);
  view.setUint32(CASE.rflags, state.flags, true);
  view.setUint32(CASE.mode, test.bits, true);
  view.setUint32(CASE.start, CODE_START, true);
  view.setUint32(CASE.length, test.code.length, true);
  bytes.set(test.code, CASE.code);
  bytes.set(state.fx, CASE.fx);
  return bytes;
}

function readResults(tests: readonly TestCase[], output: Uint8Array): Vector[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  let at = 0;
  return tests.map((test) => {
    const changes = view.getUint32(at + RESULT.changes, true);
    if (changes > MAX_CHANGES) throw new Error(`a case changed too much memory: ${JSON.stringify(test)}`);
    const outcome = readOutcome(view, at, changes);
    at += RESULT.bytes + changes * CHANGE_BYTES;
    return { test, outcome };
  });
}

function readOutcome(view: DataView, at: number, changes: number): Outcome {
  const gpr = Array.from({ length: 16 }, (_, i) => view.getBigUint64(at + 8 * i, true));
  const memory: [number, number][] = [];
  for (let i = 0; i < changes; i++) {
    const change = at + RESULT.bytes + CHANGE_BYTES * i;
    memory.push([view.getUint32(change, true), view.getUint32(change + 4, true)]);
  }
  return {
    vector: view.getUint32(at + RESULT.vector, true),
    errorCode: view.getUint32(at + RESULT.error, true),
    rip: view.getBigUint64(at + RESULT.rip, true),
    gpr,
    flags: view.getUint32(at + RESULT.rflags, true) & FLAGS,
    fx: new Uint8Array(view.buffer, view.byteOffset + at + RESULT.fx, FX_BYTES).slice(),
    memory,
  };
}

/** Address of a case's first instruction as its code sees it. */
export function startOf(bits: TestCase['bits']): number {
  return bits === 16 ? CODE_START : CODE_BASE + CODE_START;
}
