/** Runs cases on the project's own engines. */

import { Engine } from '../../src/cpu/engine.ts';
import { EvaluatorEngine } from '../../src/cpu/evaluator-engine.ts';
import type { HandlerStore } from '../../src/cpu/handler-library.ts';
import type { CodeMode } from '../../src/cpu/handlers.ts';
import { type JitOptions, MachineCode } from '../../src/cpu/machine-code.ts';
import { layOutMemory } from '../../src/cpu/memory-layout.ts';
import { noTurn } from '../../src/cpu/memory-store.case.ts';
import { NO_DEVICES } from '../../src/cpu/no-devices.case.ts';
import { type CpuState, NULL_SEGMENT } from '../../src/cpu/state.ts';
import { GuestFault } from '../../src/cpu/system/port.ts';
import { fpuTranscendental } from '../../src/cpu/system/transcendental.ts';
import { CR0, CR4, EFER, RIGHTS, SEG, STATE, VECTOR_OF, X87_EXPONENT } from '../../src/isa/registers.ts';
import type { SystemCall } from '../../src/isa/system-calls.ts';
import {
  type Bits,
  backgroundMemory,
  CODE_BASE,
  CODE_BYTES,
  CODE_START,
  DATA_BASE,
  DATA_BYTES,
  FX_BYTES,
  initialState,
} from './initial-state.ts';
import type { Outcome, TestCase } from './vectors.ts';

/** An engine that executes cases. */
export interface CaseRunner {
  run(test: TestCase): Outcome;
}

/** More instructions than any case has, REP iterations counted. */
const MOST_STEPS = 200;
const INT3 = 0xcc;
const background = backgroundMemory();

/** What a process may not do, and INT3, which ends a case. */
function systemCall(state: CpuState, name: SystemCall, a: bigint): bigint {
  if (name === 'fpuTranscendental') return fpuTranscendental(state, Number(a));
  throw new GuestFault(name === 'breakpointInterrupt' ? VECTOR_OF.BP : VECTOR_OF.GP);
}

function isMapped(address: number): boolean {
  const inCode = address >= CODE_BASE && address < CODE_BASE + CODE_BYTES;
  return inCode || (address >= DATA_BASE && address < DATA_BASE + DATA_BYTES);
}

const USER_DATA = RIGHTS.present | (3 << RIGHTS.dplShift) | RIGHTS.notSystem | RIGHTS.accessed | RIGHTS.writable;
const USER_CODE = USER_DATA | RIGHTS.code;

/** Selectors of the data segments that Linux and oracle.c give. */
const FLAT_DATA = 0x2b;
const LDT_DATA = 0xf;
const CODE_SELECTORS: Readonly<Record<Bits, number>> = { 16: 7, 32: 0x23, 64: 0x33 };

/** Segments as Linux, or the LDT entries of oracle.c, have them. */
function setSegments(state: CpuState, bits: Bits): void {
  const wide = bits === 16 ? 0 : RIGHTS.big | RIGHTS.granular;
  const code = bits === 64 ? USER_CODE | RIGHTS.long | RIGHTS.granular : USER_CODE | wide;
  const limit = (bytes: number) => (bits === 16 ? bytes - 1 : 0xffffffff);
  const base = (at: number) => BigInt(bits === 16 ? at : 0);
  const selector = bits === 16 ? LDT_DATA : FLAT_DATA;
  state.setSegment(SEG.CS, {
    selector: CODE_SELECTORS[bits],
    base: base(CODE_BASE),
    limit: limit(CODE_BYTES),
    rights: code,
  });
  for (const segment of [SEG.FS, SEG.GS]) state.setSegment(segment, NULL_SEGMENT);
  for (const segment of [SEG.ES, SEG.SS, SEG.DS]) {
    state.setSegment(segment, {
      selector,
      base: base(DATA_BASE),
      limit: limit(DATA_BYTES),
      rights: USER_DATA | wide,
    });
  }
}

function setControl(state: CpuState, bits: Bits): void {
  state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP) | BigInt(CR0.PG));
  state.setU64(STATE.cr4, BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
  state.setU64(STATE.efer, BigInt(EFER.LME | EFER.LMA | EFER.NXE | EFER.SCE));
  state.setU64(STATE.a20Mask, 0xffff_ffff_ffff_ffffn);
  state.setU32(STATE.cpl, 3);
  setSegments(state, bits);
}

const FX = { fcw: 0, fsw: 2, ftw: 4, mxcsr: 24, st: 32, xmm: 160 } as const;
const TOP_SHIFT = 11;
const TOP_MASK = 7 << TOP_SHIFT;

