import { ARCH_CAPABILITIES, PHYSICAL_BITS } from '../../isa/cpuid.ts';
import type { Field } from '../../isa/layout.ts';
import { CR0, EFER, SEG, STATE } from '../../isa/registers.ts';
import { generalProtection, isCanonical, type SystemContext, segmentBase } from './context.ts';
import { updateLongModeActive } from './control-registers.ts';
import { MSR, VARIABLE_RANGES } from './msr-numbers.ts';

/** How RDMSR and WRMSR treat a register. A missing direction, and a value that is refused, is #GP(0). */
interface MsrRule {
  readonly read?: (cpu: SystemContext) => bigint;
  /** @returns false where the value is refused */
  readonly write?: (cpu: SystemContext, value: bigint) => boolean;
}

type Check = (value: bigint) => boolean;

const PHYSICAL_LIMIT = 1n << BigInt(PHYSICAL_BITS);
const anyValue: Check = () => true;
/** Only bits of `mask` may be set. */
const within =
  (mask: bigint): Check =>
  (value) =>
    (value & ~mask) === 0n;
const low32 = within(0xffffffffn);

/** A register of the state block. */
function inState(field: Field, check: Check): MsrRule {
  return {
    read: ({ state }) => state.u64(field),
    write: ({ state }, value) => {
      if (!check(value)) return false;
      state.setU64(field, value);
      return true;
    },
  };
}

/** A register that is only stored. */
function stored(index: number, check: Check): MsrRule {
  return {
    read: ({ msrs }) => msrs.get(index),
    write: ({ msrs }, value) => {
      if (!check(value)) return false;
      msrs.set(index, value);
      return true;
    },
  };
}

function constant(value: bigint): MsrRule {
  return { read: () => value };
}

/** Reads as `value`; what is written changes nothing. */
function ignored(value: bigint): MsrRule {
  return { read: () => value, write: () => true };
}

function ofApic(index: number): MsrRule {
  return {
    read: ({ port }) => port.apicRead(index) ?? refuse(),
    write: ({ port }, value) => port.apicWrite(index, value),
  };
}

function segmentBaseRule(segment: number): MsrRule {
  return {
    read: ({ state }) => segmentBase(state, segment),
    write: ({ state }, value) => {
      if (!isCanonical(value)) return false;
      state.setSegment(segment, { ...state.segment(segment), base: value });
      return true;
    },
  };
}

function refuse(): never {
  throw generalProtection();
}

/** Memory types that PAT and MTRRs may name (SDM 3A, table 11-2); PAT also has UC-. */
const MTRR_TYPES: readonly bigint[] = [0n, 1n, 4n, 5n, 6n];
const PAT_TYPES: readonly bigint[] = [...MTRR_TYPES, 7n];

/** Every byte is one of `types`. */
function typesIn(types: readonly bigint[]): Check {
  return (value) =>
    Array.from({ length: 8 }, (_, byte) => (value >> BigInt(8 * byte)) & 0xffn).every((t) => types.includes(t));
}

const isVariableBase: Check = (value) =>
  value < PHYSICAL_LIMIT && (value & 0xf00n) === 0n && MTRR_TYPES.includes(value & 0xffn);
const isVariableMask: Check = (value) => value < PHYSICAL_LIMIT && (value & 0x7ffn) === 0n;
const isDefaultType: Check = (value) => within(0xcffn)(value) && MTRR_TYPES.includes(value & 0xffn);

/** EFER (SDM 4; SDM 3A, 2.2.1): LMA is read only, LME does not change while paging is on. */
function writeEfer(cpu: SystemContext, value: bigint): boolean {
  const { state } = cpu;
  const old = state.u64(STATE.efer);
  const known = BigInt(EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE);
  if (value & ~known) return false;
  const changed = old ^ value;
  if (changed & BigInt(EFER.LME) && state.u64(STATE.cr0) & BigInt(CR0.PG)) return false;
  state.setU64(STATE.efer, value);
  updateLongModeActive(state);
  if (changed & BigInt(EFER.NXE)) cpu.port.flushTlb('all');
  cpu.port.contextChanged();
  return true;
}

function writeTsc({ port, msrs }: SystemContext, value: bigint): boolean {
  adjustBy(msrs, value - port.tsc());
  port.setTsc(value);
  return true;
}

/** A write to TSC_ADJUST moves the counter by as much (SDM 3B, 18.17.3). */
function writeTscAdjust({ port, msrs }: SystemContext, value: bigint): boolean {
  port.setTsc(BigInt.asUintN(64, port.tsc() + value - msrs.get(MSR.TSC_ADJUST)));
  msrs.set(MSR.TSC_ADJUST, value);
  return true;
}

function adjustBy(msrs: SystemContext['msrs'], ticks: bigint): void {
  msrs.set(MSR.TSC_ADJUST, BigInt.asUintN(64, msrs.get(MSR.TSC_ADJUST) + ticks));
}

/** Multiples of 100 MHz: the ratio of the TSC, where platform information has it. */
function clockRatio({ options }: SystemContext): bigint {
  return BigInt(Math.round(options.tscHz / 1e8)) << 8n;
}

