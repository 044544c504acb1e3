import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One case for hardware-oracle.c. Numbers of 80 bits are `exponentWord << 64 | significand`. */
export interface OracleCase {
  readonly operation: number;
  /** FCW, or MXCSR for the operations of SSE. */
  readonly control: number;
  readonly st0: bigint;
  readonly st1: bigint;
  readonly memory: bigint;
}

export interface OracleOutcome {
  /** FSW, or MXCSR. */
  readonly status: number;
  readonly tags: number;
  readonly st0: bigint;
  readonly st1: bigint;
  readonly memory: bigint;
}

const CASE_BYTES = 32;

/** Why the host cannot serve as an oracle, or undefined where it can. */
export function whyNoOracle(): string | undefined {
  if (process.arch !== 'x64') return 'the host is not an x86-64';
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no gcc';
  }
}

/** The host's processor, asked through a small C program that is compiled when this is made. */
export class HardwareOracle {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vitrine-float-'));

  constructor() {
    const source = fileURLToPath(new URL('hardware-oracle.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-o', this.#program, source]);
  }

  get #program(): string {
    return join(this.#folder, 'oracle');
  }

  run(cases: readonly OracleCase[]): OracleOutcome[] {
    const input = new DataView(new ArrayBuffer(cases.length * CASE_BYTES));
    for (const [i, c] of cases.entries()) writeCase(input, i * CASE_BYTES, c);
    const output = execFileSync(this.#program, {
      input: new Uint8Array(input.buffer),
      maxBuffer: cases.length * CASE_BYTES + 1,
    });
    const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
    return cases.map((_, i) => readOutcome(view, i * CASE_BYTES));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function writeCase(view: DataView, at: number, c: OracleCase): void {
  view.setUint16(at, c.operation, true);
  view.setUint16(at + 2, c.control, true);
  write80(view, at + 4, c.st0);
  write80(view, at + 14, c.st1);
  view.setBigUint64(at + 24, c.memory, true);
}

function readOutcome(view: DataView, at: number): OracleOutcome {
  return {
    status: view.getUint16(at, true),
    tags: view.getUint16(at + 2, true),
    st0: read80(view, at + 4),
    st1: read80(view, at + 14),
    memory: view.getBigUint64(at + 24, true),
  };
}

function write80(view: DataView, at: number, value: bigint): void {
  view.setBigUint64(at, value & 0xffff_ffff_ffff_ffffn, true);
  view.setUint16(at + 8, Number(value >> 64n), true);
}

function read80(view: DataView, at: number): bigint {
  return view.getBigUint64(at, true) | (BigInt(view.getUint16(at + 8, true)) << 64n);
}
