import type { Builder } from '../ir/builder.ts';
import { defineHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { CR4, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../isa/registers.ts';
import type { CpuState } from './state.ts';
import { ACCESS } from './tlb.ts';

/** Types of breakpoint, R/W0 to R/W3 of DR7 (SDM 3B, 18.2.4). */
const TYPE = { execute: 0, write: 1, port: 2, readOrWrite: 3 } as const;
/** Bytes watched, by LEN0 to LEN3 of DR7. */
const LENGTHS = [1, 2, 8, 4] as const;
/** L0–L3 and G0–G3 of DR7. */
const ENABLES = 0xff;
const ADDRESSES = [STATE.dr0, STATE.dr1, STATE.dr2, STATE.dr3] as const;

/** Whether DR7 enables any breakpoint: instructions are then executed one by one, and no access takes the TLB's fast path. */
export function hasBreakpoints(state: CpuState): boolean {
  return (state.low(STATE.dr7) & ENABLES) !== 0;
}

/** Whether DR7, i32, enables any breakpoint, as IR. */
export function anyEnabled(dr7: Val): Val {
  return dr7.and(ENABLES);
}

/** Notes in `STATE.debugHits` which data breakpoints an access of `bytes` at a linear address meets. */
export const noteDataBreakpoints = defineHelper(
  'noteDataBreakpoints',
  { params: ['i64', 'i32', 'i32'] },
  (b, address, bytes, access) => {
    const hits = ADDRESSES.map((_, n) => dataHit(b, n, address, bytes, access).shl(n));
    const all = hits.reduce((sum, hit) => sum.or(hit));
    b.store(4, b.cpu, STATE.debugHits.offset, b.load('i32', 4, b.cpu, STATE.debugHits.offset).or(all));
  },
);

function dataHit(b: Builder, n: number, address: Val, bytes: Val, access: Val): Val {
  const dr7 = b.load('i32', 4, b.cpu, STATE.dr7.offset);
  const enabled = dr7
    .shrU(2 * n)
    .and(3)
    .nez();
  const type = dr7.shrU(16 + 4 * n).and(3);
  const length = dr7.shrU(18 + 4 * n).and(3);
  const size = b.i32(8).selectIf(length.eq(2), length.add(1)).extU();
  const watched = type.eq(TYPE.readOrWrite).or(type.eq(TYPE.write).and(access.and(ACCESS.write)));
  const start = b.load('i64', 8, b.cpu, ADDRESSES[n].offset).and(size.neg());
  const overlaps = address.ltU(start.add(size)).and(address.add(bytes.extU()).gtU(start));
  return enabled.and(watched).and(overlaps);
}

/** DR6's bits of the instruction breakpoints at `rip` in the current code segment. */
export function executionHits(state: CpuState, rip: bigint): number {
  const linear = linearOf(state, rip);
  return hitsOf(state, TYPE.execute, (start) => start === linear);
}

/** Linear address of the next instruction. */
export function linearRip(state: CpuState): bigint {
  return linearOf(state, state.u64(STATE.rip));
}

function linearOf(state: CpuState, rip: bigint): bigint {
  const base = state.view.getBigUint64(SEGMENTS + SEG.CS * SEGMENT_BYTES + SEGMENT.base, true);
  return (rip + base) & state.u64(STATE.linearMask);
}

/** Notes which port breakpoints, where CR4.DE allows them, an access meets. */
export function notePortBreakpoints(state: CpuState, port: number, bytes: number): void {
  if (!hasBreakpoints(state) || (state.low(STATE.cr4) & CR4.DE) === 0) return;
  const hits = hitsOf(state, TYPE.port, (address, length) => {
    const start = Number(address & 0xffffn) & -length;
    return port < start + length && port + bytes > start;
  });
  state.setU32(STATE.debugHits, state.u32(STATE.debugHits) | hits);
}

function hitsOf(state: CpuState, wanted: number, meets: (address: bigint, length: number) => boolean): number {
  const dr7 = state.low(STATE.dr7);
  let hits = 0;
  ADDRESSES.forEach((field, n) => {
    const enabled = ((dr7 >> (2 * n)) & 3) !== 0 && ((dr7 >> (16 + 4 * n)) & 3) === wanted;
    if (enabled && meets(state.u64(field), LENGTHS[(dr7 >>> (18 + 4 * n)) & 3])) hits |= 1 << n;
  });
  return hits;
}