/** What MISC_ENABLE lets be changed: fast strings, thermal control, SpeedStep, MONITOR, CPUID limit, xTPR, XD disable. */
const MISC_ENABLE_WRITABLE = 0x4_00c5_1809n;

const RULES = new Map<number, MsrRule>([
  [MSR.P5_MC_ADDR, ignored(0n)],
  [MSR.P5_MC_TYPE, ignored(0n)],
  [MSR.TSC, { read: ({ port }) => port.tsc(), write: writeTsc }],
  [MSR.PLATFORM_ID, constant(0n)],
  [MSR.APIC_BASE, ofApic(MSR.APIC_BASE)],
  [MSR.TSC_ADJUST, { read: ({ msrs }) => msrs.get(MSR.TSC_ADJUST), write: writeTscAdjust }],
  [MSR.SPEC_CTRL, stored(MSR.SPEC_CTRL, within(7n))],
  [MSR.PRED_CMD, { write: (_cpu, value) => within(1n)(value) }],
  [MSR.BIOS_UPDT_TRIG, { write: () => true }],
  // Microcode revision 1, in the upper half.
  [MSR.BIOS_SIGN_ID, ignored(1n << 32n)],
  [MSR.PLATFORM_INFO, { read: clockRatio }],
  // Eight variable ranges, fixed ranges, write combining.
  [MSR.MTRRCAP, constant(BigInt(VARIABLE_RANGES | (1 << 8) | (1 << 10)))],
  [MSR.ARCH_CAPABILITIES, constant(ARCH_CAPABILITIES)],
  [MSR.SYSENTER_CS, inState(STATE.sysenterCs, low32)],
  [MSR.SYSENTER_ESP, inState(STATE.sysenterEsp, isCanonical)],
  [MSR.SYSENTER_EIP, inState(STATE.sysenterEip, isCanonical)],
  [MSR.MCG_CAP, constant(0n)],
  [MSR.MCG_STATUS, stored(MSR.MCG_STATUS, within(7n))],
  [MSR.PERF_STATUS, { read: clockRatio }],
  [MSR.MISC_ENABLE, stored(MSR.MISC_ENABLE, within(MISC_ENABLE_WRITABLE))],
  [MSR.DEBUGCTL, stored(MSR.DEBUGCTL, within(0n))],
  [MSR.LAST_BRANCH_FROM, constant(0n)],
  [MSR.LAST_BRANCH_TO, constant(0n)],
  [MSR.LAST_INT_FROM, constant(0n)],
  [MSR.LAST_INT_TO, constant(0n)],
  ...Array.from({ length: VARIABLE_RANGES }, (_, index): [number, MsrRule][] => {
    const base = MSR.MTRR_PHYSBASE0 + 2 * index;
    return [
      [base, stored(base, isVariableBase)],
      [base + 1, stored(base + 1, isVariableMask)],
    ];
  }).flat(),
  ...[MSR.MTRR_FIX64K_00000, MSR.MTRR_FIX16K_80000, MSR.MTRR_FIX16K_A0000].map((index): [number, MsrRule] => [
    index,
    stored(index, typesIn(MTRR_TYPES)),
  ]),
  ...Array.from({ length: 8 }, (_, offset): [number, MsrRule] => {
    const index = MSR.MTRR_FIX4K_C0000 + offset;
    return [index, stored(index, typesIn(MTRR_TYPES))];
  }),
  [MSR.PAT, inState(STATE.pat, typesIn(PAT_TYPES))],
  [MSR.MTRR_DEF_TYPE, stored(MSR.MTRR_DEF_TYPE, isDefaultType)],
  [MSR.TSC_DEADLINE, ofApic(MSR.TSC_DEADLINE)],
  [MSR.EFER, { read: ({ state }) => state.u64(STATE.efer), write: writeEfer }],
  [MSR.STAR, inState(STATE.star, anyValue)],
  [MSR.LSTAR, inState(STATE.lstar, isCanonical)],
  [MSR.CSTAR, inState(STATE.cstar, isCanonical)],
  [MSR.FMASK, inState(STATE.sfmask, low32)],
  [MSR.FS_BASE, segmentBaseRule(SEG.FS)],
  [MSR.GS_BASE, segmentBaseRule(SEG.GS)],
  [MSR.KERNEL_GS_BASE, inState(STATE.kernelGsBase, isCanonical)],
  [MSR.TSC_AUX, inState(STATE.tscAux, low32)],
]);

function ruleOf(index: number): MsrRule | undefined {
  if (index >= MSR.X2APIC_FIRST && index <= MSR.X2APIC_LAST) return ofApic(index);
  return RULES.get(index);
}

/** RDMSR. @throws {GuestFault} #GP(0) where there is no such register */
export function readMsr(cpu: SystemContext, index: number): bigint {
  return ruleOf(index)?.read?.(cpu) ?? refuse();
}

/** WRMSR. @throws {GuestFault} #GP(0) where there is no such register, or the value is refused */
export function writeMsr(cpu: SystemContext, index: number, value: bigint): void {
  if (!ruleOf(index)?.write?.(cpu, value)) refuse();
}
