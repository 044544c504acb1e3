/**
 * Decoded code in memory. A block is a header followed by one record an instruction, 32 bytes each; pointers to code are
 * pointers to headers. What a field holds depends on the operands; fields that share bytes never occur together.
 */
export const RECORD_BYTES = 32;

/** Fields of a record: byte offsets. */
export const RECORD = {
  /** u32: slot of the handler in the function table. */
  handler: 0,
  /** u16: up to three register operands, in operand order: offsets in the state block, or numbers of other registers. */
  register: [4, 6, 8],
  /** u8: segment of the memory operand. */
  segment: 10,
  /** u8: shift of the index. */
  scale: 11,
  /** u16: offsets of base and index in the state block. */
  base: 12,
  index: 14,
  /** i32: displacement; or a second immediate; or a selector. */
  displacement: 16,
  /** u16: offset of the next instruction from the start of the block's page. */
  nextOffset: 20,
  /** u8: bytes of the instruction. */
  length: 22,
  /** u8: place of the instruction in its block, from 1; the header is this many records before. */
  position: 23,
  /** i64: immediate, or displacement of a relative branch, or a 64-bit absolute address. */
  immediate: 24,
} as const;

/** The links of a record: the block at a relative branch's target and the one after it, 0 while unknown. Not in its bytes: see `DecodedCode`. */
export const LINK = { taken: 0, next: 1 } as const;
export const LINKS_OF_RECORD = 2;

/** Fields of a block's header: byte offsets. */
export const BLOCK = {
  /** u32: instructions in the block. */
  count: 0,
  /** u32: guest-physical page number. */
  page: 4,
  /** u16: offset of the first instruction in the page. */
  start: 8,
  /** u16: by which the region at `entry` knows the block; 0: no region is entered here; {@link GONE}. */
  label: 10,
  /** u32: the mode it was decoded for. */
  modeKey: 12,
  /** u32: bytes of code in the block. */
  extent: 16,
  /** u32: slot of what runs the block: its first record's handler, or a translated region. */
  entry: 20,
  /** i32: entries, other than from region to region, until the block is hot; below 0 it goes on. It starts at 0 where nothing gets hot. */
  countdown: 24,
  /** u32: exits of the region of which this is the first block until it is asked where they lead. */
  exits: 28,
} as const;

/** Instead of a label: the block is valid no more. Jump caches may still hold it. */
export const GONE = 0xffff;

/** The ways on which a block may be linked to others of its page: behind it, and to where its branch leads. */
export const WAY = { behind: 0, taken: 1 } as const;

/**
 * What the code cache notes of a block, in the bytes that its last record, which has no operands, does not need: byte
 * offsets in that record. There are hundreds of thousands of blocks, and objects for them would take ten times the room.
 */
export const NOTE = {
  /** u16: offset in the page that the branch before may be linked to. */
  taken: 4,
  /** u8: bytes of the block's last instruction in another page. */
  tailBytes: 6,
  /** u8: bits of {@link NOTED}. */
  flags: 7,
  /** u32: the next block with bytes in this one's page, and in that of its tail; 0: none. */
  nextInPage: 8,
  nextInTailPage: 12,
  /** u32: what follows the block's two ways in their chains of `WayIndex`. A block with a tail has no ways. */
  chain: [12, 24],
  /** u32: address of its slot in the block table; 0: it has none. */
  tableSlot: 16,
  /** u32: guest-physical number of the page of the tail. */
  tailPage: 24,
  /** u32: slot of the handler that is put over its records when the code has changed. */
  staleHandler: 28,
} as const;

export const NOTED = {
  /** The block is valid. */
  valid: 1,
  /** Its last record may be linked to the block behind it. */
  falls: 2,
  /** Its branch may be linked to the block behind it. */
  branches: 4,
  /** Its branch may be linked to the block at `taken`. */
  takes: 8,
  /** It may be translated. */
  translatable: 16,
} as const;

/** Most instructions in a block. */
export const MAX_BLOCK = 64;

/**
 * One entry of the jump cache: RIP with the key under which it holds, block, the RIP of the block's page, and what is needed of the
 * block's header to go on there, so that it need not be read: `entry`, `count` (u16) and, right behind it, `label` (u16).
 */
export const JUMP_CACHE = {
  entries: 16384,
  bytes: 32,
  rip: 0,
  key: 8,
  block: 12,
  ripBase: 16,
  entry: 24,
  count: 28,
  label: 30,
} as const;

/** The open hash table from (guest-physical address, mode) to block: `key` is address | mode << 48, 0 where free. */
export const BLOCK_TABLE = { entries: 1 << 18, bytes: 16, key: 0, block: 8, probes: 16 } as const;

/** Where key `(gpa, mode)` is first looked for: the multiplier spreads page offsets and pages over the table. */
export const BLOCK_HASH = 0x9e3779b1;
