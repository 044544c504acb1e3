import { EvaluatorEngine, type StepResult } from '../../src/cpu/evaluator-engine.ts';
import type { CpuState } from '../../src/cpu/state.ts';
import { GuestFault } from '../../src/cpu/system/port.ts';
import { fpuTranscendental } from '../../src/cpu/system/transcendental.ts';
import { CR0, CR4, EFER, STATE, VECTOR, VECTOR_OF, X87, X87_EXPONENT } from '../../src/isa/registers.ts';

const CODE = 0x1000n;
/** Where the guest's data lies; RBX points there. */
export const DATA = 0x2000n;
const DATA_BYTES = 0x1000;
const RBX = 3;

/** A processor in 64-bit mode with a page of data, for single instructions of the x87. */
export class X87Machine {
  readonly engine: EvaluatorEngine;
  readonly data = new DataView(new ArrayBuffer(DATA_BYTES));
  /** IGNNE#. */
  ignoresErrors = false;
  /** How often FERR# was asserted. */
  fpuErrors = 0;
  #code: readonly number[] = [];

  constructor() {
    this.engine = new EvaluatorEngine({
      load: (address, bytes) => this.#load(address, bytes),
      store: (address, bytes, value) => this.#store(address, bytes, value),
      fetch: (address) => this.#code[Number(address - CODE)] ?? 0x90,
      system: (name, a) => {
        if (name === 'fpuError') return this.#signalError();
        if (name !== 'fpuTranscendental') throw new Error(`system call ${name}`);
        return fpuTranscendental(this.state, Number(a));
      },
    });
    const { state } = this;
    state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.NE | CR0.ET));
    state.setU64(STATE.cr4, BigInt(CR4.OSFXSR | CR4.OSXSAVE));
    state.setU64(STATE.efer, BigInt(EFER.LMA | EFER.LME));
    state.setU64(STATE.xcr0, 3n);
    state.setU64(STATE.linearMask, 0xffff_ffff_ffff_ffffn);
    state.setU32(STATE.mxcsr, 0x1f80);
    state.setU32(STATE.eflags, 2);
    state.setGpr(RBX, DATA);
    this.run(0xdb, 0xe3);
  }

  get state(): CpuState {
    return this.engine.state;
  }

  /** Executes one instruction given by its bytes. */
  run(...code: number[]): StepResult {
    this.#code = code;
    this.state.setU64(STATE.rip, CODE);
    return this.engine.step({ bits: 64, stackSize: 64, flatData: true, flatStack: true, flatCode: true });
  }

  /** ST(index): sign, exponent and significand as 80 bits. */
  st(index: number): bigint {
    const offset = this.state.x87Offset(this.state.u32(STATE.top) + index);
    const { view } = this.state;
    return view.getBigUint64(offset, true) | (BigInt(view.getUint16(offset + X87_EXPONENT, true)) << 64n);
  }

  setSt(index: number, value: bigint): void {
    const { state } = this;
    const offset = state.x87Offset(state.u32(STATE.top) + index);
    state.view.setBigUint64(offset, BigInt.asUintN(64, value), true);
    state.view.setUint16(offset + X87_EXPONENT, Number(value >> 64n), true);
    state.setU32(STATE.ftw, state.u32(STATE.ftw) | (1 << ((offset - X87) / 16)));
  }

  /** The low 64 bits of an XMM register. */
  xmm(index: number): bigint {
    return this.state.view.getBigUint64(VECTOR + 64 * index, true);
  }
  setXmm(index: number, value: bigint): void {
    this.state.view.setBigUint64(VECTOR + 64 * index, value, true);
  }

  #signalError(): bigint {
    this.fpuErrors++;
    return this.ignoresErrors ? 1n : 0n;
  }

  #load(address: bigint, bytes: number): bigint {
    if (address >= CODE && address < DATA) return BigInt(this.#code[Number(address - CODE)] ?? 0x90);
    const at = this.#dataOffset(address, bytes);
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.data.getUint8(at + i));
    return value;
  }

  #store(address: bigint, bytes: number, value: bigint): void {
    const at = this.#dataOffset(address, bytes);
    for (let i = 0; i < bytes; i++) this.data.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #dataOffset(address: bigint, bytes: number): number {
    const at = Number(address - DATA);
    if (at < 0 || at + bytes > DATA_BYTES) throw new GuestFault(VECTOR_OF.PF);
    return at;
  }
}
