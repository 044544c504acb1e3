import { SIGNATURE } from '../../isa/cpuid.ts';
import type { Field } from '../../isa/layout.ts';
import { CR0, CR4, EFER, MASK, RIGHTS, SEG, STATE, VECTOR, X87 } from '../../isa/registers.ts';
import type { CpuState, SegmentValue } from '../state.ts';
import type { SystemContext } from './context.ts';
import { DR6_FIXED, DR7_FIXED } from './debug.ts';
import { MSR } from './msr-numbers.ts';

const RDX = 2;
const CACHES_OFF = BigInt(CR0.CD | CR0.NW);
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
/** Write-back, write-through, UC-, uncached, twice (SDM 3A, table 11-12). */
const PAT_RESET = 0x0007_0406_0007_0406n;

/** 64-bit registers that are not zero after INIT (SDM 3A, table 9-1). */
const INIT_64: readonly (readonly [Field, bigint])[] = [
  [STATE.rip, 0xfff0n],
  [STATE.dr6, DR6_FIXED],
  [STATE.dr7, DR7_FIXED],
];
/** Those that INIT leaves as they are. */
const RESET_64: readonly (readonly [Field, bigint])[] = [
  [STATE.cr0, CACHES_OFF | BigInt(CR0.ET)],
  [STATE.xcr0, 1n],
  [STATE.pat, PAT_RESET],
  [STATE.a20Mask, ALL_ONES],
];

/** 32-bit registers that are not zero after INIT. */
const INIT_32: readonly (readonly [Field, number])[] = [
  [STATE.gdtrLimit, 0xffff],
  [STATE.idtrLimit, 0xffff],
];
/** Those of the x87 and SSE, which INIT leaves as they are. */
const RESET_32: readonly (readonly [Field, number])[] = [
  [STATE.mxcsr, 0x1f80],
  [STATE.fcw, 0x40],
  // The tag word is 5555h: every register holds zero.
  [STATE.ftw, 0xff],
];

const ZERO_64: readonly Field[] = [
  STATE.gdtrBase,
  STATE.idtrBase,
  STATE.cr2,
  STATE.cr3,
  STATE.cr4,
  STATE.efer,
  STATE.dr0,
  STATE.dr1,
  STATE.dr2,
  STATE.dr3,
  STATE.pdpte0,
  STATE.pdpte1,
  STATE.pdpte2,
  STATE.pdpte3,
];
const RESET_ZERO_64: readonly Field[] = [
  STATE.star,
  STATE.lstar,
  STATE.cstar,
  STATE.sfmask,
  STATE.kernelGsBase,
  STATE.tscAux,
  STATE.sysenterCs,
  STATE.sysenterEsp,
  STATE.sysenterEip,
  STATE.fip,
  STATE.fdp,
];
const ZERO_32: readonly Field[] = [STATE.cpl, STATE.shadow, STATE.nmiBlocked, STATE.halted];
const RESET_ZERO_32: readonly Field[] = [STATE.fsw, STATE.ferr, STATE.top, STATE.fop, STATE.fcs, STATE.fds];

const DATA = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed;
/** An LDT, and a busy 32-bit TSS. */
const LDT = RIGHTS.present | 2;
const TSS = RIGHTS.present | 11;

function realSegment(selector: number, base: bigint, rights: number): SegmentValue {
  return { selector, base, limit: 0xffff, rights };
}

/** Sets every register as power-on leaves it (SDM 3A, 9.1.1). */
export function powerOn(cpu: SystemContext): void {
  const { state, port } = cpu;
  for (const field of RESET_ZERO_64) state.setU64(field, 0n);
  for (const field of RESET_ZERO_32) state.setU32(field, 0);
  for (const [field, value] of RESET_64) state.setU64(field, value);
  for (const [field, value] of RESET_32) state.setU32(field, value);
  clearFloatingPoint(state);
  cpu.msrs.reset();
  port.setTsc(0n);
  initialise(cpu);
}

/** Sets registers as INIT does: floating-point state, most MSRs and whether caches are on stay (SDM 3A, table 9-1). */
export function initialise(cpu: SystemContext): void {
  const { state, port } = cpu;
  for (let index = 0; index < 16; index++) state.setGpr(index, 0n);
  state.setGpr32(RDX, SIGNATURE);
  for (const field of ZERO_64) state.setU64(field, 0n);
  for (const field of ZERO_32) state.setU32(field, 0);
  for (const [field, value] of INIT_64) state.setU64(field, value);
  for (const [field, value] of INIT_32) state.setU32(field, value);
  state.setU64(STATE.cr0, (state.u64(STATE.cr0) & CACHES_OFF) | BigInt(CR0.ET));
  state.eflags = 2;
  for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) state.setSegment(index, realSegment(0, 0n, DATA));
  state.setSegment(SEG.CS, realSegment(0xf000, 0xffff0000n, DATA));
  state.setSegment(SEG.LDTR, realSegment(0, 0n, LDT));
  state.setSegment(SEG.TR, realSegment(0, 0n, TSS));
  cpu.monitorArmed = false;
  port.flushTlb('all');
  port.contextChanged();
}

