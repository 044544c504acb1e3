import { STATE_BYTES } from '../isa/registers.ts';
import { PAGE_BYTES, type RamRegion } from '../machine/guest-memory.ts';
import { BLOCK_TABLE, JUMP_CACHE } from './records.ts';
import { TLB_AREA_BYTES } from './tlb.ts';

const WASM_PAGE = 65536;
/** Where video memory ends at the latest. */
const VIDEO_END_GPA = 0x1_0000_0000;
/** Address of the state block. Page 0 stays unused, so that a null pointer is seen. */
const STATE_BASE = WASM_PAGE;
export const VECTOR_BYTES = 16;
export const MOST_VECTORS = 1024;

/** What each vCPU has for itself: byte addresses. */
export interface CpuAreas {
  readonly state: number;
  readonly tlbs: number;
  readonly jumpCache: number;
}

/** Where everything of a machine lies in its memory: byte addresses. */
export interface MemoryLayout {
  /** The areas of each vCPU, at equal distances. */
  readonly cpus: readonly CpuAreas[];
  readonly blockTable: number;
  /** Constant vectors that code loads: room for {@link MOST_VECTORS}. */
  readonly vectors: number;
  readonly records: number;
  readonly recordsEnd: number;
  readonly pageFlags: number;
  /** Guest-physical pages that have flags. */
  readonly pageCount: number;
  readonly ram: number;
  readonly regions: readonly RamRegion[];
  /** Video memory, which the display adapter places in the address space. */
  readonly video: number;
  readonly videoBytes: number;
  /** Size of the whole, in WebAssembly pages of 64 KiB. */
  readonly wasmPages: number;
}

/** Lays out the memory for these RAM regions. @param recordBytes room for decoded code  @param videoBytes video memory */
export function layOutMemory(
  regions: readonly RamRegion[],
  recordBytes: number,
  videoBytes = 0,
  cpuCount = 1,
): MemoryLayout {
  let next = STATE_BASE;
  const area = (bytes: number, align: number) => {
    const at = Math.ceil(next / align) * align;
    next = at + bytes;
    return at;
  };
  const ramEnd = Math.max(...regions.map((r) => r.gpa + r.length));
  const pageCount = Math.max(ramEnd, videoBytes > 0 ? VIDEO_END_GPA : 0) / PAGE_BYTES;
  const ramBytes = Math.max(...regions.map((r) => r.hostOffset + r.length));
  const cpus = Array.from({ length: cpuCount }, () => ({
    state: area(STATE_BYTES, 4096),
    tlbs: area(TLB_AREA_BYTES, 4096),
    jumpCache: area(JUMP_CACHE.entries * JUMP_CACHE.bytes, 4096),
  }));
  // Far in front: there is a function and two links for each record from address 0 on (see DecodedCode).
  const records = area(recordBytes, 4096);
  const recordsEnd = next;
  const blockTable = area(BLOCK_TABLE.entries * BLOCK_TABLE.bytes, 4096);
  const vectors = area(MOST_VECTORS * VECTOR_BYTES, 4096);
  const pageFlags = area(pageCount, 4096);
  const ram = area(ramBytes, WASM_PAGE);
  const video = area(videoBytes, WASM_PAGE);
  const wasmPages = Math.ceil(next / WASM_PAGE);
  return {
    cpus,
    blockTable,
    vectors,
    records,
    recordsEnd,
    pageFlags,
    pageCount,
    ram,
    regions,
    video,
    videoBytes,
    wasmPages,
  };
}
