/**
 * The software TLB: per access context a direct-mapped array of entries. A tag is the linear page address; an access
 * matches when the page of its last byte equals the tag found under its first byte, so that one compare also catches
 * what crosses a page. An invalid tag has low bits set and never matches.
 */
export const TLB = {
  entries: 1024,
  bytes: 32,
  /** i64 tags for reading and for writing. */
  readTag: 0,
  writeTag: 8,
  /** i64: host address minus linear address. */
  addend: 16,
  /** u32: guest-physical page number. */
  page: 24,
  /** u32: {@link TLB_FLAG}. */
  flags: 28,
} as const;

export const TLB_FLAG = { global: 1, executable: 2 } as const;

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
  /** Never filled: every access takes the slow path (alignment checks). */
  slow: 3,
} as const;
export const CONTEXTS = 4;

/** Kinds of access, as bits of the `access` argument of MMU helpers. */
export const ACCESS = {
  write: 1,
  execute: 2,
  /** By the processor for its own tables: supervisor whatever the CPL, never cached. */
  system: 4,
} as const;
