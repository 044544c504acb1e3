import { EvaluatorEngine, type StepResult } from '../../src/cpu/evaluator-engine.ts';
import type { CpuState } from '../../src/cpu/state.ts';
import { GuestFault } from '../../src/cpu/system/port.ts';
import { CR0, CR4, STATE, VECTOR_OF } from '../../src/isa/registers.ts';

/** For tests: executes single instructions of 64-bit code on the evaluator, with two pages of memory at {@link DATA}. */

const CODE = 0x1000n;
export const DATA = 0x10000n;
const DATA_BYTES = 8192;
const ALL_FLAT = { bits: 64, stackSize: 64, flatData: true, flatStack: true, flatCode: true } as const;
export const MXCSR_RESET = 0x1f80;

/** A processor that may use MMX and SSE, with all exceptions masked. RBX holds {@link DATA}. */
export class SimdMachine {
  readonly memory = new Uint8Array(DATA_BYTES);
  readonly #engine: EvaluatorEngine;
  #code: readonly number[] = [];
  /** Offset in the memory from which stores raise #PF. */
  readOnlyFrom = DATA_BYTES;

  constructor() {
    this.#engine = new EvaluatorEngine({
      load: (address, bytes, forWrite) => this.#load(this.#offset(address, bytes, forWrite), bytes),
      store: (address, bytes, value) => this.#store(this.#offset(address, bytes, true), bytes, value),
      fetch: (address) => this.#code[Number(address - CODE)] ?? 0x90,
      system: (name) => {
        throw new Error(`unexpected system call ${name}`);
      },
    });
    this.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.NE));
    this.state.setU64(STATE.cr4, BigInt(CR4.OSFXSR | CR4.OSXMMEXCPT));
    this.state.setU32(STATE.mxcsr, MXCSR_RESET);
    this.state.setGpr(3, DATA);
  }

  get state(): CpuState {
    return this.#engine.state;
  }

  /** Executes one instruction, given as hexadecimal bytes. @returns the vector of the exception, or 'next' */
  step(hex: string): number | 'next' {
    this.#code = hex.split(' ').map((byte) => Number.parseInt(byte, 16));
    this.state.setU64(STATE.rip, CODE);
    const result: StepResult = this.#engine.step(ALL_FLAT);
    return result.kind === 'fault' ? result.vector : 'next';
  }

  /** The 128 bits of an XMM register. */
  xmm(index: number): bigint {
    const at = this.state.vectorOffset(index);
    return this.state.view.getBigUint64(at, true) | (this.state.view.getBigUint64(at + 8, true) << 64n);
  }
  setXmm(index: number, value: bigint): void {
    const at = this.state.vectorOffset(index);
    this.state.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    this.state.view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
  }
  setXmmDouble(index: number, value: number): void {
    this.state.view.setFloat64(this.state.vectorOffset(index), value, true);
  }
  xmmDouble(index: number): number {
    return this.state.view.getFloat64(this.state.vectorOffset(index), true);
  }

  #offset(address: bigint, bytes: number, forWrite: boolean): number {
    const offset = Number(address - DATA);
    if (offset < 0 || offset + bytes > DATA_BYTES) throw new GuestFault(VECTOR_OF.PF);
    if (forWrite && offset + bytes > this.readOnlyFrom) throw new GuestFault(VECTOR_OF.PF, 2);
    return offset;
  }

  #load(offset: number, bytes: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory[offset + i]);
    return value;
  }

  #store(offset: number, bytes: number, value: bigint): void {
    for (let i = 0; i < bytes; i++) this.memory[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
}
