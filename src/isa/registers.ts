import { type Field, Layout } from './layout.ts';

/**
 * The vCPU's state block: every architectural register, and the few words with which engine and helpers talk.
 * Offsets are from a per-vCPU base. General registers come first, so that a register's offset is its number times 8.
 */
const layout = new Layout();

/** Offset of the sixteen general registers, 8 bytes each, in encoding order. */
export const GPR = layout.area(16 * 8, 64);
/** Offset of eight bytes that are always zero: the base or index of an address that has none. */
export const ZERO = layout.area(8, 8);

/** Segment register numbers, in encoding order, then the two system segments. */
export const SEG = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;
/** Offset of the eight segment records. */
export const SEGMENTS = layout.area(8 * 32, 32);
export const SEGMENT_BYTES = 32;
/**
 * Offsets inside a segment record. `low` and `high` are the first and last valid offset (an expand-down segment has
 * low > 0; a segment that cannot be used has low > high); `rights` are bits 8–23 of the descriptor's second word, as
 * VMX and LAR (shifted) give them; `access` has bit 0 when readable and bit 1 when writable.
 */
export const SEGMENT = { base: 0, low: 8, high: 12, rights: 16, limit: 20, selector: 24, access: 28 } as const;
export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;

const u32 = (name: string): Field => layout.u32(name);
const u64 = (name: string): Field => layout.u64(name);

/** The architectural registers. */
const REGISTERS = {
  /** RIP of the next instruction, exact whenever no guest code runs; inside a block see `ripBase`. */
  rip: u64('rip'),
  /** Arithmetic flags: ZF = (flagResult = 0), SF and PF from its sign and low byte, each inverted by bits of flagCarry. */
  flagResult: u64('flagResult'),
  /** Bit 63 CF, bits 63 xor 62 OF, bit 3 AF, bit 0 inverts SF, bit 1 inverts PF; other bits mean nothing. */
  flagCarry: u64('flagCarry'),
  /** EFLAGS without CF PF AF ZF SF OF (those bits are zero here); bit 1 is set. */
  eflags: u32('eflags'),
  cpl: u32('cpl'),
  gdtrLimit: u32('gdtrLimit'),
  idtrLimit: u32('idtrLimit'),
  gdtrBase: u64('gdtrBase'),
  idtrBase: u64('idtrBase'),
  cr0: u64('cr0'),
  cr2: u64('cr2'),
  cr3: u64('cr3'),
  cr4: u64('cr4'),
  efer: u64('efer'),
  xcr0: u64('xcr0'),
  dr0: u64('dr0'),
  dr1: u64('dr1'),
  dr2: u64('dr2'),
  dr3: u64('dr3'),
  dr6: u64('dr6'),
  dr7: u64('dr7'),
  star: u64('star'),
  lstar: u64('lstar'),
  cstar: u64('cstar'),
  sfmask: u64('sfmask'),
  kernelGsBase: u64('kernelGsBase'),
  tscAux: u64('tscAux'),
  sysenterCs: u64('sysenterCs'),
  sysenterEsp: u64('sysenterEsp'),
  sysenterEip: u64('sysenterEip'),
  pat: u64('pat'),
  /** PAE's four page-directory-pointer entries, loaded with CR3. */
  pdpte0: u64('pdpte0'),
  pdpte1: u64('pdpte1'),
  pdpte2: u64('pdpte2'),
  pdpte3: u64('pdpte3'),
  mxcsr: u32('mxcsr'),
  /** x87 control word. */
  fcw: u32('fcw'),
  /** x87 status word without TOP (bits 11–13 zero here). */
  fsw: u32('fsw'),
  /** 1: FERR# is asserted for the error that FSW.ES tells of. It may stay 1 when ES is cleared, until ES is set again. */
  ferr: u32('ferr'),
  /** x87 stack top, 0–7. */
  top: u32('top'),
  /** Bit n set: physical x87 register n is not empty (the abridged tag word of FXSAVE). */
  ftw: u32('ftw'),
  fop: u32('fop'),
  fip: u64('fip'),
  fdp: u64('fdp'),
  fcs: u32('fcs'),
  fds: u32('fds'),
  /** Not 0: interrupts are held off for one instruction, by one of {@link SHADOW}. */
  shadow: u32('shadow'),
  /** 1: an NMI is being handled and further ones are held until IRET. */
  nmiBlocked: u32('nmiBlocked'),
  /** Not 0: the processor waits for an interrupt, by one of {@link HALT}. */
  halted: u32('halted'),
  /** All ones, or with bit 20 clear while the A20 line is masked. */
  a20Mask: u64('a20Mask'),
} as const;

