/** Vectors of a real 80286 in real mode (SingleStepTests/80286 by Daniel Balsom), and a machine to run them on. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { CpuEnvironment } from '../../src/cpu/environment.ts';
import { layOutMemory } from '../../src/cpu/memory-layout.ts';
import { NO_DEVICES } from '../../src/cpu/no-devices.case.ts';
import type { CpuState } from '../../src/cpu/state.ts';
import { Vcpu } from '../../src/cpu/vcpu.ts';
import { RIGHTS, SEG, STATE } from '../../src/isa/registers.ts';

const REGISTERS = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const SEGMENTS = [
  ['es', SEG.ES],
  ['cs', SEG.CS],
  ['ss', SEG.SS],
  ['ds', SEG.DS],
] as const;
type RegisterName = (typeof REGISTERS)[number] | (typeof SEGMENTS)[number][0] | 'ip' | 'flags';

type Ram = readonly (readonly [address: number, value: number])[];

/** One case: what it starts from and what the 80286 had changed when it reached the HLT behind. */
export interface Case286 {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly initial: { readonly regs: Readonly<Record<RegisterName, number>>; readonly ram: Ram };
  readonly final: { readonly regs: Readonly<Partial<Record<RegisterName, number>>>; readonly ram: Ram };
  readonly exception?: { readonly number: number; readonly flag_address: number };
}

interface OpcodeFacts {
  readonly status?: string;
  readonly 'flags-mask'?: number;
  readonly reg?: Readonly<Record<string, OpcodeFacts>>;
}

/** The cases of one opcode, with the flags that the manual defines after it. */
export interface File286 {
  readonly opcode: string;
  readonly flagsMask: number;
  readonly cases: readonly Case286[];
}

/** Opcodes with the status of a documented instruction. */
const DOCUMENTED = ['normal', 'alias'];
/** CF, PF, AF, ZF, SF, TF, IF, DF, OF. */
const FLAGS_MASK = 0x0fd5;

/** Reads the files of all documented opcodes, one by one. */
export function* documentedFiles(folder: string): Generator<File286> {
  const metadata = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8')) as {
    readonly opcodes: Readonly<Record<string, OpcodeFacts>>;
  };
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.json.gz'))) {
    const opcode = name.slice(0, -'.json.gz'.length);
    const [byte, digit] = opcode.split('.');
    const outer = metadata.opcodes[byte];
    const facts = digit === undefined ? outer : outer?.reg?.[digit];
    if (facts?.status === undefined || !DOCUMENTED.includes(facts.status)) continue;
    const cases = JSON.parse(gunzipSync(readFileSync(join(folder, name))).toString()) as Case286[];
    const flagsMask = FLAGS_MASK & (facts['flags-mask'] ?? 0xffff);
    yield { opcode, flagsMask, cases: cases.filter((test) => isComparable(test, opcode)) };
  }
}

/** IN and INS, whose values come from outside. */
const INPUT_OPCODES = ['E4', 'E5', 'EC', 'ED', '6C', '6D'];
const LOCK = 0xf0;
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3];

/** Later processors refuse most uses of LOCK, and allow longer instructions than the ten bytes of the 80286 (guests.md). */
function isComparable({ bytes }: Case286, opcode: string): boolean {
  const prefixes = bytes.findIndex((byte) => !PREFIXES.includes(byte) && byte !== LOCK);
  const hasLock = bytes.slice(0, prefixes).includes(LOCK);
  return !hasLock && bytes.length - 1 <= 10 && !INPUT_OPCODES.includes(opcode);
}

const RAM_BYTES = 2 << 20;
const REAL_MODE_RIGHTS = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed;
/** More than any case takes; REP iterations count. */
const MOST_INSTRUCTIONS = 1000;

/** Ports read as ones, as on a bus without devices. */
const OPEN_BUS: CpuEnvironment = { ...NO_DEVICES, portRead: (_port, bytes) => 2 ** (8 * bytes) - 1 };

/** A machine with 2 MiB of flat RAM. */
export class Machine286 {
  readonly #vcpu: Vcpu;
  readonly #ram: Uint8Array;
  readonly #expected = new Uint8Array(RAM_BYTES);

