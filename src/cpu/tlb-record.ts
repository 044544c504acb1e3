import type { Field } from '../isa/layout.ts';
import { STATE } from '../isa/registers.ts';
import { PAGE_DEVICE } from '../machine/guest-memory.ts';
import type { MemoryLayout } from './memory-layout.ts';
import type { CpuState } from './state.ts';
import { CONTEXT, FILL_LOG, TLB, TLB_FLAG } from './tlb.ts';

type SavedPage = readonly [context: number, linear: bigint, page: number, flags: number];

/** The TLBs for data, as they are saved. */
export interface TlbRecord {
  /** For each valid entry: its context, linear page, guest-physical page number and flags. Absent in states from when entries
   * were numbered, and fewer: what TLBs know may be lost at any time. */
  readonly pages?: readonly SavedPage[];
  readonly largeLow: bigint;
  readonly largeHigh: bigint;
}

const FOUR_GIB_PAGES = 1 << 20;
const ENTRIES = CONTEXT.slow * TLB.entries;
const INVALID = 1n;

/**
 * Reads the TLBs for data. They are part of the saved state: a guest that changes a page table and does not flush sees
 * the old translation exactly as long as without saving.
 */
export function saveTlb(state: CpuState, view: DataView): TlbRecord {
  const tlbs = state.u32(STATE.tlbArea);
  const pages: SavedPage[] = [];
  for (let n = 0; n < ENTRIES; n++) {
    const at = tlbs + n * TLB.bytes;
    const tag = view.getBigUint64(at + TLB.readTag, true);
    if ((tag & 0xfffn) !== 0n) continue;
    const context = Math.floor(n / TLB.entries);
    pages.push([context, tag, view.getUint32(at + TLB.page, true), view.getUint32(at + TLB.flags, true)]);
  }
  return { pages, largeLow: state.u64(STATE.largeLow), largeHigh: state.u64(STATE.largeHigh) };
}

/** The field that says where the memory of a page lies. */
function memoryOf(state: CpuState, page: number): Field {
  const gpa = BigInt(page) << 12n;
  if (gpa >= state.u64(STATE.videoStart) && gpa < state.u64(STATE.videoEnd)) return STATE.video;
  return page < FOUR_GIB_PAGES ? STATE.ramLow : STATE.ramHigh;
}

/** Fills TLBs that have been flushed. Registers and memory must have been restored. */
export function restoreTlb(state: CpuState, view: DataView, layout: MemoryLayout, saved: TlbRecord): void {
  const tlbs = state.u32(STATE.tlbArea);
  const isRam = (page: number) => page < layout.pageCount && !(view.getUint8(layout.pageFlags + page) & PAGE_DEVICE);
  for (const [context, tag, page, flags] of saved.pages ?? []) {
    if (!(context >= 0 && context < CONTEXT.slow && page >= 0 && isRam(page))) continue; // no processor had it: a forged file
    const at = tlbs + (context * TLB.entries + (Number(tag >> 12n) % TLB.entries)) * TLB.bytes;
    const ram = state.u64(memoryOf(state, page));
    const direct = (flags & TLB_FLAG.writable) !== 0 && view.getUint8(layout.pageFlags + page) === 0;
    view.setBigUint64(at + TLB.readTag, tag, true);
    view.setBigUint64(at + TLB.writeTag, direct ? tag : INVALID, true);
    view.setBigUint64(at + TLB.addend, BigInt.asUintN(64, ram + (BigInt(page) << 12n) - tag), true);
    view.setUint32(at + TLB.page, page, true);
    view.setUint32(at + TLB.flags, flags, true);
  }
  state.setU64(STATE.largeLow, saved.largeLow);
  state.setU64(STATE.largeHigh, saved.largeHigh);
  // The log says nothing of these entries: as if it were full.
  const log = tlbs + FILL_LOG.offset;
  view.setUint32(log + FILL_LOG.flushed, view.getUint32(log + FILL_LOG.count, true) - FILL_LOG.entries - 1, true);
}