function loadFx(state: CpuState, fx: Uint8Array): void {
  const view = new DataView(fx.buffer, fx.byteOffset);
  const fsw = view.getUint16(FX.fsw, true);
  const top = (fsw & TOP_MASK) >> TOP_SHIFT;
  state.setU32(STATE.fcw, view.getUint16(FX.fcw, true));
  state.setU32(STATE.fsw, fsw & ~TOP_MASK);
  state.setU32(STATE.top, top);
  state.setU32(STATE.ftw, view.getUint8(FX.ftw));
  state.setU32(STATE.mxcsr, view.getUint32(FX.mxcsr, true));
  for (const pointer of [STATE.fop, STATE.fcs, STATE.fds]) state.setU32(pointer, 0);
  for (const pointer of [STATE.fip, STATE.fdp]) state.setU64(pointer, 0n);
  for (let i = 0; i < 8; i++) {
    const at = state.x87Offset(top + i);
    state.view.setBigUint64(at, view.getBigUint64(FX.st + 16 * i, true), true);
    state.view.setBigUint64(at + X87_EXPONENT, BigInt(view.getUint16(FX.st + 16 * i + 8, true)), true);
  }
  for (let i = 0; i < 32; i++) {
    const at = state.vectorOffset(i >> 1) + (i & 1) * 8;
    state.view.setBigUint64(at, view.getBigUint64(FX.xmm + 8 * i, true), true);
  }
}

function saveFx(state: CpuState): Uint8Array {
  const view = new DataView(new ArrayBuffer(FX_BYTES));
  const top = state.u32(STATE.top);
  view.setUint16(FX.fcw, state.u32(STATE.fcw), true);
  view.setUint16(FX.fsw, state.u32(STATE.fsw) | (top << TOP_SHIFT), true);
  view.setUint8(FX.ftw, state.u32(STATE.ftw));
  view.setUint32(FX.mxcsr, state.u32(STATE.mxcsr), true);
  for (let i = 0; i < 8; i++) {
    const at = state.x87Offset(top + i);
    view.setBigUint64(FX.st + 16 * i, state.view.getBigUint64(at, true), true);
    view.setUint16(FX.st + 16 * i + 8, state.view.getUint16(at + X87_EXPONENT, true), true);
  }
  for (let i = 0; i < 32; i++) {
    const at = state.vectorOffset(i >> 1) + (i & 1) * 8;
    view.setBigUint64(FX.xmm + 8 * i, state.view.getBigUint64(at, true), true);
  }
  return new Uint8Array(view.buffer);
}

function loadState(state: CpuState, test: TestCase): void {
  const initial = initialState(test.bits, test.profile, test.seed);
  for (const [i, value] of initial.gpr.entries()) state.setGpr(i, value);
  state.eflags = initial.flags | 0x202;
  state.setU64(STATE.rip, BigInt(CODE_START + (test.bits === 16 ? 0 : CODE_BASE)));
  loadFx(state, initial.fx);
}

/** CF, PF, AF, ZF, SF, DF, OF. */
const FLAGS = 0xcd5;

function outcomeOf(state: CpuState, vector: number, errorCode: number, memory: Outcome['memory']): Outcome {
  const gpr = Array.from({ length: 16 }, (_, i) => state.gpr(i));
  const rip = state.u64(STATE.rip);
  return { vector, errorCode, rip, gpr, flags: state.eflags & FLAGS, fx: saveFx(state), memory };
}

/** Cases on the BigInt evaluator. */
export class EvaluatorRunner implements CaseRunner {
  readonly #engine: EvaluatorEngine;
  readonly #data = background.slice();
  readonly #code = new Uint8Array(CODE_BYTES).fill(INT3);
  readonly #written = new Set<number>();

