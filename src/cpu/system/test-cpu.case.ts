import { CR0, EFER, FLAG, SEG, STATE, STATE_BYTES, VECTOR_OF } from '../../isa/registers.ts';
import { CpuState } from '../state.ts';
import { SystemHelpers } from './helpers.ts';
import { GuestFault, GuestPageIn, type PortItem, type Privilege, type SystemPort } from './port.ts';

const PAGE = 0x1000n;

/** For tests: a world of 1 MiB where linear is physical memory, with pages that fault, and a record of what was asked. */
export class FakePort implements SystemPort {
  readonly state: CpuState;
  readonly memory = new DataView(new ArrayBuffer(0x100000));
  readonly apicId = 0;
  /** Pages (by number) without translation, without the right to write, and not brought in yet. */
  readonly notMapped = new Set<number>();
  readonly readOnly = new Set<number>();
  readonly absent = new Set<number>();
  /** What was called besides memory. */
  readonly log: string[] = [];
  readonly apic = new Map<number, bigint>([[0x1b, 0xfee00900n]]);
  time = 0n;

  constructor() {
    const block = new ArrayBuffer(STATE_BYTES);
    this.state = new CpuState(block, 0);
  }

  load(address: bigint, bytes: 1 | 2 | 4 | 8, privilege: Privilege): bigint {
    const at = this.#touch(address, bytes, false, privilege);
    let value = 0n;
    for (let index = bytes - 1; index >= 0; index--) value = (value << 8n) | BigInt(this.memory.getUint8(at + index));
    return value;
  }

  store(address: bigint, bytes: 1 | 2 | 4 | 8, value: bigint, privilege: Privilege): void {
    const at = this.#touch(address, bytes, true, privilege);
    if (value >> BigInt(8 * bytes)) throw new Error(`0x${value.toString(16)} has more than ${bytes} bytes`);
    for (let index = 0; index < bytes; index++) {
      this.memory.setUint8(at + index, Number((value >> BigInt(8 * index)) & 0xffn));
    }
  }

  deliverQuickly(): boolean {
    return false;
  }

  storeAll(items: readonly PortItem[], bytes: 2 | 4 | 8, privilege: Privilege): void {
    for (const { address } of items) this.probeWrite(address, bytes, privilege);
    for (const { address, value } of items) this.store(address, bytes, value, privilege);
  }

  probeWrite(address: bigint, bytes: number, privilege: Privilege): void {
    this.#touch(address, bytes, true, privilege);
  }

  #touch(address: bigint, bytes: number, write: boolean, privilege: Privilege): number {
    for (let page = address / PAGE; page <= (address + BigInt(bytes - 1)) / PAGE; page++) {
      const number = Number(page);
      if (this.absent.has(number)) throw new GuestPageIn(number * 4096);
      const missing = this.notMapped.has(number) || number >= 256;
      if (missing || (write && this.readOnly.has(number))) {
        this.state.setU64(STATE.faultAddress, page === address / PAGE ? address : page * PAGE);
        const user = privilege === 'current' && this.state.u32(STATE.cpl) === 3;
        throw new GuestFault(VECTOR_OF.PF, (missing ? 0 : 1) | (write ? 2 : 0) | (user ? 4 : 0));
      }
    }
    return Number(address);
  }

  loadPhysical(gpa: number, bytes: 4 | 8): bigint {
    return this.load(BigInt(gpa), bytes, 'system');
  }
  flushTlb(what: string): void {
    this.log.push(`flush ${what}`);
  }
  invalidatePage(address: bigint): void {
    this.log.push(`invlpg ${address}`);
  }
  contextChanged(): void {
    this.#knownContext = this.context();
  }

  #knownContext = '';

  /** What engines must hear of when it changes. */
  context(): string {
    const { state } = this;
    const segments = [SEG.CS, SEG.SS, SEG.DS, SEG.ES].map((index) => state.segment(index));
    const derived = segments.map(({ base, limit, rights }) => `${base} ${limit} ${rights}`);
    const flags = state.u32(STATE.eflags) & (FLAG.VM | FLAG.AC);
    const control = [STATE.cr0, STATE.cr4, STATE.efer].map((field) => state.u64(field));
    return [...derived, state.u32(STATE.cpl), flags, ...control].join(' ');
  }

  /** @throws Error where the context has changed and nobody was told */
  checkContext(): void {
    if (this.#knownContext !== this.context()) throw new Error('the context changed without notice');
  }

  pause(): void {
    this.log.push('pause');
  }
  monitor(address: bigint): void {
    this.log.push(`monitor ${address}`);
  }

  requestEvent(): void {
    this.log.push('event');
  }
  tsc(): bigint {
    return this.time;
  }
  setTsc(value: bigint): void {
    this.time = value;
  }
  portReadMany(): number {
    return 0;
  }
  portWriteMany(): number {
    return 0;
  }
  portRead(port: number, bytes: number): number {
    this.log.push(`in ${port} ${bytes}`);
    return 0x12345678;
  }
  portWrite(port: number, bytes: number, value: number): void {
    this.log.push(`out ${port} ${bytes} ${value}`);
  }
  apicRead(msr: number): bigint | undefined {
    return this.apic.get(msr);
  }
  apicWrite(msr: number, value: bigint): boolean {
    if (!this.apic.has(msr)) return false;
    this.apic.set(msr, value);
    return true;
  }
  random(): bigint {
    return 7n;
  }
}

/** Where {@link TestCpu} has its tables. */
export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const LDT = 0x4000;

/** Access bytes of descriptors: present, level 0 unless a level is added by {@link atLevel}. */
export const ACCESS = { code: 0x9b, conforming: 0x9f, data: 0x93, executeOnly: 0x99, readOnly: 0x91 } as const;

