import { RIGHTS, SEG, STATE } from '../../isa/registers.ts';
import type { SegmentValue } from '../state.ts';
import { isLongMode, type SystemContext, segmentBase, segmentLimit, segmentRights } from './context.ts';

/** Types of system descriptors and gates (SDM 3A, table 3-2). In IA-32e mode those with bit 3 set are the 64-bit ones. */
export const TYPE = {
  tss16: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

/** Bit of a TSS descriptor's type that says it is busy. */
export const TSS_BUSY = 2;

/** A descriptor as it lies in a descriptor table: its two words, and the third of a 16-byte one. */
export interface Descriptor {
  readonly selector: number;
  /** Linear address of the entry. */
  readonly address: bigint;
  readonly low: number;
  readonly high: number;
}

/** Splits an 8-byte entry. */
function descriptorOf(selector: number, address: bigint, value: bigint): Descriptor {
  return { selector, address, low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
}

export function isNullSelector(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

/** Linear address of the entry that `selector` names, or undefined where `bytes` of it do not lie in the table. */
function entryAddress(cpu: SystemContext, selector: number, bytes: number): bigint | undefined {
  const { state } = cpu;
  const offset = selector & 0xfff8;
  const local = (selector & 4) !== 0;
  if (local && (segmentRights(state, SEG.LDTR) & RIGHTS.present) === 0) return undefined;
  const limit = local ? segmentLimit(state, SEG.LDTR) : state.u32(STATE.gdtrLimit);
  if (offset + bytes - 1 > limit) return undefined;
  const base = local ? segmentBase(state, SEG.LDTR) : state.u64(STATE.gdtrBase);
  return tableAddress(cpu, base, offset);
}

/** `base + offset`, wrapped as linear addresses are. */
export function tableAddress(cpu: SystemContext, base: bigint, offset: number): bigint {
  const address = base + BigInt(offset);
  if (address <= 0xffff_ffffn) return address;
  return BigInt.asUintN(isLongMode(cpu.state) ? 64 : 32, address);
}

/** The descriptor that a selector which is not null names; undefined where it lies beyond its table. */
export function readDescriptor(cpu: SystemContext, selector: number): Descriptor | undefined {
  const address = entryAddress(cpu, selector, 8);
  if (address === undefined) return undefined;
  return descriptorOf(selector, address, cpu.port.load(address, 8, 'system'));
}

/** The upper eight bytes of a 16-byte descriptor; undefined where they lie beyond the table. */
export function readUpperHalf(cpu: SystemContext, descriptor: Descriptor): bigint | undefined {
  if (entryAddress(cpu, descriptor.selector, 16) === undefined) return undefined;
  return cpu.port.load(descriptor.address + 8n, 8, 'system');
}

export function rightsOf(d: Descriptor): number {
  return (d.high >>> 8) & 0xf0ff;
}

export function privilegeOf(d: Descriptor): number {
  return (d.high >>> 13) & 3;
}

export function isPresent(d: Descriptor): boolean {
  return (d.high & 0x8000) !== 0;
}

/** Code or data, as opposed to a system descriptor. */
export function isCodeOrData(d: Descriptor): boolean {
  return (d.high & 0x1000) !== 0;
}

export function isCode(d: Descriptor): boolean {
  return (d.high & 0x1800) === 0x1800;
}

export function isConforming(d: Descriptor): boolean {
  return (d.high & 0x1c00) === 0x1c00;
}

export function isWritableData(d: Descriptor): boolean {
  return (d.high & 0x1a00) === 0x1200;
}

/** Data, or code that may be read. */
export function isReadable(d: Descriptor): boolean {
  return isCodeOrData(d) && (d.high & 0x0a00) !== 0x0800;
}

/** The type of a system descriptor, 0–15; -1 for code and data. */
export function systemType(d: Descriptor): number {
  return isCodeOrData(d) ? -1 : (d.high >>> 8) & 15;
}

export function is64Bit(d: Descriptor): boolean {
  return (d.high & 0x200000) !== 0;
}

export function isBig(d: Descriptor): boolean {
  return (d.high & 0x400000) !== 0;
}

/** Last byte, granularity applied. */
export function limitOf(d: Descriptor): number {
  const limit = (d.low & 0xffff) | (d.high & 0xf0000);
  return d.high & 0x800000 ? ((limit << 12) | 0xfff) >>> 0 : limit;
}

/** The 32-bit base. */
export function baseOf(d: Descriptor): number {
  return ((d.low >>> 16) | ((d.high & 0xff) << 16) | (d.high & 0xff000000)) >>> 0;
}

/** The value of a segment register that is loaded with this descriptor, marked accessed. */
export function segmentOf(selector: number, d: Descriptor): SegmentValue {
  const accessed = isCodeOrData(d) ? RIGHTS.accessed : 0;
  return { selector, base: BigInt(baseOf(d)), limit: limitOf(d), rights: rightsOf(d) | accessed };
}

/** Sets the accessed bit in the table, where it is not set yet. */
export function markAccessed(cpu: SystemContext, d: Descriptor): void {
  if (d.high & 0x100) return;
  cpu.port.store(d.address + 5n, 1, BigInt(((d.high >>> 8) | 1) & 0xff), 'system');
}

/** Sets or clears the busy bit of a TSS descriptor in the table. */
export function setBusy(cpu: SystemContext, d: Descriptor, busy: boolean): void {
  const type = (d.high >>> 8) & 0xff;
  cpu.port.store(d.address + 5n, 1, BigInt(busy ? type | TSS_BUSY : type & ~TSS_BUSY), 'system');
}
