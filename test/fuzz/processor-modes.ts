/** The modes in which hostile code starts, and registers for each. */

import type { CpuState, SegmentValue } from '../../src/cpu/state.ts';
import { CR0, CR4, EFER, FLAG, RIGHTS, SEG, STATE, VECTOR } from '../../src/isa/registers.ts';
import { type Bits, cornerInteger, type Random } from '../oracle/initial-state.ts';
import { type ImageOptions, PLACES, SELECTOR } from './guest-image.ts';

/** A mode of the processor. */
export interface ProcessorMode extends Pick<ImageOptions, 'bits' | 'paging' | 'tss'> {
  readonly name: string;
  readonly kind: 'real' | 'bigReal' | 'v86' | 'protected' | 'long';
  readonly cpl: 0 | 3;
}

const mode = (
  name: string,
  bits: Bits,
  kind: ProcessorMode['kind'],
  cpl: 0 | 3,
  paging: ProcessorMode['paging'] = 'none',
): ProcessorMode => {
  const tss = kind === 'long' ? 64 : kind === 'protected' && bits === 16 ? 16 : 32;
  return { name, bits, kind, cpl, paging, tss };
};

export const MODES: readonly ProcessorMode[] = [
  mode('real', 16, 'real', 0),
  mode('big real', 16, 'bigReal', 0),
  mode('V86', 16, 'v86', 3),
  mode('V86, paging', 16, 'v86', 3, 'legacy'),
  mode('protected 16', 16, 'protected', 0),
  mode('protected 16, paging', 16, 'protected', 0, 'legacy'),
  mode('protected 32', 32, 'protected', 0),
  mode('protected 32, paging', 32, 'protected', 0, 'legacy'),
  mode('protected 32, PAE', 32, 'protected', 0, 'pae'),
  mode('protected 32, user', 32, 'protected', 3, 'legacy'),
  mode('protected 32, PAE, user', 32, 'protected', 3, 'pae'),
  mode('compatibility 16', 16, 'long', 0, 'long'),
  mode('compatibility 32', 32, 'long', 0, 'long'),
  mode('compatibility 32, user', 32, 'long', 3, 'long'),
  mode('64-bit', 64, 'long', 0, 'long'),
  mode('64-bit, user', 64, 'long', 3, 'long'),
];

const CODE = RIGHTS.present | RIGHTS.notSystem | RIGHTS.code | RIGHTS.writable | RIGHTS.accessed;
const DATA = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed;
const WIDE = RIGHTS.big | RIGHTS.granular;
const FLAT = 0xffffffff;
const RSP = 4;
const BUSY_TSS = 0x8b;
const LDT_RIGHTS = 0x82;
const FLAGS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.DF | FLAG.OF;
const CR4_USUAL = CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE | CR4.PSE;
const CR4_SOMETIMES = [
  ...[CR4.VME, CR4.PVI, CR4.TSD, CR4.DE, CR4.PGE, CR4.PGE, CR4.MCE, CR4.PCE, CR4.UMIP, CR4.FSGSBASE],
  ...[CR4.SMEP, CR4.SMAP],
];
const CR0_SOMETIMES = [CR0.MP, CR0.EM, CR0.TS, CR0.NE, CR0.WP, CR0.WP, CR0.AM, CR0.CD];

const sometimes = (bits: readonly number[], random: Random) =>
  bits.reduce((all, bit) => (random.below(4) === 0 ? all | bit : all), 0);

function setControl(state: CpuState, { kind, paging }: ProcessorMode, random: Random): void {
  const isReal = kind === 'real' || kind === 'bigReal';
  const cr0 = CR0.ET | (isReal ? 0 : CR0.PE) | sometimes(CR0_SOMETIMES, random);
  const pae = paging === 'pae' || paging === 'long' ? CR4.PAE : 0;
  const long = kind === 'long' ? EFER.LME | EFER.LMA : 0;
  state.setU64(STATE.cr0, BigInt(cr0) | (paging === 'none' ? 0n : BigInt(CR0.PG)));
  state.setU64(STATE.cr3, BigInt(PLACES.tables));
  state.setU64(STATE.cr4, BigInt(CR4_USUAL | pae | sometimes(CR4_SOMETIMES, random)));
  state.setU64(STATE.efer, BigInt(long | EFER.SCE | (random.below(4) === 0 ? 0 : EFER.NXE)));
  for (const field of [STATE.pdpte0, STATE.pdpte1, STATE.pdpte2, STATE.pdpte3]) {
    state.setU64(field, BigInt(PLACES.tables + 0x2000) | 1n);
  }
  state.setU64(STATE.idtrBase, BigInt(isReal ? PLACES.vectors : PLACES.idt));
  state.setU32(STATE.idtrLimit, random.below(8) === 0 ? random.below(0x1000) : 0xfff);
  state.setU64(STATE.gdtrBase, BigInt(PLACES.gdt));
  state.setU32(STATE.gdtrLimit, random.below(8) === 0 ? random.below(0x1000) : 0xfff);
  state.setU32(STATE.cpl, kind === 'v86' ? 3 : 0);
}

function segment(selector: number, base: number, limit: number, rights: number): SegmentValue {
  return { selector, base: BigInt(base), limit, rights };
}