  constructor() {
    const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], 64 << 20);
    const memory = new WebAssembly.Memory({ initial: layout.wasmPages, maximum: layout.wasmPages });
    const machine = { memory, layout, shared: false, memory64: false, maximumPages: layout.wasmPages };
    this.#vcpu = new Vcpu(machine, OPEN_BUS, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
    this.#ram = new Uint8Array(memory.buffer, layout.ram, RAM_BYTES);
  }

  /** Runs a case. @returns what differs, in words; empty where nothing does */
  run(test: Case286, flagsMask: number): string[] {
    const { initial, final } = test;
    this.#fill(initial.ram);
    for (const [address, value] of [...initial.ram, ...final.ram]) this.#expected[address] = value;
    this.#start(initial.regs);
    const exit = this.#vcpu.run(MOST_INSTRUCTIONS);
    const wanted = { ...initial.regs, ...final.regs };
    const found = exit.kind === 'halted' ? this.#compareRegisters(wanted, flagsMask) : [`ended with ${exit.kind}`];
    found.push(...this.#compareRam(test, flagsMask));
    this.#clear([...initial.ram, ...final.ram]);
    return found;
  }

  #fill(ram: Ram): void {
    for (const [address, value] of ram) {
      this.#vcpu.engine.invalidateCode(address, 1);
      this.#ram[address] = value;
    }
  }

  /** Back to zeros everywhere. */
  #clear(touched: Ram): void {
    this.#fill(touched.map(([address]) => [address, 0]));
    for (const [address] of touched) this.#expected[address] = 0;
    if (Buffer.compare(this.#ram, this.#expected) === 0) return;
    this.#vcpu.engine.invalidateCode(0, RAM_BYTES);
    this.#ram.fill(0);
  }

  #start(regs: Case286['initial']['regs']): void {
    const { state } = this.#vcpu;
    this.#vcpu.reset();
    for (const [index, name] of REGISTERS.entries()) state.setGpr(index, BigInt(regs[name]));
    for (const [name, index] of SEGMENTS) setRealSegment(state, index, regs[name]);
    state.eflags = (regs.flags & FLAGS_MASK) | 2;
    state.setU64(STATE.rip, BigInt(regs.ip));
    this.#vcpu.contextChanged();
  }

  #compareRegisters(wanted: Readonly<Record<RegisterName, number>>, flagsMask: number): string[] {
    const { state } = this.#vcpu;
    const got: Partial<Record<RegisterName, number>> = { ip: state.low(STATE.rip) & 0xffff };
    for (const [index, name] of REGISTERS.entries()) got[name] = state.gpr32(index);
    for (const [name, index] of SEGMENTS) got[name] = state.segment(index).selector;
    const found = Object.entries(got)
      .filter(([name, value]) => wanted[name as RegisterName] !== value)
      .map(([name, value]) => `${name} ${value} instead of ${wanted[name as RegisterName]}`);
    const flags = (state.eflags ^ wanted.flags) & flagsMask;
    return flags === 0 ? found : [...found, `flags differ in ${flags.toString(16)}`];
  }

  /** Flags that an exception has pushed are compared under the mask; after a divide error not at all (guests.md). */
  #compareRam({ exception, initial, final }: Case286, flagsMask: number): string[] {
    if (exception !== undefined) {
      const mask = exception.number === 0 ? 0 : flagsMask;
      const { ss, sp } = { ...initial.regs, ...final.regs };
      for (const [at, shift] of [4, 5].map((n) => [ss * 16 + ((sp + n) & 0xffff), 8 * (n - 4)])) {
        const ignored = ~(mask >> shift) & 0xff;
        this.#expected[at] = (this.#expected[at] & ~ignored) | (this.#ram[at] & ignored);
      }
    }
    if (Buffer.compare(this.#ram, this.#expected) === 0) return [];
    const at = this.#ram.findIndex((byte, address) => byte !== this.#expected[address]);
    return [`memory at ${at} is ${this.#ram[at]} instead of ${this.#expected[at]}`];
  }
}

function setRealSegment(state: CpuState, index: number, selector: number): void {
  state.setSegment(index, { selector, base: BigInt(selector * 16), limit: 0xffff, rights: REAL_MODE_RIGHTS });
}
