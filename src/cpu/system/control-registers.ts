import { PHYSICAL_BITS } from '../../isa/cpuid.ts';
import { CR0, CR4, EFER, RIGHTS, SEG, STATE } from '../../isa/registers.ts';
import type { CpuState } from '../state.ts';
import { generalProtection, is64BitCode, isLongMode, type SystemContext, segmentRights } from './context.ts';
import { CR8_AS_MSR } from './port.ts';

const PG = BigInt(CR0.PG);
/** Bits of CR0 that exist. Others below bit 32 are ignored, those above raise #GP (SDM 3A, 2.5). */
const CR0_BITS = PG | BigInt(CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD);
/** Bits of CR0 whose change makes translations stale. */
const CR0_PAGING = PG | BigInt(CR0.WP | CR0.PE);
/** Bits of CR0 whose change loads PAE's page-directory pointers (SDM 3A, 4.4.1). */
const CR0_LOADS_POINTERS = PG | BigInt(CR0.CD | CR0.NW);

/** Bits of CR4 that CPUID offers; others raise #GP. */
const CR4_BITS = BigInt(Object.values(CR4).reduce((all, bit) => all | bit, 0));
/** Bits of CR4 whose change makes all translations stale. */
const CR4_PAGING = BigInt(CR4.PSE | CR4.PAE | CR4.PGE | CR4.PCIDE | CR4.SMEP | CR4.SMAP);
/** Bits of CR4 whose change loads PAE's page-directory pointers. */
const CR4_LOADS_POINTERS = BigInt(CR4.PSE | CR4.PAE | CR4.PGE | CR4.SMEP);

/** Bit 63 of the value moved to CR3: with PCIDs, translations are kept. */
const CR3_NO_FLUSH = 1n << 63n;
const PHYSICAL_MASK = (1n << BigInt(PHYSICAL_BITS)) - 1n;
/** What must be zero in a PAE page-directory-pointer entry that is present (SDM 3A, table 4-8). */
const PDPTE_RESERVED = ~PHYSICAL_MASK | 0x1e6n;

const POINTER_FIELDS = [STATE.pdpte0, STATE.pdpte1, STATE.pdpte2, STATE.pdpte3] as const;

/** MOV to a control register. @throws {GuestFault} #GP(0) for what the manual forbids (SDM 2, MOV CR) */
export function writeControlRegister(cpu: SystemContext, number: number, value: bigint): void {
  if (number === 0) writeCr0(cpu, value);
  else if (number === 2) cpu.state.setU64(STATE.cr2, value);
  else if (number === 3) writeCr3(cpu, value);
  else if (number === 4) writeCr4(cpu, value);
  else writeCr8(cpu, value);
}

/** LMSW: PE, MP, EM and TS of CR0; PE can be set only. */
export function loadMachineStatus(cpu: SystemContext, value: number): void {
  const cr0 = cpu.state.u64(STATE.cr0);
  writeCr0(cpu, (cr0 & ~0xen) | BigInt(value & 0xf));
}

function writeCr0(cpu: SystemContext, requested: bigint): void {
  const { state } = cpu;
  if (requested >> 32n) throw generalProtection();
  const old = state.u64(STATE.cr0);
  const value = (requested & CR0_BITS) | BigInt(CR0.ET);
  checkCr0(state, old, value);
  const changed = old ^ value;
  if (changed & CR0_LOADS_POINTERS && value & PG && usesPagePointers(state, value, state.u64(STATE.cr4))) {
    loadPagePointers(cpu, state.u64(STATE.cr3));
  }
  state.setU64(STATE.cr0, value);
  updateLongModeActive(state);
  if (changed & CR0_PAGING) cpu.port.flushTlb('all');
  cpu.port.contextChanged();
}

/** @throws {GuestFault} #GP(0) for combinations that do not exist (SDM 2, MOV CR; SDM 3A, 9.8.5) */
function checkCr0(state: CpuState, old: bigint, value: bigint): void {
  const bits = Number(value);
  const paging = (value & PG) !== 0n;
  if (paging && (bits & CR0.PE) === 0) throw generalProtection();
  if ((bits & CR0.NW) !== 0 && (bits & CR0.CD) === 0) throw generalProtection();
  if (paging && (old & PG) === 0n) checkPagingOn(state);
  if (!paging && (old & PG) !== 0n) checkPagingOff(state);
}

function checkPagingOn(state: CpuState): void {
  if ((state.low(STATE.efer) & EFER.LME) === 0) return;
  if ((state.low(STATE.cr4) & CR4.PAE) === 0) throw generalProtection();
  if (segmentRights(state, SEG.CS) & RIGHTS.long) throw generalProtection();
}