/** What engines and helpers tell each other; not architectural, and not saved. */
const ENGINE = {
  /** RIP of the current block's page offset 0: RIP = ripBase + page offset. */
  ripBase: u64('ripBase'),
  /** Instructions that may still run in this slice; taken off a block at a time. */
  budget: u32('budget'),
  /** Bytes of the host's stack that guest calls may still take. */
  stackRoom: u32('stackRoom'),
  /** Address of the decoded record that executes, set before anything that may fault or look at the time. */
  record: u32('record'),
  /** Not zero: guest code must return to the run loop; one of {@link PENDING}. */
  pending: u32('pending'),
  /** Exception vector while pending is PENDING.exception. */
  faultVector: u32('faultVector'),
  /** Its error code, where the vector has one. */
  faultError: u32('faultError'),
  /** Linear address of a page fault, or the guest-physical address of an absent page. */
  faultAddress: u64('faultAddress'),
  /** Identifies mode and address space: entries of the jump cache of another key do not match. */
  codeKey: u32('codeKey'),
  /** Identifies the mode alone, as code is decoded for it. */
  modeKey: u32('modeKey'),
  /** All ones in 64-bit mode, else 2³² - 1: linear addresses of code wrap there. */
  linearMask: u64('linearMask'),
  /** Last offset that may be fetched: the limit of CS, all ones in 64-bit mode. */
  codeLimit: u64('codeLimit'),
  /** 1: data accesses must be aligned (CR0.AM, EFLAGS.AC and CPL 3). */
  alignmentChecked: u32('alignmentChecked'),
  /** Breakpoints that the running instruction has met, as the low bits of DR6. */
  debugHits: u32('debugHits'),
  /** 1: the instruction left between two iterations, to be started again. Whoever steps clears it before. */
  restarted: u32('restarted'),
  /** Address of the TLB of the current access context. */
  tlb: u32('tlb'),
  /** What `tlb` becomes when EFLAGS.AC is cleared or set above CPL 3. */
  tlbAcClear: u32('tlbAcClear'),
  tlbAcSet: u32('tlbAcSet'),
  /** Address of this vCPU's TLBs (user, supervisor, supervisor with AC, always-slow), one after the other. */
  tlbArea: u32('tlbArea'),
  /** First and last linear page address that the TLBs have from a large page: INVLPG between them drops everything. */
  largeLow: u64('largeLow'),
  largeHigh: u64('largeHigh'),
  jumpCache: u32('jumpCache'),
  /** Address of the table of decoded blocks, and its mask. */
  blockTable: u32('blockTable'),
  /** Address of one byte of flags for each guest-physical page, and the number of pages. */
  pageFlags: u32('pageFlags'),
  pageCount: u32('pageCount'),
  /** Host address of guest RAM below the PCI hole, and of the RAM above 4 GiB minus 4 GiB. */
  ramLow: u64('ramLow'),
  ramHigh: u64('ramHigh'),
  /** End of guest RAM below the PCI hole, and above 4 GiB (guest-physical). */
  ramLowEnd: u64('ramLowEnd'),
  ramHighEnd: u64('ramHighEnd'),
  /** Host address of video memory minus its guest-physical one, and where it starts and ends there; all zero: nowhere. */
  video: u64('video'),
  videoStart: u64('videoStart'),
  videoEnd: u64('videoEnd'),
  /** Not 0: changes between levels 0 and 3 need nothing but the fields here; one of {@link QUICK}. Follows the context. */
  quickCalls: u32('quickCalls'),
  /** What `codeKey`, `tlbAcClear` and `tlbAcSet` are in such code of level 0 and of level 3. */
  codeKey0: u32('codeKey0'),
  codeKey3: u32('codeKey3'),
  tlbAcClear0: u32('tlbAcClear0'),
  tlbAcSet0: u32('tlbAcSet0'),
  tlbAcClear3: u32('tlbAcClear3'),
  tlbAcSet3: u32('tlbAcSet3'),
  /** 1: an interrupt waited when guest code was entered: who sets IF must come back. */
  interruptWaits: u32('interruptWaits'),
  /** The budget when STI last set IF in this slice, or {@link NO_BUDGET}: interrupts are held off for the next instruction. */
  stiBudget: u32('stiBudget'),
  /** The budget when IRET last set RF in this slice, or {@link NO_BUDGET}: RF holds for the next instruction. */
  resumeBudget: u32('resumeBudget'),
  /**
   * 1: the time-stamp counter is what these say: `tscOrigin` and, for each instruction run since, `tscRate` (both doubles
   * in their fields, like `tscRun`), rounded down, and at least `tscLeast`. `tscRun` is how many instructions will have
   * run when the budget is used up.
   */
  quickTsc: u32('quickTsc'),
  tscOrigin: u64('tscOrigin'),
  tscLeast: u64('tscLeast'),
  tscRate: u64('tscRate'),
  tscRun: u64('tscRun'),
  /** What a system helper hands back. */
  systemResult: u64('systemResult'),
  /** Scratch for helpers that give more than one value; saved nowhere. */
  scratch0: u64('scratch0'),
  scratch1: u64('scratch1'),
  scratch2: u64('scratch2'),
  scratch3: u64('scratch3'),
  /** 0 where SSE instructions may run, else the vector that they raise: #UD by CR0.EM or CR4.OSFXSR, #NM by CR0.TS. Follows the context. */
  simdFault: u32('simdFault'),
  /** 0 where x87 instructions may run, else #NM (CR0.EM or CR0.TS); MMX ones raise #UD under CR0.EM. Follows the context. */
  fpuFault: u32('fpuFault'),
  /** 1: a debugger watches memory, and is told of accesses that take the slow path. */
  watching: u32('watching'),
  /** Page walks for data, for statistics. */
  tlbMisses: u64('tlbMisses'),
  /** Instructions that translated regions have executed; counted only where it is asked for. */
  regionInstructions: u64('regionInstructions'),
  /** 1: what a translated region wanted to look up at once lies in two pages. */
  straddled: u32('straddled'),
  /** 1: there are other processors, which PAUSE lets run. */
  pauseYields: u32('pauseYields'),
} as const;

