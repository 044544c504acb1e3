import { CR0, CR4, EFER, STATE } from '../isa/registers.ts';
import type { CpuState } from './state.ts';

/** Reads a page-table entry of 4 or 8 bytes at a guest-physical address; undefined where there is no RAM. */
export type EntryReader = (gpa: number, bytes: 4 | 8) => bigint | undefined;

const PRESENT = 1n;
const LARGE = 1n << 7n;
const ADDRESS_MASK = 0xff_ffff_f000n;
const PDPTES = [STATE.pdpte0, STATE.pdpte1, STATE.pdpte2, STATE.pdpte3] as const;

/**
 * Where a linear address lies in guest-physical memory, as a debugger asks: tables are walked as the processor would, with
 * nothing checked or marked.
 * @returns undefined where no page is mapped
 */
export function inspectLinear(state: CpuState, linear: bigint, read: EntryReader): number | undefined {
  const a20 = state.u64(STATE.a20Mask);
  if ((state.u64(STATE.cr0) & BigInt(CR0.PG)) === 0n) return Number(linear & 0xffff_ffffn & a20);
  const long = (state.low(STATE.efer) & EFER.LMA) !== 0;
  const wide = (state.low(STATE.cr4) & CR4.PAE) !== 0;
  if (long && BigInt.asIntN(48, linear) !== BigInt.asIntN(64, linear)) return undefined;
  const gpa = follow(rootOf(state, linear, long, wide), {
    linear,
    wide,
    read,
    pse: (state.low(STATE.cr4) & CR4.PSE) !== 0,
  });
  return gpa === undefined ? undefined : Number(gpa & a20);
}

/** A table and the level that its entries belong to; the last one is 1. */
interface Table {
  readonly base: bigint;
  readonly level: number;
}

interface Walk {
  readonly linear: bigint;
  /** Entries have 8 bytes: PAE and long mode. */
  readonly wide: boolean;
  readonly pse: boolean;
  readonly read: EntryReader;
}

function rootOf(state: CpuState, linear: bigint, long: boolean, wide: boolean): Table | undefined {
  const cr3 = state.u64(STATE.cr3);
  if (long) return { base: cr3 & ADDRESS_MASK, level: 4 };
  if (!wide) return { base: cr3 & 0xffff_f000n, level: 2 };
  const pointer = state.u64(PDPTES[Number((linear >> 30n) & 3n)]);
  return pointer & PRESENT ? { base: pointer & ADDRESS_MASK, level: 2 } : undefined;
}

function follow(root: Table | undefined, { linear, wide, pse, read }: Walk): bigint | undefined {
  const bits = wide ? 9n : 10n;
  for (let table = root; table !== undefined; ) {
    const shift = 12n + bits * BigInt(table.level - 1);
    const index = (linear >> shift) & ((1n << bits) - 1n);
    const entry = read(Number(table.base) + Number(index) * (wide ? 8 : 4), wide ? 8 : 4);
    if (entry === undefined || (entry & PRESENT) === 0n) return undefined;
    const large = table.level > 1 && table.level < 4 && (entry & LARGE) !== 0n && (wide || pse);
    if (table.level === 1 || large) {
      const offset = (1n << shift) - 1n;
      const high = large && !wide ? (entry & 0x1f_e000n) << 19n : 0n;
      return (entry & ADDRESS_MASK & ~offset) | high | (linear & offset);
    }
    table = { base: entry & ADDRESS_MASK, level: table.level - 1 };
  }
  return undefined;
}