  constructor() {
    this.#engine = new EvaluatorEngine({
      load: (address, bytes, forWrite, segment) => this.#load(address, bytes, forWrite, segment),
      store: (address, bytes, value, segment) => this.#store(address, bytes, value, segment),
      fetch: (address) => this.#fetch(address),
      system: (name, a) => systemCall(this.#engine.state, name, a),
    });
  }

  run(test: TestCase): Outcome {
    const { state } = this.#engine;
    this.#code.fill(INT3);
    this.#code.set(test.code, CODE_START);
    for (const at of this.#written) this.#data[at] = background[at];
    this.#written.clear();
    setControl(state, test.bits);
    loadState(state, test);
    state.setU32(STATE.budget, MOST_STEPS);
    for (let step = 0; step < MOST_STEPS; step++) {
      const result = this.#engine.step(modeFor(test.bits));
      if (result.kind === 'fault') return outcomeOf(state, result.vector, result.errorCode, this.#changes());
    }
    throw new Error('the case does not end');
  }

  #changes(): [number, number][] {
    const changed = [...this.#written].filter((at) => this.#data[at] !== background[at]).sort((a, b) => a - b);
    return changed.map((at) => [at, this.#data[at]]);
  }

  /** Data may not be executed. */
  #fetch(address: bigint): number {
    const { bytes, at } = this.#byte(address, false, SEG.CS);
    if (bytes === this.#data) throw new GuestFault(VECTOR_OF.PF, 0x15);
    return bytes[at];
  }

  #byte(address: bigint, forWrite: boolean, segment: number): { bytes: Uint8Array; at: number } {
    const canonical = BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
    if (!canonical) throw new GuestFault(segment === SEG.SS ? VECTOR_OF.SS : VECTOR_OF.GP);
    const at = Number(address);
    if (!isMapped(at)) throw new GuestFault(VECTOR_OF.PF, 4 | (forWrite ? 2 : 0));
    return at >= DATA_BASE ? { bytes: this.#data, at: at - DATA_BASE } : { bytes: this.#code, at: at - CODE_BASE };
  }

  #load(address: bigint, bytes: number, forWrite: boolean, segment: number): bigint {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) {
      const byte = this.#byte(BigInt.asUintN(64, address + BigInt(i)), forWrite, segment);
      value = (value << 8n) | BigInt(byte.bytes[byte.at]);
    }
    return value;
  }

  #store(address: bigint, bytes: number, value: bigint, segment: number): void {
    for (let i = 0; i < bytes; i++) this.#byte(BigInt.asUintN(64, address + BigInt(i)), true, segment);
    for (let i = 0; i < bytes; i++) {
      const byte = this.#byte(BigInt.asUintN(64, address + BigInt(i)), true, segment);
      byte.bytes[byte.at] = Number((value >> BigInt(8 * i)) & 0xffn);
      if (byte.bytes === this.#data) this.#written.add(byte.at);
    }
  }
}

function modeFor(bits: Bits): CodeMode {
  const flat = bits !== 16;
  return { bits, stackSize: bits, flatData: flat, flatStack: flat, flatCode: flat };
}

const RAM_BYTES = 4 << 20;
const PAGE = 4096;
/** Page tables: one table at each level, at these guest-physical addresses. */
const TABLES = [0x1000, 0x2000, 0x3000, 0x4000];
const PRESENT_WRITABLE_USER = 7n;
const NO_EXECUTE = 1n << 63n;

/** Cases on the interpreter, under page tables that map code and data alone. */
export class InterpreterRunner implements CaseRunner {
  readonly #engine: Engine;
  readonly #ram: Uint8Array;

  /** @param jit when given, cases are translated  @param store where handlers come from and can be kept */
  constructor(jit?: JitOptions, store?: HandlerStore) {
    const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 64 << 20);
    const maximumPages = layout.wasmPages;
    const memory = new WebAssembly.Memory({ initial: layout.wasmPages, maximum: maximumPages, shared: false });
    const machine = { memory, layout, shared: false, memory64: false, maximumPages };
    this.#engine = new Engine(new MachineCode(machine, jit, store), NO_DEVICES);
    this.#engine.connect((name, a) => systemCall(this.#engine.state, name, a));
    this.#ram = new Uint8Array(memory.buffer, layout.ram, RAM_BYTES);
    this.#buildTables();
    this.#ram.fill(INT3, CODE_BASE, CODE_BASE + CODE_BYTES);
    this.#ram.set(background, DATA_BASE);
  }

  /** Keeps what handlers there are in the store. */
  keepHandlers(): Promise<void> {
    return this.#engine.machineCode.keepHandlers(noTurn);
  }

  /** How many handlers there are. */
  get handlerCount(): number {
    return this.#engine.handlers.count;
  }

  run(test: TestCase): Outcome {
    const { state, mode } = this.#engine;
    this.#writeCode(test.code);
    setControl(state, test.bits);
    state.setU64(STATE.cr3, BigInt(TABLES[0]));
    loadState(state, test);
    mode.update();
    const exit = this.#engine.run(MOST_STEPS);
    this.#writeCode(test.code.map(() => INT3));
    const memory = this.#changes();
    if (exit.kind !== 'exception') throw new Error(`the case does not end: ${exit.kind}`);
    return outcomeOf(state, exit.vector, exit.errorCode, memory);
  }

  #writeCode(code: readonly number[]): void {
    this.#engine.invalidateCode(CODE_BASE + CODE_START, code.length);
    this.#ram.set(code, CODE_BASE + CODE_START);
  }

  /** What the case wrote to its data, which is then put back. */
  #changes(): [number, number][] {
    const changes: [number, number][] = [];
    const data = this.#ram.subarray(DATA_BASE, DATA_BASE + DATA_BYTES);
    if (Buffer.compare(data, background) === 0) return changes;
    for (let at = 0; at < DATA_BYTES; at++) if (data[at] !== background[at]) changes.push([at, data[at]]);
    data.set(background);
    return changes;
  }

  #buildTables(): void {
    const view = new DataView(this.#ram.buffer, this.#ram.byteOffset, RAM_BYTES);
    const enter = (table: number, index: number, target: number, more = 0n) =>
      view.setBigUint64(table + index * 8, BigInt(target) | PRESENT_WRITABLE_USER | more, true);
    for (let level = 0; level < 2; level++) enter(TABLES[level], 0, TABLES[level + 1]);
    enter(TABLES[2], CODE_BASE >>> 21, TABLES[3]);
    const pages = (base: number, bytes: number, more: bigint) => {
      for (let at = base; at < base + bytes; at += PAGE) enter(TABLES[3], (at >>> 12) & 511, at, more);
    };
    pages(CODE_BASE, CODE_BYTES, 0n);
    pages(DATA_BASE, DATA_BYTES, NO_EXECUTE);
  }
}