/** An access byte with a descriptor privilege level. */
export function atLevel(access: number, level: number): number {
  return (access & ~0x60) | (level << 5);
}

/** A descriptor to be put in a table. */
export interface TestDescriptor {
  readonly access: number;
  readonly base?: number;
  readonly limit?: number;
  /** G, D/B, L, AVL. Default: 4 GiB limit granularity off, 32-bit. */
  readonly flags?: number;
}

/** For tests: a processor with tables to fill. */
export class TestCpu {
  readonly port = new FakePort();
  readonly state: CpuState = this.port.state;
  readonly helpers = new SystemHelpers(this.port, { tscHz: 1e9, apicTimerHz: 1e9 });
  readonly context = this.helpers.context;

  constructor() {
    this.helpers.reset();
    this.state.setU64(STATE.gdtrBase, BigInt(GDT));
    this.state.setU32(STATE.gdtrLimit, 0x3ff);
    this.state.setU64(STATE.idtrBase, BigInt(IDT));
    this.state.setU32(STATE.idtrLimit, 0xfff);
    this.port.log.length = 0;
  }

  /** Protected mode at `cpl` with flat 32-bit segments, not those of the table; ESP is 0x8000, EIP 0x5000. */
  protect(cpl = 0): this {
    this.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.ET | CR0.NE));
    this.setFlat(cpl, 0xc09b);
    return this;
  }

  /** 64-bit mode at `cpl`. */
  long(cpl = 0): this {
    this.state.setU64(STATE.cr0, BigInt(CR0.PG) | BigInt(CR0.PE | CR0.ET | CR0.NE));
    this.state.setU64(STATE.cr4, 0x20n);
    this.state.setU64(STATE.efer, BigInt(EFER.LMA | EFER.LME));
    this.setFlat(cpl, 0xa09b);
    return this;
  }

  setFlat(cpl: number, codeRights: number): void {
    const level = cpl << 5;
    const segment = (index: number, selector: number, rights: number) =>
      this.state.setSegment(index, { selector, base: 0n, limit: 0xffffffff, rights: rights | level });
    segment(SEG.CS, 8 | cpl, codeRights);
    for (const index of [SEG.SS, SEG.DS, SEG.ES, SEG.FS, SEG.GS]) segment(index, 16 | cpl, 0xc093);
    this.state.setU32(STATE.cpl, cpl);
    this.state.setGpr(4, 0x8000n);
    this.state.setU64(STATE.rip, 0x5000n);
  }

  /** Puts a descriptor in the GDT (or the LDT for a selector with TI). */
  describe(selector: number, { access, base = 0, limit = 0xfffff, flags = 0xc }: TestDescriptor): this {
    const at = (selector & 4 ? LDT : GDT) + (selector & 0xfff8);
    const low = (limit & 0xffff) | ((base & 0xffff) << 16);
    const high = ((base >> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20) | (base & 0xff000000);
    this.port.memory.setUint32(at, low >>> 0, true);
    this.port.memory.setUint32(at + 4, high >>> 0, true);
    return this;
  }

  /** Puts a gate in the GDT or IDT at a linear address. @param count parameters, or an interrupt stack */
  gate(at: number, access: number, selector: number, offset: number, count = 0): this {
    this.port.memory.setUint32(at, (selector << 16) | (offset & 0xffff), true);
    this.port.memory.setUint32(at + 4, ((offset & 0xffff0000) | (access << 8) | count) >>> 0, true);
    return this;
  }

  /** The 32-bit words on the stack from the top, or the 16- or 64-bit ones. */
  stack(count: number, bytes: 2 | 4 | 8 = 4): number[] {
    const base = this.state.segment(SEG.SS).base;
    return Array.from({ length: count }, (_, index) =>
      Number(this.port.load(base + this.state.gpr(4) + BigInt(index * bytes), bytes, 'system')),
    );
  }

  /** Puts items on the stack, the first on top. */
  push(items: readonly number[], bytes: 2 | 4 | 8 = 4): this {
    const top = this.state.gpr(4) - BigInt(items.length * bytes);
    this.state.setGpr(4, top);
    for (const [index, item] of items.entries()) this.write(Number(top) + index * bytes, BigInt(item), bytes);
    return this;
  }

  write(at: number, value: bigint, bytes: 1 | 2 | 4 | 8): this {
    this.port.store(BigInt(at), bytes, BigInt.asUintN(8 * bytes, value), 'system');
    return this;
  }

  read(at: number, bytes: 1 | 2 | 4 | 8): number {
    return Number(this.port.load(BigInt(at), bytes, 'system'));
  }

  selector(index: number): number {
    return this.state.segment(index).selector;
  }

  get rip(): number {
    return Number(this.state.u64(STATE.rip));
  }

  /** What a call faults with, as "#vector(error)"; "" when it does not. */
  fault(action: () => unknown): string {
    this.port.contextChanged();
    try {
      action();
      this.port.checkContext();
      return '';
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      const name = Object.entries(VECTOR_OF).find(([, vector]) => vector === error.vector)?.[0];
      return `#${name}(${error.errorCode.toString(16)})`;
    }
  }

  /** As {@link fault}, and checks that the state block has not changed (what the fault itself records apart). */
  faultUnchanged(action: () => unknown): string {
    const block = () => new Uint8Array(this.state.view.buffer.slice(0) as ArrayBuffer);
    const before = block();
    const result = this.fault(action);
    const after = block();
    const ignored = STATE.faultAddress.offset;
    for (let at = 0; at < before.length; at++) {
      if (before[at] !== after[at] && (at < ignored || at >= ignored + 8)) return `${result}, state changed at ${at}`;
    }
    return result;
  }
}
