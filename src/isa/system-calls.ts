/**
 * The system helpers that semantics may call: what is rare, long and full of checks is written in TypeScript, once for
 * all engines (src/cpu/system). Each takes up to two i64, `a` and `b`, and may raise a fault; then the state is as before
 * the instruction. Only a fault or a page-in may leave `STATE.pending` set: asking for a look at interrupts must not,
 * since the caller would stop half-way.
 *
 * Calls marked (leaves) end the instruction: `STATE.rip` holds the address of the next instruction when they are called,
 * they may change it, and the caller goes back to the run loop's dispatch. All others return into the instruction; where
 * they change what decoded code depends on, the caller leaves once its registers are written.
 * "Checked" names what the caller has tested already.
 */
export const SYSTEM_CALLS = [
  /** a leaf (EAX), b subleaf (ECX). Writes RAX, RBX, RCX, RDX. */
  'cpuid',
  /** a MSR number. Gives its value; #GP(0) where there is none. CPL 0 is checked. */
  'rdmsr',
  /** (leaves) a MSR number, b value. CPL 0 is checked. */
  'wrmsr',
  /** a counter number (ECX). Gives its value. Checks CPL and CR4.PCE. */
  'rdpmc',
  /** Gives the time-stamp counter. Checks CPL and CR4.TSD. */
  'rdtsc',
  /** Gives 64 random bits (RDRAND, RDSEED). */
  'rdrand',
  /** Gives CR8. CPL 0 is checked. */
  'readCr8',
  /** (leaves) a number 0, 2, 3, 4 or 8, b value, zero-extended outside 64-bit mode. CPL 0 is checked. */
  'writeCr',
  /** a number 0–7. Gives the register; handles CR4.DE and DR7.GD. CPL 0 is checked. */
  'readDr',
  /** (leaves) a number 0–7, b value. CPL 0 is checked. */
  'writeDr',
  /** (leaves) a the 16-bit operand. CPL 0 is checked. */
  'lmsw',
  /** (leaves) a register number (ECX), b value. CPL 0 and CR4.OSXSAVE are checked. */
  'xsetbv',
  /** a selector. CPL 0, protected mode are checked. */
  'lldt',
  /** a selector. CPL 0, protected mode are checked. */
  'ltr',
  /** a selector. Gives the access rights in bits 0–31 and 1 in bit 32, or 0 where ZF is to be cleared. Protected mode is checked. */
  'lar',
  /** a selector. Gives the limit in bytes in bits 0–31 and 1 in bit 32, or 0 where ZF is to be cleared. Protected mode is checked. */
  'lsl',
  /** a selector. Gives 1 when readable at this privilege, else 0. Protected mode is checked. */
  'verr',
  /** a selector. Gives 1 when writable at this privilege, else 0. Protected mode is checked. */
  'verw',
  /** a segment number 0–5 (never CS), b selector. Any mode; for SS also sets `STATE.shadow`. The caller leaves afterwards. */
  'loadSegment',
  /** (leaves) a selector in bits 0–15 and operand size in bits (16, 32, 64) in bits 16–23, b offset of the target. */
  'farJump',
  /** (leaves) as farJump; the return address is `STATE.rip`. */
  'farCall',
  /** (leaves) a operand size in bits, b bytes of arguments to release. Reads the stack itself. */
  'farReturn',
  /** (leaves) a operand size in bits. Any mode, with NT's task return, V86, NMI unblocking. */
  'iret',
  /** (leaves) a vector: INT n, with IOPL and VME in V86 mode. The return address is `STATE.rip`. */
  'softwareInterrupt',
  /** (leaves) INT3: #BP as a trap, with the gate's DPL but not IOPL checked. */
  'breakpointInterrupt',
  /** (leaves) INTO with OF set: #OF as a trap. */
  'overflowInterrupt',
  /** (leaves) INT1: #DB as a trap, without DPL check. */
  'debugInterrupt',
  /** (leaves) Checks the mode and SYSENTER_CS. */
  'sysenter',
  /** (leaves) a operand size in bits: 64 returns to 64-bit code. Checks mode and CPL. */
  'sysexit',
  /** (leaves) Checks EFER.SCE. RCX gets `STATE.rip`. */
  'syscall',
  /** (leaves) a operand size in bits: 64 returns to 64-bit code, else to compatibility mode. Checks EFER.SCE and CPL. */
  'sysret',
  /** a the popped value, b operand size in bits: all that POPF does to EFLAGS, with CPL, IOPL, V86, VME. The caller leaves afterwards. */
  'popFlags',
  /** a operand size in bits. In V86 mode with IOPL below 3: the image that PUSHF stores under VME, else #GP(0). */
  'pushFlagsVm',
  /** CLI with CPL above IOPL: VIF under VME or PVI, else #GP(0). */
  'cli',
  /** (leaves) STI while IF is clear or CPL is above IOPL: sets IF and the shadow; VIF under VME or PVI; or #GP(0). */
  'sti',
  /** (leaves) CPL 0 is checked. */
  'hlt',
  /** (leaves) Other processors are to run. */
  'pause',
  /** (leaves) a EAX, b ECX. CPL 0 is checked. */
  'mwait',
  /** a linear address. */
  'invlpg',
  /** a type, b linear address in the descriptor; the descriptor's first 8 bytes (PCID) are in `STATE.scratch0`. CPL 0 is checked. */
  'invpcid',
  /** a port, b bytes (1, 2, 4). Gives the value. Checks IOPL and the I/O bitmap. */
  'portIn',
  /** a port in bits 0–15 and bytes (1, 2, 4) in bits 16–23, b value. Checks IOPL and the I/O bitmap. */
  'portOut',
  /**
   * a port in bits 0–15, bytes (1, 2, 4) in bits 16–23, number of elements above, b address in host memory: reads as many
   * elements as nothing but the data comes of. Gives their number. Checks IOPL and the I/O bitmap.
   */
  'portInMany',
  /** As portInMany, for writing. */
  'portOutMany',
  /** a port, b bytes: only the check of IOPL and the I/O bitmap. */
  'portPermission',
  /** Transcendental functions of the x87; see src/isa/semantics/x87. */
  'fpuTranscendental',
  /** a linear address. CPL 0 is checked. */
  'monitor',
  /** A waiting x87 instruction finds an unmasked exception with CR0.NE clear: FERR#. Gives 1 where IGNNE# lets it go on, else 0: it starts again. */
  'fpuError',
] as const;

export type SystemCall = (typeof SYSTEM_CALLS)[number];
