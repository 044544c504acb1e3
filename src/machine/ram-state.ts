import type { Hash64 } from '../base/hash64.ts';
import { requireVersion } from '../base/state-version.ts';
import { PAGE_BYTES } from './guest-memory.ts';
import type { DeviceState, GuestMemory } from './interfaces.ts';

/** Guest memory with the regions that are RAM. */
export interface RegionedMemory extends GuestMemory {
  readonly regions: readonly { readonly gpa: number; readonly length: number }[];
}

/** Consecutive pages that are not all zero. */
export interface RamChunk {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** All of guest RAM: what no chunk has is zero. */
export interface RamState extends DeviceState {
  readonly endGpa: number;
  readonly chunks: readonly RamChunk[];
}

const STATE_VERSION = 1;
const MOST_CHUNK_BYTES = 1 << 20;

/** Copies guest RAM, pages of zeros left out. @throws {PageAbsent} a page has not been brought in */
export function saveRam(memory: RegionedMemory): RamState {
  const chunks: RamChunk[] = [];
  for (const { gpa, length } of usedRuns(memory)) chunks.push({ gpa, bytes: memory.forRead(gpa, length).slice() });
  return { version: STATE_VERSION, endGpa: memory.endGpa, chunks };
}

/** @throws {Error} the state is of another version or of a machine with another amount of memory */
export function restoreRam(memory: RegionedMemory, state: RamState): void {
  requireVersion('guest memory', state.version, STATE_VERSION);
  if (state.endGpa !== memory.endGpa) {
    throw new Error(`guest memory: the saved machine's ends at ${state.endGpa}, this one's at ${memory.endGpa}`);
  }
  clearRam(memory);
  for (const { gpa, bytes } of state.chunks) memory.forWrite(gpa, bytes.length).set(bytes);
}

/** Makes all RAM below `endGpa` zeros, without touching what already is. */
export function clearRam(memory: RegionedMemory, endGpa: number = memory.endGpa): void {
  for (const { gpa, length } of usedRuns(memory, endGpa)) memory.forWrite(gpa, length).fill(0);
}

/** Adds guest RAM to a hash. Pages of zeros count as absent. */
export function hashRam(memory: RegionedMemory, hash: Hash64): void {
  for (const { gpa, length } of usedRuns(memory)) {
    for (let page = gpa; page < gpa + length; page += PAGE_BYTES) {
      hash.addText(page.toString(16)).add(memory.forRead(page, PAGE_BYTES));
    }
  }
}

/** Runs of pages that are not all zero, each at most MOST_CHUNK_BYTES long. */
function* usedRuns(memory: RegionedMemory, endGpa = memory.endGpa): Generator<{ gpa: number; length: number }> {
  for (const region of memory.regions) {
    const end = Math.min(region.gpa + region.length, endGpa);
    for (let from = region.gpa; from < end; ) {
      let to = from;
      while (to < end && to - from < MOST_CHUNK_BYTES && !isZeroPage(memory.forRead(to, PAGE_BYTES))) to += PAGE_BYTES;
      if (to > from) yield { gpa: from, length: to - from };
      from = Math.max(to, from + PAGE_BYTES);
    }
  }
}

/** Whether a page holds zeros alone. @param page at an offset of whole words */
export function isZeroPage(page: Uint8Array): boolean {
  const words = new Uint32Array(page.buffer, page.byteOffset, PAGE_BYTES / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