/** After INIT: where a start-up IPI lets an application processor begin (SDM 3A, 9.4.4.2). @param vector the page, 0 to 255 */
export function startUp({ state, port }: SystemContext, vector: number): void {
  state.setSegment(SEG.CS, realSegment(vector << 8, BigInt(vector << 12), DATA));
  state.setU64(STATE.rip, 0n);
  port.contextChanged();
}

function clearFloatingPoint({ view }: CpuState): void {
  for (let at = X87; at < X87 + 8 * 16; at++) view.setUint8(at, 0);
  for (let at = VECTOR; at < VECTOR + 32 * 64; at++) view.setUint8(at, 0);
  for (let at = MASK; at < MASK + 8 * 8; at++) view.setUint8(at, 0);
}

/** General registers by their number (0 RAX, 1 RCX, 2 RDX, 3 RBX … 15 R15). */
export type RegisterValues = Readonly<Record<number, bigint>>;

/** How a loader hands over to a program. */
export interface ProtectedEntry {
  /** Linear address of the first instruction. */
  readonly rip: bigint;
  readonly registers: RegisterValues;
  /** Selectors of CS and of the data segments; the loader's descriptor table may hold them. */
  readonly code: number;
  readonly data: number;
  readonly gdt?: { readonly base: bigint; readonly limit: number };
}

export interface LongEntry extends ProtectedEntry {
  /** Guest-physical address of the page tables. */
  readonly cr3: bigint;
}

const FLAT = DATA | RIGHTS.granular;
const CODE_32 = FLAT | RIGHTS.code | RIGHTS.big;
const CODE_64 = FLAT | RIGHTS.code | RIGHTS.long;

/** Memory types as firmware leaves them: write-back, but uncached from 3 to 4 GiB (SDM 3A, 11.11). */
function setMemoryTypes({ msrs }: SystemContext): void {
  const validMask = (1n << 40n) - 0x40000000n;
  msrs.set(MSR.MTRR_PHYSBASE0, 0xc0000000n);
  msrs.set(MSR.MTRR_PHYSBASE0 + 1, validMask | 0x800n);
  msrs.set(MSR.MTRR_DEF_TYPE, 0xc06n);
}

function enterFlat(cpu: SystemContext, entry: ProtectedEntry, codeRights: number): void {
  const { state } = cpu;
  const flat = (selector: number, rights: number) => ({ selector, base: 0n, limit: 0xffffffff, rights });
  for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
    state.setSegment(index, flat(entry.data, FLAT | RIGHTS.big));
  }
  state.setSegment(SEG.CS, flat(entry.code, codeRights));
  if (entry.gdt) {
    state.setU64(STATE.gdtrBase, entry.gdt.base);
    state.setU32(STATE.gdtrLimit, entry.gdt.limit);
  }
  for (let index = 0; index < 16; index++) state.setGpr(index, entry.registers[index] ?? 0n);
  state.setU64(STATE.rip, entry.rip);
  setMemoryTypes(cpu);
}

/** After power-on: flat 32-bit protected mode without paging, interrupts off, as multiboot and Linux's 32-bit boot protocol want. */
export function enterProtected32(cpu: SystemContext, entry: ProtectedEntry): void {
  cpu.state.setU64(STATE.cr0, BigInt(CR0.PE | CR0.ET));
  enterFlat(cpu, entry, CODE_32);
  cpu.port.contextChanged();
}

/** After power-on: 64-bit mode with the loader's page tables, interrupts off, as Linux's 64-bit boot protocol wants. */
export function enterLong64(cpu: SystemContext, entry: LongEntry): void {
  const { state, port } = cpu;
  state.setU64(STATE.cr3, entry.cr3);
  state.setU64(STATE.cr4, BigInt(CR4.PAE));
  state.setU64(STATE.efer, BigInt(EFER.LME | EFER.LMA));
  state.setU64(STATE.cr0, BigInt(CR0.PG) | BigInt(CR0.PE | CR0.ET));
  enterFlat(cpu, entry, CODE_64);
  port.flushTlb('all');
  port.contextChanged();
}