/** Real and V86 segments: 64 KiB from the selector times 16, but for big real mode. */
function setRealSegments(state: CpuState, { kind }: ProcessorMode, random: Random): void {
  const dpl = kind === 'v86' ? 3 << RIGHTS.dplShift : 0;
  const limit = kind === 'bigReal' ? FLAT : 0xffff;
  const place = () => random.pick([0, 0, 0, PLACES.data >> 4, 0xa000, 0xf000, 0xffff, random.below(0x10000)]);
  for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
    const selector = index === SEG.SS ? 0 : place();
    const rights = DATA | dpl | (kind === 'bigReal' && random.below(2) === 0 ? WIDE : 0);
    state.setSegment(index, segment(selector, selector * 16, limit, rights));
  }
  state.setSegment(SEG.CS, segment(0, 0, 0xffff, DATA | dpl | (kind === 'v86' ? 0 : RIGHTS.code)));
}

function codeRights({ bits, kind }: ProcessorMode): number {
  if (bits === 64) return CODE | RIGHTS.long | RIGHTS.granular;
  return bits === 32 || (kind !== 'long' && bits !== 16) ? CODE | WIDE : CODE;
}

function setProtectedSegments(state: CpuState, mode: ProcessorMode, random: Random): void {
  const { bits, cpl } = mode;
  const dpl = cpl << RIGHTS.dplShift;
  const kernel = { 16: SELECTOR.code16, 32: SELECTOR.code32, 64: SELECTOR.code64 }[bits];
  const user = bits === 64 ? SELECTOR.userCode64 : SELECTOR.userCode32;
  const limit = bits === 16 ? 0xffff : FLAT;
  state.setSegment(SEG.CS, segment(cpl === 0 ? kernel : user, 0, limit, codeRights(mode) | dpl));
  const selector = cpl === 0 ? SELECTOR.data : SELECTOR.userData;
  for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
    const odd = random.below(8) === 0 ? random.pick([RIGHTS.expandDown, 0, RIGHTS.writable]) : 0;
    const rights = (DATA | WIDE | dpl) ^ (index === SEG.SS ? 0 : odd);
    const base = random.below(8) === 0 && index !== SEG.SS ? random.next() : 0;
    const bound = random.below(8) === 0 && index !== SEG.SS ? random.below(0x40000) : FLAT;
    state.setSegment(index, segment(selector, base, bound, rights));
  }
  state.setU32(STATE.cpl, cpl);
}

function setSystemSegments(state: CpuState, { tss }: ProcessorMode): void {
  const busy = tss === 16 ? BUSY_TSS & ~8 : BUSY_TSS;
  state.setSegment(SEG.TR, segment(SELECTOR.tss, PLACES.tss, 0x3ff, busy));
  state.setSegment(SEG.LDTR, segment(SELECTOR.ldt, PLACES.ldt, 0xfff, LDT_RIGHTS));
}

function address(mode: ProcessorMode, addresses: readonly number[], random: Random): bigint {
  const kind = random.below(8);
  if (kind < 4) return BigInt(PLACES.data + random.below(PLACES.end - PLACES.data));
  if (kind === 4) return BigInt(PLACES.code + random.below(PLACES.codeEnd - PLACES.code));
  if (kind === 5) return BigInt(random.pick(addresses));
  const edge = BigInt(random.below(64) - 32);
  const edges = [0n, 0x10000n, 0x1_0000_0000n, 1n << 47n, 0xffff_8000_0000_0000n, 1n << 52n, 0xa0000n, 0x10_0000n];
  const value = kind === 6 ? random.pick(edges) + edge : cornerInteger(random);
  return BigInt.asUintN(mode.bits === 64 ? 64 : 32, value);
}

function setGeneral(state: CpuState, mode: ProcessorMode, addresses: readonly number[], random: Random): void {
  for (let n = 0; n < (mode.bits === 64 ? 16 : 8); n++) {
    const value = random.below(3) === 0 ? cornerInteger(random) : address(mode, addresses, random);
    state.setGpr(n, BigInt.asUintN(mode.bits === 64 ? 64 : 32, value));
  }
  if (random.below(2) === 0) state.setGpr(1, BigInt(random.below(100)));
  if (random.below(8) !== 0) state.setGpr(RSP, BigInt(PLACES.stackTop - 8 * random.below(64)));
  for (let n = 0; n < 16; n++) state.view.setBigUint64(VECTOR + n * 64, cornerInteger(random), true);
  state.setU32(STATE.mxcsr, random.below(8) === 0 ? random.next() & 0xffff : 0x1f80);
  state.setU32(STATE.fcw, random.below(8) === 0 ? random.next() & 0x1f7f : 0x37f);
  state.setU32(STATE.ftw, random.below(256));
  state.setU64(STATE.lstar, address(mode, addresses, random));
  state.setU64(STATE.star, BigInt(SELECTOR.code32) << 32n);
  state.setU64(STATE.sysenterEip, BigInt(PLACES.code));
  state.setU64(STATE.sysenterCs, BigInt(SELECTOR.code32));
  state.setU64(STATE.dr7, random.below(8) === 0 ? BigInt(0x400 | random.below(0x400)) : 0x400n);
}

/** Sets a processor that has been reset to start a hostile case. */
export function startInMode(state: CpuState, mode: ProcessorMode, addresses: readonly number[], random: Random): void {
  setControl(state, mode, random);
  if (mode.kind === 'protected' || mode.kind === 'long') setProtectedSegments(state, mode, random);
  else setRealSegments(state, mode, random);
  setSystemSegments(state, mode);
  setGeneral(state, mode, addresses, random);
  const iopl = random.below(4) << 12;
  const rare = random.below(32) === 0 ? FLAG.TF | FLAG.NT : 0;
  const vm = mode.kind === 'v86' ? FLAG.VM : 0;
  state.eflags = (random.next() & FLAGS) | (random.below(2) * FLAG.IF) | iopl | vm | (rare & random.next());
  state.setU64(STATE.rip, BigInt(PLACES.code + random.below(0x1000)));
}
