import type { Val } from '../ir/val.ts';

/**
 * The software TLB: per access context a direct-mapped array of entries. A tag is the linear page address; an access
 * matches when the page of its last byte equals the tag found under its first byte, so that one compare also catches
 * what crosses a page. An invalid tag has low bits set and never matches.
 */
export const TLB = {
  /** They reach 16 MiB: with a quarter, system calls, forks and programs with much data spend a fifth of their time on walks. */
  entries: 4096,
  bytes: 32,
  /** i64 tags for reading and for writing. */
  readTag: 0,
  writeTag: 8,
  /** i64: host address minus linear address. */
  addend: 16,
  /** u32: guest-physical page number. Data accesses alone fill these TLBs; for code see {@link CODE_TLB}. */
  page: 24,
  /** u32: {@link TLB_FLAG}. */
  flags: 28,
} as const;

/** Flags of a TLB entry: those of {@link TRANSLATION} that outlive the walk. `writable` holds while the page is watched too. */
export const TLB_FLAG = { writable: 1, global: 2 } as const;

/** Low bits of a translation: the page may be written and its entry is dirty, is global, is part of a large one. */
export const TRANSLATION = { ...TLB_FLAG, large: 4 } as const;

/** Bytes of one context's TLB. */
export const TLB_BYTES = TLB.entries * TLB.bytes;

/** Every byte of an empty TLB: tags of 0x0101… match nothing. */
export const TLB_EMPTY_BYTE = 1;

/** Access contexts, in the order of their TLBs. */
export const CONTEXT = {
  user: 0,
  /** Supervisor that may reach user pages (no SMAP, or EFLAGS.AC). */
  supervisor: 1,
  /** Supervisor under SMAP. */
  supervisorSmap: 2,
  /** Never filled: every access takes the slow path (alignment checks, breakpoints). */
  slow: 3,
} as const;
export const CONTEXTS = 4;

/** The TLBs for code, which `CodeTranslations` fills: a tag as {@link TLB} has it, u32 guest-physical page number. */
export const CODE_TLB = { entries: 2048, bytes: 16, tag: 0, page: 8 } as const;
/** From a context's TLB for data to its TLB for code: these lie behind all the others, in the same order. */
export const CODE_TLB_OFFSET = CONTEXTS * TLB_BYTES;
/** Bytes of all TLBs. */
export const ALL_TLB_BYTES = 2 * CONTEXTS * TLB_BYTES;

/**
 * Which entries of the TLBs for data were filled lately, or made writable, behind the TLBs: so that who empties some need
 * not look at all. `count` is how often that happened, of which the ring holds the addresses of the last `entries`;
 * `flushed` is the count when entries that are not global were last dropped. All are u32 and wrap.
 */
export const FILL_LOG = { offset: ALL_TLB_BYTES, count: 0, flushed: 4, ring: 8, entries: 1024 } as const;
/** Bytes of all TLBs and the log of what fills them. */
export const TLB_AREA_BYTES = FILL_LOG.offset + FILL_LOG.ring + FILL_LOG.entries * 4;

/** Kinds of access, as bits of the `access` argument of MMU helpers. */
export const ACCESS = {
  write: 1,
  execute: 2,
  /** By the processor for its own tables: supervisor whatever the CPL. */
  system: 4,
} as const;

/** The bits of a 64-bit address that name its page of 4 KiB. */
export const PAGE_MASK = ~0xfffn;

const PAGE_SHIFT = 12;

/** Offset, in one context's TLB, of the entry under which linear `address` (i64) is looked for. */
export function entryOffset(address: Val): Val {
  return offsetIn(TLB, address);
}

/** From one context's TLB for data to the entry, in the one for code, under which linear `address` (i64) is looked for. */
export function codeEntryOffset(address: Val): Val {
  return offsetIn(CODE_TLB, address).add(CODE_TLB_OFFSET);
}

function offsetIn({ entries, bytes }: { readonly entries: number; readonly bytes: number }, address: Val): Val {
  return address
    .wrap()
    .shrU(PAGE_SHIFT - Math.log2(bytes))
    .and((entries - 1) * bytes);
}