function checkPagingOff(state: CpuState): void {
  if (is64BitCode(state) || (state.low(STATE.cr4) & CR4.PCIDE) !== 0) throw generalProtection();
}

/** EFER.LMA follows from LME and paging. */
export function updateLongModeActive(state: CpuState): void {
  const efer = state.u64(STATE.efer);
  const active = (state.u64(STATE.cr0) & PG) !== 0n && (efer & BigInt(EFER.LME)) !== 0n;
  state.setU64(STATE.efer, active ? efer | BigInt(EFER.LMA) : efer & ~BigInt(EFER.LMA));
}

function writeCr3(cpu: SystemContext, value: bigint): void {
  const { state } = cpu;
  const hasPcids = (state.low(STATE.cr4) & CR4.PCIDE) !== 0;
  const address = hasPcids ? value & ~CR3_NO_FLUSH : value;
  if (isLongMode(state) && address & ~PHYSICAL_MASK) throw generalProtection();
  loadPageDirectory(cpu, address);
}

/** Makes `value` the root of translation, as MOV to CR3 and a task switch do. @throws {GuestFault} #GP(0) for a bad PAE pointer */
export function loadPageDirectory(cpu: SystemContext, value: bigint): void {
  const { state } = cpu;
  if (usesPagePointers(state, state.u64(STATE.cr0), state.u64(STATE.cr4))) loadPagePointers(cpu, value);
  state.setU64(STATE.cr3, value);
  cpu.port.flushTlb('notGlobal');
  cpu.port.contextChanged();
}

/** PAE paging outside IA-32e mode, with these values of CR0 and CR4. */
function usesPagePointers(state: CpuState, cr0: bigint, cr4: bigint): boolean {
  const long = (state.low(STATE.efer) & EFER.LME) !== 0;
  return (cr0 & PG) !== 0n && (cr4 & BigInt(CR4.PAE)) !== 0n && !long;
}

/** Loads the four PAE pointers from the table at CR3. @throws {GuestFault} #GP(0) for reserved bits */
function loadPagePointers(cpu: SystemContext, cr3: bigint): void {
  const table = Number(cr3 & 0xffffffe0n);
  const entries = POINTER_FIELDS.map((_, index) => cpu.port.loadPhysical(table + 8 * index, 8));
  if (entries.some((entry) => entry & 1n && entry & PDPTE_RESERVED)) throw generalProtection();
  for (const [index, field] of POINTER_FIELDS.entries()) cpu.state.setU64(field, entries[index]);
}

function writeCr4(cpu: SystemContext, value: bigint): void {
  const { state } = cpu;
  const old = state.u64(STATE.cr4);
  if (value & ~CR4_BITS) throw generalProtection();
  checkCr4(state, old, Number(value));
  const changed = old ^ value;
  if (changed & CR4_LOADS_POINTERS && usesPagePointers(state, state.u64(STATE.cr0), value)) {
    loadPagePointers(cpu, state.u64(STATE.cr3));
  }
  state.setU64(STATE.cr4, value);
  if (changed & CR4_PAGING) cpu.port.flushTlb('all');
  cpu.port.contextChanged();
}

/** @throws {GuestFault} #GP(0): no IA-32e mode without PAE, no PCIDs outside it or with a used CR3 (SDM 3A, 4.10.1) */
function checkCr4(state: CpuState, old: bigint, value: number): void {
  const long = isLongMode(state);
  if (long && (value & CR4.PAE) === 0) throw generalProtection();
  const turnsPcidsOn = (value & CR4.PCIDE) !== 0 && (Number(old) & CR4.PCIDE) === 0;
  if (turnsPcidsOn && (!long || (state.low(STATE.cr3) & 0xfff) !== 0)) throw generalProtection();
}

/** CR8: the task priority. */
export function readCr8(cpu: SystemContext): bigint {
  return cpu.port.apicRead(CR8_AS_MSR) ?? 0n;
}

function writeCr8(cpu: SystemContext, value: bigint): void {
  if (value >> 4n) throw generalProtection();
  cpu.port.apicWrite(CR8_AS_MSR, value);
}

/** XSETBV: x87 state cannot be turned off; no state beyond SSE exists. @throws {GuestFault} #GP(0) */
export function writeExtendedControl(cpu: SystemContext, register: number, value: bigint): void {
  if (register !== 0 || (value & 1n) === 0n || value & ~3n) throw generalProtection();
  cpu.state.setU64(STATE.xcr0, value);
  cpu.port.contextChanged();
}