/** What holds off interrupts for one instruction; a load of SS holds off debug exceptions too (SDM 3A, 6.8.3). */
export const SHADOW = { sti: 1, stackSegment: 2 } as const;

/** Code that `quickCalls` tells of: 64-bit code, or 32-bit code outside IA-32e mode whose CS, SS, DS and ES are flat. */
export const QUICK = { long: 1, flat: 2 } as const;

/** What `stiBudget` and `resumeBudget` are while nothing has set IF or RF. No budget is as large. */
export const NO_BUDGET = 0xffffffff;

/** By what the processor waits: MWAIT also ends with a write to what is monitored. */
export const HALT = { hlt: 1, mwait: 2 } as const;

/** The named fields of the state block. */
export const STATE = { ...REGISTERS, ...ENGINE } as const;

/** The fields that are not architectural. */
export const ENGINE_FIELDS: readonly Field[] = Object.values(ENGINE);

/** Offset of the eight physical x87 registers: 16-byte slots with the significand at 0 and sign and exponent at 8. */
export const X87 = layout.area(8 * 16, 16);
export const X87_EXPONENT = 8;
/** Offset of the 32 vector registers, 64 bytes each (XMM uses the first 16). */
export const VECTOR = layout.area(32 * 64, 64);
/** Offset of the eight mask registers. */
export const MASK = layout.area(8 * 8, 8);

/** Offset of sixteen 8-byte counters of how often translated regions were left, by reason; as `regionInstructions`. */
export const EXIT_COUNTS = layout.area(16 * 8, 8);

/** Bytes of the state block. */
export const STATE_BYTES = layout.area(0, 4096);

/** Why guest code returned to the run loop ({@link STATE}.pending). */
export const PENDING = {
  none: 0,
  /** Deliver exception `faultVector` for the instruction of `record`. */
  exception: 1,
  /** Bring in the page at `faultAddress` and execute the instruction of `record` again. */
  pageIn: 2,
  /** Look at the world: interrupts, requests, the budget. `rip` is exact. */
  event: 3,
  /** The block at `rip` is not decoded, or its page not translated. */
  decode: 4,
} as const;

/** Bits of EFLAGS (SDM 1, 3.4.3). */
export const FLAG = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;
/** The six arithmetic flags. */
export const ARITHMETIC_FLAGS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;

/** Bits of EFLAGS that exist and can be written; bit 1 is always set. */
export const EFLAGS_WRITABLE = 0x3f7fd5;

/** Bits of a segment's rights (SDM 3A, 3.4.5). */
export const RIGHTS = {
  accessed: 1,
  /** Data: writable. Code: readable. */
  writable: 2,
  /** Data: expand-down. Code: conforming. */
  expandDown: 4,
  code: 8,
  /** Code or data rather than a system segment. */
  notSystem: 16,
  dplShift: 5,
  present: 1 << 7,
  long: 1 << 13,
  big: 1 << 14,
  granular: 1 << 15,
} as const;

/** What SYSRET takes of R11: all flags but RF and VM (SDM 2, SYSRET). */
export const SYSRET_FLAGS = EFLAGS_WRITABLE & ~(FLAG.RF | FLAG.VM);

const FLAT_DATA = RIGHTS.present | RIGHTS.notSystem | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granular;
/** Rights of the flat segments that SYSCALL and its kin load without a descriptor table (SDM 2), but for their DPL. */
export const FLAT_RIGHTS = {
  data: FLAT_DATA | RIGHTS.big,
  code32: FLAT_DATA | RIGHTS.code | RIGHTS.big,
  code64: FLAT_DATA | RIGHTS.code | RIGHTS.long,
} as const;

/** Exception vectors (SDM 3A, table 6-1). */
export const VECTOR_OF = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
} as const;

/** Whether the exception pushes an error code (SDM 3A, table 6-1). */
export function hasErrorCode(vector: number): boolean {
  return vector === 8 || (vector >= 10 && vector <= 14) || vector === 17;
}

/** Bits of CR0, CR4 and EFER (SDM 3A, 2.5). */
export const CR0 = {
  PE: 1,
  MP: 2,
  EM: 4,
  TS: 8,
  ET: 16,
  NE: 32,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 2 ** 31,
} as const;
export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
} as const;
export const EFER = { SCE: 1, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 } as const;

/** Every named field, for saving and for printing. */
export const STATE_FIELDS: readonly Field[] = layout.fields;
